"""Real routers beside the measuring process: `lead-router serve --role drain` on the database of a room."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import perf_counter

from loadtest.bench.stage import Room
from loadtest.bench.world import SQL
from loadtest.shell import PROGRAM, PROJECT
from router.drain.hints import CHANNEL
from router.store.connections.connect import LISTENER_NAME

_DEADLINE_S = 120.0


@asynccontextmanager
async def routers(room: Room, count: int, **variables: object) -> AsyncIterator[None]:
    """So many running routers that listen for work, or poll; stopped at the end.

    `variables` are added to their environment.
    """
    since = await SQL.committed_now.value(room.conn)
    started = [await _serve(room.url, variables) for _ in range(count)]
    try:
        async with asyncio.timeout(_DEADLINE_S):
            # With few connections none is kept for listening.
            while max(await _listening(room), await SQL.routing_since.value(room.conn, since=since)) < count:
                await asyncio.sleep(0.02)
        yield
    finally:
        for process in started:
            process.terminate()
        await asyncio.gather(*(process.wait() for process in started))


async def _serve(url: str, variables: Mapping[str, object]) -> asyncio.subprocess.Process:
    environment = {
        **os.environ,
        "PYTHONPATH": str(PROJECT),
        "LEAD_ROUTER_DATABASE_URL": url,
        "LEAD_ROUTER_LISTEN_PORT": "0",
        "LEAD_ROUTER_API_PORT": "0",
        "LEAD_ROUTER_CONSOLE_PORT": "0",
        "LEAD_ROUTER_LOG_LEVEL": "error",
        **{name: str(value) for name, value in variables.items()},
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, "serve", "--role", "drain", env=environment, stdout=asyncio.subprocess.DEVNULL
    )


async def _listening(room: Room) -> int:
    return int(
        await room.conn.fetchval(
            "select count(*) from pg_stat_activity where application_name = $1 and datname = current_database()",
            LISTENER_NAME,
        )
    )


async def emptied_by_routers(room: Room, made: list[int]) -> float:
    """Calls the routers, waits until no ready lead is left; returns seconds."""
    begin = perf_counter()
    for tenant_id in made:
        await room.conn.execute("select pg_notify($1, $2)", CHANNEL, str(tenant_id))
    async with asyncio.timeout(_DEADLINE_S * 10):
        while await SQL.waits.value(room.conn, tenant_ids=made):
            await asyncio.sleep(0.01)
    return perf_counter() - begin
