"""Routers behind a pooler in transaction mode: ended sessions and killed routers cost moments, and no lead."""

import signal
import tempfile
from pathlib import Path

import pytest

from loadtest.faults.arena import arena
from loadtest.faults.people import SQL
from loadtest.faults.server import FaultServer
from router.drain.quarantine import CRASHED
from tests.pgbouncer import pooler

pytestmark = pytest.mark.servers


async def test_no_lead_is_lost_or_doubled_behind_a_pooler_that_comes_and_goes(
    server: FaultServer, database: str, reachable_folder: Path, unused_tcp_port: int
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="pooler-", dir=reachable_folder))
    with tempfile.TemporaryFile() as log, pooler(folder, server.url(database), log, unused_tcp_port):
        async with arena(server, database, routers=2, pooler_port=unused_tcp_port) as scene:
            async with scene.life():
                await scene.progressed(100)
                for _ in range(20):
                    async with scene.session() as conn:
                        for row in await SQL.other_sessions.fetch(conn, application="lead-router"):
                            await SQL.terminate.value(conn, pid=row["pid"])
                    await scene.progressed(3)
                await scene.recovered()
                await scene.remove_router(scene.routers[0], signal.SIGKILL)
                await scene.add_router()
                await scene.recovered()
            await scene.settled()
            assert await scene.broken_promises() == []
            async with scene.session() as conn:
                assert await conn.fetchval("select count(*) from parked where detail = $1", CRASHED) == 0
