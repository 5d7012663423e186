"""The next chance of leads that wait, for people and for machines."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ops.text.translation import N_
from ops.waiting.waiting import READY, WaitingLeads
from router.domain.chance import Chance
from router.domain.phrases import listed
from router.domain.reason import Reason
from router.domain.written_time import written_soon

REPS_NAMED = 3

# What has to happen where time alone does not bring it about.
_HAPPENS: Mapping[str, str] = {
    READY: N_("now"),
    Reason.DATABASE_BUSY: N_("when unlocked"),
    Reason.NO_MATCHING_RULE: N_("when a rule matches"),
    Reason.GROUP_EMPTY: N_("when the group has an active member"),
    Reason.NOBODY_AVAILABLE: N_("when a rep becomes available"),
    Reason.OWNER_UNAVAILABLE: N_("when the owner becomes available"),
    Reason.ALL_AT_DAILY_CAP: N_("when a daily limit is raised"),
    Reason.ALL_AT_OPEN_CAP: N_("when a lead is ended"),
    Reason.OWNER_AT_CAP: N_("when a lead is ended"),
}


def chance_words(part: WaitingLeads, now: datetime, zone_name: str, translated: Callable[[str], str]) -> str:
    """`Sat 09:00 Asia/Shanghai: cn01, cn03`; without a time what has to happen, as `translated`."""
    if part.next_chance is not None:
        if part.next_chance.reps or part.reason == Reason.PAUSED:
            return timed_words(part.next_chance, now, zone_name)
        return _tried_again(part.next_chance.at, now, zone_name, translated)
    again = part.next_recheck_at
    if again is not None and (part.parks_at is None or again < part.parks_at):
        return _tried_again(again, now, zone_name, translated)
    return translated(_HAPPENS.get(part.reason, N_("when something changes")))


def _tried_again(at: datetime, now: datetime, zone_name: str, translated: Callable[[str], str]) -> str:
    return translated(N_("rules tried again {when}")).format(when=written_soon(at, now, zone_name))


def timed_words(chance: Chance, now: datetime, zone_name: str) -> str:
    """When, and through whom, where that is known."""
    when = written_soon(chance.at, now, zone_name)
    return f"{when}: {listed(chance.reps, REPS_NAMED)}" if chance.reps else when


def chance_document(chance: Chance | None) -> dict[str, Any] | None:
    """For machines: ISO 8601 in UTC, and the rep ids."""
    return None if chance is None else {"at": chance.at.astimezone(UTC).isoformat(), "reps": list(chance.reps)}
