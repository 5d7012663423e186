"""The reps of a tenant by load: who is away and keeps open leads first, then who has most; and their oldest lead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from ops.listing.groups import AT_WORK, Standing, standings
from ops.listing.leads import group_number
from ops.listing.reps import engine_of
from router.domain.engine import NO_CAP
from router.domain.roster import Rep
from router.domain.text import fold
from router.drain.lane_state import LaneState
from router.drain.presence import Presence
from router.drain.present_state import present_state
from router.store.engines import Engines
from router.store.rep_leads import oldest_leads
from router.store.statements import Connection
from router.store.waiting import tenant_now

AWAY = frozenset({Standing.INACTIVE, Standing.UNAVAILABLE, Standing.AVAILABILITY_UNKNOWN, Standing.ON_LEAVE})
"""Who gets no leads for longer than a night: open ones of such reps are looked after by no one."""
FULL = frozenset({Standing.AT_DAILY_CAP, Standing.AT_OPEN_CAP})

Place = tuple[int, int, int]
"""Where a rep stands in the list: away with leads (0) or not (1), open leads (negative), rep number."""


class Who(StrEnum):
    """Which reps are meant."""

    AWAY = "away"
    ON_DUTY = "on_duty"
    AVAILABLE = "available"
    FULL = "full"


class RepLoad(msgspec.Struct, frozen=True, kw_only=True):
    """A rep's leads now; caps None = there is none. `oldest_assigned_at` = since when the rep has had the oldest open
    lead, None = has none. `away` = gets no leads: inactive, unavailable, unknown, or on leave.
    """

    rep_id: str
    name: str
    standing: Standing
    away: bool
    open_leads: int
    max_open: int | None
    today: int
    max_per_day: int | None
    oldest_assigned_at: datetime | None


class LoadsSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Of all active reps (and of inactive ones with open leads), whatever is asked for."""

    reps: int
    available: int
    on_duty: int
    full: int
    open_leads: int
    away_with_leads: int
    leads_of_away: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFilter:
    """Which reps: `word` is part of the id or the name, `group` a name; `after` the place of the last rep of the page
    before. None = any.
    """

    who: Who | None = None
    word: str | None = None
    group: str | None = None
    after: Place | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Loads:
    """As of a moment (UTC). `matching` on all pages; `last` = the place of the last rep where there are more.
    `rules_problem` = why the rules, their hours and caps, are not known.
    """

    as_of: datetime
    summary: LoadsSummary
    reps: tuple[RepLoad, ...]
    matching: int
    last: Place | None
    rules_problem: str | None


async def list_loads(
    conn: Connection, presence: Presence, tenant_id: int, asked: LoadFilter, engines: Engines | None = None
) -> Loads:
    """One page of the reps, in one snapshot. Inactive reps without leads are left out. Raises GroupUnknown."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        tenant = await tenant_now(conn, tenant_id)
        group_no = None if asked.group is None else await group_number(conn, tenant_id, asked.group)
        engine, problem = await engine_of(conn, tenant, engines)
        state = await present_state(conn, presence, tenant_id, tenant.name, engine, tenant.now)
        stand = standings(state, tenant.now)
        found, matching, last = chosen(engine.roster.reps, stand, state.open_counts.tolist(), asked, group_no)
        oldest = await oldest_leads(conn, tenant_id, [engine.roster.reps[at].no for at in found])
    reps = tuple(_load(state, stand[at], at, oldest) for at in found)
    return Loads(tenant.now, summarised(stand, state.open_counts.tolist()), reps, matching, last, problem)


def chosen(
    reps: Sequence[Rep], stand: Sequence[Standing], open_counts: Sequence[int], asked: LoadFilter, group_no: int | None
) -> tuple[list[int], int, Place | None]:
    """The positions in the roster of those on the page, in its order; how many match; the place of the last one where
    there are more. Pure.
    """
    meant = [at for at, rep in enumerate(reps) if _is_meant(rep, stand[at], open_counts[at], asked, group_no)]
    places = sorted((_place(reps[at].no, stand[at], open_counts[at]), at) for at in meant)
    ahead = [one for one in places if asked.after is None or one[0] > asked.after]
    shown = ahead[: asked.limit]
    return [at for _, at in shown], len(places), shown[-1][0] if len(shown) < len(ahead) else None


def _place(rep_no: int, standing: Standing, open_leads: int) -> Place:
    return (0 if standing in AWAY and open_leads else 1, -open_leads, rep_no)


def _is_meant(rep: Rep, standing: Standing, open_leads: int, asked: LoadFilter, group_no: int | None) -> bool:
    if standing is Standing.INACTIVE and not open_leads:
        return False
    if group_no is not None and group_no not in rep.groups:
        return False
    if asked.who is not None and not _is(asked.who, standing):
        return False
    word = fold(asked.word or "")
    return not word or word in fold(rep.rep_id) or word in fold(rep.name)


def _is(who: Who, standing: Standing) -> bool:
    if who is Who.AVAILABLE:
        return standing is Standing.AVAILABLE
    return standing in {Who.AWAY: AWAY, Who.ON_DUTY: AT_WORK, Who.FULL: FULL}[who]


def summarised(stand: Sequence[Standing], open_counts: Sequence[int]) -> LoadsSummary:
    """Of all reps. Pure."""
    counted = [
        (one, leads) for one, leads in zip(stand, open_counts, strict=True) if one is not Standing.INACTIVE or leads
    ]
    away = [leads for one, leads in counted if one in AWAY and leads]
    return LoadsSummary(
        reps=len(counted),
        available=sum(one is Standing.AVAILABLE for one, _ in counted),
        on_duty=sum(one in AT_WORK for one, _ in counted),
        full=sum(one in FULL for one, _ in counted),
        open_leads=sum(leads for _, leads in counted),
        away_with_leads=len(away),
        leads_of_away=sum(away),
    )


def _load(state: LaneState, standing: Standing, at: int, oldest: Mapping[int, datetime]) -> RepLoad:
    engine = state.engine
    rep = engine.roster.reps[at]
    max_open, max_per_day = (
        None if cap >= NO_CAP else int(cap) for cap in (engine.max_open[at], engine.max_per_day[at])
    )
    return RepLoad(
        rep_id=rep.rep_id,
        name=rep.name,
        standing=standing,
        away=standing in AWAY,
        open_leads=int(state.open_counts[at]),
        max_open=max_open,
        today=int(state.today_counts[at]),
        max_per_day=max_per_day,
        oldest_assigned_at=oldest.get(rep.no),
    )
