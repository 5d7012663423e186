"""A server of each worker's own, since its tests crash it; each test gets a fresh database on it."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loadtest.faults.pooler import pooler
from loadtest.faults.server import FaultServer
from loadtest.ports import free_port
from ops.embedded.server import DATABASE
from router.store.migrate import migrate
from tests.pgbouncer import POOLER
from tests.support import created


@contextmanager
def pooled(server: FaultServer, reachable_folder: Path) -> Iterator[None]:
    """Where tests run through PgBouncer (`tests.pgbouncer`), the routers of this server do, too."""
    if POOLER not in os.environ:
        yield
        return
    folder = Path(tempfile.mkdtemp(prefix="pooler-", dir=reachable_folder))
    port = free_port()
    with tempfile.TemporaryFile() as log, pooler(folder, server.url(), log, port):
        server.pooler_port = port
        yield


@pytest.fixture(scope="session")
def own_server(reachable_folder: Path) -> Iterator[FaultServer]:
    """Started once by each worker, with a migrated database `lead_router` that is cloned for each test."""
    folder = Path(tempfile.mkdtemp(prefix="faults-", dir=reachable_folder))
    folder.chmod(0o755)
    server = FaultServer(folder)

    async def prepared() -> None:
        await server.start()
        await migrate(server.url())

    asyncio.run(prepared())
    with pooled(server, reachable_folder):
        yield server
    asyncio.run(server.crash())


@pytest.fixture
async def server(own_server: FaultServer) -> AsyncIterator[FaultServer]:
    """The server, running with its usual options before and after the test, however the test leaves it."""
    if not own_server.running:
        await own_server.start()
    yield own_server
    if not own_server.usual:
        await own_server.crash()
        await own_server.start()


@pytest.fixture
async def database(server: FaultServer) -> AsyncIterator[str]:
    """Name of a fresh migrated database; dropped afterwards."""
    async with created(server.url("postgres"), "faults", DATABASE):
        yield "faults"
        if not server.usual:
            await server.crash()
            await server.start()
