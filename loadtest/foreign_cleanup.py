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

_IS_OLD = "created_at < now() - interval '90 days'"
_SQL_BLOCK = re.compile(r"^```sql\n(.*?)^```", re.MULTILINE | re.DOTALL)


def printed() -> tuple[str, str]:
    """The SQL of the page: the grants, and the procedure."""
    grants, procedure = _SQL_BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    return grants, procedure


async def make_crm(conn: Connection, old: int) -> None:
    """The CRM's table with so many old rows, the index that the procedure needs, and the procedure."""
    await conn.execute(
        """create table crm_lead (id bigint generated always as identity primary key, lead_id bigint,
                                  created_at timestamptz not null, name text, phone text, note text);
           create index crm_lead_created_at on crm_lead (created_at)"""
    )
    await conn.execute(printed()[1])
    await add_old(conn, old)


async def add_old(conn: Connection, old: int) -> None:
    """More rows that are older than 90 days."""
    await conn.execute(
        """insert into crm_lead (created_at, name, phone, note)
           select now() - interval '100 days' - n * interval '1 s', 'Customer ' || n, '+86138' || lpad(n::text, 8, '0'),
                  repeat('asked for a quote; ', 5) from generate_series(1, $1::bigint) n""",
        old,
    )
    await conn.execute("vacuum (analyze) crm_lead")


async def add_new(conn: Connection) -> None:
    """Rows of all leads that wait."""
    await conn.execute("insert into crm_lead (lead_id, created_at) select lead_id, now() from lead_pool")


async def old_left(conn: Connection) -> int:
    """How many rows are older than 90 days."""
    return int(await conn.fetchval(f"select count(*) from crm_lead where {_IS_OLD}"))


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
        await conn.execute("select from crm_lead for update")
        locked = await conn.fetch("select lead_id from lead_pool where lead_id % 2 = 0 for update")
        await conn.execute(f"delete from crm_lead where {_IS_OLD}")
        yield len(locked)
        await conn.execute("commit")
