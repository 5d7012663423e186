"""Leads of a rep that are handed over, some at a time: which, what they say, and taking them away."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from router.domain.lead import FACT_FIELDS, Facts, PoolLead
from router.store.assignments import LOCK_TIMEOUT_MS
from router.store.changes import Change, record_change
from router.store.statements import Connection, Row, load
from router.store.transactions import limit_transaction, retried

_SQL = load("handover")


async def size(conn: Connection, tenant_id: int, rep_no: int) -> tuple[int, int]:
    """How many leads a rep has, and the number of the lane's last batch."""
    row = await _SQL.size.row(conn, tenant_id=tenant_id, rep_no=rep_no)
    assert row is not None
    return row["leads"], row["batch_no"] or 0


@dataclass(frozen=True, slots=True)
class Place:
    """A lead by its number: the id of the rep who has it (None = nobody has), whether that is the one who was asked
    about, and whether that one has given it away before.
    """

    lead_id: int
    rep_id: str | None
    is_here: bool
    was_here: bool


async def places(conn: Connection, tenant_id: int, rep_no: int, leads: Sequence[int]) -> list[Place]:
    """Where these leads are, as a rep sees it."""
    rows = await _SQL.places.fetch(conn, tenant_id=tenant_id, rep_no=rep_no, lead_ids=leads)
    return [Place(row[0], row[1], bool(row[2]), row[3]) for row in rows]


async def next_leads(
    conn: Connection, tenant_id: int, rep_no: int, upto_batch: int, after: int, limit: int
) -> list[int]:
    """Numbers of the next leads of a rep after one, given by `upto_batch` or before."""
    rows = await _SQL.next_leads.fetch(
        conn, tenant_id=tenant_id, rep_no=rep_no, upto_batch=upto_batch, after=after, limit=limit
    )
    return [row[0] for row in rows]


@dataclass(frozen=True, slots=True)
class HadLead:
    """A lead of a rep, as the pool would have it if it was given back now; `owner` = its customer's rep number."""

    lead: PoolLead
    source: str
    external_id: str
    owner: int | None


async def had_leads(conn: Connection, tenant_id: int, rep_no: int, leads: Sequence[int], at: datetime) -> list[HadLead]:
    """These leads, as far as the rep has them; nobody who gave one back is to get it."""
    rows = await _SQL.facts.fetch(conn, tenant_id=tenant_id, rep_no=rep_no, lead_ids=leads)
    return [
        HadLead(
            _pool_lead(row, at, tuple(sorted({*row["returned"], rep_no}))),
            row["source"] or "",
            row["external_id"],
            row["owner"],
        )
        for row in rows
    ]


async def take(conn: Connection, tenant_id: int, rep_no: int, leads: Sequence[int], at: datetime) -> list[PoolLead]:
    """Takes leads from a rep, to be given to another; in the caller's transaction, which holds the lane."""
    rows = await _SQL.take.fetch(conn, tenant_id=tenant_id, rep_no=rep_no, lead_ids=leads, at=at)
    return [_pool_lead(row, at, ()) for row in rows]


@retried
async def give_back(
    conn: Connection,
    tenant_id: int,
    rep_no: int,
    leads: Sequence[int],
    change: Callable[[int], Change],
    now: datetime | None = None,
) -> list[int]:
    """Leads of a rep are ready again, without this rep; what `change` says of so many is recorded with it.

    Returns which; locked ones stay. Takes no lane. `now` None = the database's clock.
    """
    async with conn.transaction():
        await limit_transaction(conn, LOCK_TIMEOUT_MS)
        row = await _SQL.give_back.row(conn, tenant_id=tenant_id, rep_no=rep_no, lead_ids=leads, now=now)
        assert row is not None
        given: list[int] = row["lead_ids"]
        if given:
            await record_change(conn, tenant_id, change(len(given)))
    return given


def _pool_lead(row: Row, at: datetime, excluded: tuple[int, ...]) -> PoolLead:
    return PoolLead(
        lead_id=row["lead_id"],
        rank=row["rank"],
        queued_at=at,
        created_at=row["created_at"],
        facts=Facts.of(row[name] for name in FACT_FIELDS),
        customer_id=row["customer_id"],
        excluded=excluded,
        last_batch_no=row["batch_no"],
    )
