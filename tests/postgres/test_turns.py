"""What one lead or one tenant may cost the others: places at the head of the line, and everybody's routing."""

import asyncio
from datetime import UTC, datetime

import asyncpg

from router.drain.close_rates import CloseRatesService
from router.drain.hints import Wakeups
from router.drain.scheduler import DrainService
from router.drain.until_idle import drain_until_idle
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.store.connections.connections import Connections
from tests.support import until
from tests.world import CATCH_ALL, Tenancy, a_drain, lead, make_tenant, settle, simple_reps

NEWER = "rules: [{name: one, something_of_a_later_release: 1}]"
WITH_RATES = f"weights: {{close_rate: {{lookback_days: 90}}}}\n{CATCH_ALL}"


async def with_rules_of_a_later_release(conn: asyncpg.Connection) -> Tenancy:
    tenant = await make_tenant(conn, simple_reps(1), name="newer")
    await conn.execute("update ruleset set source = $1 where tenant_id = $2", NEWER, tenant.tenant_id)
    await tenant.accept([lead(1)])
    return tenant


async def test_an_urgent_lead_does_not_wait_for_the_end_of_a_backlog_that_is_drained_in_short_turns(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(1, max_open=100_000, max_per_day=100_000))
    await tenant.accept(lead(i) for i in range(20_000))
    drain = a_drain(connections, ready=2)
    await drain.drain_tenant(tenant.tenant_id, batch_limit=3)
    urgent = (await tenant.accept([lead(99_999, priority=9)])).lead_ids[0]

    async def given() -> bool:
        await drain.drain_tenant(tenant.tenant_id, batch_limit=3)
        return bool(await conn.fetchval("select exists (select from assignment where lead_id = $1)", urgent))

    await until(given, "the urgent lead has a rep")
    assert (await tenant.states())["waiting"] > 0


async def test_rules_that_this_release_cannot_read_stop_one_tenant_and_no_other(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    newer = await with_rules_of_a_later_release(conn)
    other = await make_tenant(conn, simple_reps(1), name="other")
    service = DrainService(a_drain(connections), Wakeups(), jitter=lambda: 0.1, poll_interval_s=0.01)
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(Lifeline(stop, MonotonicClock(), lambda _: None)))
    for number in range(3):
        await other.accept([lead(number)])

        async def routed(wanted: int = number + 1) -> bool:
            return running.done() or (await other.states())["assigned"] == wanted

        await until(routed, "the other tenant's leads are assigned")
    assert not running.done()
    stop.set()
    await running
    assert (await newer.states())["waiting"] == 1


async def test_draining_until_idle_goes_on_past_a_tenant_whose_rules_it_cannot_read(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    newer = await with_rules_of_a_later_release(conn)
    other = await make_tenant(conn, simple_reps(1), name="other")
    await other.accept([lead(1)])
    left = await drain_until_idle(a_drain(connections), [newer.tenant_id, other.tenant_id])
    assert "something_of_a_later_release" in (left[0].failure or "")
    assert not left[0].clean
    assert left[1].clean
    assert (await other.states())["assigned"] == 1


async def test_rules_that_this_release_cannot_read_keep_no_other_tenant_from_its_close_rates(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    await with_rules_of_a_later_release(conn)
    other = await make_tenant(conn, simple_reps(1), WITH_RATES, name="other")
    await other.accept([lead(1, created_at=datetime.now(UTC))])
    await settle(a_drain(connections), other.tenant_id)
    stop = asyncio.Event()
    running = asyncio.create_task(CloseRatesService(connections).run(Lifeline(stop, MonotonicClock(), lambda _: None)))

    async def counted() -> bool:
        return running.done() or bool(await conn.fetchval("select rates from tenant where name = 'other'"))

    await until(counted, "the other tenant has its close rates")
    assert not running.done()
    stop.set()
    await running
