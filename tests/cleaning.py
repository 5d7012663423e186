"""Scripts of others that ask for turns, in tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg

from router.store.maintenance import Run, runs
from tests.support import connected

ASK = "select * from lead_router.may_clean($1, $2)"


@asynccontextmanager
async def script(url: str, name: str = "nightly") -> AsyncIterator[asyncpg.Connection]:
    async with connected(url) as conn:
        await conn.execute(f"set application_name = '{name}'")
        yield conn


async def may_clean(conn: asyncpg.Connection, rows: int | None = 1000, tenant: str | None = "acme") -> dict[str, Any]:
    return dict(await one_row(conn, ASK, tenant, rows))


async def done(conn: asyncpg.Connection, turn: int | None, removed: int = 0, tenant: str | None = "acme") -> str:
    return str(await conn.fetchval("select lead_router.cleaning_done($1, $2, $3)", tenant, turn, removed))


async def one_row(conn: asyncpg.Connection, query: str, *arguments: Any) -> asyncpg.Record:
    row = await conn.fetchrow(query, *arguments)
    assert row is not None
    return row


async def all_runs(conn: asyncpg.Connection) -> list[Run]:
    now = await conn.fetchval("select clock_timestamp()")
    tenants = [row[0] for row in await conn.fetch("select tenant_id from tenant")]
    return await runs(conn, [0, *tenants], now - timedelta(days=1))
