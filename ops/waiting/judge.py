"""Why leads wait now: from what their wake keys say and the present state of roster, loads and hours.

Reads only and takes no lane, so it may run beside routers, in whatever transaction the caller has. Nothing is
stored per lead: when the roster changes, the answer changes at once, before any batch.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from router.domain.engine import Engine
from router.domain.reason import Reason
from router.domain.standing import Standing
from router.domain.targets import WakeTargets, reason_for
from router.drain.lane_state import LaneState
from router.drain.presence import Presence
from router.drain.present_state import present_state
from router.store.blocking.blocked import NOT_BLOCKED, Blocked, BlockedLeads, locked_leads
from router.store.blocking.judge import Session
from router.store.engines import Engines
from router.store.statements import Connection, load

_SQL = load("waiting")

READY = "ready"
PHRASES_SHOWN = 5

Key = tuple[int, int | None, str | None]
"""Number, ruleset and text of a wake key; key 0, of leads that were never refused, has neither."""


@dataclass(frozen=True, slots=True)
class WaitsFor:
    """Why the leads of one wake key wait. `room` = how many of them somebody could take now, or more than that.

    `until` = when time ends that, whatever each lead's own time is (UTC).
    """

    reason: Reason
    words: str
    room: int = 0
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class WaitingLeads:
    """The leads that wait for one reason, a `Reason` or `READY`.

    `next_recheck_at` = when time alone brings the first of them back (UTC, None = for the ready ones); `waits_for`
    says in words what for, the most leads first, at most PHRASES_SHOWN.
    """

    reason: str
    leads: int
    oldest_queued_at: datetime
    next_recheck_at: datetime | None
    waits_for: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """All leads of a tenant that wait at `now` (UTC), the most frequent reason first.

    `blocked_by` is who keeps those of `database_busy`; `again` = the ready ones that were looked at before or sent
    back: these get a share of each batch.
    """

    tenant_id: int
    now: datetime
    reasons: tuple[WaitingLeads, ...]
    blocked_by: tuple[BlockedLeads, ...] = ()
    again: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Leads by reason."""
        return {part.reason: part.leads for part in self.reasons}

    @property
    def leads(self) -> int:
        return sum(part.leads for part in self.reasons)


@dataclass(slots=True)
class _Tally:
    """What is added up for one reason."""

    leads: int = 0
    oldest: datetime | None = None
    recheck: datetime | None = None
    phrases: Counter[str] = field(default_factory=Counter)

    def add(self, leads: int, oldest: datetime, recheck: datetime | None, words: str) -> None:
        self.leads += leads
        self.oldest = oldest if self.oldest is None else min(self.oldest, oldest)
        if recheck is not None:
            self.recheck = recheck if self.recheck is None else min(self.recheck, recheck)
        self.phrases[words] += leads

    def told(self, reason: str) -> WaitingLeads:
        assert self.oldest is not None
        ordered = sorted(self.phrases.items(), key=lambda item: (-item[1], item[0]))
        words = tuple(phrase for phrase, _ in ordered[:PHRASES_SHOWN])
        return WaitingLeads(reason, self.leads, self.oldest, self.recheck, words)


class Present:
    """The state of a tenant at one moment, ready to judge wake keys. Made by `present`."""

    def __init__(self, now: datetime, state: LaneState | None, everybody: WaitsFor | None) -> None:
        self.now = now
        self._state = state
        self._everybody = everybody

    def judge(self, keys: Iterable[Key]) -> dict[int, WaitsFor | None]:
        """Why the leads of each wake key wait; None = for the next batch and nothing else.

        Raises ValueError for a text that is no wake key.
        """
        if self._everybody is not None or self._state is None:
            return dict.fromkeys((number for number, _, _ in keys), self._everybody)
        return self._judge(self._state, keys)

    def _judge(self, state: LaneState, keys: Iterable[Key]) -> dict[int, WaitsFor | None]:
        judged: dict[int, WaitsFor | None] = {}
        engine, state.keys, state.quiet = state.engine, {}, False
        for number, ruleset, targets in keys:
            judged[number] = None
            if targets is not None and ruleset == engine.ruleset.version:
                state.learn_key(number, ruleset, targets)
        rooms = state.keys_with_room(self.now)
        standing = _when_full(state, self.now)
        for number, key in state.keys.items():
            reason = reason_for(key.targets, standing.group_reason, standing.owner_reason)
            judged[number] = WaitsFor(reason, in_words(key.targets, engine), rooms.get(number, 0))
        return judged


async def present(
    conn: Connection, engines: Engines, presence: Presence, tenant_id: int, now: datetime | None = None
) -> Present:
    """The tenant's state at `now` (None = the database's clock), with the inbox and presence taken into account.

    Raises LookupError when there is no such tenant.
    """
    return await _present(conn, engines, presence, tenant_id, await _tenant(conn, tenant_id, now))


async def _present(
    conn: Connection, engines: Engines, presence: Presence, tenant_id: int, row: asyncpg.Record
) -> Present:
    everybody = _holds_everybody(row)
    if everybody is not None:
        return Present(row["now"], None, everybody)
    engine = await engines.get(conn, tenant_id, (row["ruleset"], row["roster"], row["rates"]))
    state = await present_state(conn, presence, tenant_id, row["name"], engine, row["now"])
    return Present(row["now"], state, None)


async def _tenant(conn: Connection, tenant_id: int, now: datetime | None) -> asyncpg.Record:
    row = await _SQL.tenant.row(conn, tenant_id=tenant_id, now=now)
    if row is None:
        raise LookupError(f"there is no tenant number {tenant_id}")
    return row


async def held(conn: Connection, tenant_id: int, now: datetime | None = None) -> WaitsFor | None:
    """What keeps every lead of the tenant waiting: a pause, or that there are no rules yet; None = nothing does."""
    return _holds_everybody(await _tenant(conn, tenant_id, now))


async def waiting_by_reason(
    conn: Connection,
    engines: Engines,
    presence: Presence,
    tenant_id: int,
    now: datetime | None = None,
    blocked: Blocked = NOT_BLOCKED,
) -> Waiting:
    """Counts what waits, by reason; `READY` = the next batch will look at the lead.

    These are leads that were never tried, that a former ruleset refused, that are due, and as many of each wake
    key as somebody could take; those of them that are `blocked` are counted apart. `now` None = the database's clock.
    Reads every pool row of the tenant once, twice where rows are locked (see docs/operating.md for what that costs).
    Raises LookupError when there is no such tenant.
    """
    tenant = await _tenant(conn, tenant_id, now)
    rows = await _SQL.by_key.fetch(conn, tenant_id=tenant_id, now=tenant["now"])
    if any(row["targets"] is not None for row in rows):
        state = await _present(conn, engines, presence, tenant_id, tenant)
    else:
        # Nobody was refused: what a tenant without a queue costs must not depend on its roster and rules.
        state = Present(tenant["now"], None, _holds_everybody(tenant))
    judged = state.judge((row["wake_key"], row["ruleset"], row["targets"]) for row in rows)
    tallies: defaultdict[str, _Tally] = defaultdict(_Tally)
    again = 0
    kept = _Kept(blocked, tenant["name"], await locked_leads(conn, tenant_id, blocked))
    for number, _, _, leads, due, oldest, recheck in rows:
        why = judged[number]
        ready = leads if why is None else min(leads, why.room + _due(why, due))
        taken = kept.of(number, leads, ready)
        for one in taken:
            tallies[Reason.DATABASE_BUSY].add(one.leads, oldest, None, one.words)
        free = ready - sum(one.leads for one in taken)
        if free:
            again += free if number else 0
            tallies[READY].add(free, oldest, None, "a share of the next batches" if number else "the next batch")
        if why is not None and leads > ready:
            tallies[why.reason].add(leads - ready, oldest, why.until or recheck, why.words)
    parts = [tally.told(str(reason)) for reason, tally in tallies.items()]
    ordered = tuple(sorted(parts, key=lambda part: (-part.leads, part.reason)))
    return Waiting(tenant_id, state.now, ordered, kept.blocked, again)


class _Kept:
    """Who keeps how many of a tenant's ready leads."""

    def __init__(self, blocked: Blocked, tenant: str, locked: dict[int, list[tuple[Session, int]]]) -> None:
        self._whole = blocked.lane_of(tenant)
        self._locked = locked
        self._found: Counter[tuple[Session, str]] = Counter()

    def of(self, wake_key: int, leads: int, ready: int) -> list[BlockedLeads]:
        """Those of `ready` leads, out of `leads` under the key, that cannot be taken: all, or what free rows leave."""
        if self._whole is not None:
            parts = [(*self._whole, ready)]
        else:
            holders = self._locked.get(wake_key, [])
            left = max(0, ready - (leads - sum(count for _, count in holders)))
            parts = []
            for session, count in holders:
                parts.append((session, "rows", min(count, left)))
                left -= parts[-1][2]
        blocked = [BlockedLeads(session, holds, count) for session, holds, count in parts if count]
        self._found.update({(one.session, one.holds): one.leads for one in blocked})
        return blocked

    @property
    def blocked(self) -> tuple[BlockedLeads, ...]:
        return tuple(BlockedLeads(*who, leads) for who, leads in self._found.most_common())


async def reason_of_key(
    conn: Connection,
    engines: Engines,
    presence: Presence,
    tenant_id: int,
    wake_key: int,
    now: datetime | None = None,
) -> WaitsFor | None:
    """Why a lead under this wake key waits now; None = it is ready, the next batch will look at it."""
    state = await present(conn, engines, presence, tenant_id, now)
    row = await _SQL.one_key.row(conn, tenant_id=tenant_id, wake_key=wake_key) if wake_key else None
    key = (wake_key, None, None) if row is None else (wake_key, row["ruleset"], row["targets"])
    why = state.judge([key])[wake_key]
    return None if why is not None and why.room else why


def in_words(targets: WakeTargets, engine: Engine) -> str:
    """What a wake key waits for, for people: group names, the owner's rep_id, the rule's window."""
    roster = engine.roster
    phrases = []
    for kind, number in targets.order:
        if kind == "g":
            phrases.append(f"a rep in group {roster.group_names.get(number, number)}")
        elif kind == "o":
            phrases.append(f"the customer's owner {_rep_id(number, engine)}")
        else:
            phrases.append(f"the window of rule {engine.rules[number].name}")
    if not phrases:
        return "a rule that matches"
    others = sorted(_rep_id(number, engine) for number in targets.excluded)
    return " or ".join(phrases) + (f", other than {', '.join(others)}" if others else "")


def _rep_id(number: int, engine: Engine) -> str:
    position = engine.roster.position.get(number)
    return f"number {number}" if position is None else engine.roster.reps[position].rep_id


def _due(why: WaitsFor, due: int) -> int:
    """Whoever is paused is not looked at, due or not; nor is anybody before the first ruleset."""
    return 0 if why.reason is Reason.PAUSED else due


def _holds_everybody(row: asyncpg.Record) -> WaitsFor | None:
    """What keeps all leads of a tenant waiting, whatever their keys say."""
    if row["paused"]:
        why = f" ({row['paused_why']})" if row["paused_why"] else ""
        until: datetime = row["paused_until"]
        return WaitsFor(Reason.PAUSED, f"the end of the pause at {until:%Y-%m-%d %H:%M %Z}{why}", until=until)
    return None if row["ruleset"] else WaitsFor(Reason.NO_MATCHING_RULE, "the tenant's first ruleset")


def _when_full(state: LaneState, now: datetime) -> Standing:
    """The standing once whoever has room is full: what keeps the leads waiting that get none of that room."""
    room = state.rooms(now)
    opened, today = state.opened + room, state.today + room
    return Standing(state.engine, state.on_duty(now).codes, opened, today, {})
