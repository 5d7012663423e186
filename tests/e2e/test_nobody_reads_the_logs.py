"""A router whose stderr nobody reads, or that was given none, routes, answers and stops as any other."""

import asyncio
import os
import signal
import sys
from contextlib import suppress

import aiohttp
import asyncpg
import pytest

from loadtest.shell import PROGRAM, PROJECT
from tests.support import until
from tests.world import lead, make_tenant, simple_reps


def full_pipe() -> tuple[int, int]:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    return reading, writing


@pytest.mark.parametrize("kind", ["full", "closed"])
async def test_a_router_whose_log_nobody_takes_routes_and_stops_in_good_order(
    conn: asyncpg.Connection, database_url: str, unused_tcp_port: int, kind: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    reading, writing = full_pipe()
    if kind == "closed":
        os.close(reading)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LEAD_ROUTER_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, "serve"),
        cwd=PROJECT,
        env=environment
        | {
            "LEAD_ROUTER_DATABASE_URL": database_url,
            "LEAD_ROUTER_LISTEN_PORT": str(unused_tcp_port),
            "LEAD_ROUTER_API_PORT": "0",
            "LEAD_ROUTER_CONSOLE_PORT": "0",
            "LEAD_ROUTER_LOG_LEVEL": "debug",
            "PYTHONPATH": str(PROJECT),
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=writing,
    )
    os.close(writing)
    try:
        for number in range(3):
            await tenant.accept([lead(100 * number + n) for n in range(20)])

            async def routed(leads: int = 20 * (number + 1)) -> bool:
                return (await tenant.states()).get("assigned") == leads

            await until(routed, "the leads are routed", 120)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{unused_tcp_port}/livez") as answer:
                assert answer.status == 200
            async with session.get(f"http://127.0.0.1:{unused_tcp_port}/metrics") as answer:
                text = await answer.text()
        assert "lead_router_log_dropped_total" in text
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await process.wait() == 0
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        if kind == "full":
            os.close(reading)
