"""The schema: applied once, safely, and exactly what the migrations say."""

import asyncio

import asyncpg
import pytest

from router.store.migrate import known, migrate, pending, rollback
from tests.support import connected


async def still_pending(url: str) -> list[str]:
    async with connected(url) as conn:
        return await pending(conn)


async def test_a_new_database_gets_every_migration_and_a_second_run_nothing(empty_database_url: str) -> None:
    assert await still_pending(empty_database_url) == known()
    assert await migrate(empty_database_url) == known()
    assert await still_pending(empty_database_url) == []
    assert await migrate(empty_database_url) == []


async def test_asking_what_is_pending_changes_nothing(empty_database_url: str) -> None:
    await still_pending(empty_database_url)
    async with connected(empty_database_url) as conn:
        assert await conn.fetchval("select count(*) from pg_class where relnamespace = 'public'::regnamespace") == 0


async def test_migrators_at_the_same_time_apply_each_migration_once(empty_database_url: str) -> None:
    applied = await asyncio.gather(*(migrate(empty_database_url) for _ in range(4)))
    assert sorted(applied) == [[], [], [], known()]


async def test_a_lead_cannot_have_two_current_assignments(conn: asyncpg.Connection) -> None:
    insert = """insert into assignment (tenant_id, lead_id, rep_no, assigned_at, batch_no, seq)
                values (1, 1, $1, now(), 1, 0)"""
    await conn.execute(insert, 1)
    with pytest.raises(asyncpg.UniqueViolationError):
        await conn.execute(insert, 2)


async def test_taking_all_migrations_back_leaves_nothing(empty_database_url: str) -> None:
    await migrate(empty_database_url)
    assert await rollback(empty_database_url) == known()[::-1]
    assert await still_pending(empty_database_url) == known()
    async with connected(empty_database_url) as conn:
        left = await conn.fetch("select relname from pg_class where relnamespace = 'public'::regnamespace")
    assert {row["relname"] for row in left if not row["relname"].startswith("_pogo")} == set()
