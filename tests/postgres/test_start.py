"""What starting `lead-router status` costs: it reads no module that only routing needs."""

import asyncio
import os
import sys
from pathlib import Path

import asyncpg

from tests.world import CATCH_ALL, lead, make_tenant, simple_reps

PROGRAM = """
import sys
sys.argv = ["lead-router", "status"]
from ops.cli import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""
FOR_ROUTING = {
    *("numpy", "opentelemetry", "phonenumbers", "holidays", "redis", "aiohttp", "structlog", "tenacity"),
    *("psutil", "importlib.metadata", "router.domain.engine", "router.store.connections.connections"),
}


async def test_status_with_leads_that_are_ready_reads_nothing_that_only_routing_needs(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(2), CATCH_ALL)
    await tenant.accept(lead(number) for number in range(5))
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM),
        env={**os.environ, "LEAD_ROUTER_DATABASE_URL": database_url, "PYTHONPATH": str(Path.cwd())},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, modules = await program.communicate()
    assert program.returncode == 0, modules.decode()
    assert "ready   5" in out.decode()
    assert FOR_ROUTING & set(modules.decode().split()) == set()
