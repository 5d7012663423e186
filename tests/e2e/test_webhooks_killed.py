"""Events through SIGKILL of the deliverer and of the receiver, with the receiver that the manual prints."""

import asyncio
import os
import random
import re
import signal
import sqlite3
import sys
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from loadtest.daemon import started
from loadtest.ports import free_port
from router.outbox.cursor import START
from router.outbox.feed import read_events
from router.outbox.signing import new_secret
from router.store import webhooks
from router.store.assignments import Ending, end
from router.store.connections.connections import Connections
from tests.support import until
from tests.world import a_drain, lead, make_tenant, settle, simple_reps

MANUAL = Path(__file__).parents[2] / "docs/integrating.md"
SECRET = new_secret(random.Random(3).randbytes(32))
DUTIES = ("serve", "--role", "duties")


def printed(name: str) -> str:
    """A program as the manual prints it."""
    programs: list[str] = re.findall(r"```python\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    (code,) = (one for one in programs if one.startswith(f"# {name}"))
    return code


class Receiver:
    """The receiver of the manual as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        (folder / "receiver.py").write_text(printed("receiver.py"))

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "receiver.py",
            str(self.port),
            cwd=self.folder,
            env={**os.environ, "WEBHOOK_SECRET": SECRET},
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    def news(self) -> list[tuple[int, str]]:
        """(lead, type) of all that the CRM knows, in the order in which it learnt of it."""
        if not (self.folder / "crm.sqlite").exists():
            return []
        with closing(sqlite3.connect(self.folder / "crm.sqlite", timeout=10)) as crm:
            try:
                return crm.execute("select lead, type from news order by rowid").fetchall()
            except sqlite3.OperationalError:
                return []


@pytest.mark.timeout(600)
async def test_a_crm_hears_of_everything_once_and_in_order_though_deliverer_and_receiver_are_killed(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    leads = (await tenant.accept([lead(number) for number in range(500)])).lead_ids
    await settle(a_drain(connections), tenant.tenant_id)
    receiver = Receiver(tmp_path)
    await receiver.start()
    number = await webhooks.add(
        conn,
        tenant.tenant_id,
        f"http://127.0.0.1:{receiver.port}/",
        None,
        SECRET,
        START,
        allow_private=True,
        note="",
        actor="test",
    )
    settings = {"webhooks_lease_s": 2, "webhooks_poll_interval_s": 0.05}
    daemon = await started(database_url, *DUTIES, **settings)
    chance = random.Random(5)
    try:
        for victim in ("daemon", "receiver", "daemon", "receiver"):
            before = len(receiver.news())
            for one in chance.sample(leads, 40):
                how = chance.choice([Ending.WON, Ending.RETURNED])
                if await conn.fetchval("select true from assignment where lead_id = $1", one):
                    await end(conn, tenant.tenant_id, one, how)
            await settle(a_drain(connections), tenant.tenant_id)

            async def some_arrived(before: int = before) -> bool:
                return len(receiver.news()) >= before + 30

            await until(some_arrived, "some events arrived", 60)
            if victim == "daemon":
                assert await daemon.stop(signal.SIGKILL) == -signal.SIGKILL
                daemon = await started(database_url, *DUTIES, **settings)
            else:
                await receiver.kill()
                await asyncio.sleep(chance.random())
                await receiver.start()

        async def all_is_there() -> bool:
            return (await webhooks.webhook_numbered(conn, tenant.tenant_id, number)).behind_since is None

        # An event whose receiver died of it twice, which random kills can do, waits five minutes.
        await until(all_is_there, "the webhook has got all", 400)
    finally:
        daemon.hear(signal.SIGKILL)
        await daemon.ended()
        await receiver.kill()
    expected, heard = defaultdict[int, list[str]](list), defaultdict[int, list[str]](list)
    after = START
    while True:
        page = await read_events(conn, tenant.tenant_id, after)
        for event in page.events:
            expected[event.lead_id].append(event.type)
        after = page.cursor
        if not page.more:
            break
    for lead_id, type_ in receiver.news():
        heard[lead_id].append(type_)
    assert heard == expected
    assert sum(map(len, expected.values())) > 560


async def test_a_crm_into_whose_table_we_write_has_the_present_owner_of_each_lead(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    leads = (await tenant.accept([lead(number) for number in range(20)])).lead_ids
    await settle(a_drain(connections), tenant.tenant_id)
    (tmp_path / "writer.py").write_text(printed("writer.py"))
    found = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": found, "LEAD_ROUTER_DATABASE_URL": database_url}

    def owners() -> dict[str, str]:
        with closing(sqlite3.connect(tmp_path / "crm.sqlite", timeout=10)) as crm:
            try:
                return dict(crm.execute("select lead, rep from lead_owner").fetchall())
            except sqlite3.OperationalError:
                return {}

    async def as_here() -> bool:
        rows = await conn.fetch(
            """select external_id, rep_id from assignment join rep using (tenant_id, rep_no)
                 join lead using (tenant_id, lead_id)"""
        )
        ended = await conn.fetch(
            """select external_id, rep_id from assignment_history h join rep using (tenant_id, rep_no)
                 join lead using (tenant_id, lead_id) where h.outcome = 'won'"""
        )
        return owners() == {row[0]: row[1] for row in (*rows, *ended)}

    for round_ in range(2):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "writer.py", "acme", cwd=tmp_path, env=environment, start_new_session=True
        )
        try:
            await until(as_here, "the table says what is so", 30)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        await end(conn, tenant.tenant_id, leads[5 + round_], Ending.RETURNED)
        await end(conn, tenant.tenant_id, leads[1 + round_], Ending.WON)
        await settle(a_drain(connections), tenant.tenant_id)
