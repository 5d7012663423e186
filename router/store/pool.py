"""The lead pool in the hands of the lane's holder: claims, leads that go back or are parked, what wakes the waiting."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from router.domain.decide import Parked
from router.domain.lead import Facts, PoolLead
from router.store.lane import Book, OrderKey, ragged
from router.store.statements import Connection, Row, load

_SQL = load("pool")
_FIRST_KEY = (-(1 << 31), datetime(1, 1, 1, tzinfo=UTC), 0)
_ANY_TIME = datetime.max.replace(tzinfo=UTC)


ClaimedRows = tuple[list[PoolLead], dict[int, int]]
"""Leads that were taken out of the pool, unordered, and the owning rep's number by customer."""


def _claimed(rows: Sequence[Row]) -> ClaimedRows:
    leads = [PoolLead(r[0], r[1], r[2], r[3], Facts.of(r[4:11]), r[11], tuple(r[12] or ()), r[13], r[14]) for r in rows]
    return leads, {r[11]: r[15] for r in rows if r[15] is not None}


async def claim_ready(
    conn: Connection, tenant_id: int, after: OrderKey | None, limit: int, until: datetime | None = None
) -> ClaimedRows:
    """Claims ready leads after a key (None = from the top) that came until then (None = whenever); unordered."""
    rank, queued_at, lead_id = after or _FIRST_KEY
    rows = await _SQL.claim_ready.fetch(
        conn,
        tenant_id=tenant_id,
        after_rank=rank,
        after_queued_at=queued_at,
        after_lead_id=lead_id,
        until=until or _ANY_TIME,
        limit=limit,
    )
    return _claimed(rows)


async def claim_recent(
    conn: Connection, tenant_id: int, ranks: Sequence[int], since: datetime, limit: int
) -> ClaimedRows:
    """Claims ready leads of these ranks that came from then on, without a look at what was there before; unordered."""
    rows = await _SQL.claim_recent.fetch(conn, tenant_id=tenant_id, ranks=list(ranks), since=since, limit=limit)
    return _claimed(rows)


async def claim_named(conn: Connection, tenant_id: int, lead_ids: Sequence[int]) -> ClaimedRows:
    """Claims these leads, as far as they wait and are free; unordered."""
    return _claimed(await _SQL.claim_named.fetch(conn, tenant_id=tenant_id, lead_ids=lead_ids))


async def claim_waiting(conn: Connection, tenant_id: int, rooms: Mapping[int, int], limit: int) -> ClaimedRows:
    """Claims at most `rooms[key]` leads of each wake key, and at most `limit` in all; unordered."""
    rows = await _SQL.claim_waiting.fetch(
        conn, tenant_id=tenant_id, wake_keys=list(rooms), rooms=list(rooms.values()), limit=limit
    )
    return _claimed(rows)


async def claim_due(conn: Connection, tenant_id: int, now: datetime, limit: int) -> ClaimedRows:
    """Claims leads whose `recheck_at` has come; unordered."""
    return _claimed(await _SQL.claim_due.fetch(conn, tenant_id=tenant_id, now=now, limit=limit))


async def put_back(conn: Connection, book: Book, refused: Sequence[tuple[PoolLead, int, datetime]]) -> None:
    """Writes refused leads into the pool; each is (lead, wake key, recheck_at)."""
    if not refused:
        return
    leads = [lead for lead, _, _ in refused]
    facts = [list(column) for column in zip(*(lead.facts.plain for lead in leads), strict=True)]
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
        excluded=[ragged(lead.excluded) for lead in leads],
        sources=source,
        regions=region,
        industries=industry,
        products=product,
        campaigns=campaign,
        ad_ids=ad_id,
        landing_pages=landing_page,
    )


async def put_parked(conn: Connection, book: Book, parked: Sequence[tuple[PoolLead, Parked]]) -> None:
    """Writes a batch's parked leads."""
    if parked:
        await _put_parked(conn, book.tenant_id, book.at, book.batch_no, parked)


async def park_undecided(conn: Connection, tenant_id: int, at: datetime, lead: PoolLead, why: Parked) -> None:
    """Parks a lead about which this batch decides nothing: the last batch that did stays its last."""
    await _put_parked(conn, tenant_id, at, lead.last_batch_no, [(lead, why)])


async def _put_parked(
    conn: Connection, tenant_id: int, at: datetime, batch_no: int | None, parked: Sequence[tuple[PoolLead, Parked]]
) -> None:
    await _SQL.put_parked.execute(
        conn,
        tenant_id=tenant_id,
        at=at,
        batch_no=batch_no,
        lead_ids=[lead.lead_id for lead, _ in parked],
        reasons=[decision.reason.value for _, decision in parked],
        details=[decision.detail.replace("\x00", "") for _, decision in parked],
        excluded=[ragged(lead.excluded) for lead, _ in parked],
    )


async def wake_customers(conn: Connection, tenant_id: int, customers: Iterable[int]) -> int:
    """Makes the customers' waiting leads ready; returns how many. Locked rows are left to the inbox."""
    wanted = sorted(customers)
    if not wanted:
        return 0
    woken = await _SQL.wake_customers.execute(conn, tenant_id=tenant_id, customers=wanted)
    late = await _SQL.still_waiting.fetch(conn, tenant_id=tenant_id, customers=wanted)
    await _put_lead_news(conn, tenant_id, [row[0] for row in late])
    return woken


async def wake_leads(conn: Connection, tenant_id: int, leads: Iterable[int]) -> int:
    """Makes these leads ready, those that wait; returns how many. Locked rows are left to the inbox again."""
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


async def put_wake_keys(conn: Connection, tenant_id: int, ruleset: int, keys: Mapping[int, str]) -> None:
    """Interns new keys; `keys` is text by number."""
    if keys:
        await _SQL.put_wake_keys.execute(
            conn, tenant_id=tenant_id, ruleset=ruleset, wake_keys=list(keys), targets=list(keys.values())
        )


async def prune_wake_keys(conn: Connection, tenant_id: int, keys: Iterable[int]) -> list[int]:
    """Forgets keys that no lead waits under; returns which."""
    wanted = sorted(keys)
    if not wanted:
        return []
    return [row[0] for row in await _SQL.prune_wake_keys.fetch(conn, tenant_id=tenant_id, wake_keys=wanted)]
