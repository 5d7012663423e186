"""Events: each change of a lead has its own, in the same transaction; no reader with a cursor ever misses one."""

import asyncio
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from ops.audit.audit import audit
from router.manual.assign import assign_by_hand
from router.manual.merge_customers import merge_customers, unmerge_customers
from router.outbox.cursor import START, Cursor, CursorError, CursorTooOld, after_row
from router.outbox.event import Event
from router.outbox.events_service import EventsService
from router.outbox.feed import Page, newest, oldest, read_events
from router.outbox.signing import new_secret
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.settings.model import EventSettings
from router.store import events as store
from router.store import webhooks
from router.store.assignments import Ending, FoundLead, end
from router.store.connections.connections import Connections, Part
from router.store.parking import park, unpark
from router.telemetry.exposition import open_exposition
from router.telemetry.instruments import Instruments
from tests.support import DEADLINE_S, connected
from tests.world import Tenancy, a_drain, lead, make_tenant, settle, simple_reps


async def all_events(conn: asyncpg.Connection, tenant: Tenancy, after: Cursor = START, limit: int = 7) -> list[Event]:
    """Page by page, as a poller reads them."""
    found: list[Event] = []
    while True:
        page = await read_events(conn, tenant.tenant_id, after, limit=limit)
        found += page.events
        after = page.cursor
        if not page.more:
            return found


def types_of(events: Sequence[Event], lead_id: int) -> list[str]:
    return [one.type.removeprefix("lead.") for one in events if one.lead_id == lead_id]


async def hand(conn: asyncpg.Connection, tenant: Tenancy, lead_id: int, rep: str) -> None:
    await assign_by_hand(conn, tenant.tenant_id, lead_id, rep, actor="ann", token=secrets.randbits(63))


async def test_the_life_of_a_lead_is_its_events_in_order(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    drain = a_drain(connections)
    taken = await tenant.accept([lead(1), lead(2)])
    first, parked = taken.lead_ids
    await park(conn, FoundLead(tenant.tenant_id, parked), "ann", "a test?")
    await settle(drain, tenant.tenant_id)
    rep = await conn.fetchval(
        "select rep_id from assignment join rep using (tenant_id, rep_no) where lead_id = $1", first
    )
    await end(conn, tenant.tenant_id, first, Ending.RETURNED)
    await settle(drain, tenant.tenant_id)
    await hand(conn, tenant, first, rep)
    await end(conn, tenant.tenant_id, first, Ending.WON)
    await unpark(conn, FoundLead(tenant.tenant_id, parked), "ann", "no test")
    events = await all_events(conn, tenant)
    assert types_of(events, first) == ["assigned", "returned", "assigned", "reassigned", "ended"]
    assert types_of(events, parked) == ["parked", "unparked"]
    assigned, returned, again, reassigned, ended = (one.data for one in events if one.lead_id == first)
    other = {"r001": "r002", "r002": "r001"}[rep]
    of_first = {"lead_id": first, "source": "web", "external_id": "e1"}
    rep_named = {"rep_id": rep, "name": f"Rep {int(rep[1:])}"}
    assert assigned == of_first | {"rep": rep_named, "by": "rule", "rule": "everyone", "group": "all"}
    assert returned == of_first | {"rep": rep_named}
    assert again["rep"]["rep_id"] == other
    assert reassigned == of_first | {"rep": rep_named, "by": "hand", "previous_rep": again["rep"]}
    assert ended == of_first | {"rep": rep_named, "outcome": "won"}
    assert [one.data["reason"] for one in events if one.lead_id == parked] == ["screening", "screening"]
    assert len({one.id for one in events}) == len(events) and not any("." in one.id for one in events)
    assert (await audit(conn)).ok


@pytest.mark.usefixtures("stored_either_way")
async def test_repeats_invalid_leads_and_customers_that_are_merged_are_heard_of(conn: asyncpg.Connection) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    at = datetime(2026, 3, 2, tzinfo=UTC)
    facts = {"phone": "+8613800138000", "name": "Li", "created_at": at}
    one, repeat, invalid, other = (
        await tenant.accept(
            [
                lead(1, **facts),
                lead(2, **{**facts, "created_at": at + timedelta(minutes=5)}),
                lead(3, invalid="no way to reach"),
                lead(4, email="li@example.com", created_at=at),
            ]
        )
    ).lead_ids
    customer, into = [
        await conn.fetchval("select customer_id from lead where lead_id = $1", number) for number in (other, one)
    ]
    moved = await merge_customers(conn, tenant.tenant_id, into, customer, actor="ann")
    await unmerge_customers(conn, moved.merge_id, actor="ann")
    found = {(e.lead_id, e.type): e.data for e in await all_events(conn, tenant)}
    assert found[repeat, "lead.merged"]["into_lead_id"] == one
    assert found[invalid, "lead.parked"]["reason"] == "lead_invalid"
    assert [
        (e.data["previous_customer_id"], e.data["customer_id"])
        for e in await all_events(conn, tenant)
        if e.type == "lead.customer_changed"
    ] == [(customer, into), (into, customer)]


async def test_what_is_rolled_back_is_no_event(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    (only,) = (await tenant.accept([lead(1)])).lead_ids
    await settle(a_drain(connections), tenant.tenant_id)
    before = await all_events(conn, tenant)
    transaction = conn.transaction()
    await transaction.start()
    await end(conn, tenant.tenant_id, only, Ending.WON)
    await transaction.rollback()
    assert [one.id for one in await all_events(conn, tenant)] == [one.id for one in before]


async def test_an_event_that_is_committed_late_is_not_behind_any_cursor(
    conn: asyncpg.Connection, database_url: str, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    slow, quick = (await tenant.accept([lead(1), lead(2)])).lead_ids
    await settle(a_drain(connections), tenant.tenant_id)
    async with connected(database_url) as other:
        after = await newest(conn, tenant.tenant_id)
        late = other.transaction()
        await late.start()
        await end(other, tenant.tenant_id, slow, Ending.WON)  # has the lower number, and is not committed yet
        await end(conn, tenant.tenant_id, quick, Ending.LOST)
        page = await read_events(conn, tenant.tenant_id, after)
        assert [one.lead_id for one in page.events] == [quick]
        await late.commit()
        rest = await read_events(conn, tenant.tenant_id, page.cursor)
    assert [one.lead_id for one in rest.events] == [slow]
    numbers = await conn.fetch("select event_no from event where type = 'lead.ended' order by position")
    assert numbers[0][0] > numbers[1][0]


async def test_a_transaction_of_somebody_else_that_stays_open_holds_up_no_event(
    conn: asyncpg.Connection, database_url: str, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    async with connected(database_url) as other:
        await other.execute("begin; create table theirs (); select txid_current()")
        await tenant.accept([lead(1)])
        await settle(a_drain(connections), tenant.tenant_id)
        assert len(await all_events(conn, tenant)) == 1


async def test_readers_at_the_same_time_see_one_order_and_every_event(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    leads = (await tenant.accept([lead(number) for number in range(300)])).lead_ids
    await settle(a_drain(connections, ready=50), tenant.tenant_id)
    done = asyncio.Event()

    async def reader() -> list[str]:
        seen: list[str] = []
        after = START
        async with connections.acquire(Part.CONSOLE) as own:
            while True:
                last = done.is_set()
                page: Page = await read_events(own, tenant.tenant_id, after, limit=11)
                seen += [one.id for one in page.events]
                after = page.cursor
                # While another reader gives places, there is no more for now.
                if last and not page.more and len(seen) >= 600:
                    return seen

    async def ender(part: Sequence[int]) -> None:
        async with connections.acquire(Part.CONSOLE) as own:
            for number in part:
                await end(own, tenant.tenant_id, number, Ending.WON)

    readers = [asyncio.create_task(reader()) for _ in range(3)]
    await asyncio.gather(*(ender(leads[start::3]) for start in range(3)))
    done.set()
    async with asyncio.timeout(DEADLINE_S):
        one, two, three = await asyncio.gather(*readers)
    assert one == two == three
    assert len(one) == len(set(one)) == 600
    events = await all_events(conn, tenant, limit=1000)
    assert all(types_of(events, number) == ["assigned", "ended"] for number in leads[:20])


async def test_a_cursor_older_than_the_retention_is_an_error_and_never_a_gap(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    old = (await tenant.accept([lead(1)])).lead_ids
    await settle(a_drain(connections), tenant.tenant_id)
    first = (await all_events(conn, tenant))[0].cursor
    await end(conn, tenant.tenant_id, old[0], Ending.WON)
    await all_events(conn, tenant)
    await conn.execute("update event set at = at - interval '8 days' where type = 'lead.assigned'")
    assert await store.remove_old(conn, tenant.tenant_id, datetime.now(UTC) - timedelta(days=7), 100) == 1
    for cursor in (START, first):
        with pytest.raises(CursorTooOld, match="removed"):
            await read_events(conn, tenant.tenant_id, cursor)
    page = await read_events(conn, tenant.tenant_id, await oldest(conn, tenant.tenant_id))
    assert [one.type for one in page.events] == ["lead.ended"]
    with pytest.raises(CursorError, match="ahead"):
        await read_events(conn, tenant.tenant_id, after_row(page.cursor.position))
    assert (await audit(conn)).ok


async def test_filters_by_type_and_lead_find_all_of_them_in_any_page_size(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    leads = (await tenant.accept([lead(number) for number in range(40)])).lead_ids
    await settle(a_drain(connections), tenant.tenant_id)
    for number in leads[::2]:
        await end(conn, tenant.tenant_id, number, Ending.WON)
    for limit in (1, 3, 1000):
        after, ended = START, list[int]()
        while True:
            page = await read_events(conn, tenant.tenant_id, after, types=["lead.ended"], limit=limit)
            ended += [one.lead_id for one in page.events]
            after = page.cursor
            if not page.more:
                break
        assert ended == list(leads[::2])
    page = await read_events(conn, tenant.tenant_id, START, lead_id=leads[2])
    assert [one.type for one in page.events] == ["lead.assigned", "lead.ended"]


async def test_switched_off_nothing_is_written_and_the_audit_asks_for_nothing(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await store.switch(conn, tenant.tenant_id, enabled=False, actor="ann", why="not needed")
    (only,) = (await tenant.accept([lead(1)])).lead_ids
    await settle(a_drain(connections), tenant.tenant_id)
    await end(conn, tenant.tenant_id, only, Ending.RETURNED)
    assert await conn.fetchval("select count(*) from event") == 0
    assert await conn.fetchval("select count(*) from change where action = 'events'") == 1
    assert (await audit(conn)).ok


async def test_old_events_are_removed_by_the_service_and_readers_are_told(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    leads = (await tenant.accept([lead(number) for number in range(30)])).lead_ids
    await settle(a_drain(connections, ready=10), tenant.tenant_id)
    await conn.execute("update event set at = at - interval '3 days'")
    await end(conn, tenant.tenant_id, leads[0], Ending.WON)
    service = EventsService(connections, EventSettings(retention_days=2.0), Instruments.silent())
    # Nobody has read them yet: they get their place, and are removed all the same.
    await service.once(Lifeline(asyncio.Event(), MonotonicClock(), lambda _: None))
    assert [row[0] for row in await conn.fetch("select type from event")] == ["lead.ended"]
    with pytest.raises(CursorTooOld):
        await read_events(conn, tenant.tenant_id, START)
    page = await read_events(conn, tenant.tenant_id, await oldest(conn, tenant.tenant_id))
    assert [one.lead_id for one in page.events] == [leads[0]]
    assert (await audit(conn)).ok


async def test_how_far_a_webhook_is_behind_is_measured(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(1)])
    await settle(a_drain(connections), tenant.tenant_id)
    options = {"allow_private": False, "note": "", "actor": "ann"}
    url, secret = "https://example.com/x", new_secret(b"x" * 32)
    await webhooks.add(conn, tenant.tenant_id, url, None, secret, START, **options)  # type: ignore[arg-type]
    await conn.execute("update event set at = at - interval '1 hour'")
    with open_exposition("a", "1") as exposition:
        service = EventsService(connections, EventSettings(), exposition.instruments)
        await service.once(Lifeline(asyncio.Event(), MonotonicClock(), lambda _: None))
        [shown] = re.findall(r'events_lag_seconds\{tenant="acme"\} ([\d.]+)', exposition.text().decode())
    assert 3600 <= float(shown) < 3700
