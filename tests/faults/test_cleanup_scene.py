"""The original scene, with the built-in service: 02:00, old leads are removed while new ones wait; none is dropped."""

import asyncio
from datetime import UTC, datetime
from time import monotonic

import asyncpg
import pytest

from loadtest.bench.world import SQL
from loadtest.daemon import serving
from loadtest.faults.server import FaultServer
from ops.audit.audit import audit
from router.store.cleanup import last_runs
from tests.faults.support import full
from tests.support import connected, until
from tests.world import lead, make_tenant, simple_reps

PARTS = 20
ROLES = ("serve", "--role", "drain,duties")


def zone_where_it_is_two() -> str:
    """A zone in which the hour is the one after 02:00 (the signs of these names are the other way round)."""
    ahead = (2 - datetime.now(UTC).hour) % 24
    return f"Etc/GMT-{ahead}" if ahead <= 14 else f"Etc/GMT+{24 - ahead}"


@pytest.mark.parametrize(("old", "new"), [(10_000, 2_000), full(200_000, 20_000)])
async def test_at_two_in_the_night_nothing_is_dropped(
    server: FaultServer, database: str, old: int, new: int, capsys: pytest.CaptureFixture[str]
) -> None:
    url = server.url(database)
    async with connected(url) as conn:
        many = simple_reps(50, max_open=1_000_000, max_per_day=1_000_000)
        tenant = await make_tenant(conn, many, zone=zone_where_it_is_two())
        await SQL.fill_closed.execute(conn, tenant_id=tenant.tenant_id, first=1, last=old, days=1000)
        await conn.execute("analyze")
        async with serving(url, *ROLES, cleanup_service="on", cleanup_look_every_s=0.2):

            async def cleaning() -> bool:
                return bool(await archived(conn))

            await until(cleaning, "cleanup is under way", 60)
            begin = monotonic()
            for part in range(PARTS):
                numbers = range(part * new // PARTS, (part + 1) * new // PARTS)
                await tenant.accept([lead(n, declared_customer=f"c{n}") for n in numbers])
                await asyncio.sleep(0)  # the drain has its own process
            beside = await archived(conn)

            async def all_placed() -> bool:
                return (await tenant.states()).get("assigned") == new

            await until(all_placed, "all new leads are assigned", 120)
            placed = monotonic() - begin
            slowest = await conn.fetchval(
                "select max(a.assigned_at - l.received_at) from assignment a join lead l using (tenant_id, lead_id)"
            )

            async def all_archived() -> bool:
                return await archived(conn) == old

            await until(all_archived, "all old leads are archived", 400)

            async def noted() -> bool:
                runs = await last_runs(conn, [tenant.tenant_id])
                return runs[tenant.tenant_id].outcome == "done"

            await until(noted, "the run is over", 30)
        found = await audit(conn)
        assert found.violations == []
        assert found.accepted == old + new
        assert (found.states["assigned"], found.states["archived"], found.states["waiting"]) == (new, old, 0)
    with capsys.disabled():
        print(
            f"\n{old:,} old leads, {new:,} new ones: all placed in {placed:.1f} s, the slowest "
            f"{slowest.total_seconds():.2f} s after it came; {beside:,} archived by then, all in "
            f"{monotonic() - begin:.1f} s; nothing dropped"
        )


async def archived(conn: asyncpg.Connection) -> int:
    return int(await conn.fetchval("select coalesce(sum(leads), 0) from archived_count"))
