"""Each check of the fault suite sees what it is there for: a violation is planted, and the check must fail."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from loadtest.faults.arena import Arena, arena
from loadtest.faults.conservation import Findings, Monitor, conserved, missing, snapshot
from loadtest.faults.server import FaultServer
from router.domain.lead_in import LeadIn
from router.store.leads import accept
from tests.support import connected, created, until


@pytest.fixture
async def scene(server: FaultServer, database: str) -> AsyncIterator[Arena]:
    """A world after some life, at rest, without a fault; its rows may be changed."""
    async with arena(server, database, routers=2, tenants=2) as made:
        async with made.life():
            await made.progressed(150)

            async def some_wait() -> bool:
                async with made.session() as conn:
                    return bool(await conn.fetchval("select count(*) from lead_pool where wake_key <> 0") > 2)

            await until(some_wait, "leads wait")
        await made.settled()
        for daemon in list(made.routers):
            await made.remove_router(daemon)
        yield made


# What is planted, and the word by which each check must call it.
SOME_WAIT = "(tenant_id, lead_id) in (select tenant_id, lead_id from lead_pool where wake_key <> 0 limit 1)"
PLANTED: dict[str, tuple[str, str, str]] = {
    "an acknowledged lead is gone with all its traces": (
        f"delete from lead where {SOME_WAIT};"
        "delete from lead_pool p where not exists (select from lead l where l.lead_id = p.lead_id)",
        "acknowledged leads are not there",
        "accepted leads fell",
    ),
    "a lead is in no state": (
        f"delete from lead_pool where {SOME_WAIT}",
        "lead_without_state",
        "lead_without_state",
    ),
    "a lead is in two states": (
        "insert into parked (tenant_id, lead_id, reason, parked_at)"
        " select tenant_id, lead_id, 'paused', now() from assignment limit 1",
        "lead_in_two_states",
        "lead_in_two_states",
    ),
    "a lead has two owners": (
        "alter table assignment drop constraint assignment_pkey;"
        "insert into assignment select tenant_id, lead_id, 2, customer_id, assigned_at, batch_no, 9999 from assignment"
        " where rep_no = 1 limit 1",
        "lead_assigned_twice",
        "lead_assigned_twice",
    ),
    "a load is not a recount": (
        "update rep_load set open = open - 1 where rep_no = 1",
        "open_load_wrong",
        "open_load_wrong",
    ),
    "the inbox forgets an ending": (
        "insert into lane_inbox (tenant_id, rep_no, open_delta, day, today_delta)"
        " select tenant_id, 1, -1, now()::date, 0 from lane",
        "open_load_wrong",
        "open_load_wrong",
    ),
    "a rep has more than the cap of now": (
        "update rep_row set max_open = 1 where rep_no = 1",
        "open_cap_exceeded",
        "over_cap",
    ),
    "a rep had more on a day than the cap by the flight records": (
        "update rep_row set max_per_day = 1 where rep_no = 1",
        "day_cap_exceeded",
        "day_cap_exceeded",
    ),
    "a flight record is lost": ("delete from flight where batch_no = 2", "flight_missing", "flight_missing"),
    "a decision is another than the recorded one": (
        "update assignment set rep_no = case rep_no when 1 then 2 else 1 end where (tenant_id, lead_id) in"
        " (select distinct on (tenant_id) tenant_id, lead_id from assignment order by tenant_id, batch_no desc)",
        "record_differs",
        "load_wrong",
    ),
}


@pytest.mark.direct
async def test_every_planted_violation_is_found_at_the_end_and_in_a_snapshot(server: FaultServer, scene: Arena) -> None:
    assert scene.ledger.leads >= 150
    assert await scene.broken_promises() == []
    missed = []
    for what, (plant, at_the_end, in_a_snapshot) in PLANTED.items():
        async with created(server.url("postgres"), "planted", scene.database) as url, connected(url) as conn:
            accepted = await snapshot(conn, 0, none := Findings())
            assert none.told == []
            await conn.execute(plant)
            found, seen = await conserved(conn, scene.ledger), Findings()
            await snapshot(conn, accepted, seen)
        if not any(at_the_end in told for told in found):
            missed.append(f"{what}: not at the end, but {found}")
        if not any(in_a_snapshot in told for told in seen.told):
            missed.append(f"{what}: not in a snapshot, but {seen.told}")
    assert missed == []


async def test_a_lead_that_was_answered_without_a_number_is_missed_when_it_is_gone(
    server: FaultServer, database: str
) -> None:
    async with arena(server, database, routers=0, tenants=1) as scene, scene.session() as conn:
        leads = [LeadIn("posted", name) for name in ("a", "b")]
        await accept(conn, scene.tenants[0], leads)
        scene.ledger.note(scene.tenants[0], leads, [None, None])
        assert await missing(conn, scene.ledger) == await missing(conn, scene.ledger.unnumbered) == []
        await conn.execute("delete from lead_pool; delete from lead where external_id = 'b'")
        gone = ["1 acknowledged leads are not there: posted b: acknowledged as lead ?, there is none"]
        assert await missing(conn, scene.ledger) == await missing(conn, scene.ledger.unnumbered) == gone
        assert gone[0] in await scene.broken_promises()


async def test_a_run_in_which_a_snapshot_was_wrong_fails_although_all_is_well_at_the_end(scene: Arena) -> None:
    async with scene.session() as conn:
        with pytest.raises(AssertionError, match="open_load_wrong"):
            async with scene.life() as monitor:
                await conn.execute("update rep_load set open = open - 1 where rep_no = 1")
                await looked(monitor)
                await conn.execute("update rep_load set open = open + 1 where rep_no = 1")
    assert await scene.broken_promises() == []


async def looked(monitor: Monitor) -> None:
    before = monitor.looks

    async def again() -> bool:
        await asyncio.sleep(0)
        return monitor.looks > before + 1

    await until(again, "the monitor has looked")


async def test_a_session_that_is_thrown_out_is_no_finding(scene: Arena) -> None:
    async with scene.life() as monitor, scene.session() as conn:
        await looked(monitor)
        await conn.execute("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()")
        await looked(monitor)
    assert monitor.findings.told == []
