"""What is posted to: the service with its API, and the handler that does nothing, each a process of its own."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loadtest.bench import world as worlds
from loadtest.bench.posts import Address
from loadtest.bench.stage import Room
from loadtest.bench.world import World
from loadtest.daemon import serving
from loadtest.shell import PROJECT
from router.domain.access import TokenRole
from router.store.tokens import NewToken, create_token, new_token


async def new_tenant(room: Room) -> int:
    """Makes a tenant with reps and rules, and without leads; returns its number."""
    [tenant_id] = await worlds.make(room.conn, World(leads=1))
    await room.conn.execute("truncate lead")
    return tenant_id


@asynccontextmanager
async def service(room: Room, tenant_id: int, role: str = "api") -> AsyncIterator[Address]:
    """`lead-router serve` in this role, with a limit that no client reaches; a token that may hand in leads."""
    shown = new_token(tenant_id)
    await create_token(room.conn, shown, NewToken(f"bench {secrets.token_hex(4)}", TokenRole.INTAKE), "bench")
    async with serving(room.url, "serve", "--role", role, api_requests_per_s=1_000_000) as daemon:
        await daemon.said("API listening")
        port = next(line["port"] for line in daemon.log if line.get("event") == "API listening")
        yield Address(int(port), str(shown))
        await daemon.stop()


@asynccontextmanager
async def noop(token: str) -> AsyncIterator[Address]:
    """The handler that does nothing. The token is shown to it, too, so that the requests are the same."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loadtest.bench.noop", cwd=PROJECT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout
        yield Address(int(await process.stdout.readline()), token)
    finally:
        process.kill()
        await process.wait()
