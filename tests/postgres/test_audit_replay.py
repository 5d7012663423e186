"""The audit runs real batches again and finds what was changed in them, or in what they decided."""

import asyncio
import random

import asyncpg
import pytest

from ops.audit.audit import audit
from router.manual.assign import CannotGive, assign_by_hand
from router.store.assignments import Ending, LeadUnknown, NotAssigned, end
from router.store.connections.connections import Connections, Part
from tests.support import connected
from tests.world import Tenancy, a_drain, lead, make_tenant, reps_csv, settle

# Caps let 15 of 20 leads through, so that every batch has both assignments and refusals.
REPS = reps_csv(["r001,Ada,yes,UTC,all,7,7", "r002,Bo,yes,UTC,all,8,8"])


@pytest.fixture
async def drained(conn: asyncpg.Connection, connections: Connections) -> Tenancy:
    """A tenant with 20 leads routed in batches of 5."""
    tenant = await make_tenant(conn, REPS)
    await tenant.accept(lead(i) for i in range(20))
    await settle(a_drain(connections, ready=5), tenant.tenant_id)
    assert (await tenant.states())["assigned"] == 15
    return tenant


async def found(conn: asyncpg.Connection) -> dict[str, tuple[str, ...]]:
    return {violation.kind.name: violation.examples for violation in (await audit(conn)).violations}


async def test_what_a_router_did_is_found_clean_and_runs_again_alike(drained: Tenancy) -> None:
    result = await audit(drained.conn)
    assert result.violations == []
    batches = await drained.conn.fetchval("select count(*) from flight")
    assert result.replayed == batches > 3
    assert result.not_replayed == 0


async def test_the_sample_is_as_large_as_asked_for(drained: Tenancy) -> None:
    assert (await audit(drained.conn, sample=0)).replayed == 0
    assert 1 <= (await audit(drained.conn, sample=1)).replayed <= 2


async def test_other_inputs_under_a_record_are_found(drained: Tenancy) -> None:
    """The roster version is changed in place, so that the same record no longer gives the same decisions."""
    await drained.conn.execute("update rep_row set weight_milli = 9000 where name = 'Ada'")
    examples = (await found(drained.conn))["replay_differs"]
    assert "recorded Assigned" in examples[0]
    assert "again Assigned" in examples[0]


async def test_a_damaged_record_is_found_and_does_not_end_the_audit(drained: Tenancy) -> None:
    await drained.conn.execute("update flight set inputs = '\\x00' where batch_no = 2")
    result = await audit(drained.conn)
    assert [violation.kind.name for violation in result.violations] == ["replay_differs"]
    assert "batch 2: the record cannot be read" in result.violations[0].examples[0]
    assert result.not_replayed == 1


async def test_a_lead_whose_facts_are_gone_cannot_be_run_again(drained: Tenancy) -> None:
    await drained.conn.execute("delete from lead where lead_id = (select min(lead_id) from lead)")
    assert "facts of lead" in (await found(drained.conn))["replay_differs"][0]


async def test_an_assignment_moved_to_another_rep_by_sql_is_found(drained: Tenancy) -> None:
    """Loads are moved with it, so that only the record knows."""
    await drained.conn.execute(
        "update assignment set rep_no = 2 where lead_id = (select min(lead_id) from assignment where rep_no = 1);"
        "update rep_load set open = open + case rep_no when 1 then -1 else 1 end,"
        " today = today + case rep_no when 1 then -1 else 1 end; update rep_row set max_open = 99, max_per_day = 99"
    )
    examples = (await found(drained.conn))["record_differs"]
    assert len(examples) == 1
    assert "recorded rep 1 (rule 1, group 1), in the tables rep 2" in examples[0]


async def test_an_assignment_that_vanished_into_the_pool_is_found(drained: Tenancy) -> None:
    await drained.conn.execute(
        "with gone as (delete from assignment where lead_id = (select min(lead_id) from assignment where rep_no = 1)"
        " returning *) insert into lead_pool (tenant_id, lead_id, rank, queued_at, created_at)"
        " select tenant_id, lead_id, 0, assigned_at, assigned_at from gone;"
        "update rep_load set open = open - 1, today = today - 1 where rep_no = 1"
    )
    examples = await found(drained.conn)
    assert list(examples) == ["record_differs"]
    assert "in the tables no assignment" in examples["record_differs"][0]


async def test_routers_and_people_at_work_are_never_accused(
    drained: Tenancy, connections: Connections, database_url: str
) -> None:
    """Two routers drain under tight caps while leads come in, end and are given by hand; audits look on."""
    stop, rng = asyncio.Event(), random.Random(5)

    async def route(seed: int) -> None:
        router = a_drain(connections, seed=seed, ready=3)
        while not stop.is_set():
            await router.drain_tenant(drained.tenant_id)
            await asyncio.sleep(0)

    async def work(rounds: int) -> None:
        async with connected(database_url) as conn:
            intake = Tenancy(conn, drained.tenant_id)
            for done in range(1, rounds + 1):
                await intake.accept([lead(1000 + done)])
                lead_id = await conn.fetchval("select lead_id from assignment order by random() limit 1")
                try:
                    await end(conn, drained.tenant_id, lead_id, rng.choice([Ending.WON, Ending.RETURNED]))
                    if done % 5 == 0:
                        waiting = await conn.fetchval("select lead_id from lead_pool order by random() limit 1")
                        await assign_by_hand(
                            conn, drained.tenant_id, waiting, "r001", actor="test", token=rng.getrandbits(63)
                        )
                except (NotAssigned, CannotGive, LeadUnknown):
                    continue

    await drained.roster(reps_csv(["r001,Ada,yes,UTC,all,7,40", "r002,Bo,yes,UTC,all,8,30"]))
    routers = [asyncio.create_task(route(seed)) for seed in (1, 2)]
    people = asyncio.create_task(work(100))
    audits = 0
    try:
        while not people.done():
            async with connections.acquire(Part.CONSOLE) as conn:
                assert (await audit(conn, sample=5)).violations == []
            audits += 1
    finally:
        await people
        stop.set()
        await asyncio.gather(*routers)
    result = await audit(drained.conn, sample=1000)
    assert result.violations == []
    assert result.accepted == 120
    assert result.replayed > 10
    assert audits > 1
