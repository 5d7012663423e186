"""Whoever got an answer finds the lead again, once, whatever was killed and wherever the power was cut."""

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from loadtest.shell import PROJECT
from ops.audit.audit import audit
from router.intake.journal import open_journal
from router.settings.model import JournalSettings
from tests.support import until
from tests.world import Tenancy, lead, make_tenant, simple_reps

ROUNDS = 4


@asynccontextmanager
async def worker(task: str, said: list[str], **arguments: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process whose lines are collected in `said`; killed at the end, if it still lives."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.journal_workers", task, json.dumps(arguments)),
        cwd=PROJECT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout

    async def listen(lines: asyncio.StreamReader) -> None:
        async for line in lines:
            # What a kill cut off was not answered.
            if line.endswith(b"\n"):
                said.append(line.decode().strip())

    listening = asyncio.create_task(listen(process.stdout))
    try:
        yield process
    finally:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        await listening


async def append_and_kill(file: Path, tenants: list[int], rng: random.Random, first: int) -> list[tuple[int, str]]:
    """Leads that were answered before the process was killed in the middle of it."""
    said: list[str] = []
    many = rng.randrange(20, 120)
    async with worker("append", said, file=str(file), tenants=tenants, first=first):

        async def some() -> bool:
            return len(said) >= many

        await until(some, f"{many} answers")
        await asyncio.sleep(rng.random() * 0.02)
    return [(int(tenant), name) for tenant, name in (line.split() for line in said)]


async def test_every_answered_lead_is_in_the_journal_once_after_kills_in_the_middle_of_taking(tmp_path: Path) -> None:
    file, rng = tmp_path / "journal.db", random.Random(7)
    answered: list[tuple[int, str]] = []
    for number in range(ROUNDS):
        answered += await append_and_kill(file, [1, 2], rng, number * 1_000_000)
    async with open_journal(JournalSettings(file=file)) as journal:
        assert journal
        there = Counter(journal._sql.execute("select tenant_id, external_id from lead").fetchall())
        assert set(there.values()) == {1}
        assert set(answered) - set(there) == set()
        # A group that was being written when the kill came may be there without an answer, but whole.
        assert len(there) - len(set(answered)) <= ROUNDS * 7
        assert sum(books.taken for books in journal.books.values()) == len(there)


async def test_wherever_the_power_is_cut_what_was_answered_before_is_there(tmp_path: Path) -> None:
    file, wal, rng = tmp_path / "journal.db", tmp_path / "journal.db-wal", random.Random(11)
    settings, durable = JournalSettings(file=file), [(0, 0)]
    total = 0
    async with open_journal(settings) as journal:
        assert journal
        journal._sql.execute("pragma wal_autocheckpoint = 0")
        for _ in range(40):
            many = rng.randrange(1, 9)
            await journal.take(1, [lead(total + n, name="y" * rng.randrange(3000)) for n in range(many)])
            total += many
            durable.append((wal.stat().st_size, total))
        main, log = file.read_bytes(), wal.read_bytes()
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for cut in (0, len(log), *(rng.randrange(len(log)) for _ in range(30))):
        for left in crashed.iterdir():
            left.unlink()
        (crashed / "journal.db").write_bytes(main)
        # A torn write: what was not synced yet may be there in part, or be nonsense.
        (crashed / "journal.db-wal").write_bytes(log[:cut] + rng.randbytes(rng.randrange(5000)))
        answered = max(leads for size, leads in durable if size <= cut)
        async with open_journal(JournalSettings(file=crashed / "journal.db")) as journal:
            assert journal
            assert journal.leads == answered
            found = await journal.next_leads(1, 1000, 1 << 30)
            assert [one.lead and one.lead.external_id for one in found] == [f"e{n}" for n in range(answered)]
    assert durable[-1][1] == total


async def test_every_answered_lead_is_in_the_database_once_after_kills_in_the_middle_of_draining(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    tenants = [await make_tenant(conn, simple_reps(2), name=name) for name in ("acme", "other")]
    ids = [tenant.tenant_id for tenant in tenants]
    file, rng = tmp_path / "journal.db", random.Random(3)
    answered: list[tuple[int, str]] = []
    answered += await append_and_kill(file, ids, rng, 0)
    kills = 0
    for round_no in range(100):
        said: list[str] = []
        arguments = {"file": str(file), "url": database_url, "batch": 3}
        async with worker("drain", said, **arguments) as process:

            async def begun(said: list[str] = said) -> bool:
                return bool(said)

            await until(begun, "a drain begins")
            try:
                await asyncio.wait_for(process.wait(), 0.05 + rng.random() * 0.1 * (1 + round_no))
            except TimeoutError:
                kills += 1
        if "done" in said:
            break
        await _nothing_is_lost_or_doubled(conn, tenants, answered, file)
    assert "done" in said
    assert kills >= 2, "killed too seldom to prove anything"
    rows = await conn.fetch("select tenant_id, external_id from lead")
    there = Counter((row[0], row[1]) for row in rows)
    assert set(there.values()) == {1}
    assert set(answered) <= set(there)
    found = await audit(conn)
    assert found.violations == []
    assert found.states["journalled"] == 0
    assert found.accepted == len(there)
    for tenant in tenants:
        await _order_is_kept(conn, tenant, answered)


async def _nothing_is_lost_or_doubled(
    conn: asyncpg.Connection, tenants: list[Tenancy], answered: list[tuple[int, str]], file: Path
) -> None:
    """After a kill: each lead is in the file or in the database, and the audit counts each once."""
    async with open_journal(JournalSettings(file=file)) as journal:
        assert journal
        held = {(row[0], row[1]) for row in journal._sql.execute("select tenant_id, external_id from lead")}
    stored = {(row[0], row[1]) for row in await conn.fetch("select tenant_id, external_id from lead")}
    assert set(answered) <= held | stored
    found = await audit(conn)
    assert found.violations == []
    # Before the first report of the first process nothing is known of the file.
    assert found.accepted in (0, len(held | stored))


async def _order_is_kept(conn: asyncpg.Connection, tenant: Tenancy, answered: list[tuple[int, str]]) -> None:
    rows = await conn.fetch("select external_id from lead where tenant_id = $1 order by lead_id", tenant.tenant_id)
    mine = {name for tenant_id, name in answered if tenant_id == tenant.tenant_id}
    came = [name for tenant_id, name in answered if tenant_id == tenant.tenant_id]
    assert [row[0] for row in rows if row[0] in mine] == came
