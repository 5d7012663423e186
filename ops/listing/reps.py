"""The reps of a tenant now: loads against caps, on duty or when next, hours in force, leave, share against weight."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from time import monotonic

import msgspec

from ops.listing.groups import AT_WORK, Standing, standings
from router.domain.availability import leave_text
from router.domain.calendar import format_week, zone
from router.domain.engine import NO_CAP, Engine
from router.domain.holidays import NO_HOLIDAYS
from router.domain.next_duty import BY_TIME, NextDuties
from router.domain.rates import Rates
from router.domain.roster import Rep
from router.domain.roster_change import RepRecord
from router.domain.ruleset import Ruleset
from router.drain.lane_state import LaneState
from router.drain.presence import Presence
from router.drain.present_state import present_state
from router.rules.problems import InvalidFile
from router.store.engines import Engines
from router.store.rep_leads import received_by_share
from router.store.roster import current_rep, current_reps, load_roster, reps_page
from router.store.statements import Connection
from router.store.waiting import TenantNow, tenant_now

SHARE_OVER = timedelta(days=30)
"""Shares are those of the leads that were given since so long ago."""

_SHARES_HOLD_S = 60.0
_SHARES_SHOWN_S = 600.0
_SHARES_REMEMBERED = 100
_COMES_BY_TIME = frozenset({int(code) for code in BY_TIME})


class HoursFrom(StrEnum):
    """Whose hours a rep keeps."""

    REP = "rep"
    RULES = "rules"
    NONE = "none"


class Shares:
    """What reps got by the shares of their groups, counted over all assignments of a tenant: in a process that is
    asked often, at most once in `_SHARES_HOLD_S` seconds of `clock`. Who asks waits for it only where it was never
    counted, or not for `_SHARES_SHOWN_S`; else whoever asked counts anew behind the answer, once `are_due` says so.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._known: dict[int, tuple[float, Mapping[tuple[int, int], int]]] = {}
        self._counting: set[int] = set()

    async def of(self, conn: Connection, tenant_id: int, since: datetime) -> Mapping[tuple[int, int], int]:
        """By (group number, rep number)."""
        known = self._known.get(tenant_id)
        if known is None or self._clock() - known[0] >= _SHARES_SHOWN_S:
            return await self.count(conn, tenant_id, since)
        return known[1]

    async def count(self, conn: Connection, tenant_id: int, since: datetime) -> Mapping[tuple[int, int], int]:
        """Counts them now."""
        at, received = self._clock(), await received_by_share(conn, tenant_id, since)
        if len(self._known) >= _SHARES_REMEMBERED:
            self._known.clear()
        self._known[tenant_id] = at, received
        return received

    def are_due(self, tenant_id: int) -> bool:
        """Whether they are to be counted anew; to one of those who ask at once."""
        known = self._known.get(tenant_id)
        if known is None or self._clock() - known[0] < _SHARES_HOLD_S or tenant_id in self._counting:
            return False
        self._counting.add(tenant_id)
        return True

    def counted(self, tenant_id: int) -> None:
        """Whoever was told that they are due has counted them, or could not."""
        self._counting.discard(tenant_id)


class RepNow(msgspec.Struct, frozen=True, kw_only=True):
    """A rep as of now. Caps in force, null = none. `next_on_duty_at` null = on duty now, or time alone never brings it.

    `hours` in force: the rep's own, those of the rules, or `always` where neither has any. `time_zone` and `holidays`
    (a country such as CN or DE-BY, null = none) in force: the rep's own, those of a group, or of the tenant. Hours and
    leave are read off the clock of this zone. `leave` = that which is not over. `received` = leads got by the shares
    of the rep's groups in the last 30 days; `due_by_weight` = the leads of these groups times the rep's part of the
    members' weights.
    """

    standing: Standing
    on_duty: bool
    next_on_duty_at: datetime | None
    open_leads: int
    max_open: int | None
    today: int
    max_per_day: int | None
    hours: str
    hours_from: HoursFrom
    time_zone: str
    holidays: str | None
    leave: str
    received: int
    due_by_weight: float


class Reps(msgspec.Struct, frozen=True, kw_only=True):
    """As of `at` (UTC); `now` by rep id. `rules_problem` = why the rules, their hours and caps, are not known."""

    at: datetime
    records: tuple[RepRecord, ...]
    now: dict[str, RepNow]
    rules_problem: str | None = None


async def reps_now(
    conn: Connection,
    presence: Presence,
    tenant_id: int,
    *,
    rep_id: str | None = None,
    after: int = 0,
    limit: int | None = None,
    engines: Engines | None = None,
    shares: Shares | None = None,
) -> Reps:
    """All reps, one (`rep_id`), or so many with a number above `after`, in one snapshot; `shares` may be older.
    Raises RepUnknown.
    """
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        tenant = await tenant_now(conn, tenant_id)
        if rep_id is not None:
            records = [await current_rep(conn, tenant_id, rep_id)]
        elif limit is None:
            records = await current_reps(conn, tenant_id)
        else:
            records = await reps_page(conn, tenant_id, after, limit)
        engine, problem = await engine_of(conn, tenant, engines)
        state = await present_state(conn, presence, tenant_id, tenant.name, engine, tenant.now)
        received = await (shares or Shares()).of(conn, tenant_id, tenant.now - SHARE_OVER)
    seen = _Seen(state, tenant.now, received)
    now = {record.rep_id: seen.rep(engine.roster.position[record.rep_no]) for record in records}
    return Reps(at=tenant.now, records=tuple(records), now=now, rules_problem=problem)


async def engine_of(conn: Connection, tenant: TenantNow, engines: Engines | None) -> tuple[Engine, str | None]:
    """Where there are no rules yet, or none that this release can read, reps are judged without any."""
    problem: str | None = None
    if tenant.versions[0]:
        try:
            return await (engines or Engines(1)).get(conn, tenant.tenant_id, tenant.versions), None
        except InvalidFile as error:
            problem = str(error)
    roster = await load_roster(conn, tenant.tenant_id, tenant.versions[1])
    return Engine(roster, Ruleset(0, (), tenant.time_zone), Rates()), problem


class _Seen:
    """The tenant's state, asked rep by rep."""

    def __init__(self, state: LaneState, now: datetime, received: Mapping[tuple[int, int], int]) -> None:
        self._state = state
        self._now = now
        self._received = received
        self._standings = standings(state, now)
        self._of_group = Counter[int]()
        for (group_no, _), leads in received.items():
            self._of_group[group_no] += leads
        self._weights: dict[int, int] = {}
        self._duties = NextDuties()

    def rep(self, at: int) -> RepNow:
        """The rep at that place of the roster."""
        state, engine = self._state, self._state.engine
        rep, standing = engine.roster.reps[at], self._standings[at]
        caps = [None if cap >= NO_CAP else int(cap) for cap in (engine.max_open[at], engine.max_per_day[at])]
        hours, whose = hours_in_force(rep, engine.given.reps[at], engine.ruleset)
        today = self._now.astimezone(zone(rep.time_zone)).date()
        return RepNow(
            standing=standing,
            on_duty=standing in AT_WORK,
            next_on_duty_at=self._next(rep, int(state.on_duty(self._now).attendance[at])),
            open_leads=int(state.open_counts[at]),
            max_open=caps[0],
            today=int(state.today_counts[at]),
            max_per_day=caps[1],
            hours=hours,
            hours_from=whose,
            time_zone=rep.time_zone,
            holidays=_holidays_in_force(rep, engine.ruleset),
            leave=leave_text(tuple(part for part in rep.leave if part.last >= today)),
            received=sum(self._received.get((group_no, rep.no), 0) for group_no in rep.groups),
            due_by_weight=round(sum(self._due(rep, group_no) for group_no in rep.groups), 1),
        )

    def _next(self, rep: Rep, code: int) -> datetime | None:
        engine = self._state.engine
        if code not in _COMES_BY_TIME:
            return None
        return self._duties.of(rep, self._now, engine.holidays, engine.ruleset.calendar.working_hours)

    def _due(self, rep: Rep, group_no: int) -> float:
        engine = self._state.engine
        if group_no not in self._weights:
            members = (engine.roster.reps[at] for at in engine.members_of(group_no).tolist())
            self._weights[group_no] = sum(member.weight for member in members if member.active)
        total = self._weights[group_no]
        return self._of_group[group_no] * rep.weight / total if rep.active and total else 0.0


def hours_in_force(rep: Rep, given: Rep, ruleset: Ruleset) -> tuple[str, HoursFrom]:
    """The hours that a rep keeps, as text, and whose they are. `given` = the rep as the roster has it, `rep` as decided
    (in the calendar of a group).
    """
    if rep.working_hours is not None:
        whose = HoursFrom.RULES if given.working_hours is None else HoursFrom.REP
        return format_week(rep.working_hours), whose
    hours = ruleset.calendar.working_hours
    return ("always", HoursFrom.NONE) if hours is None else (format_week(hours), HoursFrom.RULES)


def _holidays_in_force(rep: Rep, ruleset: Ruleset) -> str | None:
    country = ruleset.calendar.country if rep.holidays is None else rep.holidays
    return None if country == NO_HOLIDAYS else country


def unavailable_words(standing: Standing) -> str:
    """Why a rep is not on duty, for people."""
    return "off duty" if standing is Standing.OFF_HOURS else str(standing).replace("_", " ")
