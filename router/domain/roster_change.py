"""What an import or a command changes in a roster: compared field by field, before anything is written."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from router.domain.rep_fields import RepLine
from router.domain.roster import MILLI
from router.domain.text import fold

DEFAULTS: dict[str, Any] = {
    "name": None,
    "active": True,
    "available": True,
    "availability_held_until": None,
    "time_zone": None,
    "working_hours": "",
    "holidays": "",
    "leave": "",
    "groups": (),
    "regions": (),
    "industries": (),
    "weight": MILLI,
    "max_open": None,
    "max_per_day": None,
    "manager_id": None,
    "team": None,
    "email": None,
    "mobile": None,
    "wecom_user_id": None,
    "dingtalk_user_id": None,
    "feishu_user_id": None,
}


@dataclass(frozen=True, slots=True)
class RepRecord:
    """A rep as it is stored; `values` has every key of DEFAULTS, weight in thousandths, groups by name."""

    rep_no: int
    rep_id: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RepChange:
    """What changed for one rep: field to its old and its new value."""

    rep_id: str
    fields: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class RosterChange:
    """What was done. `version` is in force afterwards; it equals `previous` when nothing changed.

    `missing` counts the active reps that the source does not speak of.
    """

    version: int
    previous: int
    added: tuple[str, ...] = ()
    changed: tuple[RepChange, ...] = ()
    unchanged: int = 0
    missing: int = 0
    left_alone: tuple[str, ...] = ()
    """Groups that have no available rep any more, or are new and have none."""
    emptied: tuple[str, ...] = ()
    """Those of `left_alone` that have no active rep at all any more."""
    nobody_left: bool = False
    """Whether a rep of the tenant was available, and none is now."""

    @property
    def went_away(self) -> tuple[str, ...]:
        """Reps who get no more leads for now: made inactive or unavailable, or given leave. Their open leads stay."""
        return tuple(one.rep_id for one in self.changed if _went_away(one.fields))

    @property
    def fields(self) -> dict[str, int]:
        """Field to the number of reps for which it changed."""
        counts: dict[str, int] = {}
        for change in self.changed:
            for name in change.fields:
                counts[name] = counts.get(name, 0) + 1
        return dict(sorted(counts.items()))


def _went_away(fields: Mapping[str, tuple[Any, Any]]) -> bool:
    off = any(name in fields and fields[name][1] is False for name in ("active", "available"))
    return off or bool("leave" in fields and fields["leave"][1])


@dataclass
class GroupNumbers:
    """Group numbers by name, whatever its case and width; new names get new numbers, held in `new`."""

    names: dict[int, str]
    new: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_fold = {fold(name): no for no, name in self.names.items()}
        self._last = max(self.names, default=0)

    def intern(self, name: str) -> int:
        """The number of the group; a new one when there is none of that name."""
        key = fold(name)
        if key not in self._by_fold:
            self._last = number = self._last + 1
            self._by_fold[key] = number
            self.names[number] = self.new[number] = name
        return self._by_fold[key]

    def spelled(self, names: Iterable[str]) -> tuple[str, ...]:
        """The names as they were first written, sorted."""
        return tuple(sorted(self.names[self.intern(name)] for name in names))


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows to write (`added` and `updated`, each the whole rep) and what to tell about them."""

    added: tuple[RepRecord, ...]
    updated: tuple[RepRecord, ...]
    changed: tuple[RepChange, ...]
    unchanged: int
    missing: int

    @property
    def empty(self) -> bool:
        return not self.added and not self.updated


def plan(
    current: Mapping[str, RepRecord],
    lines: Iterable[RepLine],
    groups: GroupNumbers,
    *,
    time_zone: str,
    next_rep_no: int,
    retire_missing: bool = False,
    unknown_holds_for: timedelta = timedelta(0),
) -> Plan:
    """Compares the lines with the current reps (by rep_id); new group names are interned in `groups`.

    `time_zone` is that of reps who have none of their own; `retire_missing` makes the reps that no line
    names inactive. Where the availability is not understood, the last known one holds for `unknown_holds_for`; a new
    rep has none.
    """
    added: list[RepRecord] = []
    updated: list[RepRecord] = []
    changed: list[RepChange] = []
    unchanged, named = 0, set()
    for line in lines:
        named.add(line.rep_id)
        old = current.get(line.rep_id)
        base = old.values if old else DEFAULTS
        held = _held_until(line, old, unknown_holds_for)
        values = _complete({**base, "availability_held_until": held, **line.values}, line.rep_id, groups, time_zone)
        if old is None:
            added.append(RepRecord(next_rep_no + len(added), line.rep_id, values))
        elif fields := differences(old.values, values):
            updated.append(RepRecord(old.rep_no, old.rep_id, values))
            changed.append(RepChange(old.rep_id, fields))
        else:
            unchanged += 1
    missing = [rep for rep in current.values() if rep.rep_id not in named and rep.values["active"]]
    if retire_missing:
        updated += [RepRecord(rep.rep_no, rep.rep_id, {**rep.values, "active": False}) for rep in missing]
        changed += [RepChange(rep.rep_id, {"active": (True, False)}) for rep in missing]
    return Plan(tuple(added), tuple(updated), tuple(changed), unchanged, len(missing))


def _held_until(line: RepLine, old: RepRecord | None, hold: timedelta) -> datetime | None:
    """Until when the last known availability holds; the time runs from the first word that is not understood."""
    before: datetime | None = old.values["availability_held_until"] if old else None
    if line.unknown_at is None:
        return None if "available" in line.values else before
    return before or (line.unknown_at + hold if old else line.unknown_at)


def _complete(values: dict[str, Any], rep_id: str, groups: GroupNumbers, time_zone: str) -> dict[str, Any]:
    """Fills in what may not be empty and spells groups as they are stored."""
    values["name"] = values["name"] or rep_id
    values["time_zone"] = values["time_zone"] or time_zone
    values["weight"] = MILLI if values["weight"] is None else values["weight"]
    values["groups"] = groups.spelled(values["groups"])
    return values


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Field to its old and its new value, of two `RepRecord.values`."""
    return {name: (old[name], new[name]) for name in DEFAULTS if old[name] != new[name]}
