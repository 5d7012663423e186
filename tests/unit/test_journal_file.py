"""The journal's file: what is not a whole journal of ours is refused and left alone; nothing is written beyond it."""

import asyncio
import multiprocessing
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from router.intake.journal import JournalKey, JournalRefused, JournalUnusable, open_journal
from router.intake.journal_file import holder_of, open_for_reading
from router.intake.journal_rows import LeadNotWritable
from router.settings.model import JournalSettings
from tests.world import lead


def settings(path: Path, **bounds: int) -> JournalSettings:
    return JournalSettings(file=path, **bounds)


async def filled(path: Path, leads: int = 3) -> Path:
    """A journal with leads of tenant 1, closed."""
    async with open_journal(settings(path)) as journal:
        assert journal
        await journal.take(1, [lead(number) for number in range(leads)])
    return path


async def contents(path: Path) -> list[str]:
    async with open_journal(settings(path)) as journal:
        assert journal
        return [one.lead.external_id for one in await journal.next_leads(1, 1000, 1 << 30) if one.lead]


def truncate_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def overwrite_middle(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(os.urandom(4096))


def other_database(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as sql:
        sql.execute("create table precious (x)")


def later_release(path: Path) -> None:
    with closing(sqlite3.connect(path)) as sql:
        sql.execute("pragma user_version = 9")


def no_file(path: Path) -> None:
    path.unlink()
    path.mkdir()


def orphaned_wal(path: Path) -> None:
    shutil.copy(path, path.with_name("journal.db-wal"))
    path.unlink()


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (truncate_half, "is damaged"),
    "empty": (lambda path: os.truncate(path, 0), "is empty: something truncated it"),
    "overwritten": (overwrite_middle, "is damaged"),
    "no SQLite file": (lambda path: path.write_text("lead,phone\n" * 1000), "is not a journal of lead-router"),
    "of another program": (other_database, "is not a journal of lead-router, but another SQLite file"),
    "of a later release": (later_release, r"is of another release \(format 9, not 1\)"),
    "a folder": (no_file, "cannot be used"),
    "gone, but not what belongs to it": (orphaned_wal, "is gone, and journal.db-wal, which belongs to it"),
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_file_that_is_not_a_whole_journal_is_named_and_left_as_it_is(tmp_path: Path, damage: str) -> None:
    path = await filled(tmp_path / "journal.db", 200)
    do, words = DAMAGE[damage]
    do(path)
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir() if one.is_file() and one.suffix != ".lock"}
    with pytest.raises(JournalUnusable, match=words) as refused:
        async with open_journal(settings(path)):
            pass
    assert str(path) in str(refused.value)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


async def test_a_damaged_file_is_left_alone_with_what_was_not_moved_into_it_yet(tmp_path: Path) -> None:
    path, folder = await filled(tmp_path / "journal.db", 500), tmp_path / "crashed"
    folder.mkdir()
    async with open_journal(settings(path)) as journal:
        assert journal
        await journal.take(1, [lead(1000)])
        for name in ("journal.db", "journal.db-wal"):
            shutil.copy(tmp_path / name, folder / name)
    truncate_half(folder / "journal.db")
    before = {one.name: one.read_bytes() for one in folder.iterdir()}
    assert before["journal.db-wal"]
    with pytest.raises(JournalUnusable, match="is damaged"):
        async with open_journal(settings(folder / "journal.db")):
            pass
    assert {name: (folder / name).read_bytes() for name in before} == before


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalUnusable, match="LEAD_ROUTER_JOURNAL_FILE"):
        async with open_journal(settings(tmp_path / "file" / "journal.db")):
            pass


def _open_and_say(path: Path, said: "multiprocessing.Queue[str]") -> None:
    async def attempt() -> None:
        async with open_journal(settings(path)):
            said.put("opened")

    try:
        asyncio.run(attempt())
    except JournalUnusable as error:
        said.put(str(error))


async def test_two_processes_cannot_use_one_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    spawn = multiprocessing.get_context("spawn")
    said: multiprocessing.Queue[str] = spawn.Queue()
    assert holder_of(path) is None
    async with open_journal(settings(path)):
        other = spawn.Process(target=_open_and_say, args=(path, said))
        other.start()
        answer = await asyncio.to_thread(said.get, True, 30)
        other.join()
        assert f"is in use by process {os.getpid()}" in answer
        assert holder_of(path) == os.getpid()
    assert holder_of(path) is None
    assert await contents(path) == []


async def test_only_its_owner_can_read_what_leads_say(tmp_path: Path) -> None:
    async with open_journal(settings(tmp_path / "journal.db")) as journal:
        assert journal
        await journal.take(1, [lead(1)])
        assert {one.name: one.stat().st_mode & 0o077 for one in tmp_path.iterdir()} == {
            "journal.db": 0,
            "journal.db-wal": 0,
            "journal.db-shm": 0,
            "journal.db.lock": 0,
        }


async def test_it_syncs_with_every_answer(tmp_path: Path) -> None:
    async with open_journal(settings(tmp_path / "journal.db")) as journal:
        assert journal
        assert journal._sql.execute("pragma journal_mode").fetchone() == ("wal",)
        assert journal._sql.execute("pragma synchronous").fetchone() == (2,)


async def test_a_full_journal_refuses_and_says_so_and_takes_repeats_of_what_it_has(tmp_path: Path) -> None:
    async with open_journal(settings(tmp_path / "journal.db", maximum_leads=3)) as journal:
        assert journal
        await journal.take(1, [lead(1), lead(2)])
        with pytest.raises(JournalRefused, match="is full: it holds 2 of at most 3 leads") as refused:
            await journal.take(1, [lead(3), lead(4)])
        assert refused.value.cause == "full"
        await journal.take(1, [lead(3)])
        assert journal.refuses == "it is full (3 leads, 0 MB)"
        again = await journal.take(1, [lead(1)])
        assert again.leads[0].repeated
        assert journal.books[1].taken == journal.leads == 3
    assert len(await contents(tmp_path / "journal.db")) == 3


async def test_it_never_becomes_larger_than_it_may(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with open_journal(settings(path, maximum_mb=1)) as journal:
        assert journal
        with pytest.raises(JournalRefused, match="at most 1 MB"):
            for number in range(100):
                await journal.take(1, [lead(number, attributes="x" * 50_000)])
        taken = journal.leads
        assert 10 < taken < 25
        await journal.take(1, [lead(0)])
        assert journal.bytes <= 1 << 20
    assert len(await contents(path)) == taken


async def test_a_disk_that_takes_nothing_is_a_clean_refusal(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with open_journal(settings(path)) as journal:
        assert journal
        await journal.take(1, [lead(1)])
        pages = journal._sql.execute("pragma page_count").fetchone()[0]
        journal._sql.execute(f"pragma max_page_count = {pages}")
        with pytest.raises(JournalRefused, match="cannot be written") as refused:
            await journal.take(1, [lead(2, attributes="x" * 50_000)])
        assert refused.value.cause == "disk"
        assert journal.refuses
        assert journal.leads == 1
        journal._sql.execute("pragma max_page_count = 100000")
        await journal.check_writable()
        assert journal.refuses is None
        await journal.take(1, [lead(3)])
    assert await contents(path) == ["e1", "e3"]


async def test_one_lead_that_cannot_be_stored_costs_the_others_nothing_that_was_answered(tmp_path: Path) -> None:
    async with open_journal(settings(tmp_path / "journal.db")) as journal:
        assert journal
        with pytest.raises(LeadNotWritable):
            await journal.take(1, [lead(1), lead(2, name="\ud800")])
        assert journal.leads == 0


async def test_the_same_lead_is_there_once_as_it_came_first(tmp_path: Path) -> None:
    async with open_journal(settings(tmp_path / "journal.db")) as journal:
        assert journal
        first = await journal.take(1, [lead(1, name="Ada"), lead(1, name="Bo")])
        again = await journal.take(1, [lead(1, name="Cy")])
        elsewhere = await journal.take(2, [lead(1, name="Di")])
        (queued,) = await journal.next_leads(1, 10, 1 << 20)
        assert queued.lead and queued.lead.name == "Ada"
        numbers = {one.sequence for one in (*first.leads, *again.leads)}
        assert numbers == {queued.sequence}
        assert [one.repeated for one in (*first.leads, *again.leads)] == [False, True, True]
        assert not elsewhere.leads[0].repeated
        found = await journal.find_lead(1, "web", "e1")
        assert found is not None
        assert found.arrived_at == queued.arrived_at == first.arrived_at
        assert (found.lead, found.set_aside) == (queued.lead, None)
        assert await journal.find_lead(1, "web", "e2") is None


async def test_a_key_answers_the_same_and_with_another_body_takes_nothing(tmp_path: Path) -> None:
    async with open_journal(settings(tmp_path / "journal.db")) as journal:
        assert journal
        key, other = JournalKey("k", b"1"), JournalKey("k", b"2")
        await journal.take(1, [lead(1), lead(2)], [key, key])
        found = await journal.take(1, [lead(3), lead(4), lead(1)], [other, None, key])
        assert [one.other_body for one in found.leads] == [True, False, False]
        assert found.leads[2].repeated
        held = await journal.find_key(1, "k")
        assert held and held.body_hash == b"1"
        assert held.leads == (("web", "e1"), ("web", "e2"))
        assert await journal.find_key(2, "k") is None
        assert journal.books[1].leads == 3


async def test_a_number_is_never_given_twice_also_after_everything_is_drained(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with open_journal(settings(path)) as journal:
        assert journal
        taken = await journal.take(1, [lead(1), lead(2)])
        await journal.drop(1, [one.sequence for one in taken.leads])
    async with open_journal(settings(path)) as journal:
        assert journal
        again = await journal.take(1, [lead(1)])
        assert again.leads[0].sequence > taken.leads[1].sequence
        await journal.number_after(100)
        assert (await journal.take(1, [lead(2)])).leads[0].sequence == 101
        assert journal.books[1].taken == 4


async def test_what_was_drained_gives_its_room_back(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with open_journal(settings(path)) as journal:
        assert journal
        taken = await journal.take(1, [lead(number, attributes="secret" * 1000) for number in range(300)])
        await journal.drop(1, [one.sequence for one in taken.leads])
    assert path.stat().st_size < 100_000
    assert b"secret" not in path.read_bytes()


async def test_the_file_can_be_read_while_a_process_uses_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with pytest.raises(JournalUnusable, match="there is no journal"):
        open_for_reading(path)
    async with open_journal(settings(path), host_clock=lambda: datetime(2026, 1, 1, tzinfo=UTC)) as journal:
        assert journal
        await journal.take(1, [lead(1)])
        with closing(open_for_reading(path)) as sql:
            assert sql.execute("select count(*) from lead").fetchone() == (1,)
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                sql.execute("delete from lead")
    assert await contents(path) == ["e1"]
