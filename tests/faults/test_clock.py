"""Clocks that are wrong, and the business day that turns while leads are drained."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from loadtest.daemon import started
from loadtest.faults.arena import arena
from loadtest.faults.clock import install_clock, set_clock
from loadtest.faults.people import Session
from loadtest.faults.server import FaultServer
from loadtest.faults.world import SOUTH
from router.domain.lead_in import LeadIn
from router.intake.roster_file import read_roster
from router.store import rulesets, tenants
from router.store.lane_clock import reset_clock
from router.store.leads import accept
from router.store.roster import import_reps
from tests.faults.support import full
from tests.support import until


def library() -> Path:
    """Debian's libfaketime, which `make test-all` installs."""
    [found] = Path("/usr/lib").glob("*-linux-gnu*/faketime/libfaketime.so.1")
    return found


@pytest.mark.servers
@pytest.mark.parametrize("hours", [+1, -1])
async def test_a_router_whose_clock_is_an_hour_off_decides_as_the_others_do(
    server: FaultServer, database: str, hours: int
) -> None:
    wrong = {"LD_PRELOAD": str(library()), "FAKETIME": f"{hours:+}h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    async with arena(server, database, routers=1) as scene:
        other = await scene.add_router(**wrong)
        await scene.all_listening()
        told = datetime.fromisoformat(other.log[0]["timestamp"])
        assert abs(told - datetime.now(UTC) - timedelta(hours=hours)) < timedelta(minutes=5)
        async with scene.life():
            await scene.progressed(150)
            await scene.remove_router(scene.routers[0])
            await scene.progressed(150)
            await scene.recovered()
        await scene.settled()
        assert await scene.broken_promises() == []
        async with scene.session() as conn:
            await nothing_happened_at_another_time(conn)
            # The wrong clock neither hid a lead nor parked one before its time.
            assert not await conn.fetchval("select count(*) from parked where reason <> 'internal_error'")


async def nothing_happened_at_another_time(conn: Session) -> None:
    for table, column in (("assignment", "assigned_at"), ("flight", "at"), ("parked", "parked_at")):
        far = f"select count(*) from {table} where abs(extract(epoch from {column} - clock_timestamp())) > 300"
        assert await conn.fetchval(far) == 0, table


DAY_RULES = 'rules:\n  - {name: everyone, match: {}, assign_to: "group:all"}\n'
A_DAY = 40
REPS = 3


# Its routers find the clock that it sets in sessions of their own.
@pytest.mark.direct
@pytest.mark.parametrize("seconds", [5, full(30)])
async def test_a_business_day_that_turns_during_a_drain_gives_each_day_its_own_cap(
    server: FaultServer, database: str, seconds: int
) -> None:
    midnight = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)  # in UTC, while Europe changes its clocks that night
    async with arena(server, database, routers=0, tenants=0) as scene:
        async with scene.session() as conn:
            await install_clock(conn)
            await set_clock(conn, midnight - timedelta(hours=12))
        header = "rep_id,name,available,time_zone,groups,max_open,max_per_day\n"
        lines = "".join(f"r{i},R{i},yes,Asia/Shanghai,all,1000000,{A_DAY}\n" for i in range(REPS))
        async with scene.session() as conn:
            tenant = await tenants.add(conn, "acme", "UTC")
            tenant_id = tenant.tenant_id
            await import_reps(conn, tenant_id, read_roster((header + lines).encode(), "reps.csv"), "faults")
            await rulesets.apply(conn, tenant_id, DAY_RULES, "faults")
            # The routers' hosts say otherwise.
            await reset_clock(conn, tenant, "faults", "this is the time of the test")
        scene.tenants = [tenant_id]
        leads = [LeadIn("web", f"w{i}", region=SOUTH, product=f"w{i}") for i in range(3 * A_DAY * REPS)]
        for _ in range(4):
            scene.routers.append(await started(scene.url, drain_batch_leads=7))
        await scene.all_listening()
        async with scene.session() as conn:
            for first in range(0, len(leads), 30):
                some = leads[first : first + 30]
                scene.ledger.note(tenant_id, some, (await accept(conn, tenant_id, some)).lead_ids)

            await set_clock(conn, midnight - timedelta(seconds=seconds))
            # A jump is a jump, also where somebody has said before that the clock is right.
            await reset_clock(conn, tenant, "faults", "this is the time of the test")

            async def both_days_are_full() -> bool:
                return bool(await conn.fetchval("select count(*) from assignment") == 2 * A_DAY * REPS)

            await until(both_days_are_full, "every rep has the leads of two days", seconds + 30)
            days = await conn.fetch(
                """select rep_no, (assigned_at at time zone 'UTC')::date as day, count(*) as n from assignment
                    group by 1, 2 order by 1, 2"""
            )
            assert [row["n"] for row in days] == [A_DAY] * REPS * 2
            assert {row["day"] for row in days} == {midnight.date() - timedelta(days=1), midnight.date()}
        assert await scene.broken_promises() == []
