"""Leads of the journal come to the database in order and once, whatever ends in between; none blocks another."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from ops.audit.audit import audit
from router.intake import journal_drain
from router.intake.journal import Journal, JournalKey, JournalRefused, open_journal
from router.intake.journal_drain import ForeignJournal, drain_batch, report
from router.intake.journal_table import KeyOfLead
from router.runtime.health import Health
from router.runtime.journal_service import JournalService
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.settings.model import JournalSettings
from router.store.connections.connections import Connections
from router.store.errors import NoConnection, stores_later
from router.store.migrate import migrations_dir
from router.store.statements import Connection
from router.telemetry.instruments import Instruments
from tests.support import until
from tests.world import Tenancy, lead, make_tenant, simple_reps

BOOKS = "select taken, drained, leads, set_aside, given_up from journalled where tenant_id = $1"


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with open_journal(JournalSettings(file=tmp_path / "journal.db")) as opened:
        assert opened
        yield opened


@pytest.fixture
async def acme(conn: asyncpg.Connection) -> Tenancy:
    return await make_tenant(conn, simple_reps(2))


async def drain(conn: Connection, journal: Journal, tenant_id: int) -> int:
    """Until nothing waits; returns how many were accepted."""
    await report(conn, journal, "test")
    total = 0
    while journal.books[tenant_id].leads:
        total += (await drain_batch(conn, journal, tenant_id)).accepted
    await report(conn, journal, "test")
    return total


async def stored(tenant: Tenancy) -> list[str]:
    rows = await tenant.conn.fetch(
        "select external_id from lead where tenant_id = $1 order by lead_id", tenant.tenant_id
    )
    return [row[0] for row in rows]


async def books(tenant: Tenancy) -> tuple[int, ...]:
    row = await tenant.conn.fetchrow(BOOKS, tenant.tenant_id)
    assert row
    assert row["taken"] == row["drained"] + row["leads"] + row["set_aside"] + row["given_up"]
    return tuple(row)[:4]


def made_service(journal: Journal, connections: Connections, health: Health | None = None) -> JournalService:
    clock = MonotonicClock()
    return JournalService(journal, connections, "test", health or Health(clock.monotonic), Instruments.silent())


def a_life() -> Lifeline:
    return Lifeline(asyncio.Event(), MonotonicClock(), lambda _: None)


async def test_leads_come_in_the_order_in_which_they_were_taken(acme: Tenancy, journal: Journal) -> None:
    for number in range(5):
        await journal.take(acme.tenant_id, [lead(10 * number + n) for n in range(3)])
    assert await drain(acme.conn, journal, acme.tenant_id) == 15
    assert await stored(acme) == [f"e{10 * number + n}" for number in range(5) for n in range(3)]
    assert (await acme.states())["waiting"] == 15
    assert await books(acme) == (15, 15, 0, 0)
    assert journal.leads == 0


async def test_leads_that_come_between_the_report_and_the_draining_are_in_the_books(
    acme: Tenancy, journal: Journal
) -> None:
    await report(acme.conn, journal, "test")
    await journal.take(acme.tenant_id, [lead(1), lead(2)])
    while (await drain_batch(acme.conn, journal, acme.tenant_id)).accepted:
        pass
    await report(acme.conn, journal, "test")
    assert await books(acme) == (2, 2, 0, 0)
    assert (await audit(acme.conn)).violations == []


async def test_a_lead_is_of_the_moment_it_came_and_not_of_the_one_it_was_drained(acme: Tenancy, tmp_path: Path) -> None:
    came = datetime.now(UTC) - timedelta(hours=3)
    said = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    settings = JournalSettings(file=tmp_path / "journal.db")
    async with open_journal(settings, host_clock=lambda: came) as journal:
        assert journal
        await journal.take(acme.tenant_id, [lead(1), lead(2, created_at=said)])
        await drain(acme.conn, journal, acme.tenant_id)
    times = await acme.conn.fetch("select created_at from lead order by external_id")
    assert [row[0] for row in times] == [came, said]


async def test_a_host_whose_clock_is_ahead_makes_no_lead_of_tomorrow(acme: Tenancy, tmp_path: Path) -> None:
    settings = JournalSettings(file=tmp_path / "journal.db")
    async with open_journal(settings, host_clock=lambda: datetime.now(UTC) + timedelta(days=1)) as journal:
        assert journal
        await journal.take(acme.tenant_id, [lead(1)])
        await drain(acme.conn, journal, acme.tenant_id)
    assert await acme.conn.fetchval("select created_at <= clock_timestamp() from lead")


async def test_a_lead_that_is_there_already_is_there_once(acme: Tenancy, journal: Journal) -> None:
    await acme.accept([lead(1)])
    await journal.take(acme.tenant_id, [lead(1), lead(2)])
    await drain(acme.conn, journal, acme.tenant_id)
    assert await stored(acme) == ["e1", "e2"]
    assert await books(acme) == (2, 2, 0, 0)


async def test_a_crash_between_commit_and_forgetting_doubles_nothing_and_counts_right(
    acme: Tenancy, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    await journal.take(acme.tenant_id, [lead(number) for number in range(10)])
    await report(acme.conn, journal, "test")

    async def crash(*_: object) -> None:
        raise JournalRefused("disk", "crashed here")

    with monkeypatch.context() as patch:
        patch.setattr(journal, "drop", crash)
        patch.setattr(journal_drain, "BATCH_LEADS", 6)
        with pytest.raises(JournalRefused):
            await drain_batch(acme.conn, journal, acme.tenant_id)
    assert await books(acme) == (10, 6, 4, 0)
    await report(acme.conn, journal, "the next process")
    assert await books(acme) == (10, 6, 4, 0)
    monkeypatch.setattr(journal_drain, "BATCH_LEADS", 4)
    await drain_batch(acme.conn, journal, acme.tenant_id)
    assert await books(acme) == (10, 6, 4, 0)
    await drain(acme.conn, journal, acme.tenant_id)
    assert await stored(acme) == [f"e{number}" for number in range(10)]
    assert await books(acme) == (10, 10, 0, 0)


async def test_the_books_add_up_in_every_snapshot_while_leads_come_and_go(
    acme: Tenancy, journal: Journal, connections: Connections, database_url: str
) -> None:
    service = made_service(journal, connections)
    done = asyncio.Event()

    async def come() -> None:
        for number in range(150):
            await journal.take(acme.tenant_id, [lead(3 * number + n) for n in range(3)])
        done.set()

    async def go() -> None:
        while not done.is_set() or journal.leads:
            await service.once(a_life())

    async def look() -> None:
        watcher = await asyncpg.connect(database_url)
        while not done.is_set() or journal.leads:
            if row := await watcher.fetchrow(f"{BOOKS} and true", acme.tenant_id):
                assert row["taken"] == row["drained"] + row["leads"] + row["set_aside"], row
            query = """select (select sum(drained) from journalled) = (select count(*) from lead)"""
            assert await watcher.fetchval(query) in (True, None)
        await watcher.close()

    await asyncio.gather(come(), go(), look())
    assert len(await stored(acme)) == 450
    assert await books(acme) == (450, 450, 0, 0)


async def test_a_lead_that_the_database_refuses_is_set_aside_and_blocks_no_other(
    acme: Tenancy, journal: Journal
) -> None:
    await acme.conn.execute("alter table lead add constraint no_seven check (external_id <> 'e7')")
    await journal.take(acme.tenant_id, [lead(number) for number in range(20)])
    assert await drain(acme.conn, journal, acme.tenant_id) == 19
    assert await stored(acme) == [f"e{number}" for number in range(20) if number != 7]
    assert await books(acme) == (20, 19, 0, 1)
    assert "no_seven" in await acme.conn.fetchval("select reason from journalled")
    assert journal.leads == 1
    await acme.conn.execute("alter table lead drop constraint no_seven")
    assert await journal.try_again(acme.tenant_id) == 1
    assert await drain(acme.conn, journal, acme.tenant_id) == 1
    assert (await stored(acme))[-1] == "e7"
    assert await books(acme) == (20, 20, 0, 0)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (lead(1, name="a\0b"), "UntranslatableCharacterError"),
        (lead(1, attributes="{not json"), "invalid input syntax for type json"),
        (lead(1, priority=2**40), "out of range"),
    ],
    ids=["NUL", "JSON", "number"],
)
async def test_what_only_the_database_refuses_is_kept_with_its_reason(
    acme: Tenancy, journal: Journal, bad: object, words: str
) -> None:
    await journal.take(acme.tenant_id, [lead(0), bad, lead(2)])  # type: ignore[list-item]
    await drain(acme.conn, journal, acme.tenant_id)
    assert await stored(acme) == ["e0", "e2"]
    assert words in await acme.conn.fetchval("select reason from journalled")


async def test_a_damaged_row_and_a_tenant_that_is_gone_are_set_aside(acme: Tenancy, journal: Journal) -> None:
    await journal.take(acme.tenant_id, [lead(number) for number in range(3)])
    await journal.take(99, [lead(1)])
    journal._sql.execute(
        "update lead set body = replace(body, 'e1', 'e9') where external_id = 'e1' and tenant_id <> 99"
    )
    await drain(acme.conn, journal, acme.tenant_id)
    await drain(acme.conn, journal, 99)
    assert await stored(acme) == ["e0", "e2"]
    reasons = {row[0]: row[1] for row in await acme.conn.fetch("select tenant_id, reason from journalled")}
    assert "damaged" in reasons[acme.tenant_id]
    assert reasons[99] == "there is no tenant 99 in the database"


async def test_trouble_of_the_database_sets_nothing_aside(acme: Tenancy, journal: Journal) -> None:
    await journal.take(acme.tenant_id, [lead(1)])
    await report(acme.conn, journal, "test")
    await acme.conn.execute("alter table lead rename column campaign to camp")
    with pytest.raises(asyncpg.UndefinedColumnError):
        await drain_batch(acme.conn, journal, acme.tenant_id)
    assert journal.books[acme.tenant_id].leads == 1


async def test_tenants_take_turns_and_one_whose_leads_cannot_be_drained_holds_up_no_other(
    acme: Tenancy, journal: Journal, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await make_tenant(acme.conn, simple_reps(1), name="other")
    third = await make_tenant(acme.conn, simple_reps(1), name="third")
    monkeypatch.setattr(journal_drain, "BATCH_LEADS", 2)
    turns: list[int] = []
    service = made_service(journal, connections)
    drain_tenant = service._drain_tenant

    async def noted(tenant_id: int) -> None:
        turns.append(tenant_id)
        if tenant_id == third.tenant_id:
            raise LookupError("its rules are gone")
        await drain_tenant(tenant_id)

    monkeypatch.setattr(service, "_drain_tenant", noted)
    for tenant, leads in ((acme, 6), (third, 1), (other, 4)):
        await journal.take(tenant.tenant_id, [lead(number) for number in range(leads)])
    with pytest.raises(Exception, match="its rules are gone"):
        await service.once(a_life())
    a, o, t = acme.tenant_id, other.tenant_id, third.tenant_id
    assert turns == [a, o, t, a, o, a]
    assert journal.books[t].leads == journal.leads == 1


async def test_keys_are_stored_with_the_leads_they_came_with(acme: Tenancy, journal: Journal) -> None:
    found: list[tuple[str, bytes, int]] = []

    async def keep(conn: Connection, tenant_id: int, keys: Sequence[KeyOfLead], ids: Mapping[int, int]) -> None:
        found.extend((one.key, one.body_hash, ids[one.sequence]) for one in keys)

    await journal.take(acme.tenant_id, [lead(1), lead(2)], [JournalKey("k", b"1"), None])
    await journal.take(acme.tenant_id, [lead(1)], [JournalKey("again", b"2")])
    await report(acme.conn, journal, "test")
    await drain_batch(acme.conn, journal, acme.tenant_id, keep)
    lead_id = await acme.conn.fetchval("select lead_id from lead where external_id = 'e1'")
    assert sorted(found) == [("again", b"2", lead_id), ("k", b"1", lead_id)]
    assert await journal.find_key(acme.tenant_id, "k") is None


async def test_a_journal_of_another_database_is_not_drained_into_this_one(
    acme: Tenancy, journal: Journal, connections: Connections
) -> None:
    await report(acme.conn, journal, "test")
    await journal.take(acme.tenant_id, [lead(1)])
    await acme.conn.execute("delete from journal; delete from journalled")
    with pytest.raises(ForeignJournal, match="journal drain --adopt"):
        await made_service(journal, connections).once(a_life())
    assert await stored(acme) == []
    await report(acme.conn, journal, "test", adopt=True)
    await made_service(journal, connections).once(a_life())
    assert await stored(acme) == ["e1"]


async def test_after_a_rollback_of_its_migration_a_journal_says_what_to_do_and_then_its_books_add_up(
    acme: Tenancy, journal: Journal, connections: Connections
) -> None:
    await report(acme.conn, journal, "test")
    await journal.take(acme.tenant_id, [lead(1), lead(2)])
    await drain(acme.conn, journal, acme.tenant_id)
    await journal.take(acme.tenant_id, [lead(3)])
    apply, rollback = (migrations_dir() / "0017_journal.sql").read_text().split("-- migrate: rollback")
    await acme.conn.execute(rollback)
    await acme.conn.execute(apply)
    with pytest.raises(ForeignJournal, match=r"0017 rolled back.*journal drain --adopt --file \S*journal"):
        await made_service(journal, connections).once(a_life())
    await report(acme.conn, journal, "test", adopt=True)
    assert await books(acme) == (3, 2, 1, 0)
    await made_service(journal, connections).once(a_life())
    assert await stored(acme) == ["e1", "e2", "e3"]
    assert await books(acme) == (3, 3, 0, 0)
    assert (await audit(acme.conn)).violations == []


async def test_an_old_copy_of_the_file_takes_no_number_that_is_drained(acme: Tenancy, journal: Journal) -> None:
    await journal.take(acme.tenant_id, [lead(1)])
    await drain(acme.conn, journal, acme.tenant_id)
    await acme.conn.execute("update journalled set drained_to = 1000")
    await report(acme.conn, journal, "test")
    await journal.take(acme.tenant_id, [lead(2)])
    await drain(acme.conn, journal, acme.tenant_id)
    assert await stored(acme) == ["e1", "e2"]
    assert await books(acme) == (2, 2, 0, 0)


async def test_readiness_says_what_waits_and_why(acme: Tenancy, journal: Journal, connections: Connections) -> None:
    health = Health(MonotonicClock().monotonic)
    await journal.take(acme.tenant_id, [lead(1)])
    service = made_service(journal, connections, health)
    assert "1 accepted lead waits" in health.degraded["journal"]
    assert health.codes["journal"] == "leads_journalled"
    await service.once(a_life())
    assert health.degraded == {}
    journal.trouble = "the disk is full"
    await made_service(journal, connections, health).once(a_life())
    assert health.degraded == {}  # it could be written again


async def test_the_service_drains_what_an_earlier_process_left(
    acme: Tenancy, connections: Connections, tmp_path: Path
) -> None:
    settings = JournalSettings(file=tmp_path / "journal.db")
    async with open_journal(settings) as before:
        assert before
        await before.take(acme.tenant_id, [lead(number) for number in range(3)])
    async with open_journal(settings) as journal:
        assert journal
        stop = asyncio.Event()
        service = made_service(journal, connections)
        running = asyncio.create_task(service.run(Lifeline(stop, MonotonicClock(), lambda _: None)))

        async def drained() -> bool:
            return journal.leads == 0

        await until(drained, "the journal is drained")
        stop.set()
        await running
    assert await stored(acme) == ["e0", "e1", "e2"]


@pytest.mark.parametrize(
    ("error", "later"),
    [
        (ConnectionRefusedError(), True),
        (asyncpg.DeadlockDetectedError("lost"), True),
        (NoConnection("none in time"), True),
        (TimeoutError(), True),
        (asyncpg.CannotConnectNowError("starting up"), True),
        (asyncpg.ReadOnlySQLTransactionError("standby"), True),
        (asyncpg.DiskFullError("full"), True),
        (asyncpg.AdminShutdownError("bye"), True),
        (asyncpg.LockNotAvailableError("locked"), True),
        (asyncpg.UniqueViolationError("there"), False),
        (asyncpg.InsufficientPrivilegeError("no"), False),
        (asyncpg.UndefinedTableError("no such table"), False),
        (ValueError("ours"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_only_what_passes_by_itself_sends_leads_to_the_journal(error: Exception, later: bool) -> None:
    assert stores_later(error) is later
