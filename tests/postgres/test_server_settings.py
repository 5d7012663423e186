"""What is recorded of the server's settings, and found of them, does not depend on the session that asks."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from ops.daemon.services import record_server_settings
from router.store import server_settings
from router.store.connections.connections import Part, open_connections
from router.store.server_settings import ServerSettings, read_server_settings, read_session_settings
from tests.support import connected
from tests.wire import a_wire

pytestmark = pytest.mark.direct

JIT, WORK_MEM = "jit", "work_mem"


@pytest.fixture
async def database(conn: asyncpg.Connection) -> AsyncIterator[str]:
    name: str = await conn.fetchval("select current_database()")
    yield f'"{name}"'
    await conn.execute(f'alter database "{name}" reset all')


async def recorded(conn: asyncpg.Connection) -> list[tuple[str, str, str]]:
    rows = await conn.fetch("select subject, before, after from change where action = 'configure' order by id")
    return [(row["subject"], row["before"], row["after"]) for row in rows]


async def test_a_session_that_has_set_something_sees_the_same_settings_and_keeps_its_own(
    conn: asyncpg.Connection, database_url: str
) -> None:
    """As asyncpg does with jit, a pooler with TimeZone and DateStyle: here with each that a session may set."""
    fresh = await read_server_settings(conn)
    assert {"TimeZone", "max_connections"} <= fresh.values.keys()
    another = "off" if await conn.fetchval("select current_setting('jit')") == "on" else "on"
    async with connected(database_url) as other:
        await other.execute(
            """select set_config(name, setting || coalesce(unit, ''), false) from pg_settings
                where context in ('user', 'superuser')
                  and name !~ '^(transaction_|zero_|session_authorization|role$|is_)'
                  and name not in ('client_encoding', 'seed', 'log_statement_stats', 'unit')
                  and coalesce(unit, '') <> '8kB'"""
        )
        await other.execute(
            f"set jit = {another}; set TimeZone = 'Asia/Tokyo'; set DateStyle = 'German'; set search_path = pg_temp"
        )
        assert await read_server_settings(other) == fresh
        assert await other.fetchval("select concat_ws(' ', current_setting('jit'), current_setting('TimeZone'))") == (
            f"{another} Asia/Tokyo"
        )


async def test_sessions_that_set_the_same_for_themselves_take_no_turns_in_the_change_log(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await record_server_settings("a", conn, await read_server_settings(conn))
    before = await recorded(conn)
    for change in ("set jit = off", "set work_mem = '5MB'; set jit = on", "set local lock_timeout = 5"):
        async with connected(database_url) as other, other.transaction():
            await other.execute(change)
            await record_server_settings("b", conn, await read_server_settings(other))
    assert await recorded(conn) == before


async def test_what_the_client_asked_for_as_it_connected_is_not_taken_for_the_servers(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await record_server_settings("a", conn, await read_server_settings(conn))
    before = await recorded(conn)
    other = await asyncpg.connect(database_url, server_settings={"jit": "on", "timezone": "Asia/Tokyo"})
    try:
        await other.execute("set jit = off")
        seen = await read_server_settings(other)
        await record_server_settings("b", conn, seen)
    finally:
        await other.close()
    assert not {JIT, "TimeZone"} & seen.values.keys()
    assert await recorded(conn) == before


async def test_a_setting_of_a_role_is_told_as_the_roles_and_never_hides_or_replaces_the_servers(
    conn: asyncpg.Connection, database_url: str, database: str
) -> None:
    await record_server_settings("a", conn, await read_server_settings(conn))
    before = await recorded(conn)
    own = "server: every role in this database: jit"
    await conn.execute(f"alter database {database} set jit = on")
    async with connected(database_url) as other:
        for session in (conn, other, conn):
            await record_server_settings("b", conn, await read_server_settings(session))
        assert (await recorded(conn))[len(before) :] == [(own, "", "on")]
        await conn.execute(f"alter database {database} reset jit")
        # The session still has what was set as it began.
        assert await other.fetchval("select reset_val from pg_settings where name = 'jit'") == "on"
        for session in (other, conn, other):
            await record_server_settings("b", conn, await read_server_settings(session))
    assert (await recorded(conn))[len(before) :] == [(own, "", "on"), (own, "on", "")]


async def test_settings_of_a_library_that_only_some_sessions_have_loaded_take_no_turns(
    conn: asyncpg.Connection, database_url: str, database: str
) -> None:
    name = "every role in this database: plpgsql.check_asserts"
    await conn.execute(f"alter database {database} set plpgsql.check_asserts = off")
    async with connected(database_url) as without, connected(database_url) as loaded:
        await loaded.execute("do $$ begin end $$")
        assert name not in (await read_server_settings(without)).values
        for session in (without, loaded, without, loaded):
            await record_server_settings("a", conn, await read_server_settings(session))
        assert [one for one in await recorded(conn) if one[0] == f"server: {name}"] == [(f"server: {name}", "", "off")]
        await conn.execute(f"alter database {database} reset plpgsql.check_asserts")
        await record_server_settings("a", conn, await read_server_settings(loaded))
        assert (await recorded(conn))[-1] == (f"server: {name}", "off", "")


async def test_a_role_that_sees_less_sees_nothing_different(conn: asyncpg.Connection, database_url: str) -> None:
    fresh = await read_server_settings(conn)
    role = f"few_rights_{await conn.fetchval('select oid from pg_database where datname = current_database()')}"
    await conn.execute(f"create role {role}")
    try:
        async with connected(database_url) as other:
            await other.execute(f"set role {role}")
            seen = await read_server_settings(other)
    finally:
        await conn.execute(f"drop role {role}")
    assert seen.after(fresh.values) == fresh.values == fresh.after(seen.values)


async def test_what_hurts_is_still_told_as_the_roles_when_the_session_has_set_it_for_itself(
    conn: asyncpg.Connection, database_url: str
) -> None:
    role = await conn.fetchval("select current_user")
    name = await conn.fetchval("select current_database()")
    await conn.execute(f'alter role "{role}" in database "{name}" set statement_timeout = 5000')
    try:
        async with connected(database_url) as other:
            await other.execute("set statement_timeout = 0")
            found = (await read_session_settings(other, ["statement_timeout"]))["statement_timeout"]
            assert await other.fetchval("show statement_timeout") == "0"
    finally:
        await conn.execute(f'alter role "{role}" in database "{name}" reset statement_timeout')
    assert (found.value, found.role) == ("5000", role)


def test_what_this_session_cannot_see_stays_as_it_was_and_what_it_can_is_gone() -> None:
    seen = ServerSettings({WORK_MEM: "1"}, hidden=frozenset({JIT}), present=frozenset({JIT, WORK_MEM, "citus.x"}))
    before = {"jit": "off", "work_mem": "2", "citus.x": "1", "other.y": "1", "role r: jit": "on", "fsync": "off"}
    assert seen.after(before) == {"jit": "off", "work_mem": "1", "other.y": "1"}


async def test_who_gives_up_over_a_dead_wire_does_not_wait_for_minutes_for_the_rollback(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the watch over connections that reads them, and ends those that lead nowhere."""
    monkeypatch.setattr("router.store.transactions._ROLLBACK_DEADLINE_S", 0.2)
    async with (
        a_wire(database_url) as wire,
        open_connections(wire.url, instance="a") as connections,
        connections.acquire(Part.DUTIES) as conn,
    ):
        statements = server_settings._SQL

        class CutInTheMiddle:
            def __getattr__(self, name: str) -> Any:
                if name == "in_force":
                    wire.cut_behind()
                return getattr(statements, name)

        monkeypatch.setattr(server_settings, "_SQL", CutInTheMiddle())

        async def give_up() -> None:
            async with asyncio.timeout(0.2):
                await read_server_settings(conn)

        watching = asyncio.create_task(give_up())
        await asyncio.wait([watching], timeout=10)
        given_up = watching.done()
        conn.terminate()
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await watching
    assert given_up
