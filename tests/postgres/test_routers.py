"""Several router processes at once, while other processes end leads, give them by hand and hand in new ones."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import asyncpg
import pytest

from ops.audit.audit import audit
from tests.support import connected, until
from tests.workers import Daemon, serving, some_leads, work
from tests.world import Tenancy, lead, make_tenant, reps_csv, simple_reps

RULES = """
rules:
  - {name: everyone, match: {}, assign_to: "group:all"}
"""
BY_OPEN, BY_DAY = (40, 1000), (1000, 90)

# Every rep's count of a business day, and the most that were open at one moment, from the assignments alone:
# where an ending and an assignment fall on one instant, the ending was first.
COUNTED = """
with given as (
    select tenant_id, rep_no, lead_id, assigned_at, null::timestamptz as ended_at from assignment
    union all select tenant_id, rep_no, lead_id, assigned_at, ended_at from assignment_history),
days as (
    select tenant_id, rep_no, (assigned_at at time zone t.time_zone)::date as day, count(*) as n
      from given join tenant t using (tenant_id) group by 1, 2, 3),
steps as (
    select tenant_id, rep_no, assigned_at as at, 1 as step from given
    union all select tenant_id, rep_no, ended_at, -1 from given where ended_at is not null),
running as (
    select tenant_id, rep_no, sum(step) over (partition by tenant_id, rep_no order by at, step) as n from steps)
select r.tenant_id, r.rep_id, w.max_open, w.max_per_day,
       coalesce((select max(n) from days d where (d.tenant_id, d.rep_no) = (r.tenant_id, r.rep_no)), 0) as of_day,
       coalesce((select max(n) from running s where (s.tenant_id, s.rep_no) = (r.tenant_id, r.rep_no)), 0) as most_open,
       (select count(*) from assignment a where (a.tenant_id, a.rep_no) = (r.tenant_id, r.rep_no)) as open
  from rep r join rep_row w on (w.tenant_id, w.rep_no) = (r.tenant_id, r.rep_no) and w.to_version is null
"""

UNSETTLED = """
select exists (select from lane_inbox)
    or exists (select from lead_pool where wake_key = 0)
    or exists (select from tenant t join rep_row w on w.tenant_id = t.tenant_id and w.to_version is null
                 left join rep_load l on (l.tenant_id, l.rep_no) = (w.tenant_id, w.rep_no)
                where exists (select from lead_pool p where p.tenant_id = t.tenant_id)
                  and coalesce(l.open, 0) < w.max_open and coalesce(l.today, 0) < w.max_per_day)
"""

TWICE = """
select lead_id from (
    select tenant_id, lead_id from lead_pool union all select tenant_id, lead_id from assignment
    union all select tenant_id, lead_id from parked union all select tenant_id, lead_id from merged
    union all select tenant_id, lead_id from closed) placed
 right join lead using (tenant_id, lead_id) group by tenant_id, lead_id having count(placed) <> 1
"""

# Tests beside this one may have so much of the server that it has no more for a router.
SERVER_IS_SHARED = {"more connections than the server has", "the database refuses more connections"}


def noon_zone() -> str:
    """A zone in which no midnight comes during the test."""
    ahead = (12 - datetime.now(UTC).hour) % 24
    return f"Etc/GMT-{ahead}" if ahead <= 14 else f"Etc/GMT+{24 - ahead}"


def capped(count: int) -> bytes:
    """Half of the reps are bounded by their open leads, the others by those of the day."""
    caps = [BY_OPEN, BY_DAY]
    return reps_csv(f"r{i},Rep {i},yes,UTC,all,{caps[i % 2][0]},{caps[i % 2][1]}" for i in range(count))


async def a_tenant(conn: asyncpg.Connection, name: str, reps: int) -> Tenancy:
    return await make_tenant(conn, capped(reps), RULES, name=name, zone=noon_zone())


async def settled(conn: asyncpg.Connection) -> None:
    """Until nothing is left to do: nobody waits while a rep has room."""

    async def nothing_to_do() -> bool:
        return not await conn.fetchval(UNSETTLED)

    await until(nothing_to_do, "all that has room is filled", 60)


async def caps_hold_to_the_last_lead(conn: asyncpg.Connection) -> None:
    """Nobody ever had more than the caps allow, and everybody has all that they allow."""
    for row in await conn.fetch(COUNTED):
        assert row["most_open"] <= row["max_open"], dict(row)
        assert row["of_day"] <= row["max_per_day"], dict(row)
        assert row["open"] == row["max_open"] or row["of_day"] == row["max_per_day"], dict(row)
    assert not await conn.fetch(TWICE)
    found = await audit(conn)
    assert not found.violations
    assert found.replayed > 10


async def drained_by_four(url: str, conn: asyncpg.Connection, tenants: Sequence[Tenancy], leads: int) -> Counter[str]:
    """So many leads of each tenant arrive while four routers drain; beside them somebody ends leads, another gives
    some by hand, a third hands in more. Answers what these three did.
    """
    async with AsyncExitStack() as stack:
        routers = [
            await stack.enter_async_context(serving(url, drain_batch_leads=20, drain_poll_interval_s=0.2))
            for _ in range(4)
        ]
        numbers = [tenant.tenant_id for tenant in tenants]
        counts = {"end": 200, "give": 40, "accept": 200}
        async with asyncio.TaskGroup() as group:
            company = [
                group.create_task(work(task, url=url, tenants=numbers, count=count, seed=1))
                for task, count in counts.items()
            ]
            await asyncio.gather(*(router.said("listening") for router in routers))
            for first in range(0, leads, 40):
                for tenant in tenants:
                    await tenant.accept(some_leads(first, first + 40, "web", random.Random(first)))
        await settled(conn)
        assert await asyncio.gather(*(router.stop() for router in routers)) == [0] * 4
        loud = [line for router in routers for line in router.log if line["level"] != "info"]
        assert not [line for line in loud if line["event"] not in SERVER_IS_SHARED]
    return sum((task.result() for task in company), Counter[str]())


@pytest.mark.direct
async def test_four_routers_on_one_tenant_keep_caps_to_the_last_lead(
    database_url: str, conn: asyncpg.Connection
) -> None:
    tenant = await a_tenant(conn, "acme", reps=8)
    done = await drained_by_four(database_url, conn, [tenant], 1200)
    assert done["won"] + done["lost"] + done["returned"] == 200
    assert done["given"] > 0
    await caps_hold_to_the_last_lead(conn)
    assert sum((await tenant.states()).values()) == 1400
    assert (await tenant.states())["waiting"] > 300


@pytest.mark.direct
async def test_four_routers_on_twenty_tenants_keep_caps_to_the_last_lead(
    database_url: str, conn: asyncpg.Connection
) -> None:
    tenants = [await a_tenant(conn, f"t{i}", reps=2) for i in range(20)]
    done = await drained_by_four(database_url, conn, tenants, 200)
    assert done["won"] + done["lost"] + done["returned"] == 200
    assert done["given"] > 0
    await caps_hold_to_the_last_lead(conn)
    assert sum([sum((await tenant.states()).values()) for tenant in tenants]) == 4200


async def assigned_so_far(conn: asyncpg.Connection) -> int:
    count: int = await conn.fetchval("select count(*) from assignment")
    return count


async def in_the_middle(conn: asyncpg.Connection, at_least: int = 1) -> None:
    """Until some leads are assigned, while most still wait."""

    async def begun() -> bool:
        return await assigned_so_far(conn) >= at_least

    await until(begun, "the first leads are assigned")


async def many_leads(conn: asyncpg.Connection, count: int) -> Tenancy:
    """A tenant, the first one, without caps that matter, and so many leads that draining takes a while."""
    tenant = await make_tenant(conn, simple_reps(5, max_open=count, max_per_day=count), RULES)
    for first in range(0, count, 1000):
        await tenant.accept(lead(i) for i in range(first, first + 1000))
    return tenant


async def nothing_is_half_done(conn: asyncpg.Connection) -> None:
    assert not await conn.fetch(TWICE)
    assert not (await audit(conn)).violations


async def test_a_tenant_with_a_long_backlog_does_not_keep_the_others_waiting(
    database_url: str, conn: asyncpg.Connection
) -> None:
    busy = await many_leads(conn, 4000)
    other = await make_tenant(conn, simple_reps(1), RULES, name="other")
    async with serving(database_url, drain_batch_leads=5, drain_concurrency=1):
        await in_the_middle(conn)
        await other.accept([lead(1)])

        async def served() -> bool:
            return (await other.states())["assigned"] == 1

        await until(served, "the other tenant's lead is assigned")
        assert (await busy.states())["waiting"] > 0


async def test_a_killed_router_loses_nothing_and_the_others_go_on(database_url: str, conn: asyncpg.Connection) -> None:
    tenant = await many_leads(conn, 6000)
    async with AsyncExitStack() as stack:
        routers = [await stack.enter_async_context(serving(database_url, drain_batch_leads=10)) for _ in range(4)]
        await asyncio.gather(*(router.said("listening") for router in routers))
        await in_the_middle(conn)
        # The one that holds the lane now, or held it a moment ago.
        assert await routers[0].stop(signal.SIGKILL) == -signal.SIGKILL
        assert (await tenant.states())["waiting"] > 0
        await settled(conn)
    assert await tenant.states() == {"waiting": 0, "assigned": 6000, "parked": 0, "merged": 0, "closed": 0}
    await nothing_is_half_done(conn)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("words", [(), ("drain", "--until-idle")], ids=["serve", "drain"])
async def test_a_stopped_router_finishes_its_batch_and_leaves_nothing_half_done(
    database_url: str, conn: asyncpg.Connection, words: tuple[str, ...], number: signal.Signals
) -> None:
    tenant = await many_leads(conn, 6000)
    async with serving(database_url, *words, drain_batch_leads=10) as router:
        await in_the_middle(conn)
        assert await router.stop(number) == 0
    states = await tenant.states()
    assert states["waiting"] > 0 and states["waiting"] + states["assigned"] == 6000
    assert states["assigned"] % 10 == 0
    await nothing_is_half_done(conn)


async def test_a_second_signal_ends_a_router_at_once_and_its_batch_is_rolled_back(
    database_url: str, conn: asyncpg.Connection
) -> None:
    tenant = await many_leads(conn, 1000)
    async with connected(database_url) as foreign, foreign.transaction():
        await foreign.execute("lock table assignment in exclusive mode")
        async with serving(database_url) as router:
            await router.said("listening")
            await waits_for_a_lock(conn)
            router.process.send_signal(signal.SIGTERM)
            await stops(router)
            # On a busy machine it may have given up its batch by now, and be about to end by itself.
            assert await router.stop() in (128 + signal.SIGTERM, -signal.SIGTERM, 0)
    assert (await tenant.states())["waiting"] == 1000
    await nothing_is_half_done(conn)


async def waits_for_a_lock(conn: asyncpg.Connection) -> None:
    """Until a router has just begun to wait: it does so for two seconds."""
    just_begun = """exists (select from pg_locks join pg_stat_activity using (pid)
                            where datname = current_database() and not granted
                              and clock_timestamp() - waitstart < '0.5 s')"""

    async def waits() -> bool:
        return bool(await conn.fetchval(f"select {just_begun}"))

    await until(waits, "a router waits for the lock")


async def stops(router: Daemon) -> None:
    async def stopping() -> bool:
        return "stopping" in (await router.get("/readyz"))[1]

    await until(stopping, "the router has heard the signal")
