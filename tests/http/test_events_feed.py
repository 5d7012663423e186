"""A CRM that can only poll learns what became of its leads: in order, without a gap, and of its own only."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from router.domain.access import TokenRole
from router.store.assignments import Ending, end
from router.store.connections.connections import Connections
from tests.http.support import Api, Reply, make_token, serving_api
from tests.world import Tenancy, a_drain, lead, make_tenant, settle, simple_reps


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> Tenancy:
    return await make_tenant(conn, simple_reps(2))


@pytest.fixture
async def api(connections: Connections, conn: asyncpg.Connection, tenant: Tenancy) -> AsyncIterator[Api]:
    async with serving_api(connections) as running:
        running.token = await make_token(conn, tenant.tenant_id)
        yield running


async def polled(api: Api, after: str = "0", limit: int = 2, more: str = "") -> list[dict[str, Any]]:
    """All events, page by page, as a poller reads them."""
    found: list[dict[str, Any]] = []
    while True:
        reply = await api.get(f"/v1/events?after={after}&limit={limit}{more}")
        assert reply.status == 200, reply
        found += reply.document["events"]
        after = reply.document["cursor"]
        if not reply.document["more"]:
            return found


async def test_a_poller_reads_every_event_once_and_in_order(
    api: Api, conn: asyncpg.Connection, connections: Connections, tenant: Tenancy
) -> None:
    taken = await tenant.accept(lead(number) for number in range(5))
    await settle(a_drain(connections), tenant.tenant_id)
    await end(conn, tenant.tenant_id, taken.lead_ids[0], Ending.WON)
    events = await polled(api)
    assert [one["type"] for one in events] == ["lead.assigned"] * 5 + ["lead.ended"]
    assert len({one["id"] for one in events}) == 6
    assert await polled(api, events[3]["cursor"]) == events[4:]
    assert await polled(api, more=f"&lead_id={taken.lead_ids[0]}") == [events[0], events[5]]
    assert await polled(api, more="&type=lead.ended,lead.parked") == [events[5]]
    assert await polled(api, "newest") == []


async def test_a_reader_may_begin_with_a_time_and_learns_when_events_of_then_are_gone(
    api: Api, conn: asyncpg.Connection, connections: Connections, tenant: Tenancy
) -> None:
    taken = await tenant.accept(lead(number) for number in range(3))
    await settle(a_drain(connections), tenant.tenant_id)
    await conn.execute("update event set at = at - interval '3 hours'")
    await end(conn, tenant.tenant_id, taken.lead_ids[0], Ending.WON)
    at = await conn.fetchval("select clock_timestamp() - interval '2 hours'")

    async def since(span: timedelta) -> Reply:
        moment = (at - span).isoformat().replace("+", "%2B")
        return await api.get(f"/v1/events?since={moment}")

    recent = (await since(timedelta())).document
    assert [one["type"] for one in recent["events"]] == ["lead.ended"]
    assert (await api.get(f"/v1/events?after={recent['cursor']}")).document["events"] == []
    assert len((await since(timedelta(hours=2))).document["events"]) == 4
    nothing = (await since(timedelta(hours=-3))).document
    assert (nothing["events"], nothing["cursor"]) == ([], recent["cursor"])
    await conn.execute("update event_feed set removed_until = $1", at - timedelta(hours=1))
    gone = await since(timedelta(hours=2))
    assert gone.status == 410 and "after=oldest" in gone.document["detail"], gone
    assert (await since(timedelta())).status == 200


async def test_whoever_waits_gets_the_event_when_it_happens(
    api: Api, conn: asyncpg.Connection, connections: Connections, tenant: Tenancy
) -> None:
    waiting = asyncio.create_task(api.get("/v1/events?after=newest&wait_s=20"))
    # Whether it comes before the wait begins, or in it, it is not missed.
    after = (await api.get("/v1/events?after=newest")).document["cursor"]
    second = asyncio.create_task(api.get(f"/v1/events?after={after}&wait_s=20"))
    await tenant.accept([lead(1)])
    await settle(a_drain(connections), tenant.tenant_id)
    assert [one["type"] for one in (await second).document["events"]] == ["lead.assigned"]
    waiting.cancel()


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("", "?after"),
        ("after=soon", "?after"),
        ("after=99999999-0", "?after"),
        ("after=0&since=2026-03-31T09:30:00Z", "?after"),
        ("since=2026-03-31T09:30:00", "?since"),
        ("since=0001-03-31T09:30:00Z", "?since"),
        ("after=0&limit=0", "?limit"),
        ("after=0&type=lead.born", "?type"),
        ("after=0&lead_id=x", "?lead_id"),
        ("after=0&wait_s=9999", "?wait_s"),
    ],
)
async def test_a_wrong_question_is_pointed_to(api: Api, query: str, pointer: str) -> None:
    reply = await api.get(f"/v1/events?{query}")
    assert (reply.status, reply.pointers) == (422, [pointer])


async def test_a_cursor_older_than_the_retention_is_never_answered_with_a_gap(
    api: Api, conn: asyncpg.Connection, connections: Connections, tenant: Tenancy
) -> None:
    await tenant.accept(lead(number) for number in range(3))
    await settle(a_drain(connections), tenant.tenant_id)
    assert await polled(api)
    await conn.execute("update event_feed set removed_upto = last_position, removed_until = now()")
    reply = await api.get("/v1/events?after=0")
    assert (reply.status, reply.document["type"]) == (410, "urn:lead-router:problem-gone")


async def test_whoever_waits_leaves_room_for_leads(api: Api, tenant: Tenancy) -> None:
    waiting = [asyncio.create_task(api.get("/v1/events?after=newest&wait_s=20")) for _ in range(15)]
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=15)
    assert {(await one).status for one in done} == {429}
    assert (await api.get("/v1/events?after=newest")).status == 200
    for one in waiting:
        one.cancel()


async def test_a_viewer_sees_no_address_that_the_crm_uses_as_an_id(
    api: Api, conn: asyncpg.Connection, connections: Connections, tenant: Tenancy
) -> None:
    taken = await tenant.accept([lead(1)._replace(external_id="ann@example.com", campaign="for +8613800138000")])
    await settle(a_drain(connections), tenant.tenant_id)
    viewer = await make_token(conn, tenant.tenant_id, TokenRole.VIEWER)
    for path in ("/v1/events?after=0", f"/v1/leads/{taken.lead_ids[0]}"):
        shown = str((await api.get(path)).document)
        assert "ann@example.com" in shown
        masked = str((await api.get(path, token=viewer)).document)
        assert "ann@example.com" not in masked
        assert "13800138000" not in masked


async def test_nobody_hears_of_leads_of_others(api: Api, conn: asyncpg.Connection, connections: Connections) -> None:
    other = await make_tenant(conn, simple_reps(1), name="other")
    await other.accept([lead(1)])
    await settle(a_drain(connections), other.tenant_id)
    assert await polled(api) == []
