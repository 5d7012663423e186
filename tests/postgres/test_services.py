"""All services of the daemon as they are, over a real database that fails: started, stopped, cancelled at any moment,
and never does one die, hang or leave a task, a connection or a lead behind.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import pytest

from ops.daemon.services import Role, Services
from ops.embedded.urls import Urls
from ops.roster_sync.sources import Source
from router.drain.redis_hints import HintsSender
from router.runtime.health import Health, State
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.runtime.reloading import ReloadingService
from router.runtime.service_manager import ServiceManager
from router.runtime.supervisor import Service, Supervisor
from router.settings.model import (
    ApiSettings,
    ConnectionSettings,
    ConsoleSettings,
    DrainSettings,
    ListenSettings,
    Settings,
    SupervisionSettings,
)
from router.store.connections.connections import Connections, open_connections
from router.telemetry.exposition import open_exposition
from tests.notifying import a_channel
from tests.support import connected, until
from tests.world import CATCH_ALL, Tenancy, lead, make_tenant, simple_reps

SETTINGS = Settings(
    listen=ListenSettings(port=0),
    api=ApiSettings(port=0),
    console=ConsoleSettings(port=0),
    drain=DrainSettings(batch_leads=5, poll_interval_s=0.02),
    connections=ConnectionSettings(maximum=6, acquire_deadline_s=0.5),
    supervision=SupervisionSettings(restart_wait_first_s=0.01, stop_deadline_s=4.0),
)
NAMES = [
    "listener",
    "schema",
    "memory",
    "api",
    "console",
    "connections",
    "settings",
    "mutes",
    "wakeups",
    "redis hints",
    "presence",
    "held back",
    "drain",
    "hints sender",
    "close rates",
    "blocking watch",
    "stalls",
    "findings",
    "events",
    "webhooks",
    "maintenance watch",
    "upkeep watch",
    "cleanup",
    "notify look",
    "notify",
    "roster sync t",
    "api exposure",
    "source notes",
    "token uses",
    "expired keys",
    "rate limits",
    "console token uses",
    "service manager",
]


@dataclass(slots=True)
class Stage:
    """A daemon's services in this process, and the database that is made to fail beneath them."""

    admin: asyncpg.Connection
    tenant: Tenancy
    services: list[Service]
    reloading: ReloadingService
    connections: Connections
    health: Health
    database: str

    async def disturb(self, chance: random.Random) -> None:
        """One fault or change, which is over when this returns."""
        act = chance.randrange(6)
        if act == 0:
            await self.admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name "
                "like 'lead-router%' order by random() limit 3",
                self.database,
            )
        elif act == 1:
            await self.admin.execute(f'alter database "{self.database}" allow_connections false')
            await asyncio.sleep(chance.random() * 0.2)
            await self.admin.execute(f'alter database "{self.database}" allow_connections true')
        elif act == 2:
            self.reloading.ask()
        elif act == 3:
            self.connections.resize(ConnectionSettings(maximum=chance.randrange(1, 8), acquire_deadline_s=0.5))
        else:
            await asyncio.sleep(chance.random() * 0.1)


@asynccontextmanager
async def staged(database_url: str, admin_url: str, conn: asyncpg.Connection) -> AsyncIterator[Stage]:
    tenant = await make_tenant(conn, simple_reps(3), CATCH_ALL, name="t")
    await conn.execute("create view reps as select rep_id, 'yes' as available, 'all' as groups from rep")
    health = Health(MonotonicClock().monotonic)

    async def schema() -> None:
        async with connected(database_url):
            pass

    urls = Urls(database_url, "redis://127.0.0.1:1/0")
    sender = HintsSender(str(urls.redis))
    with open_exposition("test-1", "1") as exposition:
        async with (
            connected(admin_url) as admin,
            open_connections(
                database_url,
                SETTINGS.connections,
                exposition.instruments,
                instance="test-1",
                statement_deadline_s=60,
                announce=sender.send,
            ) as connections,
        ):
            services = Services(
                SETTINGS,
                urls,
                frozenset(Role),
                "test-1",
                connections,
                health,
                exposition,
                schema,
                lambda: SETTINGS,
                [Source("t", (None, "reps"))],
                sender=sender,
                channels=[a_channel(url="http://127.0.0.1:9/")],
                manager=ServiceManager("@nobody hears this", 0.02),
            )
            database: str = await conn.fetchval("select current_database()")
            yield Stage(admin, tenant, services.build(), services.reloading, connections, health, database)


async def nobody_is_left(stage: Stage, before: set["asyncio.Task[object]"]) -> None:
    async def no_task() -> bool:
        return {
            task for task in asyncio.all_tasks() - before if task.get_name() not in ("give back", "connect")
        } == set()

    async def no_lending() -> bool:
        return not stage.connections.lent

    await until(no_lending, "all connections are given back")
    await until(no_task, "no task is left")


@pytest.mark.direct
@pytest.mark.parametrize("seed", range(8))
async def test_whenever_the_stop_comes_and_whatever_fails_all_services_end_and_none_has_died(
    database_url: str, admin_url: str, conn: asyncpg.Connection, seed: int
) -> None:
    chance = random.Random(seed)
    async with staged(database_url, admin_url, conn) as stage:
        before = asyncio.all_tasks()
        supervisor = Supervisor(stage.services, SETTINGS.supervision, stage.health)
        runs = [asyncio.create_task(supervisor.run()) for _ in range(2)]
        await stage.tenant.accept(lead(number) for number in range(300))
        for _ in range(chance.randrange(12)):
            await stage.disturb(chance)
        deaths = {name: service.last_error for name, service in stage.health.report().items() if service.deaths}
        for _ in range(chance.randrange(1, 4)):
            supervisor.stop()
            await asyncio.sleep(chance.random() * 0.01)
        if chance.random() < 0.3:
            runs[0].cancel()
        async with asyncio.timeout(60):
            outcomes = await asyncio.gather(*runs, return_exceptions=True)
        assert {type(one) for one in outcomes} <= {type(None), asyncio.CancelledError}
        assert deaths == {}
        assert {report.state for report in stage.health.report().values()} <= {State.STOPPED}
        await nobody_is_left(stage, before)
    states = await stage.tenant.states()
    assert states["assigned"] + states["waiting"] == 300


@pytest.mark.parametrize("name", NAMES)
async def test_every_service_can_be_stopped_cancelled_and_started_again_at_any_moment(
    database_url: str, admin_url: str, conn: asyncpg.Connection, name: str
) -> None:
    chance = random.Random(name)
    async with staged(database_url, admin_url, conn) as stage:
        services: Sequence[Service] = stage.services
        assert [service.name for service in services] == NAMES
        (service,) = (one for one in services if one.name == name)
        (gate,) = (one for one in services if one.name == "schema")
        before = asyncio.all_tasks()
        opened = asyncio.Event()
        opening = asyncio.create_task(gate.run(Lifeline(opened, MonotonicClock(), lambda _: None)))
        await stage.tenant.accept(lead(number) for number in range(100))
        for _ in range(12):
            stop = asyncio.Event()
            run = asyncio.create_task(service.run(Lifeline(stop, MonotonicClock(), lambda _: None)))
            disturbing = asyncio.create_task(stage.disturb(chance))
            await asyncio.sleep(chance.choice([0.0, 0.001, 0.02, 0.1]))
            if chance.random() < 0.4:
                run.cancel()
            else:
                stop.set()
                stop.set()
            async with asyncio.timeout(60):
                (outcome,) = await asyncio.gather(run, return_exceptions=True)
                await disturbing
            assert outcome is None or isinstance(outcome, asyncio.CancelledError)
        opened.set()
        await opening
        await nobody_is_left(stage, before)
