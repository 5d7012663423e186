"""The lane: taking it, what it hears of others, what a batch leaves behind, and the state that it owns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import asyncpg
import msgspec

from router.domain.clocks import JUMP, ClockDisputed, ahead_words
from router.domain.decide import Assigned
from router.domain.eligibility import GroupCredits
from router.domain.lead import PoolLead
from router.store.lane_clock import put_right
from router.store.statements import Connection, load
from router.store.transactions import limit_transaction

_SQL = load("lane")

_INBOX_AT_ONCE = 20_000

# The parts of `kept`, as PostgreSQL writes them.
_LOADS = msgspec.json.Decoder(list[tuple[int, int, date, int]])
_SHARES = msgspec.json.Decoder(list[tuple[int, list[int], list[int]]])
_WAKE_KEYS = msgspec.json.Decoder(list[tuple[int, int, str]])

OrderKey = tuple[int, datetime, int]


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """What a lane transaction may take before the server ends it (milliseconds)."""

    statement_ms: int = 30_000
    idle_ms: int = 5_000
    lock_ms: int = 2_000
    tcp_user_ms: int = 5_000


@dataclass(frozen=True, slots=True)
class Lane:
    """The lane row as its holder found it; `now` is the batch's time, `seen` the versions that the last batch used.

    `previous_holder_aborted` = the last holder's transaction was rolled back; `crashes` holders crashed within ten
    minutes. `careful` = so many leads are to be taken one at a time; `noted_lead` = the one that is taken next,
    `noted_by` = the processes that have taken it alone, `noted_crashes` = how often one of them crashed.
    `abort_unexplained` = a holder was rolled back lately, and it is not known yet whether its process crashed.
    `last_at` = the time of the last batch (None = none yet); `clock` = the database's, `clock_confirmed_until` =
    somebody said that it is right; `day_returns` = a business day that had batches before comes once more.
    """

    tenant_id: int
    batch_no: int
    state_token: int
    next_wake_key: int
    next_visit_at: datetime | None
    ruleset: int
    roster: int
    rates: int
    seen: tuple[int, int, int]
    tenant: str
    paused: bool
    has_news: bool
    previous_holder_aborted: bool
    crashes: int
    careful: int
    noted_lead: int | None
    noted_by: Sequence[int]
    noted_crashes: int
    abort_unexplained: bool
    now: datetime
    last_at: datetime | None
    clock: datetime
    clock_confirmed_until: datetime | None
    day_returns: bool

    @property
    def time_is_wrong(self) -> bool:
        """Whether the last batch was at a time that is yet to come, or the day's loads are to be counted anew."""
        return self.day_returns or (self.last_at is not None and self.now < self.last_at)

    @property
    def versions(self) -> tuple[int, int, int]:
        return (self.ruleset, self.roster, self.rates)


@dataclass(frozen=True, slots=True)
class News:
    """The inbox, folded: open and today deltas per rep number, leads to decide again, and a time that is not before
    any of the endings (None = the inbox was empty).
    """

    open_counts: Mapping[int, int]
    today_counts: Mapping[tuple[int, date], int]
    leads: frozenset[int]
    at: datetime | None
    more: bool


NO_NEWS = News({}, {}, frozenset(), None, more=False)


def _arguments(limits: LaneLimits) -> dict[str, str]:
    return {
        "statement_timeout": str(limits.statement_ms),
        "idle_timeout": str(limits.idle_ms),
        "lock_timeout": str(limits.lock_ms),
        "tcp_user_timeout": str(limits.tcp_user_ms),
    }


async def tenants_with_work(conn: Connection, now: datetime | None, among: Sequence[int] | None = None) -> list[int]:
    """Tenants that a visit may help, of all or `among` these; `now` None = the database's clock."""
    async with conn.transaction():
        # Else one look into a full pool can read all of it, once for every tenant.
        await _SQL.steady_plans.execute(conn)
        if among is None:
            return [row[0] for row in await _SQL.tenants_with_work.fetch(conn, now=now)]
        return [row[0] for row in await _SQL.tenants_with_work_among.fetch(conn, now=now, tenant_ids=list(among))]


async def lanes_there(conn: Connection, tenant_ids: Sequence[int]) -> list[int]:
    """Those of these tenants that have a lane. Fails where the server that has one of them does not answer."""
    async with conn.transaction():
        return [row[0] for row in await _SQL.there.fetch(conn, tenant_ids=list(tenant_ids))]


async def hold(conn: Connection, tenant_id: int, now: datetime | None, limits: LaneLimits) -> Lane | None:
    """Takes the lane until the transaction ends; None when another router has it."""
    row = await _SQL.hold.row(conn, tenant_id=tenant_id, now=now, **_arguments(limits))
    if row is None:
        return None
    return Lane(
        tenant_id=tenant_id,
        batch_no=row["batch_no"],
        state_token=row["state_token"],
        next_wake_key=row["next_wake_key"],
        next_visit_at=row["next_visit_at"],
        ruleset=row["ruleset"],
        roster=row["roster"],
        rates=row["rates"],
        seen=(row["seen_ruleset"], row["seen_roster"], row["seen_rates"]),
        tenant=row["name"],
        paused=bool(row["paused"]),
        has_news=row["has_news"],
        previous_holder_aborted=row["previous_holder_aborted"],
        crashes=row["crashes"],
        careful=row["careful"],
        noted_lead=row["noted_lead"],
        noted_by=row["noted_by"],
        noted_crashes=row["noted_crashes"],
        abort_unexplained=row["abort_unexplained"],
        now=row["now"],
        last_at=row["last_at"],
        clock=row["clock"],
        clock_confirmed_until=row["clock_confirmed_until"],
        day_returns=row["day_returns"],
    )


async def hold_waiting(
    conn: Connection,
    tenant_id: int,
    now: datetime | None,
    limits: LaneLimits,
    host_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Lane:
    """Takes the lane for a change by hand, waiting for its holder. Raises asyncpg.LockNotAvailableError in time, and
    ClockDisputed where the lane's time would go back by a clock that this host's contradicts.
    """
    await limit_transaction(conn, limits.lock_ms, limits.idle_ms)
    await _SQL.wait_for.value(conn, tenant_id=tenant_id)
    lane = await hold(conn, tenant_id, now, limits)
    # What people change by hand is asked for seldom, by statements whose plans depend on what the tables hold.
    await _SQL.plan_anew.execute(conn)
    if lane is None:
        raise LookupError(f"tenant {tenant_id} has no lane")
    if not lane.time_is_wrong:
        return lane
    if lane.last_at is not None and lane.now < lane.last_at and abs(ahead := host_clock() - lane.clock) > JUMP:
        raise ClockDisputed(
            f"the last batch was {ahead_words(lane.last_at - lane.clock)} the database's clock, and the clock of this "
            f"host is {ahead_words(ahead)} it; nothing was changed: put the clock right first"
        )
    token = await put_right(conn, tenant_id, lane.last_at, lane.now)
    return replace(lane, state_token=token, last_at=lane.now, next_visit_at=lane.now, day_returns=False)


async def fold_inbox(conn: Connection, tenant_id: int) -> News:
    """Takes what others have told the lane; returns NO_NEWS when there is none."""
    open_counts: dict[int, int] = {}
    today_counts: dict[tuple[int, date], int] = {}
    leads: set[int] = set()
    at: datetime | None = None
    rows = await _SQL.fold_inbox.fetch(conn, tenant_id=tenant_id, limit=_INBOX_AT_ONCE)
    for rep_no, open_delta, day, today_delta, lead_id, read_at in rows:
        if rep_no is not None:
            open_counts[rep_no] = open_counts.get(rep_no, 0) + open_delta
        if today_delta:
            today_counts[rep_no, day] = today_counts.get((rep_no, day), 0) + today_delta
        if lead_id is not None:
            leads.add(lead_id)
        at = read_at if at is None else max(at, read_at)
    return News(open_counts, today_counts, frozenset(leads), at, len(rows) == _INBOX_AT_ONCE)


@dataclass(frozen=True, slots=True)
class Book:
    """Where a batch's results go: tenant, number and time, and the ruleset that decided."""

    tenant_id: int
    batch_no: int
    at: datetime
    ruleset: int


def ragged(numbers: Sequence[int]) -> str | None:
    """A ragged array cannot go through unnest; its text can. None where there is nothing."""
    return "{" + ",".join(map(str, numbers)) + "}" if numbers else None


async def put_assignments(
    conn: Connection,
    book: Book,
    given: Sequence[tuple[int, PoolLead, Assigned]],
    owners: Mapping[int, int],
    previous: int | None = None,
) -> None:
    """Writes assignments, each (place in the batch, lead, decision), their event, and the owners that they set or move.

    `owners` is rep number by customer; `previous` = the rep (number) who had these leads until now.
    """
    if not given:
        return
    customers = sorted(owners)
    await _SQL.put_assignments.execute(
        conn,
        tenant_id=book.tenant_id,
        assigned_at=book.at,
        batch_no=book.batch_no,
        ruleset=book.ruleset,
        lead_ids=[lead.lead_id for _, lead, _ in given],
        rep_nos=[decision.rep_no for _, _, decision in given],
        previous=None if previous is None else [previous] * len(given),
        customers=[lead.customer_id for _, lead, _ in given],
        seqs=[seq for seq, _, _ in given],
        rules=[decision.rule_no for _, _, decision in given],
        groups=[decision.group_no for _, _, decision in given],
        owned=customers,
        owners=[owners[customer] for customer in customers],
    )


@dataclass(frozen=True, slots=True)
class Record:
    """A flight record to be written: `kind` is drain or hand, `leads` how many it decides, `inputs` encoded."""

    kind: str
    leads: int
    inputs: bytes


@dataclass(frozen=True, slots=True)
class Closing:
    """What a visit leaves to the lane.

    `loads` are (rep number, open, today) of `day` that changed, `credits` those of groups that gave leads; `token` is
    a fresh one.
    """

    day: date
    loads: Sequence[tuple[int, int, int]]
    credits: Mapping[int, GroupCredits]
    record: Record | None
    token: int
    next_visit_at: datetime | None
    next_wake_key: int


async def close(conn: Connection, lane: Lane, book: Book, closing: Closing) -> None:
    """Ends a visit: loads, credits, flight record and the lane itself, in one statement."""
    groups = sorted(closing.credits)
    record = closing.record or Record("drain", 0, b"")
    await _SQL.close.execute(
        conn,
        tenant_id=lane.tenant_id,
        day=closing.day,
        rep_nos=[rep for rep, _, _ in closing.loads],
        opened=[opened for _, opened, _ in closing.loads],
        today=[today for _, _, today in closing.loads],
        group_nos=groups,
        reps=[ragged(closing.credits[g].reps.tolist()) for g in groups],
        credits=[ragged(closing.credits[g].credits.tolist()) for g in groups],
        recorded=closing.record is not None,
        kind=record.kind,
        leads=record.leads,
        inputs=record.inputs,
        batch_no=book.batch_no,
        at=book.at,
        ruleset=lane.ruleset,
        roster=lane.roster,
        rates=lane.rates,
        state_token=closing.token,
        next_visit_at=closing.next_visit_at,
        next_wake_key=closing.next_wake_key,
    )


async def next_recheck(conn: Connection, tenant_id: int) -> datetime | None:
    """The earliest `recheck_at` of the tenant's waiting leads."""
    at: datetime | None = await _SQL.next_recheck.value(conn, tenant_id=tenant_id)
    return at


async def left_over(conn: Connection, tenant_id: int, limit: int) -> tuple[int, int]:
    """How many leads are still ready, at most `limit`, and the number of the lane's last batch."""
    row = await _SQL.left_over.row(conn, tenant_id=tenant_id, limit=limit)
    assert row is not None
    return row["ready"], row["batch_no"]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a lane keeps from batch to batch.

    `loads` are (rep number, open, day, today), `shares` (group number, reps, credits), `wake_keys` (number, ruleset,
    targets); `next_recheck` = when the first waiting lead is due (UTC).
    """

    loads: Sequence[tuple[int, int, date, int]]
    shares: Sequence[tuple[int, Sequence[int], Sequence[int]]]
    wake_keys: Sequence[tuple[int, int, str]]
    next_recheck: datetime | None


async def read_kept(conn: Connection, tenant_id: int) -> Kept:
    """Reads it while the lane is held."""
    row = await _SQL.kept.row(conn, tenant_id=tenant_id)
    assert row is not None
    loads = _LOADS.decode(row["loads"] or "[]")
    shares = _SHARES.decode(row["shares"] or "[]")
    wake_keys = _WAKE_KEYS.decode(row["wake_keys"] or "[]")
    return Kept(loads, shares, wake_keys, row["next_recheck"])


async def read_loads(conn: Connection, tenant_id: int) -> list[tuple[int, int, date, int]]:
    """Rows of (rep_no, open, day, today)."""
    return [(r[0], r[1], r[2], r[3]) for r in await _SQL.loads.fetch(conn, tenant_id=tenant_id)]


async def read_shares(conn: Connection, tenant_id: int) -> Sequence[asyncpg.Record]:
    """Rows of (group_no, reps, credit)."""
    return await _SQL.shares.fetch(conn, tenant_id=tenant_id)
