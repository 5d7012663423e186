"""A lead that the database refuses, or that kills whoever takes it, stops nobody but itself."""

import asyncio
from contextlib import AsyncExitStack

import asyncpg
import pytest

from ops.audit.audit import audit
from ops.status.status import status
from ops.why.collect import why
from ops.why.description import Happened
from router.drain.batch import BatchRefused
from router.drain.gate import NotAlone
from router.drain.outcome import LaneOutcome
from router.drain.quarantine import careful_rest
from router.store import lane as store
from router.store.assignments import find_lead
from router.store.connections.connections import Connections
from router.store.lane import LaneLimits
from tests.support import BLOCKED, until
from tests.world import Tenancy, a_drain, lead, make_tenant, reps_csv, settle, simple_reps

REFUSE = """
create function refuse() returns trigger language plpgsql as $$ begin
    raise exception 'no such number' using errcode = '22003'; end $$;
create trigger refuse before insert on assignment for each row when ({}) execute function refuse();
"""


async def parked(tenant: Tenancy) -> dict[int, str]:
    rows = await tenant.conn.fetch("select lead_id, detail from parked where reason = 'internal_error'")
    return {row["lead_id"]: row["detail"] for row in rows}


async def noted(tenant: Tenancy) -> tuple[int, int | None, int]:
    """Crashes within ten minutes, the lead that is noted, and how often a holder crashed while it was."""
    row = await tenant.conn.fetchrow(
        "select crashes, noted_lead, noted_crashes from lane where tenant_id = $1", tenant.tenant_id
    )
    assert row is not None
    return tuple(row)


async def crashed(tenant: Tenancy, crashes: int = 2, lead_id: int | None = None, noted_crashes: int = 0) -> None:
    """Makes the lane as it is after crashes."""
    dead = [await a_process(tenant.conn, dead=True) for _ in range(noted_crashes)]
    await tenant.conn.execute(
        """update lane set crashes = $2, crashed_at = now(), careful = 3000, noted_lead = $3, noted_by = $4,
                  noted_crashes = cardinality($4::bigint[]), crashed_by = $4
            where tenant_id = $1""",
        *(tenant.tenant_id, crashes, lead_id, dead),
    )


async def a_process(conn: asyncpg.Connection, *, dead: bool) -> int:
    """One that routes, on another host."""
    made: int = await conn.fetchval(
        """insert into process (process_id, instance, host, pid, died_at)
           values ((random() * 1e15)::bigint, 'x', 'elsewhere', 1, case when $1 then clock_timestamp() end)
           returning process_id""",
        dead,
    )
    return made


async def a_router_crashes(url: str, tenant_id: int) -> None:
    """With the lane in its hands; returns when the server knows, and other processes do."""
    conn = await asyncpg.connect(url)
    process_id = await a_process(conn, dead=True)
    await conn.execute("update lane set noted_by = noted_by || $1::bigint where noted_lead is not null", process_id)
    await rolled_back(conn, url, tenant_id)


async def a_session_ends(url: str, tenant_id: int) -> None:
    """With the lane in its hands, while its process lives."""
    conn = await asyncpg.connect(url)
    await a_process(conn, dead=False)
    await rolled_back(conn, url, tenant_id)


async def rolled_back(conn: asyncpg.Connection, url: str, tenant_id: int) -> None:
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
async def test_a_lead_that_the_database_refuses_parks_alone_also_after_crashes(
    conn: asyncpg.Connection, connections: Connections, leads: int
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    ids = (await tenant.accept(lead(i) for i in range(leads))).lead_ids
    await conn.execute(REFUSE.format(f"new.lead_id = {ids[leads // 2]}"))
    await crashed(tenant)
    drain = a_drain(connections)

    async def over() -> bool:
        await settle(drain, tenant.tenant_id)
        return (await tenant.states())["waiting"] == 0

    await until(over, "every lead has its place")
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


async def test_one_crash_slows_nothing_down(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    await tenant.accept(lead(i) for i in range(200))
    await a_router_crashes(database_url, tenant.tenant_id)
    done = await settle(a_drain(connections), tenant.tenant_id)
    assert (done.batches, done.assigned) == (1, 200)
    assert await noted(tenant) == (1, None, 0)


async def test_after_two_crashes_leads_come_one_at_a_time_in_their_order_and_nobody_is_parked_for_it(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    ids = (await tenant.accept(lead(i) for i in range(40))).lead_ids
    drain = a_drain(connections, ready=20)
    await a_router_crashes(database_url, tenant.tenant_id)
    await drain.drain_tenant(tenant.tenant_id, batch_limit=1)
    await a_router_crashes(database_url, tenant.tenant_id)
    done = await drain.drain_tenant(tenant.tenant_id, batch_limit=5)
    assert done.assigned == 5
    assert await noted(tenant) == (2, ids[25], 0)
    assert (await settle(drain, tenant.tenant_id)).assigned == 15
    assert await parked(tenant) == {}
    assert not (await audit(conn)).violations


async def test_when_enough_leads_came_through_alone_batches_are_as_before(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    await tenant.accept(lead(i) for i in range(40))
    await crashed(tenant)
    await conn.execute("update lane set careful = 3")
    done = await settle(a_drain(connections), tenant.tenant_id)
    assert (done.assigned, done.batches) == (40, 4)
    assert await noted(tenant) == (0, None, 0)


async def test_a_more_urgent_lead_waits_for_two_that_may_be_at_fault_and_no_more(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    await tenant.accept(lead(i) for i in range(10))
    await crashed(tenant)
    [urgent] = (await tenant.accept([lead(99, priority=5)])).lead_ids
    await a_drain(connections).drain_tenant(tenant.tenant_id, batch_limit=3)
    assert await conn.fetchval("select exists (select from assignment where lead_id = $1)", urgent)


async def test_urgent_leads_that_keep_coming_do_not_keep_the_search_from_its_end(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    old = (await tenant.accept(lead(i) for i in range(20))).lead_ids
    await crashed(tenant)
    await tenant.accept(lead(i, priority=5) for i in range(100, 200))
    drain = a_drain(connections)
    for _ in range(42):
        await drain.drain_tenant(tenant.tenant_id, batch_limit=1)
    left = {row["lead_id"] for row in await conn.fetch("select lead_id from lead_pool")}
    assert not left & set(old)
    assert len(left) >= 70
    # None of those is left that may be at fault, so the end is near.
    assert await conn.fetchval("select careful from lane") <= careful_rest(drain.request.ready)


async def test_the_lead_over_which_one_after_the_other_crashed_is_parked_and_the_others_go_on(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    ids = (await tenant.accept(lead(i) for i in range(40))).lead_ids
    await crashed(tenant, 3, ids[7], 1)
    await a_router_crashes(database_url, tenant.tenant_id)
    done = await settle(a_drain(connections), tenant.tenant_id)
    assert done.assigned == 39
    assert list(await parked(tenant)) == [ids[7]]
    assert await noted(tenant) == (0, None, 0)
    assert not (await audit(conn)).violations


@pytest.mark.parametrize("another_died", [False, True])
async def test_a_lead_that_crashes_routers_slows_other_tenants_only_until_it_is_found(
    conn: asyncpg.Connection, connections: Connections, database_url: str, another_died: bool
) -> None:
    tenant, other = [await make_tenant(conn, simple_reps(3), name=name) for name in ("acme", "globex")]
    ids = (await tenant.accept(lead(i) for i in range(10))).lead_ids
    await crashed(tenant, 3, ids[7], 1)
    await a_router_crashes(database_url, tenant.tenant_id)
    # The same processes had leads of the other tenant in their hands.
    dead = await conn.fetchval("select array_agg(process_id) from process where died_at is not null")
    await other.accept(lead(i) for i in range(40))
    await crashed(other)
    await conn.execute("update lane set crashed_by = $2 where tenant_id = $1", other.tenant_id, dead)
    drain = a_drain(connections)
    assert (await drain.drain_tenant(other.tenant_id, batch_limit=5)).assigned == 5
    assert (await settle(drain, tenant.tenant_id)).assigned == 9
    assert list(await parked(tenant)) == [ids[7]]
    if another_died:
        later = await a_process(conn, dead=True)
        await conn.execute(
            "update lane set crashed_by = crashed_by || $2::bigint where tenant_id = $1", other.tenant_id, later
        )
    rest = await settle(drain, other.tenant_id)
    assert rest.assigned == 35
    assert (rest.batches > 30) == another_died
    assert not (await audit(conn)).violations


@pytest.mark.parametrize("found", [False, True])
async def test_a_process_that_died_of_a_lead_already_found_is_no_crash_of_another_lane(
    conn: asyncpg.Connection, connections: Connections, database_url: str, found: bool
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    await tenant.accept(lead(i) for i in range(10))
    await a_router_crashes(database_url, tenant.tenant_id)
    if found:
        await conn.execute("update process set explained_at = clock_timestamp() where died_at is not null")
    await a_drain(connections, ready=5).drain_tenant(tenant.tenant_id, batch_limit=1)
    assert (await noted(tenant))[0] == (0 if found else 1)


async def test_a_noted_lead_that_somebody_has_locked_or_taken_does_not_stop_the_line(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    ids = (await tenant.accept(lead(i) for i in range(10))).lead_ids
    await crashed(tenant, 2, ids[4])
    other = await asyncpg.connect(database_url)
    async with other.transaction():
        await other.execute("select from lead_pool where lead_id = $1 for update", ids[4])
        assert (await settle(a_drain(connections), tenant.tenant_id)).assigned == 9
    await other.close()
    assert (await settle(a_drain(connections), tenant.tenant_id)).assigned == 1
    await tenant.accept([lead(99)])
    await crashed(tenant, 2, ids[4])
    assert (await settle(a_drain(connections), tenant.tenant_id)).assigned == 1


async def test_status_says_that_routers_crash(conn: asyncpg.Connection) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    assert (await status(conn)).tenants[0].findings == ()
    await crashed(tenant, 3)
    [finding] = (await status(conn)).tenants[0].findings
    assert "crashed 3 times" in finding.sentence
    assert "3,000 leads are taken one at a time" in finding.sentence


async def test_an_error_that_the_router_survives_is_not_taken_for_a_crash(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    [one] = (await tenant.accept([lead(1)])).lead_ids
    await crashed(tenant, 2, one)
    await conn.execute(REFUSE.format("true").replace("22003", "40001"))
    for seed in range(5):
        with pytest.raises(asyncpg.SerializationError):
            await a_drain(connections, seed=seed).drain_tenant(tenant.tenant_id)
        assert await noted(tenant) == (2, one, 0)
    await conn.execute("drop trigger refuse on assignment")
    await settle(a_drain(connections), tenant.tenant_id)
    assert (await tenant.states())["assigned"] == 1
    assert await parked(tenant) == {}


async def test_sessions_that_are_ended_again_and_again_are_no_crash_and_park_nobody(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    await tenant.accept(lead(i) for i in range(40))
    drain = a_drain(connections, ready=5)
    for _ in range(6):
        await a_session_ends(database_url, tenant.tenant_id)
        await drain.drain_tenant(tenant.tenant_id, batch_limit=1)
        assert await noted(tenant) == (0, None, 0)
    done = await settle(drain, tenant.tenant_id)
    assert (done.batches, done.assigned) == (2, 10)
    assert await parked(tenant) == {}


async def test_a_refused_change_by_hand_is_no_crash(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    for number in range(4):
        await tenant.accept([lead(number)])
        with pytest.raises(ZeroDivisionError):
            async with conn.transaction():
                await conn.execute("select from lane for update")
                raise ZeroDivisionError
        await settle(a_drain(connections), tenant.tenant_id)
    assert await noted(tenant) == (0, None, 0)


async def test_a_crash_that_becomes_known_only_later_is_counted_all_the_same(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    drain = a_drain(connections)
    await tenant.accept([lead(1)])
    await a_session_ends(database_url, tenant.tenant_id)
    await settle(drain, tenant.tenant_id)
    await conn.execute("update process set died_at = clock_timestamp() where host = 'elsewhere'")
    drain.session(tenant.tenant_id).judged_at_s = None
    await tenant.accept([lead(2)])
    await settle(drain, tenant.tenant_id)
    assert await noted(tenant) == (1, None, 0)
    assert await conn.fetchval("select aborted_at is null from lane")


async def test_who_took_the_noted_lead_and_lives_is_not_counted_against_it(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    [one] = (await tenant.accept([lead(1)])).lead_ids
    await crashed(tenant, 2, one)
    for _ in range(3):
        await conn.execute("update lane set noted_by = noted_by || $1::bigint", await a_process(conn, dead=False))
    await settle(a_drain(connections), tenant.tenant_id)
    assert (await tenant.states())["assigned"] == 1


@pytest.mark.parametrize("last", [1_999_999_999, 2_147_483_646])
async def test_numbers_of_the_router_s_own_that_run_out_begin_anew_and_park_nobody(
    conn: asyncpg.Connection, connections: Connections, last: int
) -> None:
    rules = "".join(f"  - {{name: r{n}, match: {{region: [r{n}]}}, assign_to: 'group:g{n}'}}\n" for n in range(6))
    tenant = await make_tenant(conn, simple_reps(1), f"rules:\n{rules}")
    await tenant.accept([lead(0, region="r0")])
    await settle(a_drain(connections), tenant.tenant_id)
    await conn.execute("update lane set next_wake_key = $1, state_token = 7", last)
    drain = a_drain(connections, seed=2)
    await tenant.accept(lead(1 + n, region=f"r{n}") for n in range(6))
    await settle(drain, tenant.tenant_id)
    found = await tenant.states()
    assert (found["waiting"], found["parked"]) == (7, 0)
    keys = {row[0] for row in await conn.fetch("select wake_key from wake_key")}
    assert len(keys) == 6
    assert max(keys) <= 2_000_000_000
    assert not (await audit(conn)).violations
    await tenant.roster(reps_csv([f"a{n},A,yes,UTC,g{n},10,10" for n in range(6)]))
    assert (await settle(drain, tenant.tenant_id)).assigned == 7


async def test_processes_that_died_while_they_did_something_else_are_not_counted_against_the_noted_lead(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    [one] = (await tenant.accept([lead(1)])).lead_ids
    await crashed(tenant, 2, one)
    for _ in range(3):
        await conn.execute("update lane set noted_by = noted_by || $1::bigint", await a_process(conn, dead=True))
    await settle(a_drain(connections), tenant.tenant_id)
    assert (await tenant.states())["assigned"] == 1


async def test_a_lead_over_which_a_process_died_is_taken_while_that_process_does_nothing_else(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    busy, tenant = await make_tenant(conn, simple_reps(2), name="busy"), await make_tenant(conn, simple_reps(2))
    drain = a_drain(connections)
    for one in (busy, tenant):
        await settle(drain, one.tenant_id)
    await busy.accept([lead(1)])
    ids = (await tenant.accept([lead(1)])).lead_ids
    await crashed(tenant, lead_id=ids[0], noted_crashes=1)
    other = await asyncpg.connect(database_url)
    # The batch of the other tenant is under way until this lock is gone.
    await other.execute("begin; lock table assignment in share mode")
    async with asyncio.TaskGroup() as group:
        group.create_task(settle(drain, busy.tenant_id))

        async def waits() -> bool:
            return bool(await conn.fetchval(BLOCKED))

        await until(waits, "the other tenant's batch waits for the lock")
        group.create_task(settle(drain, tenant.tenant_id))

        async def at_the_gate() -> bool:
            return drain.gate.waiting == 1

        await until(at_the_gate, "the lead waits until it is alone")
        assert await noted(tenant) == (2, ids[0], 1)
        await other.execute("rollback")
    assert (await busy.states())["assigned"] == (await tenant.states())["assigned"] == 1
    await other.close()


async def test_who_waited_to_be_alone_and_finds_the_lane_taken_or_paused_is_in_no_trouble(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    drain = a_drain(connections)
    await settle(drain, tenant.tenant_id)
    ids = (await tenant.accept([lead(1)])).lead_ids
    await crashed(tenant, lead_id=ids[0], noted_crashes=1)
    other = await asyncpg.connect(database_url)
    async with AsyncExitStack() as other_batch, asyncio.TaskGroup() as group:
        await other_batch.enter_async_context(drain.gate.shared())
        draining = group.create_task(drain.drain_tenant(tenant.tenant_id))

        async def at_the_gate() -> bool:
            return drain.gate.waiting == 1

        await until(at_the_gate, "the lead waits until it is alone")
        await other.execute("begin; select from lane for update")
        await other_batch.aclose()
        done = await draining
    assert (done.outcome, done.leads) == (LaneOutcome.LOCKED, 0)
    assert not drain.session(tenant.tenant_id).failed
    await other.close()


async def test_a_batch_that_does_not_end_keeps_a_lead_that_has_to_be_alone_waiting_and_nobody_counts_a_crash(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    drain = a_drain(connections)
    await settle(drain, tenant.tenant_id)
    ids = (await tenant.accept([lead(1)])).lead_ids
    await crashed(tenant, lead_id=ids[0], noted_crashes=1)
    async with drain.gate.shared():
        with pytest.raises(NotAlone):
            await drain.drain_tenant(tenant.tenant_id)
    assert not drain.session(tenant.tenant_id).failed
    assert (await settle(drain, tenant.tenant_id)).assigned == 1


async def test_a_lead_that_waits_has_its_turn_in_the_search_while_ready_ones_keep_coming(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(1, max_open=1))
    first, waits = (await tenant.accept([lead(1), lead(2)])).lead_ids
    await settle(a_drain(connections), tenant.tenant_id)
    assert (await tenant.states())["waiting"] == 1
    await tenant.roster(simple_reps(1, max_open=1000))
    await crashed(tenant)
    await tenant.accept(lead(i, priority=5) for i in range(100, 150))
    drain = a_drain(connections)
    for _ in range(6):
        await drain.drain_tenant(tenant.tenant_id, batch_limit=1)
    assert await conn.fetchval("select exists (select from assignment where lead_id = $1)", waits)
    assert first != waits
