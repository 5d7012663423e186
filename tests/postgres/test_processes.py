"""Whether a router process lives: known within seconds, and not mistaken after the database itself was away."""

import subprocess
import sys

import asyncpg

from router.store.connections.connections import Connections, Part
from router.store.processes import OwnProcess, count_living
from tests.support import until


async def state(conn: asyncpg.Connection, process: OwnProcess) -> str:
    row = await conn.fetchrow("select ended_at, died_at from process where process_id = $1", process.process_id)
    assert row is not None
    return "ended" if row["ended_at"] else "dead" if row["died_at"] else "living"


async def test_a_process_that_is_gone_from_the_host_is_found_dead_at_once_and_one_that_lives_is_not(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        now = [0.0]
        other, own = OwnProcess(pid=child.pid), OwnProcess(clock=lambda: now[0])
        async with connections.acquire(Part.DRAIN) as lent:
            await other.beat(lent)
            await own.beat(lent)
            assert (await state(conn, other), await count_living(conn)) == ("living", 2)
            child.kill()  # not waited for: a zombie is as dead

            async def found() -> bool:
                now[0] += 2
                await own.beat(lent)
                return await state(conn, other) == "dead"

            await until(found, "the killed process is found dead")
            assert await count_living(conn) == 1


async def test_a_process_elsewhere_is_dead_when_it_is_silent_for_long_and_back_when_it_speaks(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    now = [0.0]
    other, own = OwnProcess(host="elsewhere", clock=lambda: now[0]), OwnProcess(clock=lambda: now[0])
    async with connections.acquire(Part.DRAIN) as lent:
        await other.beat(lent)
        await conn.execute("update process set beat_at = beat_at - interval '1 h'")
        for _ in range(7):
            await own.beat(lent)
            # The database may have been away for both: whoever comes back first buries nobody.
            assert await state(conn, other) == "living"
            now[0] += 2.0
        now[0] += 2.0
        await own.beat(lent)
        assert await state(conn, other) == "dead"
        await other.beat(lent)
        assert await state(conn, other) == "living"
        await other.end(lent)
        assert await state(conn, other) == "ended"


async def test_a_locked_table_of_processes_stops_no_router(conn: asyncpg.Connection, connections: Connections) -> None:
    async with conn.transaction():
        await conn.execute("lock table process")
        async with connections.acquire(Part.DRAIN) as lent:
            await OwnProcess().beat(lent)
            assert await lent.fetchval("select 1") == 1
