"""The groups of a tenant now: members, who of them could take a lead, which rules use them, what waits for them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
import numpy as np

from router.domain.attendance import Attendance
from router.domain.eligibility import ON_DUTY
from router.domain.engine import NO_CAP, Engine
from router.domain.roster import MILLI, Rep
from router.domain.targets import read_targets
from router.domain.text import fold
from router.domain.worded import worded
from router.drain.lane_state import LaneState
from router.drain.presence import Presence, Unsure
from router.drain.present_state import present_state
from router.store.engines import Engines
from router.store.retry import waiting_counts
from router.store.statements import Connection, Row
from router.store.waiting import TenantNow, tenant_now


class Standing(StrEnum):
    """Whether a member of a group could take a lead now by share, and why not: the first that applies."""

    INACTIVE = "inactive"
    UNAVAILABLE = "unavailable"
    AVAILABILITY_UNKNOWN = "availability_unknown"
    ON_LEAVE = "on_leave"
    HOLIDAY = "holiday"
    OFF_HOURS = "off_hours"
    NOT_PRESENT = "not_present"
    WEIGHT_ZERO = "weight_zero"
    AT_DAILY_CAP = "at_daily_cap"
    AT_OPEN_CAP = "at_open_cap"
    AVAILABLE = "available"


AT_WORK = frozenset({Standing.WEIGHT_ZERO, Standing.AT_DAILY_CAP, Standing.AT_OPEN_CAP, Standing.AVAILABLE})
"""Who is on duty, whether or not a lead can be taken."""


class Member(msgspec.Struct, frozen=True):
    """A rep in a group; caps None = there is none. Loads as the next batch will have them, of all groups together."""

    rep_id: str
    name: str
    standing: Standing
    open_leads: int
    max_open: int | None
    today: int
    max_per_day: int | None
    weight: float


class Group(msgspec.Struct, frozen=True):
    """A group. `members` are active; of these `at_work` are on duty, and of those `available` could take a lead now.

    `open_leads` are those of all members, whichever group they came by; `rules` the names of the rules in force that
    assign to it; `waiting` leads wait for one of its reps, perhaps for others, too.
    """

    group: str
    members: int
    inactive: int
    at_work: int
    available: int
    at_daily_cap: int
    at_open_cap: int
    open_leads: int
    today: int
    rules: tuple[str, ...]
    waiting: int


class Groups(msgspec.Struct, frozen=True):
    """As of a moment (UTC), by name. `presence_unknown` = why it is not known who is present, though rules ask for it.

    `unused` are names of groups that have no members, no rule and no waiting leads: groups are never deleted.
    """

    as_of: datetime
    groups: tuple[Group, ...]
    unused: tuple[str, ...]
    presence_unknown: Unsure | None


class Members(msgspec.Struct, frozen=True):
    """Members of one group, in the order of the roster, and the group itself."""

    as_of: datetime
    group: Group
    members: tuple[Member, ...]
    presence_unknown: Unsure | None


@dataclass(frozen=True, slots=True)
class MembersPage:
    """A part of the members that match. `matching` = how many match, on all pages; `last` = the number of the last rep
    of this page where there are more, else None.
    """

    found: Members
    matching: int
    last: int | None


class MemberFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which members: `word` is part of the id or the name, `standings` those meant; `after` the number of the last rep
    of the page before. None = any, all, from the first.
    """

    word: str | None = None
    standings: frozenset[Standing] | None = None
    after: int = 0
    limit: int | None = None


_ALL = MemberFilter()


class RulesMissing(LookupError):
    """The tenant has no rules yet, by which it could be judged who may take a lead; the message says what to do."""


async def list_groups(conn: Connection, presence: Presence, tenant_id: int, engines: Engines | None = None) -> Groups:
    """All groups of the tenant, in one snapshot; reads the keys of all its waiting leads. Raises RulesMissing."""
    now, state, waiting = await _read(conn, presence, tenant_id, engines)
    stand = standings(state, now.now)
    names = state.engine.roster.group_names
    found = [_group(state, stand, number, waiting) for number in sorted(names, key=lambda no: names[no].casefold())]
    used = tuple(group for group in found if group.members or group.inactive or group.rules or group.waiting)
    unused = tuple(group.group for group in found if group not in used)
    return Groups(now.now, used, unused, presence.unsure(tenant_id))


async def list_members(
    conn: Connection, presence: Presence, tenant_id: int, group_no: int, engines: Engines | None = None
) -> Members:
    """All members of one group, as `list_groups`."""
    return (await page_of_members(conn, presence, tenant_id, group_no, engines)).found


async def page_of_members(
    conn: Connection,
    presence: Presence,
    tenant_id: int,
    group_no: int,
    engines: Engines | None = None,
    asked: MemberFilter = _ALL,
) -> MembersPage:
    """Those members of one group that were asked for, as `list_groups`. Raises RulesMissing."""
    now, state, waiting = await _read(conn, presence, tenant_id, engines)
    stand, reps = standings(state, now.now), state.engine.roster.reps
    matching = [at for at in state.engine.members_of(group_no).tolist() if is_asked_for(reps[at], stand[at], asked)]
    ahead = [at for at in matching if reps[at].no > asked.after]
    shown = ahead if asked.limit is None else ahead[: asked.limit]
    found = Members(
        now.now,
        _group(state, stand, group_no, waiting),
        tuple(_member(state, stand, at) for at in shown),
        presence.unsure(tenant_id),
    )
    return MembersPage(found, len(matching), reps[shown[-1]].no if len(shown) < len(ahead) else None)


def is_asked_for(rep: Rep, standing: Standing, asked: MemberFilter) -> bool:
    """Whether a rep matches, on whichever page. Pure."""
    if asked.standings is not None and standing not in asked.standings:
        return False
    word = fold(asked.word or "")
    return not word or word in fold(rep.rep_id) or word in fold(rep.name)


async def _read(
    conn: Connection, presence: Presence, tenant_id: int, engines: Engines | None
) -> tuple[TenantNow, LaneState, Counter[int]]:
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        now = await tenant_now(conn, tenant_id)
        if not now.versions[0]:
            raise RulesMissing(
                worded(
                    "tenant {tenant} has no rules yet: lead-router rules apply FILE --tenant {same}",
                    tenant=now.name,
                    same=now.name,
                )
            )
        engine = await (engines or Engines(1)).get(conn, tenant_id, now.versions)
        state = await present_state(conn, presence, tenant_id, now.name, engine, now.now)
        return now, state, waiting_by_group(await waiting_counts(conn, tenant_id, None), now.versions[0])


def waiting_by_group(rows: Iterable[Row] | Iterable[Mapping[str, Any]], ruleset: int) -> Counter[int]:
    """Waiting leads by group number, from rows of (wake_key, ruleset, targets, leads); a lead counts for each group."""
    found = Counter[int]()
    for row in rows:
        # What other rules refused waits for nothing but to be decided again.
        if row["ruleset"] == ruleset:
            for number in set(read_targets(row["targets"]).groups):
                found[number] += row["leads"]
    return found


def standings(state: LaneState, now: datetime) -> list[Standing]:
    """Of every rep, in the order of the roster."""
    engine, codes = state.engine, state.on_duty(now).attendance
    full_day = state.today_counts >= engine.max_per_day
    full_open = state.open_counts >= engine.max_open
    no_weight = engine.weigher.base <= 0
    return [
        _standing(int(code), no_weight=bool(none), full_day=bool(day), full_open=bool(is_open))
        for code, none, day, is_open in zip(codes, no_weight, full_day, full_open, strict=True)
    ]


def _standing(code: int, *, no_weight: bool, full_day: bool, full_open: bool) -> Standing:
    if code != ON_DUTY:
        return Standing(Attendance(code).name.lower())
    if no_weight:
        return Standing.WEIGHT_ZERO
    if full_day:
        return Standing.AT_DAILY_CAP
    return Standing.AT_OPEN_CAP if full_open else Standing.AVAILABLE


def _group(state: LaneState, stand: Sequence[Standing], group_no: int, waiting: Counter[int]) -> Group:
    engine = state.engine
    members = engine.members_of(group_no)
    counts = Counter(stand[int(at)] for at in members)
    inactive = counts.pop(Standing.INACTIVE, 0)
    return Group(
        group=engine.roster.group_names[group_no],
        members=counts.total(),
        inactive=inactive,
        at_work=sum(counts[one] for one in AT_WORK),
        available=counts[Standing.AVAILABLE],
        at_daily_cap=counts[Standing.AT_DAILY_CAP],
        at_open_cap=counts[Standing.AT_OPEN_CAP],
        open_leads=int(np.sum(state.open_counts[members])),
        today=int(np.sum(state.today_counts[members])),
        rules=tuple(_rules_of(engine, group_no)),
        waiting=waiting[group_no],
    )


def _rules_of(engine: Engine, group_no: int) -> Iterator[str]:
    return (rule.name for rule, number in zip(engine.rules, engine.group_of_rule, strict=True) if number == group_no)


def _member(state: LaneState, stand: Sequence[Standing], at: int) -> Member:
    engine = state.engine
    rep = engine.roster.reps[at]
    caps = [None if cap >= NO_CAP else int(cap) for cap in (engine.max_open[at], engine.max_per_day[at])]
    return Member(
        rep_id=rep.rep_id,
        name=rep.name,
        standing=stand[at],
        open_leads=int(state.open_counts[at]),
        max_open=caps[0],
        today=int(state.today_counts[at]),
        max_per_day=caps[1],
        weight=rep.weight / MILLI,
    )
