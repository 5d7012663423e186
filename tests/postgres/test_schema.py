"""The page about the schema, the statements, and the states that the database itself refuses."""

from pathlib import Path

import asyncpg
import pytest

from ops.schema.page import schema_page
from router.store.migrate import migrate, rollback
from router.store.statements import load, sql_root
from tests.citus_stand_in import CATALOGUE, VIEWS
from tests.support import connected

FAMILIES = sorted(path.stem for path in (sql_root() / "queries").glob("*.sql"))

IMPOSSIBLE = {
    "a lead with two current assignments": """
        insert into assignment (tenant_id, lead_id, rep_no, assigned_at, batch_no, seq)
        values (1, 1, 1, now(), 1, 0), (1, 1, 2, now(), 1, 1)""",
    "a waiting lead that nobody ever refused": """
        insert into lead_pool (tenant_id, lead_id, wake_key, rank, queued_at, created_at)
        values (1, 1, 7, 0, now(), now())""",
    "a parked lead with a reason that is not in the list": """
        insert into parked (tenant_id, lead_id, reason, parked_at)
        values (1, 1, 'no_idea', now())""",
    "a lead merged into itself": """
        insert into merged (tenant_id, lead_id, into_lead_id, merged_at)
        values (1, 1, 1, now())""",
    "a closed lead with an outcome that is none": """
        insert into closed (tenant_id, lead_id, closed_at, outcome)
        values (1, 1, now(), 'returned')""",
    "shares for other reps than those of the group": """
        insert into group_share (tenant_id, group_no, reps, credit)
        values (1, 1, '{1,2}', '{0}')""",
    "two current rows of one rep": """
        insert into rep_row (tenant_id, rep_no, from_version, name, time_zone)
        values (1, 1, 1, 'A', 'UTC'), (1, 1, 2, 'A', 'UTC')""",
    "the same lead taken twice from its source": """
        insert into lead (tenant_id, source, external_id, created_at)
        values (1, 'web', '7', now()), (1, 'web', '7', now())""",
}


@pytest.mark.parametrize("state", IMPOSSIBLE)
async def test_the_database_refuses(conn: asyncpg.Connection, state: str) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await conn.execute(IMPOSSIBLE[state])


async def test_every_statement_fits_the_schema(conn: asyncpg.Connection) -> None:
    """In one database for all families: each has it as it was, since nothing is committed."""
    unfit = [line for family in FAMILIES for line in await unfit_statements(conn, family)]
    assert not unfit, "\n".join(unfit)


async def unfit_statements(conn: asyncpg.Connection, family: str) -> list[str]:
    """What the server refuses of a family, up to the first of it: the transaction has failed then."""
    statements = list(load(family))
    transaction = conn.transaction()  # temporary tables last until its end
    await transaction.start()
    await conn.execute("create table _pogo_migration (migration_id text, applied timestamptz, schema_name text)")
    await conn.execute('create table if not exists pg_dist_partition (logicalrelid regclass, partmethod "char")')
    if not await conn.fetchval("select exists (select from pg_extension where extname = 'citus')"):
        await conn.execute(CATALOGUE + VIEWS)
    for statement in statements:
        if "create temp" in statement.sql.lower() or "create extension" in statement.sql.lower():
            await conn.execute(statement.sql)
    try:
        for statement in statements:
            if statement.sql.startswith("set local"):  # several, which no server prepares
                await conn.execute(statement.sql)
            else:
                await conn.prepare(statement.sql)
                await conn.prepare(statement.on_citus)
    except asyncpg.PostgresError as error:
        return [f"sql/queries/{family}.sql: {statement.name}: {error}"]
    finally:
        await transaction.rollback()
    return []


async def test_every_key_begins_with_the_tenant(conn: asyncpg.Connection) -> None:
    keys = await conn.fetch(
        """select i.indexrelid::regclass::text as key, a.attname as first
             from pg_index i
             join pg_class c on c.oid = i.indrelid
             join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
            where c.relnamespace = 'public'::regnamespace and not starts_with(c.relname, '_lead_router')"""
    )
    assert {row["key"] for row in keys if row["first"] != "tenant_id"} == {"tenant_name_key"}


async def test_the_page_says_what_the_migrations_build(conn: asyncpg.Connection) -> None:
    written = (sql_root() / "schema.md").read_text(encoding="utf-8")
    assert await schema_page(conn) == written, "run `make schema`"


async def test_taking_the_migrations_back_and_again_builds_the_same(empty_database_url: str) -> None:
    await migrate(empty_database_url)
    async with connected(empty_database_url) as conn:
        first = await schema_page(conn)
    await rollback(empty_database_url)
    await migrate(empty_database_url)
    async with connected(empty_database_url) as conn:
        assert await schema_page(conn) == first


def test_every_migration_has_its_number_and_its_way_back() -> None:
    paths = sorted((sql_root() / "migrations").glob("*.sql"))
    assert [path.name[:4] for path in paths] == [f"{number:04}" for number in range(1, len(paths) + 1)]
    assert [path.name for path in paths if not _has_rollback(path)] == []


def _has_rollback(path: Path) -> bool:
    return bool(path.read_text(encoding="utf-8").partition("-- migrate: rollback")[2].strip())
