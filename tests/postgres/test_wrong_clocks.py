"""A clock that is wrong stops routing, loudly, and when it is right again nothing of it is left behind."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from loadtest.daemon import Daemon, serving
from loadtest.faults.clock import install_clock, set_clock_ahead
from ops.audit.audit import audit
from ops.cli.lane import reset_clock
from ops.status.status import status
from router.domain.clocks import ClockDisputed
from router.drain.drain import Drain
from router.drain.until_idle import drain_until_idle
from router.manual.assign import assign_by_hand
from router.store.connections.connections import Connections, Part, open_connections
from router.store.leads import accept
from router.store.pauses import pause
from router.store.processes import OwnProcess
from router.store.rates import Wanted, take_snapshot
from router.store.tenants import tenant_named
from tests.command_line import CommandLine
from tests.support import connected, until
from tests.world import Tenancy, a_drain, lead, make_tenant, settle, simple_reps

RIGHT = timedelta(0)
FAR = [timedelta(days=40), timedelta(hours=2), timedelta(days=-40), timedelta(hours=-2)]
PARKED_AFTER_A_WEEK = """
max_age: 7d
rules:
  - {name: everyone, match: {}, assign_to: "group:all"}
"""


@pytest.fixture
async def clocked(conn: asyncpg.Connection) -> asyncpg.Connection:
    """A session of the database, whose clock can be set."""
    await install_clock(conn)
    return conn


@pytest.fixture
async def connections(clocked: asyncpg.Connection, database_url: str) -> AsyncIterator[Connections]:
    """The service's, opened after the clock could be set."""
    async with open_connections(database_url) as opened:
        yield opened


def router(connections: Connections, *, ahead: timedelta = RIGHT, clock: Callable[[], float] | None = None) -> Drain:
    """A router whose host's clock is ahead of the real one."""
    drain = a_drain(connections)
    drain.process = OwnProcess(host_clock=lambda: datetime.now(UTC) + ahead)
    if clock is not None:
        drain.process.clock = clock
    return drain


async def codes(conn: asyncpg.Connection) -> dict[str, str]:
    found = (await status(conn)).findings
    return {finding.code: finding.severity for finding in found}


async def given_today(conn: asyncpg.Connection) -> int:
    total: int = await conn.fetchval(
        "select coalesce(sum(today), 0) from rep_load where day = (clock_timestamp() at time zone 'UTC')::date"
    )
    return total


@pytest.mark.parametrize("jump", FAR, ids=str)
async def test_while_the_database_is_at_another_time_nothing_is_routed_and_every_page_says_so(
    clocked: asyncpg.Connection, database_url: str, jump: timedelta
) -> None:
    tenant = await make_tenant(clocked, simple_reps(2), PARKED_AFTER_A_WEEK)
    async with serving(database_url, "serve") as daemon:
        await daemon.said("listening")
        await tenant.accept([lead(1)])
        await until(lambda: _states(tenant, assigned=1), "the lead before the jump is routed")
        await set_clock_ahead(clocked, jump)
        await until(lambda: _not_ready(daemon, "clock of this host"), "/readyz says that the clocks differ")
        await tenant.accept([lead(2)])
        await until(lambda: _is_critical(clocked), "status says it")
        assert await _states(tenant, assigned=1, waiting=1)
        assert (await daemon.get("/livez"))[0] == 200
        await set_clock_ahead(clocked, RIGHT)
        await until(lambda: _states(tenant, assigned=2), "the lead is routed when the clock is right again")
        await until(lambda: _ready(daemon), "/readyz is 200 again")
        await tenant.accept([lead(3)])
        await until(lambda: _states(tenant, assigned=3), "fresh leads are routed as always")
        assert await daemon.stop() == 0
    far = "select count(*) from assignment where abs(extract(epoch from assigned_at - clock_timestamp())) > 300"
    assert await clocked.fetchval(far) == 0


async def _states(tenant: Tenancy, **wanted: int) -> bool:
    return {state: n for state, n in (await tenant.states()).items() if n} == wanted


async def _not_ready(daemon: Daemon, words: str) -> bool:
    code, text = await daemon.get("/readyz")
    return code == 503 and words in text


async def _is_critical(conn: asyncpg.Connection) -> bool:
    return (await codes(conn)).get("clocks_differ") == "critical"


async def _ready(daemon: Daemon) -> bool:
    return (await daemon.get("/readyz"))[0] == 200


@pytest.mark.parametrize("jump", [timedelta(days=40), timedelta(hours=2)], ids=str)
async def test_after_batches_at_a_time_to_come_leads_are_neither_old_nor_capped_and_a_command_dates_all_back(
    clocked: asyncpg.Connection, connections: Connections, database_url: str, jump: timedelta
) -> None:
    tenant = await make_tenant(clocked, simple_reps(2, max_per_day=3), PARKED_AFTER_A_WEEK)
    await settle(router(connections), tenant.tenant_id)
    await tenant.accept([lead(1)])
    await settle(router(connections), tenant.tenant_id)
    # Machine and database are one, so no clock contradicts.
    await set_clock_ahead(clocked, jump)
    await tenant.accept([lead(number) for number in range(2, 7)])
    ahead = router(connections, ahead=jump)
    await settle(ahead, tenant.tenant_id)
    await set_clock_ahead(clocked, RIGHT)

    found = await CommandLine(reset_clock, database_url).json("acme", "--dry-run")
    assert found["tenants"][0]["dated_back"]["assignments"] == 5
    assert "clock_was_wrong" in await codes(clocked)
    assert "time_to_come" in {one.kind.name for one in (await audit(clocked, None, 10)).violations}

    # By itself the lane goes on from now.
    await tenant.accept([lead(7)])
    await settle(router(connections), tenant.tenant_id)
    states = {state: n for state, n in (await tenant.states()).items() if n}
    assert not states.get("parked"), states
    last_at = await clocked.fetchval("select last_at from lane")
    assert abs(last_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert await clocked.fetchval("select actor from change where action = 'lane clock'") == "lead-router"

    done = await CommandLine(reset_clock, database_url).json("acme", "--why", "the clock was ahead")
    assert done["tenants"][0]["dated_back"]["assignments"] == 5
    assert "clock_was_wrong" not in await codes(clocked)
    assert await given_today(clocked) == await clocked.fetchval("select count(*) from assignment")
    assert (await clocked.fetchval("select max(assigned_at) from assignment")) <= datetime.now(UTC)
    # All was given today: the cap of six holds, but for what the clock had put into another day.
    same_day = (datetime.now(UTC) + jump).date() == datetime.now(UTC).date()
    await tenant.accept([lead(number) for number in range(8, 12)])
    await settle(router(connections), tenant.tenant_id)
    assert await clocked.fetchval("select max(today) from rep_load") <= (3 if same_day else 4)
    checked = await audit(clocked, None, 10)
    wrong = {one.kind.name for one in checked.violations} - {"day_cap_exceeded"}
    assert wrong == set(), checked.violations


async def test_a_day_that_comes_once_more_after_a_clock_was_behind_has_the_leads_that_it_had(
    clocked: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(clocked, simple_reps(1, max_per_day=3))
    await tenant.accept([lead(1), lead(2)])
    await settle(router(connections), tenant.tenant_id)
    await set_clock_ahead(clocked, timedelta(days=-40))
    await tenant.accept([lead(number) for number in range(3, 8)])
    await settle(router(connections, ahead=timedelta(days=-40)), tenant.tenant_id)
    assert await _states(tenant, assigned=5, waiting=2)
    await set_clock_ahead(clocked, RIGHT)
    await settle(router(connections), tenant.tenant_id)
    # Two of today and one more: not three.
    assert await _states(tenant, assigned=6, waiting=1)
    assert await given_today(clocked) == 3


async def test_after_a_failover_to_a_server_minutes_behind_leads_wait_two_minutes_and_not_for_ever(
    clocked: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(clocked, simple_reps(2))
    now_s = [0.0]
    drain = router(connections, clock=lambda: now_s[0])
    await tenant.accept([lead(1)])
    await settle(drain, tenant.tenant_id)
    await set_clock_ahead(clocked, timedelta(minutes=-5))
    await tenant.accept([lead(2)])
    with pytest.raises(ClockDisputed, match="5 min ahead of"):
        await settle(drain, tenant.tenant_id)
    # The database's own clock does not wait for the test; a minute more or less is no jump.
    for step_s, minutes in ((50, -4.2), (50, -3.4)):
        now_s[0] += step_s
        await set_clock_ahead(clocked, timedelta(minutes=minutes))
        with pytest.raises(ClockDisputed):
            await settle(drain, tenant.tenant_id)
    now_s[0] += 25
    await settle(drain, tenant.tenant_id)
    assert await _states(tenant, assigned=2)
    # Its time stands until the clock comes there: nothing is out of order afterwards.
    await set_clock_ahead(clocked, RIGHT)
    assert (await audit(clocked, None, 10)).ok


async def test_a_router_on_a_host_with_a_wrong_clock_routes_when_another_host_or_a_person_confirms_the_database(
    clocked: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(clocked, simple_reps(2))
    await tenant.accept([lead(1)])
    with pytest.raises(ClockDisputed):
        await settle(router(connections, ahead=timedelta(hours=1)), tenant.tenant_id)
    assert (await codes(clocked))["clocks_differ"] == "critical"
    async with connections.acquire(Part.DRAIN) as lent:
        right = OwnProcess()
        await right.beat(lent)
        await settle(router(connections, ahead=timedelta(hours=1)), tenant.tenant_id)
        assert await _states(tenant, assigned=1)
        await lent.execute("delete from process")
    await tenant.accept([lead(2)])
    with pytest.raises(ClockDisputed):
        await settle(router(connections, ahead=timedelta(hours=1)), tenant.tenant_id)
    done = await CommandLine(reset_clock, database_url).json("acme")
    assert sum(done["tenants"][0]["dated_back"].values()) == 0
    await settle(router(connections, ahead=timedelta(hours=1)), tenant.tenant_id)
    assert await _states(tenant, assigned=2)


async def test_a_drain_that_does_not_know_the_time_ends_with_the_reason(
    clocked: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(clocked, simple_reps(2))
    await tenant.accept([lead(1)])
    [idle] = await drain_until_idle(router(connections, ahead=timedelta(hours=-3)), [tenant.tenant_id], patience_s=0.2)
    assert not idle.clean
    assert "3 h 0 min behind the database's" in (idle.failure or "")


@pytest.mark.parametrize("jump", FAR, ids=str)
async def test_leads_that_came_while_the_clock_was_wrong_are_not_parked_for_their_age(
    clocked: asyncpg.Connection, connections: Connections, database_url: str, jump: timedelta
) -> None:
    tenant = await make_tenant(clocked, simple_reps(2, max_open=1), PARKED_AFTER_A_WEEK)
    await set_clock_ahead(clocked, jump)
    await tenant.accept([lead(number) for number in range(5)])
    await set_clock_ahead(clocked, RIGHT)
    await settle(router(connections), tenant.tenant_id)
    assert await _states(tenant, assigned=2, waiting=3)
    await CommandLine(reset_clock, database_url).json("acme")
    oldest = await clocked.fetchval("select max(abs(extract(epoch from queued_at - clock_timestamp()))) from lead_pool")
    assert oldest < 60
    assert (await audit(clocked, None, 10)).ok


async def test_a_lead_that_was_refused_at_a_time_to_come_is_looked_at_again_now(
    clocked: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(clocked, simple_reps(1, max_open=1), PARKED_AFTER_A_WEEK)
    await tenant.accept([lead(1), lead(2)])
    await set_clock_ahead(clocked, timedelta(days=3))
    await settle(router(connections, ahead=timedelta(days=3)), tenant.tenant_id)
    assert await _states(tenant, assigned=1, waiting=1)
    await set_clock_ahead(clocked, RIGHT)
    drain = router(connections)
    # Nothing else calls: the search itself sees that the lane is ahead.
    assert await drain.tenants_with_work() == [tenant.tenant_id]
    await settle(drain, tenant.tenant_id)
    assert await drain.tenants_with_work() == []
    next_visit = await clocked.fetchval("select next_visit_at from lane")
    assert next_visit <= datetime.now(UTC) + timedelta(days=8)


async def test_an_ending_of_a_time_to_come_does_not_take_the_lane_there(
    clocked: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(clocked, simple_reps(1, max_open=1))
    await tenant.accept([lead(1), lead(2)])
    await settle(router(connections), tenant.tenant_id)
    await clocked.execute(
        """insert into lane_inbox (tenant_id, rep_no, open_delta, at)
           select tenant_id, rep_no, 0, clock_timestamp() + interval '40 days' from rep_load"""
    )
    await settle(router(connections), tenant.tenant_id)
    assert await clocked.fetchval("select last_at from lane") < datetime.now(UTC) + timedelta(minutes=1)


async def test_giving_a_lead_by_hand_after_a_clock_was_ahead_is_dated_now(
    clocked: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(clocked, simple_reps(1))
    await set_clock_ahead(clocked, timedelta(days=40))
    await tenant.accept([lead(1)])
    await settle(router(connections, ahead=timedelta(days=40)), tenant.tenant_id)
    await set_clock_ahead(clocked, RIGHT)
    ids = (await tenant.accept([lead(2)])).lead_ids
    async with connections.acquire(Part.DUTIES) as lent:
        await assign_by_hand(lent, tenant.tenant_id, ids[0], "r001", actor="test", token=7)
    at: datetime = await clocked.fetchval("select assigned_at from assignment where lead_id = $1", ids[0])
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=1)


async def test_resetting_the_clock_of_a_lane_that_is_locked_changes_nothing_and_says_who(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    async with connected(database_url) as clocked, clocked.transaction():
        await clocked.execute("select from lane for update")
        done = await CommandLine(reset_clock, database_url).run("acme")
    assert done.exit_code == 1
    assert "locked" in done.output + str(done.exception)
    both = await CommandLine(reset_clock, database_url).run("acme", "--all")
    assert both.exit_code == 2


async def test_resetting_is_refused_while_it_may_be_the_database_that_is_behind(
    clocked: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(clocked, simple_reps(2))
    for number in range(3):
        await tenant.accept([lead(number)])
        await settle(router(connections), tenant.tenant_id)
    before = await clocked.fetch("select lead_id, assigned_at from assignment order by lead_id")
    await set_clock_ahead(clocked, timedelta(hours=-2))
    refused = await CommandLine(reset_clock, database_url).run("acme")
    assert refused.exit_code == 1
    assert "Put the database's clock right first" in refused.output + str(refused.exception)
    assert await clocked.fetch("select lead_id, assigned_at from assignment order by lead_id") == before
    ids = (await tenant.accept([lead(9)])).lead_ids
    async with connections.acquire(Part.DUTIES) as lent:
        with pytest.raises(ClockDisputed, match="put the clock right first"):
            await assign_by_hand(lent, tenant.tenant_id, ids[0], "r001", actor="test", token=7)
    await set_clock_ahead(clocked, RIGHT)
    await settle(router(connections), tenant.tenant_id)
    assert (await audit(clocked, None, 10)).ok


async def test_nobody_is_taken_for_dead_or_crashed_for_a_clock_that_was_ahead(
    clocked: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(clocked, simple_reps(2))
    await set_clock_ahead(clocked, timedelta(hours=2))
    now_s = [0.0]
    routers = [router(connections, ahead=timedelta(hours=2), clock=lambda: now_s[0]) for _ in range(3)]
    for _ in range(2):
        now_s[0] += 3
        for one in routers:
            await tenant.accept([lead(int(now_s[0] * 100) + routers.index(one))])
            await settle(one, tenant.tenant_id)
    await set_clock_ahead(clocked, RIGHT)
    await tenant.accept([lead(1)])
    await settle(router(connections), tenant.tenant_id)
    assert await clocked.fetchval("select count(*) from process where died_at is null and ended_at is null") == 4
    row = await clocked.fetchrow("select crashes, crashed_at, aborted_at from lane")
    assert tuple(row or ()) == (0, None, None)


async def test_leads_whose_times_were_right_keep_them_when_the_others_are_dated_back(
    clocked: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(clocked, simple_reps(1, max_open=0))
    await set_clock_ahead(clocked, timedelta(days=40))
    await tenant.accept([lead(1)])
    await settle(router(connections, ahead=timedelta(days=40)), tenant.tenant_id)
    await set_clock_ahead(clocked, timedelta(hours=-3))
    await tenant.accept([lead(2)], datetime.now(UTC) - timedelta(hours=3))
    await set_clock_ahead(clocked, RIGHT)
    await CommandLine(reset_clock, database_url).json("acme")
    hours = "extract(epoch from clock_timestamp() - queued_at) / 3600"
    ages = await clocked.fetchval(f"select array_agg(round({hours}) order by lead_id) from lead_pool")
    # The first came before the second.
    assert ages == [3, 3]


async def test_what_is_out_of_order_because_a_clock_was_wrong_is_put_in_order_also_when_these_times_are_past(
    clocked: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(clocked, simple_reps(2))
    for number, hours in enumerate((-9, -6, -8, -7)):
        await set_clock_ahead(clocked, timedelta(hours=hours))
        await tenant.accept([lead(number)], datetime.now(UTC) + timedelta(hours=hours))
        await settle(router(connections, ahead=timedelta(hours=hours)), tenant.tenant_id)
    await set_clock_ahead(clocked, RIGHT)
    assert {one.kind.name for one in (await audit(clocked, None, 10)).violations} == {"flight_out_of_order"}
    await CommandLine(reset_clock, database_url).json("acme")
    checked = await audit(clocked, None, 10)
    assert checked.ok, checked.violations


async def test_a_lead_of_a_time_to_come_is_not_forgotten_until_then(
    clocked: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(clocked, simple_reps(1, max_open=0), PARKED_AFTER_A_WEEK)
    await tenant.accept([lead(1)], datetime.now(UTC) + timedelta(days=40))
    await settle(router(connections), tenant.tenant_id)
    recheck_at = await clocked.fetchval("select recheck_at from lead_pool")
    assert recheck_at < datetime.now(UTC) + timedelta(days=8)
    assert "clock_was_wrong" in await codes(clocked)


@pytest.mark.parametrize("ahead", [timedelta(days=40), timedelta(hours=1)], ids=str)
async def test_where_routers_believe_the_database_leads_are_dated_by_it_whatever_a_host_says(
    clocked: asyncpg.Connection, connections: Connections, ahead: timedelta
) -> None:
    tenant = await make_tenant(clocked, simple_reps(1, max_open=0))
    host, now_s = [RIGHT], [0.0]
    process = OwnProcess(host_clock=lambda: datetime.now(UTC) + host[0], clock=lambda: now_s[0])
    async with connections.acquire(Part.DRAIN) as lent:
        await process.beat(lent)
        host[0], now_s[0] = ahead, 3.0
        await process.beat(lent)
        assert process.clocks.problem
        assert not process.clocks.disputed
    await accept(clocked, tenant.tenant_id, [lead(1)], host_clock=lambda: datetime.now(UTC) + ahead)
    queued_at = await clocked.fetchval("select queued_at from lead_pool")
    assert abs(queued_at - datetime.now(UTC)) < timedelta(minutes=1)


async def test_a_pause_that_was_made_while_the_clock_was_ahead_lasts_as_long_as_it_was_to(
    clocked: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(clocked, simple_reps(1))
    await set_clock_ahead(clocked, timedelta(days=40))
    await pause(clocked, await tenant_named(clocked, "acme"), timedelta(minutes=30), "ann", "upgrade")
    # As the product writes it, whose default was bound before the clock could be set.
    await clocked.execute("update change set at = clock_timestamp() where action = 'pause'")
    await set_clock_ahead(clocked, RIGHT)
    await CommandLine(reset_clock, database_url).json("acme")
    left = await clocked.fetchval("select paused_until - clock_timestamp() from lane")
    assert timedelta(minutes=28) < left < timedelta(minutes=31)


async def test_rates_that_were_counted_at_a_time_to_come_are_counted_again(clocked: asyncpg.Connection) -> None:
    tenant = await make_tenant(clocked, simple_reps(1))
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    wanted = Wanted(today + timedelta(days=40), None, None)
    assert await take_snapshot(clocked, tenant.tenant_id, wanted) == 1
    assert await take_snapshot(clocked, tenant.tenant_id, replace(wanted, as_of=today)) == 2
    assert await take_snapshot(clocked, tenant.tenant_id, replace(wanted, as_of=today)) == 2


async def test_a_clock_that_steps_back_over_midnight_after_it_was_ahead_keeps_no_router_busy(
    clocked: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(clocked, simple_reps(2))
    await tenant.accept([lead(1)])
    await settle(router(connections), tenant.tenant_id)
    # At 00:03, and the clock steps back to 23:58; somebody was ahead by days before.
    midnight = (datetime.now(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    ahead = midnight - timedelta(minutes=2) - datetime.now(UTC)
    await set_clock_ahead(clocked, ahead)
    await clocked.execute(
        "update lane set last_at = $1, latest_at = $2",
        *(midnight + timedelta(minutes=3), midnight + timedelta(days=5)),
    )
    await tenant.accept([lead(2)], midnight - timedelta(minutes=2))
    async with asyncio.timeout(60):
        await settle(router(connections, ahead=ahead), tenant.tenant_id)
    assert await _states(tenant, assigned=2)


@pytest.mark.parametrize("jump", FAR, ids=str)
async def test_signs_of_life_from_before_the_jump_bear_no_witness_for_the_clock_that_is_wrong(
    clocked: asyncpg.Connection, connections: Connections, jump: timedelta
) -> None:
    tenant = await make_tenant(clocked, simple_reps(2))
    now_s = [0.0]
    routers = [router(connections, clock=lambda: now_s[0]) for _ in range(3)]
    for one in routers:
        await settle(one, tenant.tenant_id)
    # Their second sign of life is dated by the clock that can be set.
    now_s[0] += 3
    for one in routers:
        await settle(one, tenant.tenant_id)
    await set_clock_ahead(clocked, jump)
    await tenant.accept([lead(1)])
    for _ in range(3):
        now_s[0] += 3
        for one in routers:
            with pytest.raises(ClockDisputed):
                await settle(one, tenant.tenant_id)
