"""The members of groups of whom nobody is available, though somebody has working hours now. Needs NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time

from msgspec.structs import replace

from router.domain.attendance import Attendance, attendance
from router.domain.calendar import zone
from router.domain.calendars import as_decided
from router.domain.holidays import HolidayCalendar, holiday_calendar
from router.domain.roster import Leave, Rep, Roster
from router.domain.ruleset import Ruleset
from router.domain.text import fold
from router.domain.worded import Worded, worded
from router.store.roster import load_roster
from router.store.rulesets import load_ruleset
from router.store.statements import Connection
from router.store.tenants import Tenant

_WORDS = {
    Attendance.UNAVAILABLE: worded("unavailable"),
    Attendance.ON_LEAVE: worded("on leave"),
    Attendance.AVAILABILITY_UNKNOWN: worded("of unknown availability"),
}


@dataclass(frozen=True, slots=True)
class Member:
    """An active member of `group` who gets no leads, and `why`; `itself` = since when by the clock alone (UTC), as
    the first day of a leave. None = since the roster says so. `ready` = were it available, it would get leads now.
    """

    rep_no: int
    rep_id: str
    group: str
    why: Worded
    itself: datetime | None
    ready: bool

    @property
    def doubtful(self) -> bool:
        """Whether it is what the source says of the rep that is not understood."""
        return self.why == _WORDS[Attendance.AVAILABILITY_UNKNOWN]

    def began(self, changed: datetime) -> datetime:
        """Since when, where `changed` is the roster's last change of the rep."""
        return changed if self.itself is None else max(changed, self.itself)


async def nobody_available(
    conn: Connection, tenant: Tenant, groups: Sequence[int], now: datetime
) -> dict[int, list[Member]]:
    """By number, those of the groups that rules use and of whose members nobody is available at `now`.

    Left out are groups of which nobody would work now in any case. Raises RulesError.
    """
    ruleset = await load_ruleset(conn, tenant.tenant_id, tenant.ruleset)
    roster = as_decided(await load_roster(conn, tenant.tenant_id, tenant.roster), ruleset)
    return judged(ruleset, roster, groups, now, holiday_calendar(ruleset.calendar.country))


def judged(
    ruleset: Ruleset, roster: Roster, groups: Sequence[int], now: datetime, holidays: HolidayCalendar
) -> dict[int, list[Member]]:
    """The same of what was read: the roster as the rules have it."""
    used = {fold(rule.group) for rule in ruleset.rules if rule.group is not None}
    found = {}
    for number in groups:
        name = roster.group_names[number]
        reps = [roster.reps[position] for position in roster.members.get(number, ())]
        reps = [rep for rep in reps if rep.active and rep.weight > 0]
        if fold(name) in used and (members := _members(name, reps, ruleset, now, holidays)):
            found[number] = members
    return found


def _members(
    name: str, reps: Sequence[Rep], ruleset: Ruleset, now: datetime, holidays: HolidayCalendar
) -> list[Member]:
    """Nobody, where one of them is available or nobody has working hours now."""
    hours = ruleset.calendar.working_hours
    codes = [attendance(rep, now, holidays, hours)[0] for rep in reps]
    if any(code not in _WORDS for code in codes):
        return []
    willing = (replace(rep, available=True, availability_held_until=None, leave=()) for rep in reps)
    at_work = [attendance(rep, now, holidays, hours)[0] is Attendance.ON_DUTY for rep in willing]
    if not any(at_work):
        return []
    return [
        Member(rep.no, rep.rep_id, name, _WORDS[code], _itself(rep, code, now), works and not _on_leave(rep, now))
        for rep, code, works in zip(reps, codes, at_work, strict=True)
    ]


def _itself(rep: Rep, code: Attendance, now: datetime) -> datetime | None:
    if code is Attendance.AVAILABILITY_UNKNOWN:
        return rep.availability_held_until
    if code is not Attendance.ON_LEAVE:
        return None
    return datetime.combine(min(part.first for part in _on_leave(rep, now)), time(), zone(rep.time_zone))


def _on_leave(rep: Rep, now: datetime) -> list[Leave]:
    today = now.astimezone(zone(rep.time_zone)).date()
    return [part for part in rep.leave if part.first <= today <= part.last]
