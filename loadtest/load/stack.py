"""What is under load: PostgreSQL, Redis and the service, started for this run; or a service that runs already."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psutil

from loadtest.daemon import serving
from loadtest.faults.residual import SMALL, SYNC, role_with_connections
from loadtest.faults.server import reachable_folder
from ops.embedded.embedded import embedded, stopped
from ops.embedded.servers import apply_migrations

# Commit times say exactly when a lead had its rep.
SERVER: Mapping[str, str] = {"track_commit_timestamp": "on", "shared_buffers": "256MB", "max_wal_size": "4GB"}
# A load is from one address and with one token.
SETTINGS: Mapping[str, object] = {"api_requests_per_s": 1_000_000, "api_clients": 10_000}
_LINGER_S = 0.5


@dataclass
class Stack:
    """`api` = address of the API, `database` = a superuser's URL, past the limits of the service's role.

    `service` and `postgres` = process numbers; empty where they run on another machine. `role` = the service's role
    where it has one of its own; `folder` None = it runs already.
    """

    api: str
    database: str
    redis: str | None
    service: list[int] = field(default_factory=list)
    postgres: list[int] = field(default_factory=list)
    role: str | None = None
    folder: Path | None = None


@asynccontextmanager
async def servers(*, small: bool) -> AsyncIterator[Stack]:
    """Servers of their own, gone afterwards; no service yet. `small` = a server with 30 connections."""
    with reachable_folder("lead-router-load-") as folder:
        options = {**SERVER, **(SMALL if small else {})}
        async with embedded(folder / "data", options, _LINGER_S) as urls:
            await apply_migrations(urls.database)
            yield Stack("", urls.database, urls.redis, folder=folder, postgres=await postmaster(urls.database))
        await stopped(folder / "data")


@asynccontextmanager
async def service(stack: Stack, *, limited: bool, synced: str | None) -> AsyncIterator[None]:
    """The service on these servers. `limited` = with a role of its own, whose connections others can take; `synced` =
    the tenant whose roster is synced with the view of F1.
    """
    assert stack.folder is not None
    settings: dict[str, object] = {**SETTINGS, "journal_file": stack.folder / "journal.db"}
    if stack.redis:
        settings["redis_url"] = stack.redis
    if synced is not None:
        settings["roster_sync_file"] = stack.folder / "sync.yaml"
        (stack.folder / "sync.yaml").write_text(f"tenants: {{{synced}: {SYNC}}}", encoding="utf-8")
    async with AsyncExitStack() as opened:
        url = stack.database
        if limited:
            conn = await asyncpg.connect(url)
            opened.push_async_callback(conn.close)
            stack.role, url = await opened.enter_async_context(role_with_connections(conn, url, -1))
        daemon = await opened.enter_async_context(serving(url, "serve", **settings))
        opened.push_async_callback(daemon.stop)
        await daemon.said("API listening")
        stack.api, stack.service = f"http://127.0.0.1:{daemon.api_port}", [daemon.process.pid]
        yield


@asynccontextmanager
async def running(api: str, database: str, redis: str | None) -> AsyncIterator[Stack]:
    """A service that runs, and its database."""
    parts = urlsplit(api)
    found = listeners(parts.port or 80) if parts.hostname in ("127.0.0.1", "localhost", "::1") else []
    yield Stack(api.rstrip("/"), database, redis, found, await postmaster(database))


async def postmaster(database: str) -> list[int]:
    """The server's main process, if it is on this machine."""
    conn = await asyncpg.connect(database)
    try:
        pid = int(await conn.fetchval("select pg_backend_pid()"))
        try:
            process = psutil.Process(pid)
            parent = process.parent()
            return [parent.pid] if parent is not None and "postgres" in process.name() else []
        except psutil.Error:
            return []
    finally:
        await conn.close()


def listeners(port: int) -> list[int]:
    """Processes of this machine that listen on a TCP port, as far as we may see them."""
    try:
        found = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return []
    return sorted(
        {one.pid for one in found if one.pid and one.status == "LISTEN" and one.laddr and one.laddr[1] == port}
    )
