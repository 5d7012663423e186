"""The end of an assignment: won, lost or returned, and what becomes of the place and the lead."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from ops.audit.audit import audit
from ops.cli.end import end as end_command
from router.store import assignments, tenants
from router.store.assignments import Ending, NotAssigned, end
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.e2e.commands import lead_router
from tests.support import BLOCKED, connected, until
from tests.world import Tenancy, a_drain, lead, make_tenant, reps_csv, settle

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
RULES = "rules:\n  - {name: everyone, match: {}, assign_to: 'group:all'}\n"


async def a_tenant(conn: asyncpg.Connection, *caps: tuple[int, int], rules: str = RULES) -> Tenancy:
    """Reps r0, r1 … with these caps (open, per day)."""
    reps = reps_csv(f"r{i},Rep {i},yes,UTC,all,{most},{day}" for i, (most, day) in enumerate(caps))
    return await make_tenant(conn, reps, rules)


async def assigned(tenant: Tenancy) -> dict[int, str]:
    """The rep of every assigned lead."""
    rows = await tenant.conn.fetch("select lead_id, rep_id from assignment join rep using (tenant_id, rep_no)")
    return {row["lead_id"]: row["rep_id"] for row in rows}


async def loads(tenant: Tenancy) -> dict[str, tuple[int, int]]:
    """(open, today) by rep, as stored."""
    rows = await tenant.conn.fetch("select rep_id, open, today from rep_load join rep using (tenant_id, rep_no)")
    return {row["rep_id"]: (row["open"], row["today"]) for row in rows}


@pytest.mark.parametrize("how", [Ending.WON, Ending.LOST])
async def test_an_ending_closes_the_lead_and_frees_the_place_for_the_next_batch(
    conn: asyncpg.Connection, connections: Connections, how: Ending
) -> None:
    tenant, drain = await a_tenant(conn, (1, 10)), a_drain(connections)
    await tenant.accept((lead(i) for i in range(3)), NOON)
    await settle(drain, tenant.tenant_id, NOON)
    (first,) = await assigned(tenant)
    assert await end(conn, tenant.tenant_id, first, how, NOON + SECOND) == 1
    assert tenant.tenant_id in await drain.tenants_with_work(NOON + SECOND)
    await settle(drain, tenant.tenant_id, NOON + SECOND)
    (second,) = await assigned(tenant)
    assert second != first
    assert await loads(tenant) == {"r0": (1, 2)}
    assert await conn.fetchval("select outcome from closed where lead_id = $1", first) == how
    assert await tenant.states() == {"waiting": 1, "assigned": 1, "parked": 0, "merged": 0, "closed": 1}
    assert (await audit(conn)).ok


async def test_a_returned_lead_goes_on_to_each_other_rep_once_and_then_waits(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, drain = await a_tenant(conn, (5, 50), (5, 50), (5, 50)), a_drain(connections)
    await tenant.accept([lead(1)], NOON)
    had = []
    for step in range(3):
        await settle(drain, tenant.tenant_id, NOON + step * SECOND)
        ((number, rep),) = (await assigned(tenant)).items()
        had.append(rep)
        await end(conn, tenant.tenant_id, number, Ending.RETURNED, NOON + step * SECOND)
    assert sorted(had) == ["r0", "r1", "r2"]
    done = await settle(drain, tenant.tenant_id, NOON + 4 * SECOND)
    assert (done.assigned, done.refused.total()) == (0, 1)
    assert await loads(tenant) == {"r0": (0, 1), "r1": (0, 1), "r2": (0, 1)}
    assert await conn.fetchval("select excluded from lead_pool") == [1, 2, 3]
    assert (await audit(conn)).ok


async def test_a_returned_lead_counts_for_the_reps_day(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant, drain = await a_tenant(conn, (10, 2)), a_drain(connections)
    await tenant.accept((lead(i) for i in range(3)), NOON)
    await settle(drain, tenant.tenant_id, NOON)
    for number in await assigned(tenant):
        await end(conn, tenant.tenant_id, number, Ending.RETURNED, NOON + SECOND)
    done = await settle(drain, tenant.tenant_id, NOON + SECOND)
    assert done.assigned == 0
    assert await loads(tenant) == {"r0": (0, 2)}
    done = await settle(drain, tenant.tenant_id, NOON + timedelta(days=1))
    assert done.assigned == 1
    assert (await audit(conn)).ok


async def test_a_returned_lead_of_a_known_customer_leaves_the_owner(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    rules = """
rules:
  - {name: known, match: {known_customer: true}, assign_to: owner, fall_back_after: 30m}
  - {name: everyone, match: {}, assign_to: "group:all"}
"""
    tenant, drain = await a_tenant(conn, (5, 50), (5, 50), rules=rules), a_drain(connections)
    await tenant.accept([lead(1, declared_customer="c")], NOON)
    await settle(drain, tenant.tenant_id, NOON)
    ((number, first),) = (await assigned(tenant)).items()
    await end(conn, tenant.tenant_id, number, Ending.RETURNED, NOON + SECOND)
    await settle(drain, tenant.tenant_id, NOON + SECOND)
    ((_, second),) = (await assigned(tenant)).items()
    assert second != first
    owner = await conn.fetchval("select rep_id from customer_owner join rep using (tenant_id, rep_no)")
    assert owner == second


async def test_a_lead_that_nobody_has_cannot_end(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await a_tenant(conn, (1, 10))
    await tenant.accept([lead(1)], NOON)
    number = await conn.fetchval("select lead_id from lead")
    with pytest.raises(NotAssigned, match="is waiting, not assigned"):
        await end(conn, tenant.tenant_id, number, Ending.WON)
    await settle(a_drain(connections), tenant.tenant_id, NOON)
    await end(conn, tenant.tenant_id, number, Ending.WON, NOON + SECOND)
    for how in Ending:
        with pytest.raises(NotAssigned, match="is closed, not assigned"):
            await end(conn, tenant.tenant_id, number, how)
    assert await conn.fetchval("select count(*) from assignment_history") == 1
    assert await conn.fetchval("select sum(open_delta) from lane_inbox") == -1


async def test_two_who_end_one_lead_at_once_free_one_place(
    database_url: str, conn: asyncpg.Connection, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assignments, "LOCK_TIMEOUT_MS", 60_000)
    tenant = await a_tenant(conn, (1, 10))
    await tenant.accept([lead(1)])
    await settle(a_drain(connections), tenant.tenant_id)
    (number,) = await assigned(tenant)

    async def both_wait() -> bool:
        return bool(await conn.fetchval(BLOCKED) == 2)

    async with connected(database_url) as holder, connected(database_url) as ann, connected(database_url) as bob:
        held = holder.transaction()
        await held.start()
        await holder.execute("select from assignment where lead_id = $1 for update", number)
        ends = (end(ann, tenant.tenant_id, number, Ending.WON), end(bob, tenant.tenant_id, number, Ending.RETURNED))
        both = asyncio.gather(*ends, return_exceptions=True)
        await until(both_wait, "both wait for the lead")
        await held.rollback()
        results = await both
    assert {type(result) for result in results} == {int, NotAssigned}
    await one_ending(tenant)


async def test_two_processes_that_end_one_lead_free_one_place(
    database_url: str, conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_tenant(conn, (1, 10))
    await tenant.accept([lead(1)])
    await settle(a_drain(connections), tenant.tenant_id)
    (number,) = await assigned(tenant)
    results = await asyncio.gather(
        *(
            lead_router("end", str(number), "--as", how, LEAD_ROUTER_DATABASE_URL=database_url)
            for how in ("won", "returned")
        )
    )
    assert sorted(code for code, _, _ in results) == [0, 1]
    assert "not assigned; there is nothing to end" in next(errors for code, _, errors in results if code)
    await one_ending(tenant)


async def one_ending(tenant: Tenancy) -> None:
    assert await tenant.conn.fetchval("select count(*) from assignment_history") == 1
    assert await tenant.conn.fetchval("select sum(open_delta) from lane_inbox") == -1
    assert (await audit(tenant.conn)).ok


async def test_the_command_says_what_it_did_and_what_it_could_not(
    database_url: str, conn: asyncpg.Connection, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, command = await a_tenant(conn, (10, 10)), CommandLine(end_command, database_url)
    await tenants.add(conn, "other", "UTC")
    await tenant.accept(lead(i) for i in range(2))
    waiting = await command.run("web/e0", "--as", "won", "--tenant", "acme")
    assert (waiting.exit_code, "is waiting, not assigned" in waiting.stderr) == (1, True)
    await settle(a_drain(connections), tenant.tenant_id)
    for arguments, said in (
        (("e7", "--tenant", "acme"), "no lead with the external id or number 'e7'"),
        (("e0",), "add --tenant T"),
        (("999999",), "there is no lead number '999999'"),
        (("e0", "--tenant", "acne"), "did you mean acme?"),
    ):
        unknown = await command.run(*arguments, "--as", "won")
        assert (unknown.exit_code, said in unknown.stderr) == (2, True), unknown.stderr
    number = await conn.fetchval("select lead_id from lead where external_id = 'e0'")
    told = await command.run(str(number), "--as", "won")
    assert told.stdout == f"lead {number} of rep r0 ended as won: the lead is closed\n"

    other = await conn.fetchval("select lead_id from lead where external_id = 'e1'")
    monkeypatch.setattr(assignments, "LOCK_TIMEOUT_MS", 50)
    async with conn.transaction():
        await conn.execute("select from assignment where lead_id = $1 for update", other)
        locked = await command.run("e1", "--as", "lost", "--tenant", "acme")
    assert locked.exit_code == 1
    assert f"lead {other} is locked; nothing changed, try again" in locked.stderr
    done = await command.json("e1", "--as", "returned", "--tenant", "acme")
    assert done == {"lead_id": other, "rep_id": "r0", "ended_as": "returned"}
