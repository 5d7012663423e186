"""Leads that are posted while PostgreSQL is away: 202 means that they are there afterwards, once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from loadtest.faults.residual import lock_the_pool
from ops.daemon.services import lanes_can_be_worked, or_journalled
from router.domain.access import TokenRole
from router.intake import lead_intake
from router.intake.hand_in import HandedIn, MatchRules, Outcome, take_new
from router.intake.journal import Journal, open_journal
from router.intake.journal_drain import drain_batch
from router.intake.journal_keeper import JournalKeeper, keep_keys
from router.runtime.health import Health
from router.runtime.journal_service import JournalService
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.settings.model import JournalSettings
from router.store.connections.connections import Connections, Part
from router.store.statements import Connection
from router.telemetry.instruments import Instruments
from tests.http.support import Api, make_token, serving_api
from tests.support import connected, until
from tests.world import Tenancy, make_tenant, simple_reps

pytestmark = pytest.mark.direct


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with open_journal(JournalSettings(file=tmp_path / "journal.db", maximum_leads=30)) as opened:
        assert opened
        yield opened


@pytest.fixture
async def acme(conn: asyncpg.Connection) -> Tenancy:
    return await make_tenant(conn, simple_reps(2))


@pytest.fixture
async def api(acme: Tenancy, connections: Connections, journal: Journal) -> AsyncIterator[Api]:
    async with serving_api(connections, journal=JournalKeeper(journal)) as running:
        running.token = await make_token(acme.conn, acme.tenant_id)
        yield running


@asynccontextmanager
async def away(admin_url: str, database_url: str) -> AsyncIterator[None]:
    """The database takes no connection, and has none, but for the test's own."""
    name = urlsplit(database_url).path.removeprefix("/")
    async with connected(admin_url) as admin:
        await admin.execute(f'alter database "{name}" with allow_connections false')
        await admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = $1 and application_name like 'lead-router%'",
            name,
        )
        try:
            yield
        finally:
            await admin.execute(f'alter database "{name}" with allow_connections true')


def body(number: int) -> dict[str, str]:
    return {"source": "web", "external_id": f"e{number}", "name": f"Person {number}"}


async def test_what_was_answered_202_while_the_database_was_away_is_there_once(
    acme: Tenancy,
    api: Api,
    journal: Journal,
    connections: Connections,
    admin_url: str,
    database_url: str,
) -> None:
    first = await api.post("/v1/leads", body(0))
    assert (first.status, first.document["state"]) == (202, "waiting")
    key = {"Idempotency-Key": "k1"}
    async with away(admin_url, database_url):
        replies = await asyncio.gather(*(api.post("/v1/leads", body(number)) for number in range(1, 20)))
        assert {reply.status for reply in replies} == {202}, [reply.document for reply in replies]
        assert {reply.document["state"] for reply in replies} == {"journalled"}
        again = await api.post("/v1/leads", body(3))
        assert (again.status, again.document["duplicate"], journal.leads) == (202, True, 19)
        with_key = await api.post("/v1/leads", body(30), headers=key)
        assert with_key.status == 202
        repeated = await api.post("/v1/leads", body(30), headers=key)
        assert (repeated.status, repeated.headers["Idempotency-Replayed"]) == (202, "true")
        other = await api.post("/v1/leads", body(31), headers=key)
        assert other.status == 422
    service = JournalService(
        journal, connections, "test", Health(MonotonicClock().monotonic), Instruments.silent(), keep_keys
    )
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(Lifeline(stop, MonotonicClock(), lambda _: None)))

    async def drained() -> bool:
        return journal.leads == 0

    await until(drained, "the journal is drained")
    stop.set()
    await running
    names = await acme.conn.fetch("select external_id from lead order by lead_id")
    assert sorted(row[0] for row in names) == sorted(f"e{number}" for number in (*range(20), 30))

    async def stored_again() -> bool:
        reply = await api.post("/v1/leads", body(40))
        return bool(reply.status == 202 and reply.document["state"] == "waiting")

    await until(stored_again, "leads go to the database again")
    repeated = await api.post("/v1/leads", body(30), headers=key)
    assert repeated.headers["Idempotency-Replayed"] == "true"
    assert repeated.document["id"] == await acme.conn.fetchval("select lead_id from lead where external_id = 'e30'")


async def test_forms_that_come_while_a_cleanup_job_has_the_pool_locked_are_taken_and_there_once(
    acme: Tenancy, api: Api, journal: Journal, connections: Connections, database_url: str
) -> None:
    assert (await api.post("/v1/leads", body(0))).status == 202
    health = Health(MonotonicClock().monotonic)
    async with connected(database_url) as holder:
        await lock_the_pool(holder)
        replies = await asyncio.gather(*(api.post("/v1/leads", body(number)) for number in range(1, 20)))
        assert {reply.status for reply in replies} == {202}, [reply.document for reply in replies]
        assert {reply.document["state"] for reply in replies} == {"journalled"}
        # Who sends batches sends them again; the journal's room is for forms.
        before = journal.leads
        batch = await api.post("/v1/leads:batch", [body(30), body(31)])
        assert (batch.status, journal.leads) == (503, before), batch.document
        lanes = partial(lanes_can_be_worked, connections)
        await or_journalled("lanes", lanes, journal, health, 5.0)
        assert "leads that cannot be stored are journalled: nightly cleanup" in health.degraded["lanes"]
        assert health.finding_codes["lanes"] == "database_busy"
        key = {"Idempotency-Key": "k1"}
        assert (await api.post("/v1/leads", body(20), headers=key)).document["state"] == "journalled"

    async def stored_again() -> bool:
        return bool((await api.post("/v1/leads", body(21))).document["state"] == "waiting")

    await until(stored_again, "leads go to the database again")
    # The database knows nothing of the key yet.
    assert (await api.post("/v1/leads", body(20), headers=key)).headers["Idempotency-Replayed"] == "true"
    assert (await api.post("/v1/leads", body(22), headers=key)).status == 422
    async with connections.acquire(Part.INTAKE) as conn:
        while journal.waiting:
            await drain_batch(conn, journal, acme.tenant_id, keep_keys)
    await or_journalled("lanes", lanes, journal, health, 60.0)
    assert health.degraded == {}
    names = await acme.conn.fetch("select external_id from lead order by lead_id")
    assert sorted(row[0] for row in names) == sorted(f"e{number}" for number in range(22))


async def test_a_lead_whose_turn_does_not_come_is_journalled_and_not_refused(
    acme: Tenancy, api: Api, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, go_on = asyncio.Event(), asyncio.Event()

    async def slow(
        conn: Connection, tenant_id: int, handed_in: Sequence[HandedIn], rules: MatchRules
    ) -> list[Outcome | None]:
        stuck.set()
        await go_on.wait()
        return await take_new(conn, tenant_id, handed_in, rules)

    monkeypatch.setattr(lead_intake, "take_new", slow)
    first = asyncio.create_task(api.post("/v1/leads", body(0)))
    await stuck.wait()
    late = await api.post("/v1/leads", body(1))
    assert (late.status, late.document["state"], journal.leads) == (202, "journalled", 1)
    go_on.set()
    assert (await first).document["state"] == "waiting"


async def test_a_lead_in_the_journal_can_be_looked_at(
    acme: Tenancy, api: Api, connections: Connections, admin_url: str, database_url: str
) -> None:
    asked = "/v1/leads?source=WEB&external_id=e1"
    assert (await api.post("/v1/leads", body(0))).status == 202
    viewer = await make_token(acme.conn, acme.tenant_id, TokenRole.VIEWER)
    other = await make_tenant(acme.conn, simple_reps(1), name="other")
    foreign = await make_token(acme.conn, other.tenant_id)
    assert (await api.get(asked, token=viewer)).status == 404
    assert (await api.get(asked, token=foreign)).status == 404
    sent = body(1) | {"phone": "+8613800138000", "region": "Shanghai"}
    async with away(admin_url, database_url):
        assert (await api.post("/v1/leads", sent)).document["state"] == "journalled"
        shown = await api.get(asked)
        assert shown.status == 200, shown
        found = shown.document
        assert (found["id"], found["state"], found["source"]) == (None, "journalled", "web")
        assert (found["name"], found["phone"], found["facts"]) == ("Person 1", "+8613800138000", {"region": "shanghai"})
        assert [event["what"] for event in found["timeline"]] == ["journalled"]
        assert (await api.get(asked, token=viewer)).document["phone"] == "***00"
        assert (await api.get(asked, token=foreign)).status == 503
        assert (await api.get("/v1/leads?source=web&external_id=e2")).status == 503

    async def there() -> bool:
        return (await api.get("/v1/leads?source=web&external_id=e0")).status == 200

    await until(there, "the database answers")
    assert (await api.get(asked)).document["state"] == "journalled"
    assert (await api.get(asked, token=foreign)).status == 404


async def test_a_full_journal_refuses_and_says_when_to_come_again(
    api: Api, journal: Journal, admin_url: str, database_url: str
) -> None:
    assert (await api.post("/v1/leads", body(0))).status == 202
    async with away(admin_url, database_url):
        replies = [await api.post("/v1/leads", body(number)) for number in range(1, 33)]
    assert [reply.status for reply in replies] == [202] * 30 + [503] * 2
    assert "the journal is full" in replies[-1].document["detail"]
    assert replies[-1].headers["Retry-After"]
    assert journal.leads == 30
