"""Who has the connections is shown, and idle ones of somebody else are ended: those that are meant, and no other."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest

from ops.cli.connections import end, list_
from router.store.connections.client_sessions import Which, chosen, client_sessions
from router.store.connections.end_idle import end_idle
from tests.command_line import CommandLine
from tests.failure_modes.scene import role_with_connections
from tests.support import connected, until
from tests.world import make_tenant, simple_reps

pytestmark = pytest.mark.direct

REASON = ("--why", "leads stand")
# Sessions of all databases count, and so those of other tests, in other processes, on the same server.
CRM = f"crm{os.getpid()}"


@asynccontextmanager
async def sessions_of(url: str, application: str, number: int = 1) -> AsyncIterator[list[asyncpg.Connection]]:
    """So many sessions of this application, which have just become idle."""
    async with AsyncExitStack() as stack:
        made = [await asyncpg.connect(url, server_settings={"application_name": application}) for _ in range(number)]
        for one in made:
            stack.push_async_callback(one.close)
            await one.execute("select 1")
        yield made


async def alive(conn: asyncpg.Connection, sessions: list[asyncpg.Connection]) -> list[bool]:
    pids = [one.get_server_pid() for one in sessions]
    there = {row[0] for row in await conn.fetch("select pid from pg_stat_activity where pid = any($1::int[])", pids)}
    return [pid in there for pid in pids]


async def old_enough(conn: asyncpg.Connection, sessions: list[asyncpg.Connection]) -> None:
    """Until they have been in their state for a second."""
    pids = [one.get_server_pid() for one in sessions]

    async def old() -> bool:
        return bool(
            await conn.fetchval(
                "select bool_and(clock_timestamp() - state_change > interval '1.1 s') from pg_stat_activity "
                "where pid = any($1::int[])",
                pids,
            )
        )

    await until(old, "the sessions are old enough")


async def test_only_idle_sessions_of_that_application_end_and_it_is_on_record(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    async with (
        sessions_of(database_url, CRM, 3) as crm,
        sessions_of(database_url, f"{CRM}-jobs") as other,
        sessions_of(database_url, "lead-router 30 host-1") as ours,
        sessions_of(database_url, CRM) as working,
    ):
        await working[0].execute("begin; select 1")
        everyone = [*crm, *other, *ours, *working]
        await old_enough(conn, everyone)
        command = CommandLine(end, database_url)
        asked = ["--application", CRM, "--idle-for", "1s", *REASON]
        dry = await command.json(*asked, "--dry-run")
        assert (dry["found"], dry["done"]) == (3, None)
        assert dry["command"] == f"lead-router connections end --application={CRM} --idle-for 1s --why 'leads stand'"
        assert await alive(conn, everyone) == [True] * 6
        document = await command.json(*asked)
        assert document["done"] == {"ended": 3, "at_work": 0, "still_there": 0, "unrecorded": None}
        assert await alive(conn, everyone) == [False, False, False, True, True, True]
        change = await conn.fetchrow("select * from change where action = 'end_connections'")
        assert change is not None
        assert change["subject"].startswith(f"{CRM} of ")
        assert (change["after"], change["why"]) == ("3 ended", "leads stand")
        assert "3 sessions idle for 1 s or longer" in change["before"]
        await command.json(*asked, "--in-transaction")
        assert await alive(conn, everyone) == [False, False, False, True, True, False]


async def test_a_session_that_went_back_to_work_in_the_meantime_is_left_alone(
    conn: asyncpg.Connection, database_url: str
) -> None:
    which = Which(CRM, 0.0)
    async with sessions_of(database_url, CRM, 2) as crm:
        seen = chosen(await client_sessions(conn), which)
        assert len(seen) == 2
        await crm[0].execute("select 2")
        done = await end_idle(conn, which, seen, "tester", "leads stand")
        assert (done.ended, done.at_work) == (1, 1)
        assert await alive(conn, crm) == [True, False]


async def test_sessions_of_ours_are_refused_and_misspelt_names_are_helped(
    conn: asyncpg.Connection, database_url: str
) -> None:
    command = CommandLine(end, database_url)
    async with sessions_of(database_url, "lead-router 30 host-1") as ours, sessions_of(database_url, CRM) as crm:
        refused = await command.run("--application", "lead-router 30 host-1", "--idle-for", "1s", *REASON)
        assert (refused.exit_code, "lower connections.maximum" in refused.output) == (2, True), refused.output
        misspelt = await command.run("--application", CRM[1:], *REASON)
        assert (misspelt.exit_code, f"did you mean {CRM}?" in misspelt.output) == (1, True), misspelt.output
        young = await command.run("--application", CRM, "--idle-for", "1h", *REASON)
        assert (young.exit_code, f"none of 1 session of {CRM} has been idle for 1 h" in young.output) == (1, True)
        role = await command.run("--application", CRM, "--user", "nobody", *REASON)
        assert (role.exit_code, f"{CRM} has no session of role nobody" in role.output) == (1, True), role.output
        assert await alive(conn, [*ours, *crm]) == [True, True]


@pytest.mark.parametrize("wrong", [["--idle-for", "soon"], ["--idle-for", "-1s"], ["--why", "  "], ["--user"]])
async def test_what_cannot_be_meant_is_refused_before_anything_ends(database_url: str, wrong: list[str]) -> None:
    asked = ["--application", CRM, *REASON, *wrong]
    assert (await CommandLine(end, database_url).run(*asked)).exit_code == 2


async def test_a_name_with_quotes_blanks_or_none_at_all_is_shown_and_ended_as_it_is(
    conn: asyncpg.Connection, database_url: str
) -> None:
    odd = f"re'port [red]; --{CRM}"
    async with (
        role_with_connections(conn, database_url, -1) as (role, its_url),
        sessions_of(its_url, odd) as one,
        sessions_of(its_url, "") as nameless,
    ):
        await old_enough(conn, [*one, *nameless])
        shown = await CommandLine(list_, database_url).run()
        assert odd in shown.stdout and "(without a name)" in shown.stdout
        for name in (odd, ""):
            asked = (f"--application={name}", "--user", role, "--idle-for", "1s", *REASON)
            await CommandLine(end, database_url).json(*asked)
        assert not any(await alive(conn, [*one, *nameless]))


async def test_the_list_counts_like_sessions_and_says_how_many_there_may_be(
    conn: asyncpg.Connection, database_url: str
) -> None:
    async with sessions_of(database_url, CRM, 3), sessions_of(database_url, "lead-router 30 host-1"):
        document = await CommandLine(list_, database_url).json()
        rows = {(row["application"], row["state"]): row for row in document["sessions"]}
        assert rows[CRM, "idle"]["sessions"] == 3
        assert rows["lead-router 30 host-1", "idle"]["ours"] is True
        assert document["max_connections"] == int(await conn.fetchval("show max_connections"))
        assert document["in_use"] >= 5


async def test_a_role_without_the_right_is_told_what_to_grant(conn: asyncpg.Connection, database_url: str) -> None:
    role = f"plain_{conn.get_server_pid()}"
    await conn.execute(f"create role {role} login; create role {role}_crm login")
    try:
        await conn.execute(f"grant select, insert on all tables in schema public to {role}")
        plain_url = database_url.replace("postgres@", f"{role}@")
        crm_url = database_url.replace("postgres@", f"{role}_crm@")
        async with connected(plain_url), sessions_of(crm_url, CRM, 2) as crm, sessions_of(database_url, CRM) as su:
            await old_enough(conn, [*crm, *su])
            command = CommandLine(end, plain_url)
            asked = ["--application", CRM, "--idle-for", "1s", *REASON]
            hidden = await command.run(*asked)
            assert (hidden.exit_code, "grant pg_read_all_stats" in hidden.output) == (1, True), hidden.output
            assert "hidden" in (await CommandLine(list_, plain_url).run()).stdout
            await conn.execute(f"grant pg_read_all_stats to {role}")
            refused = await command.run(*asked)
            assert (refused.exit_code, "grant pg_signal_backend" in refused.output) == (1, True), refused.output
            assert all(await alive(conn, [*crm, *su]))
            await conn.execute(f"grant pg_signal_backend to {role}")
            document = await command.json(*asked, code=1)
            assert (document["done"]["ended"], document["not_permitted"]) == (2, 1)
            assert await alive(conn, [*crm, *su]) == [False, False, True]
    finally:
        for name in (role, f"{role}_crm"):
            await conn.execute(f"drop owned by {name}; drop role {name}")
