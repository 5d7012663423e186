"""The daemon with few connections, with a database that goes and comes, and with settings that change as it runs."""

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import asyncpg
import pytest

from loadtest.faults.server import FaultServer, reachable_folder
from router.store.leads import accept
from router.store.migrate import migrate
from tests.support import connected, until
from tests.wire import a_wire
from tests.workers import Daemon, serving
from tests.world import CATCH_ALL, lead, make_tenant, simple_reps

TENANTS = 4


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    """One for all tests here."""
    with reachable_folder("lead-router-own-") as folder:
        running = FaultServer(folder, {"max_connections": "30"})

        async def prepared() -> None:
            await running.start()
            await migrate(running.url())

        asyncio.run(prepared())
        yield running
        asyncio.run(running.crash())


@pytest.fixture
async def url(server: FaultServer) -> str:
    """As a role that is no superuser, on a database without leads."""
    async with connected(server.url()) as admin:
        tables = await admin.fetchval(
            "select string_agg(format('%I', relname), ', ') from pg_class c where relkind in ('r', 'p') "
            "and relnamespace = 'public'::regnamespace and not relname like '\\_lead%' and not relispartition"
        )
        await admin.execute(f"truncate {tables}")
        if not await admin.fetchval("select exists (select from pg_roles where rolname = 'router')"):
            await admin.execute("create role router login")
        await admin.execute("alter role router connection limit -1")
        await admin.execute("grant pg_read_all_data, pg_write_all_data to router")
        await admin.execute("grant usage on all sequences in schema public to router")
    return server.url().replace("postgres@", "router@")


async def some_tenants(conn: asyncpg.Connection) -> list[int]:
    made = [
        await make_tenant(conn, simple_reps(3, max_open=100_000, max_per_day=100_000), CATCH_ALL, name=f"t{n}")
        for n in range(TENANTS)
    ]
    return [tenant.tenant_id for tenant in made]


async def hand_in(conn: asyncpg.Connection, first: int, leads: int) -> None:
    """So many leads of each tenant, numbered from `first`."""
    for tenant_id in await conn.fetch("select tenant_id from tenant where tenant_id > 0"):
        await accept(conn, tenant_id[0], [lead(number) for number in range(first, first + leads)])


async def all_assigned(conn: asyncpg.Connection, within_s: float = 120.0) -> None:
    async def none_waits() -> bool:
        return not await conn.fetchval("select exists (select from lead_pool)")

    await until(none_waits, "all leads are assigned", within_s)


async def metric(daemon: Daemon, series: str) -> float:
    lines = (await daemon.get("/metrics"))[1].splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(series))


async def sessions(conn: asyncpg.Connection) -> int:
    return int(await conn.fetchval("select count(*) from pg_stat_activity where usename = 'router'"))


@pytest.mark.parametrize("maximum", [1, 2])
async def test_the_whole_service_works_with_so_many_connections_and_nothing_is_refused(
    server: FaultServer, url: str, maximum: int
) -> None:
    async with connected(server.url()) as conn:
        await some_tenants(conn)
        await conn.execute(f"alter role router connection limit {maximum}")
        words = ("serve", "--role", "drain,duties")
        async with serving(url, *words, connections_maximum=maximum, drain_batch_leads=50) as daemon:
            await daemon.said("listening")
            answers = []
            for number in range(10):
                await hand_in(conn, number * 100, 100)
                assert await sessions(conn) <= maximum
                answers.append(json.loads((await daemon.get("/readyz"))[1]))
            await all_assigned(conn)
            assert [answer["reasons"] for answer in answers[1:] if not answer["ready"]] == []
            assert await metric(daemon, "lead_router_connections_not_opened_total") == 0
            assert await metric(daemon, "lead_router_connections_timeouts_total") == 0
            assert await metric(daemon, 'lead_router_batches_total{result="failed"') == 0
            assert await daemon.stop() == 0


async def test_a_server_that_gives_fewer_makes_it_slower_and_gives_more_later(server: FaultServer, url: str) -> None:
    async with connected(server.url()) as conn:
        await some_tenants(conn)
        await conn.execute("alter role router connection limit 2")
        async with serving(url, connections_maximum=10, drain_batch_leads=20, drain_concurrency=8) as daemon:
            await daemon.said("listening")
            await hand_in(conn, 0, 500)
            await all_assigned(conn)

            async def tells() -> bool:
                return "connections" in json.loads((await daemon.get("/readyz"))[1])["degraded"]

            await until(tells, "it says that connections are scarce")
            assert json.loads((await daemon.get("/readyz"))[1])["ready"]
            assert await metric(daemon, 'lead_router_batches_total{result="failed"') == 0
            await conn.execute("alter role router connection limit -1")

            async def more() -> bool:
                return await metric(daemon, "lead_router_connections_limit") == 10 and not await tells()

            await until(more, "it uses what there is")
            assert await daemon.stop() == 0


async def test_the_maximum_goes_down_and_up_under_load_and_no_batch_is_lost(
    server: FaultServer, url: str, tmp_path: Path
) -> None:
    file = tmp_path / "router.yaml"
    file.write_text("connections: {maximum: 12}\n")
    async with connected(server.url()) as conn:
        await some_tenants(conn)
        async with serving(
            url, config=file, drain_batch_leads=20, drain_concurrency=8, drain_poll_interval_s=0.05
        ) as daemon:
            await daemon.said("listening")
            handing_in = asyncio.create_task(keep_handing_in(server.url()))
            for maximum in (3, 1, 20, 2, 12):
                file.write_text(f"connections: {{maximum: {maximum}}}\nlisten: {{check_deadline_s: 3}}\n")
                daemon.process.send_signal(signal.SIGHUP)

                async def in_force(wanted: int = maximum) -> bool:
                    return (
                        await metric(daemon, "lead_router_connections_maximum") == wanted
                        and await sessions(conn) <= wanted
                    )

                await until(in_force, f"{maximum} connections")
                await asyncio.sleep(0.2)
            handing_in.cancel()
            await asyncio.wait([handing_in])
            await all_assigned(conn)
            assert await metric(daemon, 'lead_router_batches_total{result="failed"') == 0
            file.write_text("connections: {maximum: many}\n")
            daemon.process.send_signal(signal.SIGHUP)
            await daemon.said("settings not read again, nothing changed")
            assert await metric(daemon, "lead_router_connections_maximum") == 12
            file.unlink()
            daemon.process.send_signal(signal.SIGHUP)

            async def twice() -> bool:
                return daemon.events().count("settings not read again, nothing changed") == 2

            await until(twice, "a file that is gone changes nothing")
            needs = [line for line in daemon.log if line.get("event") == "setting needs a restart"]
            assert {(line["setting"], line["read"]) for line in needs} == {("listen.check_deadline_s", "3.0")}
            assert await daemon.stop() == 0
        steps = [("12", "3"), ("3", "1"), ("1", "20"), ("20", "2"), ("2", "12")]
        changes = await conn.fetch(
            "select before, after, why from change where subject = 'drain: connections.maximum' order by id"
        )
        assert [tuple(row) for row in changes] == [
            ("8", "12", "start"),
            *((before, after, "settings read again") for before, after in steps),
        ]


async def keep_handing_in(url: str) -> None:
    async with connected(url) as conn:
        number = 0
        while True:
            await hand_in(conn, number, 20)
            number += 20
            await asyncio.sleep(0.01)


async def test_it_starts_while_the_database_is_away_and_says_so(server: FaultServer, url: str) -> None:
    async with connected(server.url()) as conn:
        await some_tenants(conn)
    await server.crash()
    async with serving(url) as daemon:
        await daemon.said("listening")
        await daemon.said("waiting for the database")
        status, text = await daemon.get("/readyz")
        assert status == 503
        assert "could not be reached since the start" in json.loads(text)["reasons"]["schema"]
        assert (await daemon.get("/livez"))[0] == 200
        await server.start()
        async with connected(server.url()) as conn:
            await hand_in(conn, 0, 1)
            await all_assigned(conn)

        async def ready() -> bool:
            return (await daemon.get("/readyz"))[0] == 200

        await until(ready, "it is ready")
        assert await daemon.stop() == 0


async def test_after_a_restart_of_the_database_the_first_lead_has_a_rep_soon(server: FaultServer, url: str) -> None:
    async with connected(server.url()) as conn:
        await some_tenants(conn)
    async with serving(url, drain_batch_leads=20) as daemon:
        await daemon.said("listening")
        for number in range(4):
            async with connected(server.url()) as conn:
                await hand_in(conn, number * 1000, 200)
            await server.crash()
            if number == 3:
                # Long enough for a backoff that would grow to a minute.
                await asyncio.sleep(12)
            # Not in a thread: the kernel ends the server with the thread that started it.
            await server.start(max_connections=str(30 - number))
            async with connected(server.url()) as conn:
                await all_assigned(conn)
        # Not measured: how long a busy machine needs for its leads is not how long the router waits for a server.
        waited = [line["retry_in_s"] for line in daemon.log if line["event"] == "cannot query for work"]
        assert waited and max(waited) <= 1.0, waited

        async def recorded() -> bool:
            async with connected(server.url()) as conn:
                return bool(
                    await conn.fetchval(
                        "select exists (select from change where subject = 'server: max_connections' and after = '27')"
                    )
                )

        await until(recorded, "the server's new maximum is recorded")
        services = json.loads((await daemon.get("/livez"))[1])["services"]
        assert {name: service["deaths"] for name, service in services.items() if service["deaths"]} == {}
        assert await daemon.stop() == 0


async def test_instances_that_want_more_than_the_server_has_share_it(server: FaultServer, url: str) -> None:
    async with connected(server.url()) as conn:
        await some_tenants(conn)
        async with serving(url, connections_maximum=30) as one, serving(url, connections_maximum=60) as other:
            await one.said("listening")
            await other.said("more connections than the server has")

            async def told() -> bool:
                answer = json.loads((await other.get("/readyz"))[1])
                assert answer["ready"]
                return "2 instances together may open 90 connections" in answer["degraded"].get("connections", "")

            await until(told, "it says that they want more than there is")

            async def shared() -> bool:
                limits = [await metric(daemon, "lead_router_connections_limit") for daemon in (one, other)]
                return sum(limits) <= 27 and limits[0] < limits[1]

            await until(shared, "each uses its part")
            await hand_in(conn, 0, 100)
            await all_assigned(conn)


async def test_wires_that_die_without_a_word_are_left_and_leads_go_on(
    database_url: str, conn: asyncpg.Connection
) -> None:
    await some_tenants(conn)
    async with a_wire(database_url) as wire, serving(wire.url, drain_batch_leads=20) as daemon:
        await daemon.said("listening")
        await hand_in(conn, 0, 100)
        await all_assigned(conn)
        took = []
        for number in range(1, 4):
            await hand_in(conn, number * 1000, 400)
            wire.cut_behind()
            begin = monotonic()
            await all_assigned(conn, 25)
            took.append(monotonic() - begin)
        services = json.loads((await daemon.get("/livez"))[1])["services"]
        assert {name: service["deaths"] for name, service in services.items() if service["deaths"]} == {}, (
            took,
            services,
        )
        wire.cut_behind()
        assert await daemon.stop() == 0
