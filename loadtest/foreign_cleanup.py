"""The CRM's nightly script beside the drain: as it was, in one transaction, and as docs/maintenance.md prints it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from loadtest.shell import PROJECT
from router.store.statements import Connection, load

SQL = load("foreign_cleanup")
PAGE = PROJECT / "docs/maintenance.md"
GATED, UNGATED = "crm-cleanup", "nightly script"

_SQL_BLOCK = re.compile(r"^```sql\n(.*?)^```", re.MULTILINE | re.DOTALL)


def printed() -> tuple[str, str]:
    """The SQL of the page: the grants, and the procedure."""
    grants, procedure = _SQL_BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    return grants, procedure


async def make_crm(conn: Connection, old: int) -> None:
    """The CRM's table with so many old rows, and its procedure."""
    await SQL.make_table.execute(conn)
    await SQL.make_index.execute(conn)
    await conn.execute(printed()[1])
    await add_old(conn, old)


async def add_old(conn: Connection, old: int) -> None:
    await SQL.add_old.execute(conn, rows=old)
    await conn.execute("vacuum (analyze) crm_lead")


@asynccontextmanager
async def session(url: str, name: str) -> AsyncIterator[asyncpg.Connection]:
    """The script's session; it goes away however the server is by then."""
    conn = await asyncpg.connect(url, server_settings={"application_name": name})
    try:
        yield conn
    finally:
        conn.terminate()


async def clean_in_turns(url: str, tenant: str) -> None:
    """The printed procedure, as cron calls it."""
    async with session(url, GATED) as conn:
        await conn.execute(f"call crm_cleanup('{tenant}')")


@asynccontextmanager
async def cleaned_at_once(url: str) -> AsyncIterator[int]:
    """All in one transaction, which is committed at the end; how many leads of ours it has locked."""
    async with session(url, UNGATED) as conn:
        await conn.execute("begin")
        locked = await SQL.lock_all.row(conn)
        assert locked is not None
        await SQL.delete_old.execute(conn)
        yield locked["leads"]
        await conn.execute("commit")
