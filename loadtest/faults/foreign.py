"""What other people do to the database: locks, old snapshots, sessions without end, ended sessions, settings."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic

import asyncpg

from loadtest.faults.people import PASSED, SQL, Session
from router.store.connections.connections import APPLICATION_NAME

TABLES = (
    *("lead_pool", "lane", "assignment", "rep_load", "flight", "lead", "customer_owner", "assignment_history"),
    *("rep_row", "ruleset", "grp", "tenant", "change", "process"),
    *("event", "token", "idempotency", "journal", "journalled"),
)
ALTERED = (
    *("lane", "tenant", "lead_pool", "lead", "assignment", "rep_load", "rep_row"),
    *("token", "idempotency", "journalled"),
)
_PATIENCE_S = 30.0
_MOST_SESSIONS = 2_000


@asynccontextmanager
async def foreigner(url: str) -> AsyncIterator[Session]:
    """Somebody's session, which goes away however the server is by then."""
    conn = await asyncpg.connect(url, timeout=_PATIENCE_S, server_settings={"application_name": "foreign script"})
    try:
        yield conn
    finally:
        conn.terminate()


@asynccontextmanager
async def half_locked(url: str) -> AsyncIterator[int]:
    """Half of the pool's rows are locked; how many."""
    async with foreigner(url) as conn:
        await conn.execute("begin")
        yield int(await SQL.lock_half.value(conn))


@asynccontextmanager
async def table_locked(url: str, table: str) -> AsyncIterator[None]:
    """One of our tables is locked against everybody."""
    async with foreigner(url) as conn:
        await conn.execute("begin")
        await conn.execute(f'lock table "{table}" in access exclusive mode')
        yield


@asynccontextmanager
async def old_snapshot(url: str) -> AsyncIterator[None]:
    """Somebody reads in a transaction without end, so that dead rows stay."""
    async with foreigner(url) as conn:
        await conn.execute("begin isolation level repeatable read")
        await SQL.assigned_so_far.value(conn)
        yield


@asynccontextmanager
async def read_only(url: str) -> AsyncIterator[None]:
    """The whole server takes no writes."""
    try:
        await _set(url, "alter system set default_transaction_read_only = on")
        yield
    finally:
        await _set(url, "alter system reset default_transaction_read_only")


async def _set(url: str, statement: str) -> None:
    async with foreigner(url) as conn:
        await conn.execute(statement)
        await conn.execute("select pg_reload_conf()")


@asynccontextmanager
async def connections_used_up(url: str) -> AsyncIterator[int]:
    """No connection is left for anybody; and the routers have lost theirs. How many were taken."""
    taken = list[Session]()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await _take_all(url, taken)
            for row in await SQL.other_sessions.fetch(taken[0], application=APPLICATION_NAME):
                await SQL.terminate.value(taken[0], pid=row["pid"])
                # Faster than the router, or not: both happen in life.
                await _take_all(url, taken)
        yield len(taken)
    finally:
        for conn in taken:
            conn.terminate()


async def _take_all(url: str, taken: list[Session]) -> None:
    with suppress(asyncpg.TooManyConnectionsError):
        while len(taken) < _MOST_SESSIONS:
            taken.append(await asyncpg.connect(url, timeout=_PATIENCE_S))


async def terminate_at_random(url: str, rng: random.Random, seconds: float) -> int:
    """Ends random sessions of the routers for so long; returns how many."""
    ended, deadline = 0, monotonic() + seconds
    async with foreigner(url) as conn:
        while monotonic() < deadline:
            with suppress(*PASSED):
                if pids := await SQL.other_sessions.fetch(conn, application=APPLICATION_NAME):
                    ended += bool(await SQL.terminate.value(conn, pid=rng.choice(pids)["pid"]))
            await asyncio.sleep(rng.random() * 0.2)
    return ended


async def alter(url: str, table: str, times: int) -> None:
    """A migration tool adds a column to one of our tables, so many times; where it gets no lock it gives up."""
    for _ in range(times):
        with suppress(*PASSED):
            async with foreigner(url) as conn:
                await conn.execute("set lock_timeout = '1s'")
                await conn.execute(f'alter table "{table}" add column altered_{secrets.token_hex(4)} int')
        await asyncio.sleep(0.3)


async def refuse_changes(url: str, times: int) -> None:
    """Changes by hand take the lanes, and are taken back."""
    for _ in range(times):
        with suppress(*PASSED):
            async with foreigner(url) as conn:
                await conn.execute("set lock_timeout = '2s'; begin; select from lane for update; rollback")
        await asyncio.sleep(0.1)


@asynccontextmanager
async def slow_clients(port: int, clients: int) -> AsyncIterator[None]:
    """Clients of a router's listener that never finish a request."""
    opened = []
    try:
        for _ in range(clients):
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                opened.append(writer)
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        yield
    finally:
        for writer in opened:
            writer.close()
