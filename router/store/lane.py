"""The lane and everything that only its holder writes: claims, loads, credits, waits, flight records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import asyncpg

from router.domain.decide import Assigned, Parked
from router.domain.flight import Flight, decode
from router.domain.lead import Facts, PoolLead
from router.domain.standing import GroupCredits
from router.store.statements import Connection, load

_SQL = load("lane")

_FIRST_KEY = (-(1 << 31), datetime(1, 1, 1, tzinfo=UTC), 0)
_INBOX_AT_ONCE = 20_000

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
    """The lane row as its holder found it; `now` is the batch's time, `seen` the versions that the last batch used."""

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
    now: datetime

    @property
    def versions(self) -> tuple[int, int, int]:
        return (self.ruleset, self.roster, self.rates)


@dataclass(frozen=True, slots=True)
class News:
    """The inbox, folded: open and today deltas per rep number, leads to decide again, and a time that is not before
    any of the endings (None = the inbox was empty).
    """

    opened: Mapping[int, int]
    today: Mapping[tuple[int, date], int]
    leads: frozenset[int]
    at: datetime | None
    more: bool


def _arguments(limits: LaneLimits) -> dict[str, str]:
    return {
        "statement_timeout": str(limits.statement_ms),
        "idle_timeout": str(limits.idle_ms),
        "lock_timeout": str(limits.lock_ms),
        "tcp_user_timeout": str(limits.tcp_user_ms),
    }


async def tenants_with_work(conn: Connection, now: datetime | None) -> list[int]:
    """Tenants that a visit may help; `now` None = the database's clock."""
    async with conn.transaction():
        # Else one look into a full pool can read all of it, once for every tenant.
        await _SQL.steady_plans.row(conn)
        return [row[0] for row in await _SQL.tenants_with_work.fetch(conn, now=now)]


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
        now=row["now"],
    )


async def hold_waiting(conn: Connection, tenant_id: int, now: datetime | None, limits: LaneLimits) -> Lane:
    """Takes the lane for a change by hand, waiting for its holder. Raises asyncpg.LockNotAvailableError in time."""
    await conn.execute(f"set local lock_timeout = {int(limits.lock_ms)}")
    await _SQL.wait_for.value(conn, tenant_id=tenant_id)
    lane = await hold(conn, tenant_id, now, limits)
    if lane is None:
        raise LookupError(f"tenant {tenant_id} has no lane")
    return lane


async def fold_inbox(conn: Connection, tenant_id: int) -> News:
    """Takes what others have told the lane."""
    opened: dict[int, int] = {}
    today: dict[tuple[int, date], int] = {}
    leads: set[int] = set()
    at: datetime | None = None
    rows = await _SQL.fold_inbox.fetch(conn, tenant_id=tenant_id, most=_INBOX_AT_ONCE)
    for rep_no, open_delta, day, today_delta, lead_id, read_at in rows:
        if rep_no is not None:
            opened[rep_no] = opened.get(rep_no, 0) + open_delta
        if today_delta:
            today[rep_no, day] = today.get((rep_no, day), 0) + today_delta
        if lead_id is not None:
            leads.add(lead_id)
        at = read_at if at is None else max(at, read_at)
    return News(opened, today, frozenset(leads), at, len(rows) == _INBOX_AT_ONCE)


def _pool_leads(rows: Iterable[asyncpg.Record]) -> list[PoolLead]:
    return [
        PoolLead(r[0], r[1], r[2], r[3], Facts._make(r[4:11]), r[11], tuple(r[12] or ()), r[13], r[14]) for r in rows
    ]


async def claim_ready(conn: Connection, tenant_id: int, after: OrderKey | None, most: int) -> list[PoolLead]:
    """Claims ready leads after a key (None = from the top); unordered."""
    rank, queued_at, lead_id = after or _FIRST_KEY
    rows = await _SQL.claim_ready.fetch(
        conn,
        tenant_id=tenant_id,
        after_rank=rank,
        after_queued_at=queued_at,
        after_lead_id=lead_id,
        most=most,
    )
    return _pool_leads(rows)


async def claim_waiting(conn: Connection, tenant_id: int, rooms: Mapping[int, int], most: int) -> list[PoolLead]:
    """Claims at most `rooms[key]` leads of each wake key, and at most `most` in all; unordered."""
    rows = await _SQL.claim_waiting.fetch(
        conn, tenant_id=tenant_id, wake_keys=list(rooms), rooms=list(rooms.values()), most=most
    )
    return _pool_leads(rows)


async def claim_due(conn: Connection, tenant_id: int, now: datetime, most: int) -> list[PoolLead]:
    """Claims leads whose `recheck_at` has come; unordered."""
    return _pool_leads(await _SQL.claim_due.fetch(conn, tenant_id=tenant_id, now=now, most=most))


async def owners(conn: Connection, tenant_id: int, customers: Iterable[int]) -> dict[int, int]:
    """Owning rep's number by customer, for those that have an owner."""
    wanted = sorted(set(customers))
    if not wanted:
        return {}
    return {row[0]: row[1] for row in await _SQL.owners.fetch(conn, tenant_id=tenant_id, customers=wanted)}


@dataclass(frozen=True, slots=True)
class Book:
    """Where a batch's results go: tenant, number and time."""

    tenant_id: int
    batch_no: int
    at: datetime


async def put_assignments(conn: Connection, book: Book, given: Sequence[tuple[int, PoolLead, Assigned]]) -> None:
    """Writes assignments; each is (place in the batch, lead, decision)."""
    if given:
        await _SQL.put_assignments.execute(
            conn,
            tenant_id=book.tenant_id,
            assigned_at=book.at,
            batch_no=book.batch_no,
            lead_ids=[lead.lead_id for _, lead, _ in given],
            rep_nos=[decision.rep_no for _, _, decision in given],
            customers=[lead.customer_id for _, lead, _ in given],
            seqs=[seq for seq, _, _ in given],
            rules=[decision.rule_no for _, _, decision in given],
            groups=[decision.group_no for _, _, decision in given],
        )


async def put_back(conn: Connection, book: Book, refused: Sequence[tuple[PoolLead, int, datetime]]) -> None:
    """Writes refused leads into the pool; each is (lead, wake key, recheck_at)."""
    if not refused:
        return
    leads = [lead for lead, _, _ in refused]
    facts = [list(column) for column in zip(*(lead.facts for lead in leads), strict=True)]
    source, region, industry, product, campaign, ad_id, landing_page = facts
    await _SQL.put_back.execute(
        conn,
        tenant_id=book.tenant_id,
        batch_no=book.batch_no,
        lead_ids=[lead.lead_id for lead in leads],
        wake_keys=[key for _, key, _ in refused],
        ranks=[lead.rank for lead in leads],
        queued_at=[lead.queued_at for lead in leads],
        recheck_at=[at for _, _, at in refused],
        created_at=[lead.created_at for lead in leads],
        customers=[lead.customer_id for lead in leads],
        excluded=[_array(lead.excluded) for lead in leads],
        sources=source,
        regions=region,
        industries=industry,
        products=product,
        campaigns=campaign,
        ad_ids=ad_id,
        landing_pages=landing_page,
    )


def _array(numbers: Sequence[int]) -> str | None:
    """A ragged array cannot go through unnest; its text can. None where there is nothing."""
    return "{" + ",".join(map(str, numbers)) + "}" if numbers else None


async def put_parked(conn: Connection, book: Book, parked: Sequence[tuple[PoolLead, Parked]]) -> None:
    """Writes parked leads."""
    if parked:
        await _SQL.put_parked.execute(
            conn,
            tenant_id=book.tenant_id,
            at=book.at,
            batch_no=book.batch_no,
            lead_ids=[lead.lead_id for lead, _ in parked],
            reasons=[decision.reason.value for _, decision in parked],
            details=[decision.detail.replace("\x00", "") for _, decision in parked],
            excluded=[_array(lead.excluded) for lead, _ in parked],
        )


async def put_owners(conn: Connection, tenant_id: int, moved: Mapping[int, int]) -> None:
    """Sets or moves owners; `moved` is rep number by customer."""
    if moved:
        customers = sorted(moved)
        await _SQL.put_owners.execute(
            conn, tenant_id=tenant_id, customers=customers, rep_nos=[moved[c] for c in customers]
        )


async def wake_customers(conn: Connection, tenant_id: int, customers: Iterable[int]) -> int:
    """Makes the customers' waiting leads ready; answers how many. Locked rows are left to the inbox."""
    wanted = sorted(customers)
    if not wanted:
        return 0
    woken = await _SQL.wake_customers.execute(conn, tenant_id=tenant_id, customers=wanted)
    late = await _SQL.still_waiting.fetch(conn, tenant_id=tenant_id, customers=wanted)
    await _put_lead_news(conn, tenant_id, [row[0] for row in late])
    return woken


async def wake_leads(conn: Connection, tenant_id: int, leads: Iterable[int]) -> int:
    """Makes these leads ready, those that wait; answers how many. Locked rows are left to the inbox again."""
    wanted = sorted(leads)
    if not wanted:
        return 0
    woken = await _SQL.wake_leads.fetch(conn, tenant_id=tenant_id, lead_ids=wanted)
    late = await _SQL.waiting_of.fetch(conn, tenant_id=tenant_id, lead_ids=wanted)
    await _put_lead_news(conn, tenant_id, [row[0] for row in late])
    return len(woken)


async def _put_lead_news(conn: Connection, tenant_id: int, leads: Sequence[int]) -> None:
    if leads:
        await _SQL.put_lead_news.execute(conn, tenant_id=tenant_id, lead_ids=leads)


async def put_loads(conn: Connection, tenant_id: int, day: date, loads: Sequence[tuple[int, int, int]]) -> None:
    """Writes loads that changed; each is (rep number, open, today)."""
    if loads:
        await _SQL.put_loads.execute(
            conn,
            tenant_id=tenant_id,
            day=day,
            rep_nos=[rep for rep, _, _ in loads],
            opened=[opened for _, opened, _ in loads],
            today=[today for _, _, today in loads],
        )


async def put_shares(conn: Connection, tenant_id: int, credits: Mapping[int, GroupCredits]) -> None:
    """Writes the credits of the groups that gave leads."""
    if credits:
        groups = sorted(credits)
        await _SQL.put_shares.execute(
            conn,
            tenant_id=tenant_id,
            group_nos=groups,
            reps=[_array(credits[g].reps.tolist()) for g in groups],
            credits=[_array(credits[g].credits.tolist()) for g in groups],
        )


async def put_wake_keys(conn: Connection, tenant_id: int, ruleset: int, keys: Mapping[int, str]) -> None:
    """Interns new keys; `keys` is text by number."""
    if keys:
        await _SQL.put_wake_keys.execute(
            conn, tenant_id=tenant_id, ruleset=ruleset, wake_keys=list(keys), targets=list(keys.values())
        )


async def prune_wake_keys(conn: Connection, tenant_id: int, keys: Iterable[int]) -> list[int]:
    """Forgets keys that no lead waits under; answers which."""
    wanted = sorted(keys)
    if not wanted:
        return []
    return [row[0] for row in await _SQL.prune_wake_keys.fetch(conn, tenant_id=tenant_id, wake_keys=wanted)]


async def put_flight(
    conn: Connection, book: Book, versions: tuple[int, int, int], kind: str, leads: int, flight: bytes
) -> None:
    """Writes the flight record, encoded."""
    ruleset, roster, rates = versions
    await _SQL.put_flight.execute(
        conn,
        tenant_id=book.tenant_id,
        batch_no=book.batch_no,
        at=book.at,
        ruleset=ruleset,
        roster=roster,
        rates=rates,
        kind=kind,
        leads=leads,
        inputs=flight,
    )


async def put_lane(
    conn: Connection,
    lane: Lane,
    *,
    batch_no: int,
    token: int,
    last_at: datetime,
    next_visit_at: datetime | None,
    next_wake_key: int,
) -> None:
    """Closes the visit: the numbers, the token of the state in memory, and when to come again."""
    await _SQL.put_lane.execute(
        conn,
        tenant_id=lane.tenant_id,
        batch_no=batch_no,
        state_token=token,
        last_at=last_at,
        next_visit_at=next_visit_at,
        ruleset=lane.ruleset,
        roster=lane.roster,
        rates=lane.rates,
        next_wake_key=next_wake_key,
    )


async def next_recheck(conn: Connection, tenant_id: int) -> datetime | None:
    """The earliest `recheck_at` of the tenant's waiting leads."""
    at: datetime | None = await _SQL.next_recheck.value(conn, tenant_id=tenant_id)
    return at


async def ready_left(conn: Connection, tenant_id: int, most: int) -> int:
    """Ready leads that are there, locked or not, counted up to `most`."""
    return int(await _SQL.ready_left.value(conn, tenant_id=tenant_id, most=most))


async def read_loads(conn: Connection, tenant_id: int) -> list[tuple[int, int, date, int]]:
    """Rows of (rep_no, open, day, today)."""
    return [(r[0], r[1], r[2], r[3]) for r in await _SQL.loads.fetch(conn, tenant_id=tenant_id)]


async def read_shares(conn: Connection, tenant_id: int) -> Sequence[asyncpg.Record]:
    """Rows of (group_no, reps, credit)."""
    return await _SQL.shares.fetch(conn, tenant_id=tenant_id)


async def read_wake_keys(conn: Connection, tenant_id: int) -> Sequence[asyncpg.Record]:
    """Rows of (wake_key, ruleset, targets)."""
    return await _SQL.wake_keys.fetch(conn, tenant_id=tenant_id)


@dataclass(frozen=True, slots=True)
class StoredFlight:
    """A flight record with the versions that it was decided under."""

    batch_no: int
    at: datetime
    ruleset: int
    roster: int
    rates: int
    kind: str
    flight: Flight


async def read_flight(conn: Connection, tenant_id: int, batch_no: int) -> StoredFlight | None:
    """The record of a batch; None when there is none (any more)."""
    row = await _SQL.flight.row(conn, tenant_id=tenant_id, batch_no=batch_no)
    if row is None:
        return None
    return StoredFlight(
        row["batch_no"],
        row["at"],
        row["ruleset"],
        row["roster"],
        row["rates"],
        row["kind"],
        decode(row["inputs"]),
    )


async def read_facts(conn: Connection, tenant_id: int, leads: Sequence[int]) -> dict[int, tuple[datetime, Facts]]:
    """(created_at, facts) by lead id."""
    rows = await _SQL.facts.fetch(conn, tenant_id=tenant_id, lead_ids=list(leads))
    return {row[0]: (row[1], Facts._make(row[2:9])) for row in rows}
