"""A process that starts while PostgreSQL is away: its services wait, say so, and do their work once it is back."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from router.intake.journal import open_journal
from router.outbox.events_service import EventsService
from router.runtime.health import Health
from router.runtime.journal_service import JournalService
from router.runtime.lifeline import MonotonicClock
from router.runtime.periodic import Periodic
from router.settings.model import ConnectionSettings, EventSettings, JournalSettings
from router.store.connections.connections import Connections, open_connections
from router.store.events import feed_state
from router.telemetry.instruments import Instruments
from tests.services import running
from tests.support import connected, until
from tests.world import Tenancy, a_drain, lead, make_tenant, settle, simple_reps

# A pooler keeps sessions that were opened before, so PostgreSQL cannot be kept away from it like that.
pytestmark = pytest.mark.direct

Away = tuple[Connections, Callable[[], Awaitable[None]]]


@pytest.fixture
async def acme(conn: asyncpg.Connection) -> Tenancy:
    return await make_tenant(conn, simple_reps(2))


@asynccontextmanager
async def away(conn: asyncpg.Connection, database_url: str, admin_url: str) -> AsyncIterator[Away]:
    """Connections as a daemon has them, to a database that accepts none until it is allowed."""
    name = await conn.fetchval("select current_database()")
    settings = ConnectionSettings(acquire_deadline_s=0.2)
    async with (
        connected(admin_url) as admin,
        open_connections(database_url, settings, instance="test-1") as connections,
    ):

        async def allow(allowed: bool) -> None:
            await admin.execute(f'alter database "{name}" allow_connections {allowed}')

        await allow(False)
        try:
            yield connections, partial(allow, True)
        finally:
            await allow(True)


async def waits(service: Periodic) -> None:
    """Until it reported that it cannot work, and tries again."""

    async def has_problem() -> bool:
        return service.problem is not None and service._failures >= 2

    await until(has_problem, "the service says what it waits for")


async def test_leads_of_the_journal_are_drained_when_postgresql_comes_after_the_process(
    acme: Tenancy, database_url: str, admin_url: str, tmp_path: Path
) -> None:
    health = Health(MonotonicClock().monotonic)
    async with open_journal(JournalSettings(file=tmp_path / "journal.db")) as journal:
        assert journal is not None
        await journal.take(acme.tenant_id, [lead(1), lead(2)])
        async with away(acme.conn, database_url, admin_url) as (connections, come_back):
            service = JournalService(journal, connections, "test-1", health, Instruments.silent())
            async with running(service):
                await waits(service)
                assert "2 accepted leads wait" in health.degraded["journal"]
                await journal.take(acme.tenant_id, [lead(3)])
                await come_back()

                async def drained() -> bool:
                    return journal.waiting == 0 and service.problem is None

                await until(drained, "the journal is drained")
        assert health.degraded == {}
        rows = await acme.conn.fetch("select external_id from lead order by lead_id")
        assert [row[0] for row in rows] == ["e1", "e2", "e3"]
        reported = await acme.conn.fetchrow("select taken, drained, leads from journalled")
        assert reported is not None and tuple(reported) == (3, 3, 0)


async def test_events_get_their_places_when_postgresql_comes_after_the_process(
    acme: Tenancy, connections: Connections, database_url: str, admin_url: str
) -> None:
    await acme.accept([lead(1)])
    await settle(a_drain(connections), acme.tenant_id)
    async with away(acme.conn, database_url, admin_url) as (own, come_back):
        service = EventsService(own, EventSettings(), Instruments.silent(), 0.02)
        async with running(service):
            await waits(service)
            assert (await feed_state(acme.conn, acme.tenant_id)).unplaced
            await come_back()

            async def placed() -> bool:
                found = await feed_state(acme.conn, acme.tenant_id)
                return found.last_position == 1 and not found.unplaced and service.problem is None

            await until(placed, "the events have their places")
