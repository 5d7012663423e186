"""A lead that the database refuses, or that kills whoever takes it, stops nobody but itself."""

import asyncio

import asyncpg
import pytest

from ops.audit.audit import audit
from ops.status.status import status
from ops.why.gather import why
from ops.why.story import Happened
from router.drain.batch import BatchRefused
from router.drain.lane_transaction import Visit
from router.store import lane as store
from router.store.assignments import find_lead
from router.store.connections.connections import Connections
from router.store.lane import LaneLimits
from tests.support import until
from tests.world import Tenancy, a_drain, lead, make_tenant, settle, simple_reps

REFUSE = """
create function refuse() returns trigger language plpgsql as $$ begin
    raise exception 'no such number' using errcode = '22003'; end $$;
create trigger refuse before insert on assignment for each row when ({}) execute function refuse();
"""


async def parked(tenant: Tenancy) -> dict[int, str]:
    rows = await tenant.conn.fetch("select lead_id, detail from parked where reason = 'internal_error'")
    return {row["lead_id"]: row["detail"] for row in rows}


async def suspected(tenant: Tenancy) -> tuple[int, list[int]]:
    """Deaths lately, and the leads that are suspected."""
    row = await tenant.conn.fetchrow("select deaths, suspects from lane where tenant_id = $1", tenant.tenant_id)
    assert row is not None
    return row["deaths"], row["suspects"] or []


async def a_router_dies(url: str, tenant_id: int) -> None:
    """With the lane in its hands; returns when the server knows."""
    conn = await asyncpg.connect(url)
    await conn.execute("begin")
    assert await store.hold(conn, tenant_id, None, LaneLimits())
    other = await asyncpg.connect(url)
    await other.fetchval("select pg_terminate_backend($1, 10000)", conn.get_server_pid())
    await other.close()
    conn.terminate()


@pytest.mark.parametrize("place", [0, 617, 999])
async def test_a_lead_that_the_database_refuses_parks_alone(
    conn: asyncpg.Connection, connections: Connections, place: int
) -> None:
    tenant = await make_tenant(conn, simple_reps(9))
    ids = (await tenant.accept(lead(i, product=f"p{i}") for i in range(1000))).lead_ids
    await conn.execute(REFUSE.format(f"new.lead_id = {ids[place]}"))
    await settle(a_drain(connections), tenant.tenant_id)
    assert await tenant.states() == {"waiting": 0, "assigned": 999, "parked": 1, "merged": 0, "closed": 0}
    assert list(await parked(tenant)) == [ids[place]]
    assert "no such number" in (await parked(tenant))[ids[place]]
    assert not (await audit(conn)).violations


@pytest.mark.parametrize("leads", [1, 5, 200])
async def test_a_lead_that_the_database_refuses_parks_alone_also_after_deaths(
    conn: asyncpg.Connection, connections: Connections, leads: int
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    ids = (await tenant.accept(lead(i) for i in range(leads))).lead_ids
    await conn.execute(REFUSE.format(f"new.lead_id = {ids[leads // 2]}"))
    await conn.execute("update lane set deaths = 2, died_at = now()")
    drain = a_drain(connections)

    async def over() -> bool:
        await settle(drain, tenant.tenant_id)
        return (await tenant.states())["waiting"] == 0 and (await suspected(tenant))[1] == []

    await until(over, "every lead has its place, and nobody is suspected any more")
    assert list(await parked(tenant)) == [ids[leads // 2]]
    assert (await tenant.states())["assigned"] == leads - 1
    assert not (await audit(conn)).violations


async def test_a_lead_that_came_back_and_is_refused_does_not_stop_the_new_ones(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(1).replace(b",yes,", b",no,"))
    [old] = (await tenant.accept([lead(1)])).lead_ids
    drain = a_drain(connections)
    await settle(drain, tenant.tenant_id)
    await conn.execute(REFUSE.format(f"new.lead_id = {old}"))
    await tenant.roster(simple_reps(1))
    await tenant.accept(lead(i) for i in range(2, 300))
    await settle(drain, tenant.tenant_id)
    assert await tenant.states() == {"waiting": 0, "assigned": 298, "parked": 1, "merged": 0, "closed": 0}
    assert list(await parked(tenant)) == [old]
    story = await why(conn, await find_lead(conn, str(old), None))
    assert [event.what for event in story.timeline] == [Happened.RECEIVED, Happened.REFUSED, Happened.PARKED]
    assert not (await audit(conn)).violations


async def test_when_the_database_refuses_everything_the_leads_are_not_blamed(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    await tenant.accept(lead(i) for i in range(200))
    await conn.execute(REFUSE.format("true"))
    drain = a_drain(connections)
    with pytest.raises(BatchRefused, match="no such number"):
        await settle(drain, tenant.tenant_id)
    assert len(await parked(tenant)) == 3
    for _ in range(3):
        with pytest.raises(BatchRefused, match="no such number"):
            await settle(drain, tenant.tenant_id)
    assert len(await parked(tenant)) == 3
    await conn.execute("drop trigger refuse on assignment")
    await settle(drain, tenant.tenant_id)
    assert (await tenant.states())["assigned"] == 197
    assert not (await audit(conn)).violations


async def test_one_death_is_no_suspicion(conn: asyncpg.Connection, connections: Connections, database_url: str) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    await tenant.accept(lead(i) for i in range(200))
    await a_router_dies(database_url, tenant.tenant_id)
    done = await settle(a_drain(connections), tenant.tenant_id)
    assert (done.batches, done.assigned) == (1, 200)
    assert await suspected(tenant) == (1, [])


async def test_after_deaths_batches_are_named_before_they_are_taken_and_nobody_is_parked_for_it(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    await tenant.accept(lead(i) for i in range(40))
    drain = a_drain(connections, ready=20)
    for deaths in (1, 2, 3, 4):
        await a_router_dies(database_url, tenant.tenant_id)
        await drain.drain_tenant(tenant.tenant_id, most_batches=1)
        assert await suspected(tenant) == (deaths, [])
    assert (await tenant.states())["assigned"] == 40
    assert await parked(tenant) == {}
    assert not (await audit(conn)).violations


async def test_leads_over_which_a_router_died_are_taken_apart_also_when_others_come_before_them(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    ids = (await tenant.accept(lead(i) for i in range(20))).lead_ids
    await conn.execute("update lane set deaths = 2, died_at = now(), suspects = $1", list(ids))
    await a_router_dies(database_url, tenant.tenant_id)
    await tenant.accept(lead(i, priority=5) for i in range(20, 60))
    done = await settle(a_drain(connections), tenant.tenant_id)
    # 4, 4, 3, 3 of 20, 16, 12, 9; then six alone; then the others.
    assert (done.assigned, done.batches) == (60, 11)
    assert await suspected(tenant) == (3, [])
    assert await parked(tenant) == {}
    assert not (await audit(conn)).violations


async def test_of_the_suspects_those_remain_that_were_in_the_hands_of_whoever_died(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    ids = (await tenant.accept(lead(i) for i in range(20))).lead_ids
    await conn.execute("update lane set deaths = 2, died_at = now(), suspects = $1, trying = 4", list(ids))
    await a_router_dies(database_url, tenant.tenant_id)
    await a_drain(connections).drain_tenant(tenant.tenant_id, most_batches=1)
    assert await suspected(tenant) == (3, list(ids[1:4]))


async def test_the_lead_over_which_one_after_the_other_died_is_parked_and_the_others_go_on(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    ids = (await tenant.accept(lead(i) for i in range(40))).lead_ids
    await conn.execute("update lane set deaths = 4, died_at = now(), tries = 2, suspects = $1", [ids[7], ids[8]])
    await a_router_dies(database_url, tenant.tenant_id)
    done = await settle(a_drain(connections), tenant.tenant_id)
    assert done.assigned == 39
    assert list(await parked(tenant)) == [ids[7]]
    assert await suspected(tenant) == (0, [])
    assert not (await audit(conn)).violations


async def test_whoever_looks_sees_that_routers_go_away(conn: asyncpg.Connection) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    ids = (await tenant.accept([lead(1), lead(2)])).lead_ids
    assert (await status(conn)).tenants[0].warnings == ()
    await conn.execute("update lane set deaths = 3, died_at = now(), suspects = $1", list(ids))
    [warning] = (await status(conn)).tenants[0].warnings
    assert "went away 3 times" in warning
    assert "2 leads are taken apart" in warning


async def test_who_has_named_leads_is_left_the_time_to_take_them(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    ids = (await tenant.accept([lead(1)])).lead_ids
    await conn.execute("update lane set deaths = 2, died_at = now(), named_at = now(), suspects = $1", list(ids))
    drain = a_drain(connections)
    assert (await drain.drain_tenant(tenant.tenant_id)).visit is Visit.LOCKED
    async with asyncio.timeout(30):
        while not (await drain.drain_tenant(tenant.tenant_id)).assigned:
            await asyncio.sleep(0.05)


async def test_an_error_that_the_router_survives_is_not_taken_for_its_death(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    ids = (await tenant.accept([lead(1)])).lead_ids
    await conn.execute("update lane set deaths = 2, died_at = now(), suspects = $1", list(ids))
    await conn.execute(REFUSE.format("true").replace("22003", "40001"))
    for seed in range(5):
        with pytest.raises(asyncpg.SerializationError):
            await a_drain(connections, seed=seed).drain_tenant(tenant.tenant_id)
        await conn.execute("update lane set named_at = null")
        assert await suspected(tenant) == (2, [*ids])
    await conn.execute("drop trigger refuse on assignment")
    await settle(a_drain(connections), tenant.tenant_id)
    assert (await tenant.states())["assigned"] == 1
    assert await suspected(tenant) == (2, [])
