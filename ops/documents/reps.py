"""Reps, and changes of rosters, for machines. The keys stay as they are: scripts read them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from ops.listing.reps import RepNow
from router.domain.coverage import UnnamedGroup
from router.domain.roster import MILLI
from router.domain.roster_change import RepChange, RepRecord, RosterChange


def rep_document(rep: RepRecord, at: datetime, now: RepNow) -> dict[str, Any]:
    """A rep with all fields, and as of now; `at` = the database's clock."""
    values = {name: value_shown(name, value) for name, value in rep.values.items()}
    return {"rep_id": rep.rep_id, **values, "availability": availability(rep, at), "now": msgspec.to_builtins(now)}


def change_document(change: RosterChange) -> dict[str, Any]:
    """The JSON of a change."""
    return {
        "version": change.version,
        "previous": change.previous,
        "added": list(change.added),
        "changed": [
            {
                "rep_id": one.rep_id,
                "fields": fields_document(one),
            }
            for one in change.changed
        ],
        "unchanged": change.unchanged,
        "missing": change.missing,
        "fields": change.fields,
        "groups_without_available": list(change.left_alone),
        "nobody_available": change.nobody_left,
    }


def fields_document(change: RepChange) -> dict[str, Any]:
    """What changed for one rep, field by field."""
    return {
        name: {"old": value_shown(name, old), "new": value_shown(name, new)}
        for name, (old, new) in change.fields.items()
    }


def unnamed_document(groups: Sequence[UnnamedGroup]) -> list[dict[str, Any]]:
    """Groups that no rule names, with the active reps that no rule reaches."""
    return [{"group": one.group, "reps": list(one.reps), "did_you_mean": one.meant} for one in groups]


def in_no_group(rep: RepRecord) -> bool:
    """Nobody would notice, since a missing membership is not an error: so it is reported at once."""
    return bool(rep.values["active"]) and not rep.values["groups"]


def availability(rep: RepRecord, now: datetime) -> str:
    """Whether it is known; else whether the last known one still is `held`, or it is `unknown`."""
    until = rep.values["availability_held_until"]
    return "known" if until is None else "held" if now < until else "unknown"


def value_shown(name: str, value: Any) -> Any:
    """A field of a rep as in a file: the weight as a number, not in thousandths."""
    if name == "weight":
        return value // MILLI if value % MILLI == 0 else value / MILLI
    return list(value) if isinstance(value, tuple) else value
