"""Connections that the server refuses, cuts or forgets, and a set of them that grows and shrinks meanwhile."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from time import monotonic

import asyncpg
import pytest
from structlog.testing import capture_logs

from loadtest.faults.server import FaultServer, reachable_folder
from ops.cli.status import status as status_command
from router.runtime.connections_watch import ConnectionsService
from router.runtime.health import Health
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.settings.model import ConnectionSettings
from router.store.configuration import record_differences
from router.store.connections import connections as module
from router.store.connections.connect import open_session, session_label
from router.store.connections.connections import Connections, Part, open_connections
from router.store.connections.server_capacity import read_server_capacity, unanswered
from router.store.errors import TRANSIENT_ERRORS, NoConnection
from router.store.migrate import migrate
from router.store.server_settings import ServerSettings
from router.store.statements import Connection
from router.telemetry.exposition import open_exposition
from router.telemetry.instruments import Instruments
from tests.command_line import CommandLine
from tests.support import connected, until
from tests.wire import a_wire

pytestmark = pytest.mark.direct

ALL = [Part.DRAIN, Part.INTAKE, Part.CONSOLE, Part.DUTIES]


async def role_with(conn: asyncpg.Connection, limit: int) -> str:
    """A role of the test's own that may have so many connections."""
    name = f"r_{random.getrandbits(60):x}"
    await conn.execute(f"create role {name} login connection limit {limit}")
    return name


def as_role(url: str, role: str) -> str:
    return url.replace("postgres@", f"{role}@")


async def count_sessions(conn: asyncpg.Connection) -> int:
    """Ours, besides the one that counts."""
    return int(
        await conn.fetchval(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
    )


async def use(connections: Connections, part: Part = Part.DRAIN, seconds: float = 0.0) -> int:
    async with connections.acquire(part, 20) as conn:
        return int(await conn.fetchval("select 1 from pg_sleep($1)", seconds))


async def test_who_is_refused_by_the_server_waits_for_a_connection_that_comes_back(
    database_url: str, conn: asyncpg.Connection
) -> None:
    role = await role_with(conn, 2)
    with open_exposition("a", "1") as exposition:
        settings = ConnectionSettings(maximum=10)
        async with open_connections(
            as_role(database_url, role), settings, exposition.instruments, instance="a"
        ) as connections:
            answers = await asyncio.gather(*(use(connections, part, 0.02) for part in ALL * 10))
            assert answers == [1] * 40
            assert connections.limit <= 3
            assert connections.share(Part.DRAIN) <= 2
            text = exposition.text().decode()
            assert 'lead_router_connections_timeouts_total{part="drain"} 0.0' in text
            assert 'connections_not_opened_total{cause="refused"} 0.0' not in text
            await conn.execute(f"alter role {role} connection limit 6")
            busy = [asyncio.create_task(use(connections, part, 0.3)) for part in ALL * 20]

            async def more() -> bool:
                return connections.stock.open == 6

            await until(more, "what the server has again is used")
            await asyncio.gather(*busy)
    await conn.execute(f"drop role {role}")


async def test_a_command_waits_too_when_the_server_has_no_connection_left(
    database_url: str, conn: asyncpg.Connection
) -> None:
    role = await role_with(conn, 1)
    url = as_role(database_url, role)
    other = await asyncpg.connect(url)
    async with open_connections(url) as connections:
        asking = asyncio.create_task(use(connections))
        with pytest.raises(NoConnection, match="the server gives none: TooManyConnectionsError"):
            async with connections.acquire(Part.CONSOLE, 0.2):
                pass
        await other.close()
        assert await asking == 1
    await conn.execute(f"drop role {role}")


async def test_connections_that_the_server_ended_are_replaced_and_nobody_notices(
    database_url: str, conn: asyncpg.Connection
) -> None:
    async with open_connections(database_url) as connections:
        for _ in range(5):
            await asyncio.gather(*(use(connections, part, 0.01) for part in ALL))
            await conn.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
            await asyncio.sleep(0)


async def test_a_wire_that_died_while_it_rested_costs_a_moment_and_no_error(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_wire(database_url) as wire, open_connections(wire.url) as connections:
        await asyncio.gather(*(use(connections, part, 0.05) for part in ALL))
        monkeypatch.setattr(module, "_ASK_AFTER_S", 0.0)
        wire.cut_behind()
        # Whoever waited for an answer over the dead wire would wait for ever.
        async with asyncio.timeout(60):
            assert await use(connections) == 1


async def test_a_connection_that_comes_back_in_the_middle_of_a_transaction_is_not_lent_again(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_connections(database_url) as connections:
        async with connections.acquire(Part.DUTIES) as lent:
            # As after a rollback whose answer never came.
            await lent.transaction().start()
            left = lent.get_server_pid()
        async with connections.acquire(Part.DUTIES) as lent:
            assert lent.get_server_pid() != left
            assert not lent.is_in_transaction()
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


async def test_an_attempt_that_is_stuck_is_overtaken_by_another(database_url: str) -> None:
    async with a_wire(database_url) as wire:
        wire.swallow = 2
        # Whoever waited for the stuck ones would wait for ever.
        session = await open_session(wire.url, "x", 60.0, 5000)
        assert wire.accepted == 3
        await session.close()


async def test_a_dead_address_before_the_right_one_costs_a_moment(database_url: str) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as dead, a_wire(database_url) as wire:
        port = dead.sockets[0].getsockname()[1]
        url = wire.url.replace("@127.0.0.1", f"@127.0.0.1:{port},127.0.0.1")
        for more in ("", "?target_session_attrs=read-write"):
            # Whoever waited for the dead one would wait for ever.
            session = await open_session(url + more, "x", 60.0, 5000)
            assert await session.fetchval("select 1") == 1
            await session.close()
        with pytest.raises(TimeoutError, match="does not answer within 2 s"):
            await open_session(f"postgresql://postgres@127.0.0.1:{port}/x", "x", 2.0, 5000)
        dead.close()


async def test_a_host_that_refuses_before_the_right_one_is_passed_over_at_once(database_url: str) -> None:
    async with a_wire(database_url) as wire:
        session = await open_session(wire.url.replace("@127.0.0.1", "@127.0.0.1:1,127.0.0.1"), "x", 10.0, 5000)
        assert await session.fetchval("select 1") == 1
        await session.close()
    with pytest.raises(OSError, match="Connect call failed"):
        await open_session("postgresql://postgres@127.0.0.1:1,127.0.0.1:2/x", "x", 10.0, 5000)


async def test_whoever_holds_a_connection_too_long_is_named_once_and_again_when_it_is_over(database_url: str) -> None:
    with open_exposition("a", "1") as exposition, capture_logs() as logs:
        settings = ConnectionSettings(held_limit_s=0.05)
        async with open_connections(database_url, settings, exposition.instruments) as connections:
            await asyncio.create_task(use(connections, Part.DUTIES, 0.3), name="roster sync acme")
            await use(connections)
        text = exposition.text().decode()
    told = [(line["event"], line["part"], line["holder"]) for line in logs if "holder" in line]
    assert told == [
        ("connection held too long", "duties", "roster sync acme"),
        ("connection given back after all", "duties", "roster sync acme"),
    ]
    assert 'lead_router_connections_held_too_long_total{part="duties"} 1.0' in text
    assert 'lead_router_connections_held_too_long_total{part="drain"} 0.0' in text


async def test_while_too_many_requests_wait_the_next_hears_so_soon_and_not_after_the_whole_deadline(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STANDING_AFTER_S", 0.0)
    async with open_connections(database_url, ConnectionSettings(maximum=2, acquire_deadline_s=600)) as connections:
        async with connections.acquire(Part.CONSOLE):
            waits = asyncio.create_task(use(connections, Part.CONSOLE))

            async def stands_in_line() -> bool:
                return connections._turns.has_waiting(Part.CONSOLE)

            await until(stands_in_line, "a request waits")
            with pytest.raises(NoConnection, match="within 1 s; 1 of 2 are in use"):
                async with connections.acquire(Part.CONSOLE):
                    pass
        assert await waits == 1
        # With nobody in the line there is no haste: whoever comes next may wait as long as is set.
        assert connections._patience_s(Part.CONSOLE) == 600


async def test_a_smaller_maximum_ends_no_work_and_a_larger_one_is_used_at_once(
    database_url: str, conn: asyncpg.Connection
) -> None:
    async with open_connections(database_url, ConnectionSettings(maximum=10), instance="a") as connections:
        working = [asyncio.create_task(use(connections, part, 0.5)) for part in ALL * 2]

        async def eight() -> bool:
            return len(connections.lent) == 8

        await until(eight, "eight are lent")
        connections.resize(ConnectionSettings(maximum=2))
        assert len(connections.lent) == 8
        assert await asyncio.gather(*working) == [1] * 8

        async def two() -> bool:
            return await count_sessions(conn) == 2

        await until(two, "two are left")
        connections.resize(ConnectionSettings(maximum=5))
        await asyncio.gather(*(use(connections, part, 0.1) for part in ALL * 3))
        assert connections.stock.open == 5
        assert (await read_server_capacity(conn)).instances["a"] == 5


async def test_a_connection_whose_server_process_is_gone_is_noticed_while_somebody_waits_for_its_answer(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.runtime.connections_watch._LONG_S", 0.0)

    async def record(_conn: Connection, _seen: ServerSettings) -> None:
        pass

    async with a_wire(database_url) as wire, open_connections(wire.url, instance="a") as connections:
        watch = ConnectionsService(connections, "a", Health(monotonic), Instruments.silent(), record)
        waiting = asyncio.create_task(use(connections, Part.DRAIN, 30))

        async def lent() -> bool:
            return bool(connections.lent)

        await until(lent, "it waits for an answer")
        await asyncio.sleep(0.2)
        wire.cut_behind()
        (session,) = connections.lent
        async with connected(database_url) as admin:
            await admin.execute("select pg_terminate_backend($1, 5000)", session.get_server_pid())
        await watch._look()
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await waiting


async def test_behind_a_pooler_a_lost_answer_is_noticed_and_a_long_statement_is_let_go_on(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.runtime.connections_watch._LONG_S", 0.0)
    monkeypatch.setattr("router.runtime.connections_watch._UNANSWERED_S", 1.0)

    async def record(_conn: Connection, _seen: ServerSettings) -> None:
        pass

    async with a_wire(database_url) as wire:
        # As where a pooler was found: then the numbers of the server's processes say nothing.
        monkeypatch.setattr("router.store.connections.connect._behind_pooler", {wire.url})
        async with open_connections(wire.url, instance="a") as connections:
            watch = ConnectionsService(connections, "a", Health(monotonic), Instruments.silent(), record)
            waiting = asyncio.create_task(use(connections, Part.DRAIN, 3600))

            async def waits() -> bool:
                return any(monotonic() - (one.asked_at or monotonic()) > 1.0 for one in connections.lent)

            await until(waits, "it waits for its answer")
            await watch._look()
            assert not waiting.done()
            assert [session.is_closed() for session in connections.lent] == [False]
            wire.cut_behind()
            async with connected(database_url) as admin:
                await admin.execute(
                    "select pg_terminate_backend(pid, 5000) from pg_stat_activity where query like '%pg_sleep($1)%' "
                    "and pid <> pg_backend_pid() and datname = current_database()"
                )

            async def ended() -> bool:
                # The wire of the one who looks is dead too, at first.
                with suppress(TimeoutError):
                    await watch.once(Lifeline(asyncio.Event(), MonotonicClock(), lambda _: None))
                return waiting.done()

            await until(ended, "nobody waits over the dead wire")
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                await waiting


LONG = "select pg_sleep(3600)"


@asynccontextmanager
async def working(conn: asyncpg.Connection, session: asyncpg.Connection) -> AsyncIterator[float]:
    """The server works on a statement of the session; since when (monotonic seconds)."""
    asked_at = monotonic()
    statement = asyncio.create_task(session.execute(LONG))
    waits = "select exists (select from pg_stat_activity where pid = $1 and wait_event = 'PgSleep')"

    async def begun() -> bool:
        return bool(await conn.fetchval(waits, session.get_server_pid()))

    await until(begun, "the server works on it")
    try:
        yield asked_at
    finally:
        session.terminate()
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await statement


class InLine:
    """A session whose questions stand in a pooler's line for a while, before the server hears of them."""

    def __init__(self, conn: asyncpg.Connection) -> None:
        self._conn = conn

    async def fetch(self, *arguments: str) -> list[asyncpg.Record]:
        await asyncio.sleep(1.5)
        return list(await self._conn.fetch(*arguments))


async def test_a_long_statement_is_not_taken_for_lost_because_who_looks_had_to_wait_in_the_poolers_line(
    conn: asyncpg.Connection, database_url: str
) -> None:
    async with connected(database_url) as other, working(conn, other) as asked_at:
        found = await unanswered(InLine(conn), {"long": asked_at, "lost": asked_at - 60.0})  # type: ignore[arg-type]
    assert found == ["lost"]


async def test_a_statement_that_the_server_does_not_show_is_not_taken_for_lost(
    conn: asyncpg.Connection, database_url: str
) -> None:
    """It shows none where it keeps no track of them, and those of another role only to who may see them."""
    async with connected(database_url) as other:
        await other.execute("set track_activities = off")
        async with working(conn, other) as asked_at:
            assert await unanswered(conn, {"hidden": asked_at}) == []
    role = await role_with(conn, 1)
    async with connected(database_url) as other, connected(database_url) as asking, working(conn, other) as asked_at:
        await asking.execute(f"set role {role}")
        assert await unanswered(asking, {"hidden": asked_at}) == []


@pytest.fixture(scope="module")
def own_url() -> Iterator[str]:
    """A server of our own: what instances may open is summed over all of the server, that of other tests too."""
    with reachable_folder("lead-router-own-") as folder:
        server = FaultServer(folder, {"max_connections": "30"})

        async def prepared() -> None:
            await server.start()
            await migrate(server.url())

        asyncio.run(prepared())
        yield server.url()
        asyncio.run(server.crash())


async def test_instances_are_counted_with_what_they_may_open(own_url: str) -> None:
    async with connected(own_url) as conn:
        await instances_are_counted(own_url, conn)


async def instances_are_counted(database_url: str, conn: asyncpg.Connection) -> None:
    before = await read_server_capacity(conn)
    name = "a host with a name that is so long that it does not fit, and strange'; drop table lead --"
    label = session_label(name, 1000)
    assert len(label.encode()) <= 63
    async with (
        open_connections(database_url, ConnectionSettings(maximum=30), instance="one") as one,
        open_connections(database_url, ConnectionSettings(maximum=1000), instance=name) as other,
        open_connections(database_url),
    ):
        await asyncio.gather(use(one), use(other))
        room = await read_server_capacity(conn)
        assert sorted(set(room.instances.values()) - set(before.instances.values())) == [30, 1000]
        assert room.wanted - before.wanted == 1030
        assert room.others == before.others + 1
        assert room.excess()


async def test_status_warns_when_instances_may_open_more_than_the_server_has(own_url: str) -> None:
    command = CommandLine(status_command, own_url)
    async with open_connections(own_url, ConnectionSettings(maximum=1000), instance="big") as connections:
        await use(connections)
        told = json.loads((await command.run("--json")).output)["connections"]
        assert told["instances"]["big"] == 1000
        assert told["wanted"] >= 1000 > told["allowed"] > 0
        assert "lower connections.maximum" in told["problem"]
        assert "warning: " in (await command.run()).output


async def test_no_connection_is_lost_whatever_happens_to_the_server_and_the_set(
    database_url: str, conn: asyncpg.Connection
) -> None:
    chance = random.Random(11)
    role = await role_with(conn, 5)
    url = as_role(database_url, role)
    async with open_connections(url, ConnectionSettings(maximum=8), instance="a") as connections:
        ending = asyncio.create_task(disturb(conn, connections, role, chance))
        tasks: Sequence[asyncio.Task[int]] = [
            asyncio.create_task(use(connections, chance.choice(ALL), chance.random() * 0.02)) for _ in range(400)
        ]
        while not all(task.done() for task in tasks):
            chance.choice(tasks).cancel()
            await asyncio.sleep(0.002)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        ending.cancel()
        await asyncio.wait([ending])
        unexpected = [
            one
            for one in outcomes
            if not isinstance(one, int | asyncio.CancelledError) and not isinstance(one, TRANSIENT_ERRORS)
        ]
        assert unexpected == []
        connections.resize(ConnectionSettings(maximum=4))
        await conn.execute(f"alter role {role} connection limit -1")
        # What was told to end last may be lent once more before the word of it arrives.
        await until(lambda: all_parts_served(connections), "every part is served again")
        assert not connections.lent
        assert connections.stock.open <= 4
    assert await gone(conn, role)
    await conn.execute(f"drop role {role}")


async def all_parts_served(connections: Connections) -> bool:
    served = await asyncio.gather(*(use(connections, part, 0.05) for part in ALL * 4), return_exceptions=True)
    assert all(one == 1 or isinstance(one, TRANSIENT_ERRORS) for one in served), served
    return served == [1] * 16


async def disturb(conn: asyncpg.Connection, connections: Connections, role: str, chance: random.Random) -> None:
    while True:
        await asyncio.sleep(chance.random() * 0.03)
        connections.resize(ConnectionSettings(maximum=chance.randrange(1, 9)))
        await conn.execute(f"alter role {role} connection limit {chance.randrange(1, 7)}")
        await conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = $1 order by random() limit 2", role
        )


async def gone(conn: asyncpg.Connection, role: str) -> bool:
    async def none() -> bool:
        return not await conn.fetchval("select count(*) from pg_stat_activity where usename = $1", role)

    await until(none, "no session is left")
    return True


async def test_a_configuration_is_recorded_when_it_differs_from_that_of_the_last_of_its_kind(
    conn: asyncpg.Connection,
) -> None:
    defaults = {"connections.maximum": "8", "log.level": "info"}

    async def start(kind: str, actor: str, **values: str) -> list[str]:
        found = await record_differences(conn, actor, kind, {**defaults, **values}, defaults, "start")
        return [f"{one.name} {one.before} {one.after}" for one in found]

    assert await start("drain", "a") == []
    assert await start("drain", "b", **{"connections.maximum": "30"}) == ["connections.maximum 8 30"]
    assert await start("drain", "c", **{"connections.maximum": "30"}) == []
    assert await start("duties", "d") == []
    assert await start("drain", "e") == ["connections.maximum 30 8"]
    rows = await conn.fetch("select tenant_id, actor, action, subject, before, after from change order by id")
    assert [tuple(row) for row in rows] == [
        (0, "b", "configure", "drain: connections.maximum", "8", "30"),
        (0, "e", "configure", "drain: connections.maximum", "30", "8"),
    ]


async def test_a_session_that_is_left_clean_is_lent_again_at_once_and_one_in_which_something_failed_is_cleaned(
    database_url: str,
) -> None:
    async with open_connections(database_url, ConnectionSettings(maximum=1)) as connections:

        async def marked(*, fails: bool) -> str | None:
            async with connections.acquire(Part.INTAKE, 20, leaves_nothing=True) as conn:
                # A trace that cleaning would remove: no statement of the intake leaves one.
                found: str | None = await conn.fetchval("select current_setting('lead_router.mark', true)")
                await conn.execute("select set_config('lead_router.mark', 'here', false)")
                if fails:
                    await conn.execute("select 1 / 0")
            return found

        assert not await marked(fails=False)
        assert await marked(fails=False) == "here"
        with pytest.raises(asyncpg.DivisionByZeroError):
            await marked(fails=True)
        assert not await marked(fails=False)
        async with connections.acquire(Part.INTAKE, 20) as conn:
            assert await conn.fetchval("select current_setting('lead_router.mark', true)") == "here"
        assert not await marked(fails=False)
        connections.stock.label = "another name"
        assert await marked(fails=False) == "here"
        async with connections.acquire(Part.INTAKE, 20) as conn:
            assert await conn.fetchval("show application_name") == "another name"
