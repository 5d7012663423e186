"""The proxy does what it is asked to: else a test of a bad wire would test a good one."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from loadtest.faults.proxy import Answer, Proxy, Wire, proxy
from loadtest.faults.server import FaultServer

SOON_S = 30.0


@pytest.fixture
async def wire(server: FaultServer) -> AsyncIterator[Proxy]:
    async with proxy(server.port) as made:
        yield made


@pytest.fixture
async def conn(server: FaultServer, database: str, wire: Proxy) -> AsyncIterator[asyncpg.Connection]:
    """A connection through the proxy, with a table of its own."""
    made = await asyncpg.connect(server.tcp_url(database, wire.port))
    await made.execute("create table seen (n int)")
    yield made
    made.terminate()


async def hangs(conn: asyncpg.Connection) -> bool:
    try:
        async with asyncio.timeout(0.3):
            await asyncio.shield(asyncio.ensure_future(conn.fetchval("select 1")))
    except TimeoutError:
        return True
    return False


async def rows(server: FaultServer, database: str) -> int:
    """What the server has, seen past the proxy."""
    direct = await asyncpg.connect(server.url(database))
    try:
        return int(await direct.fetchval("select count(*) from seen"))
    finally:
        await direct.close()


async def test_an_open_wire_passes_everything(conn: asyncpg.Connection) -> None:
    assert await conn.fetchval("select repeat('x', 1000000)") == "x" * 1_000_000


async def test_a_cut_wire_ends_connections_and_refuses_new_ones_until_it_is_mended(
    conn: asyncpg.Connection, server: FaultServer, database: str, wire: Proxy
) -> None:
    url = server.tcp_url(database, wire.port)
    wire.set_wire(Wire.CUT)
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)):
        await conn.fetchval("select 1")
    with pytest.raises((asyncpg.PostgresConnectionError, OSError)):
        await asyncpg.connect(url, timeout=SOON_S)
    wire.set_wire(Wire.OPEN)
    await (await asyncpg.connect(url, timeout=SOON_S)).close()


async def test_a_stalled_wire_delivers_late(conn: asyncpg.Connection, wire: Proxy) -> None:
    wire.set_wire(Wire.STALLED)
    asked = asyncio.ensure_future(conn.fetchval("select 7"))
    await asyncio.sleep(0.2)
    assert not asked.done()
    wire.set_wire(Wire.OPEN)
    assert await asyncio.wait_for(asked, SOON_S) == 7


async def test_a_half_open_wire_is_silent_for_good_while_new_ones_work(
    conn: asyncpg.Connection, server: FaultServer, database: str, wire: Proxy
) -> None:
    wire.half_open()
    assert await hangs(conn)
    assert not conn.is_closed()
    other = await asyncpg.connect(server.tcp_url(database, wire.port), timeout=SOON_S)
    assert await other.fetchval("select 1") == 1
    await other.close()


async def test_a_reset_ends_connections_at_once(conn: asyncpg.Connection, wire: Proxy) -> None:
    wire.reset()
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)):
        async with asyncio.timeout(SOON_S):
            await conn.fetchval("select 1")


@pytest.mark.parametrize("answer", list(Answer))
async def test_a_commit_is_cut_after_it_was_sent_and_before_its_answer(
    conn: asyncpg.Connection, server: FaultServer, database: str, wire: Proxy, answer: Answer
) -> None:
    wire.cut_at_commit(answer)
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)):
        async with asyncio.timeout(SOON_S), conn.transaction():
            await conn.execute("insert into seen values (1)")
    assert wire.commits_cut == 1
    there = await rows(server, database)
    assert there == 1 if answer is Answer.LOST else there in (0, 1)
