"""Real servers for the tests: embedded, or PostgreSQL at LEAD_ROUTER_TEST_DATABASE_URL (a superuser's URL).

All workers of a run share one server; each test gets its own database, cloned from a migrated template. On a server
with Citus it is made and distributed for each test (tests/citus_server.py).
"""

import asyncio
import functools
import gc
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import hypothesis
import pytest
import redis.asyncio as redis
import structlog

from ops.embedded.embedded import open_embedded, stopped
from ops.embedded.urls import Urls
from router.store.connections.connect import Session
from router.store.connections.connections import Connections, open_connections
from router.store.connections.known_types import about_types
from router.telemetry import logs
from tests.citus_server import ONE_SERVER, distributed, has_citus
from tests.memory_files import keep_files_in_memory
from tests.pgbouncer import POOLER, through
from tests.support import ReadyDatabases, created, database_of, migrated_template

FOLDER = "LEAD_ROUTER_TEST_FOLDER"
ADMIN_URL = "LEAD_ROUTER_TEST_DATABASE_URL"


# A busy machine is slow, not wrong.
hypothesis.settings.register_profile(
    "lead-router", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("lead-router")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nothing-skipped", action="store_true", help="fail when a test was skipped")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A skipped test proves nothing; where everything must run it counts as failed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not hasattr(session.config, "workerinput") and session.config.getoption("--nothing-skipped"):
        assert reporter
        skipped = len(reporter.stats.get("skipped", ()))
        if skipped and exitstatus == pytest.ExitCode.OK:
            reporter.write_line(f"\n{skipped} tests were skipped, but nothing may be skipped here", red=True)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Modules and tests stay until the end: looking again and again for garbage among them was a third of this."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A long value in a test's name is of no help, and workers that collect differing names refuse to run."""
    return argname if isinstance(val, str | bytes) and len(val) > 100 else None


def pytest_configure(config: pytest.Config) -> None:
    """The first process makes the folder; workers inherit its name."""
    if not hasattr(config, "workerinput"):
        keep_files_in_memory()
        # Not pytest's own folder: root's servers run as another user, who must be able to enter.
        folder = tempfile.mkdtemp(prefix="lead-router-tests-")
        Path(folder).chmod(0o755)
        os.environ[FOLDER] = folder


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        folder = Path(os.environ.pop(FOLDER))
        asyncio.run(stopped(folder / "servers"))
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def reachable_folder() -> Path:
    """A folder of this run that every user can enter."""
    return Path(os.environ[FOLDER])


@pytest.fixture(scope="session")
def embedded_urls(reachable_folder: Path) -> Iterator[Urls]:
    """The run's embedded servers. Not synced to disk: no test cuts the power."""
    # What instances may open is summed over the server: enough for the tests of eight workers at once, so that none has
    # to do with less because of another.
    options = {"fsync": "off", "max_connections": "500"}
    servers = asyncio.run(open_embedded(reachable_folder / "servers", options, linger_s=0.5))
    yield servers.urls
    servers.close()


@pytest.fixture(scope="session")
def admin_url(request: pytest.FixtureRequest) -> str:
    """A superuser's URL of the server under test."""
    if given := os.environ.get(ADMIN_URL):
        return given
    urls: Urls = request.getfixturevalue("embedded_urls")
    return urls.database


@pytest.fixture(autouse=True)
def logs_as_they_begin() -> None:
    """A command that a test calls in this process sets up logs, perhaps only with the first line of the next test, and
    hides from that test what it looks for.
    """
    logs.forget_set_up()
    structlog.reset_defaults()


@pytest.fixture(scope="session", autouse=True)
def only_the_product_goes_through_the_pooler(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests make foreign sessions, and speak to the server about them: what they connect themselves is direct."""
    folder, connect = os.environ.get(POOLER), asyncpg.connect

    def direct(url: str, **options: Any) -> Any:
        if options.get("connection_class") is not Session and f"host={folder}" in url:
            url = database_of(request.getfixturevalue("admin_url"), urlsplit(url).path.removeprefix("/"))
        return connect(url, **options)

    with pytest.MonkeyPatch.context() as patch:
        if folder:
            patch.setattr(asyncpg, "connect", direct)
        yield


@pytest.fixture(scope="session", autouse=True)
def tests_ask_for_types_once() -> Iterator[None]:
    """What tests connect themselves remembers PostgreSQL's own types as the product's sessions do: each test has new
    connections, and a fifth of the server's time was for answering this.
    """
    ask: Any = vars(asyncpg.Connection)["_introspect_types"]

    @functools.wraps(ask)
    async def asked(self: asyncpg.Connection, typeoids: Any, timeout_s: float | None) -> Any:
        return await about_types(functools.partial(ask, self), typeoids, timeout_s)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncpg.Connection, "_introspect_types", asked)
        yield


@pytest.fixture(scope="session")
def on_citus(admin_url: str) -> bool:
    """Whether the server under test has Citus: only a named one may."""
    return bool(os.environ.get(ADMIN_URL)) and asyncio.run(has_citus(admin_url))


@pytest.fixture(scope="session")
def template(admin_url: str, on_citus: bool) -> str:
    """Name of the migrated database that the tests' databases are cloned from; none on Citus, which clones none."""
    return "" if on_citus else asyncio.run(migrated_template(admin_url))


@pytest.fixture(autouse=True)
def holds_on_citus(request: pytest.FixtureRequest) -> None:
    """Passes over what says nothing about Citus, with the reason."""
    why = ONE_SERVER.get(request.path.stem) if os.environ.get(ADMIN_URL) else None
    if why is not None and request.path.parent.name == "postgres" and request.getfixturevalue("on_citus"):
        pytest.skip(why)


@pytest.fixture(scope="session")
def ready_databases(admin_url: str, template: str) -> Iterator[ReadyDatabases | None]:
    """This worker's clones of the template; None on Citus, which clones none."""
    if not template:
        yield None
        return
    ready = ReadyDatabases(admin_url, template)
    yield ready
    ready.close()


@pytest.fixture
async def database_url(admin_url: str, ready_databases: ReadyDatabases | None) -> AsyncIterator[str]:
    """A fresh migrated database, distributed where the server can; dropped afterwards."""
    if ready_databases is None:
        async with distributed(admin_url, f"test_{uuid.uuid4().hex}") as url:
            yield url
        return
    async with ready_databases.one() as url:
        yield through(folder, url) if (folder := os.environ.get(POOLER)) else url


@pytest.fixture
async def empty_database_url(admin_url: str) -> AsyncIterator[str]:
    """A fresh database without our schema; dropped afterwards."""
    async with created(admin_url, f"test_{uuid.uuid4().hex}", "template0") as url:
        yield url


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the test's database."""
    connection = await asyncpg.connect(database_url)  # directly, also where the product goes through a pooler
    yield connection
    await connection.close()


@pytest.fixture
async def connections(database_url: str) -> AsyncIterator[Connections]:
    """The service's connections to the test's database."""
    async with open_connections(database_url) as opened:
        yield opened


@pytest.fixture
async def redis_url(embedded_urls: Urls, worker_id: str) -> str:
    """An empty Valkey database, one for each worker."""
    number = int(worker_id.removeprefix("gw") or 0) if worker_id.startswith("gw") else 0
    url = f"{embedded_urls.redis}?db={number}"
    client = redis.from_url(url)
    await client.flushdb()
    await client.aclose()
    return url


@pytest.fixture(params=[0, 1_000_000], ids=["copied", "one-statement"])
def stored_either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of every size are stored in the way of large ones, and then of small ones."""
    monkeypatch.setattr("router.store.new_leads._FEW", request.param)
