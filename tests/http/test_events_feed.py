"""A CRM that can only poll learns what became of its leads: in order, without a gap, and of its own only."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from router.store.assignments import Ending, end
from router.store.connections.connections import Connections
from tests.http.support import Api, make_token, serving_api
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
    assert (reply.status, reply.document["type"]) == (410, "/docs#problem-gone")


async def test_nobody_hears_of_leads_of_others(api: Api, conn: asyncpg.Connection, connections: Connections) -> None:
    other = await make_tenant(conn, simple_reps(1), name="other")
    await other.accept([lead(1)])
    await settle(a_drain(connections), other.tenant_id)
    assert await polled(api) == []
