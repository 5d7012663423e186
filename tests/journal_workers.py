"""Processes that use a journal and are killed: `python -m tests.journal_workers TASK JSON`, a line for each answer."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from router.intake import journal_drain
from router.intake.journal import Journal, open_journal
from router.runtime.health import Health
from router.runtime.journal_service import JournalService
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.settings.model import JournalSettings
from router.store.connections.connections import open_connections
from router.telemetry.instruments import Instruments
from tests.world import lead


async def append(journal: Journal, tenants: list[int], first: int, **_: Any) -> None:
    """Takes groups of leads of the tenants without end, and says which were answered."""
    number = first
    while True:
        tenant_id = tenants[number % len(tenants)]
        leads = [lead(n, name="x" * (n % 500)) for n in range(number, number + 1 + number % 7)]
        await journal.take(tenant_id, leads)
        for one in leads:
            print(tenant_id, one.external_id, flush=True)
        number += len(leads)


async def drain(journal: Journal, url: str, batch: int, **_: Any) -> None:
    """Drains until nothing waits."""
    journal_drain.BATCH_LEADS = batch
    clock = MonotonicClock()
    life = Lifeline(asyncio.Event(), clock, lambda _: None)
    async with open_connections(url) as connections:
        service = JournalService(journal, connections, "worker", Health(clock.monotonic), Instruments.silent())
        print("begun", flush=True)
        while journal.waiting:
            await service.once(life)
        await service.once(life)
    print("done", flush=True)


async def work(task: str, file: str, **arguments: Any) -> None:
    async with open_journal(JournalSettings(file=Path(file), maximum_leads=10_000_000)) as journal:
        assert journal
        await (append if task == "append" else drain)(journal, **arguments)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], **json.loads(sys.argv[2])))
