"""The process is killed while leads are posted: nothing that was answered 202 is missing."""

import asyncio
import signal

import aiohttp
import asyncpg
import pytest

from loadtest.daemon import serving
from tests.http.support import make_token
from tests.support import until
from tests.world import make_tenant, simple_reps

RATE = 200
CLIENTS = 20
TAKEN = 300


class Posting:
    """Clients that post leads, some with keys; `answered` are the external ids of what was taken."""

    def __init__(self, url: str, token: str, prefix: str) -> None:
        self._url, self._prefix = f"{url}/v1/leads", prefix
        self._headers = {"Authorization": f"Bearer {token}"}
        self._stop = asyncio.Event()
        self.answered: set[str] = set()

    async def enough(self) -> bool:
        return len(self.answered) >= TAKEN

    async def run(self) -> None:
        """Until the stop."""
        async with aiohttp.ClientSession(headers=self._headers) as session:
            await asyncio.gather(*(self._client(session, which) for which in range(CLIENTS)))

    def stop(self) -> None:
        self._stop.set()

    async def _client(self, session: aiohttp.ClientSession, which: int) -> None:
        number = which
        while not self._stop.is_set():
            await self._post(session, number)
            number += CLIENTS
            await asyncio.sleep(CLIENTS / RATE)

    async def _post(self, session: aiohttp.ClientSession, number: int) -> None:
        lead = {"external_id": f"{self._prefix}-{number}", "source": "web", "phone": f"+86138{number:08}"}
        key = {"Idempotency-Key": lead["external_id"]} if number % 2 else {}
        try:
            async with session.post(self._url, json=lead, headers=key) as reply:
                if reply.status == 202:
                    self.answered.add(lead["external_id"])
        except aiohttp.ClientError:
            pass


@pytest.mark.direct
async def test_nothing_that_was_answered_202_is_missing_after_sigkill(
    conn: asyncpg.Connection, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    token = await make_token(conn, tenant.tenant_id)
    answered: set[str] = set()
    for attempt in "ab":
        async with serving(database_url, "serve", "--role", "api", api_port=0) as daemon:
            await daemon.said("API listening")
            port = next(line["port"] for line in daemon.log if line.get("event") == "API listening")
            posting = Posting(f"http://127.0.0.1:{port}", token, attempt)
            clients = asyncio.create_task(posting.run())
            await until(posting.enough, "leads are taken", 60)
            await daemon.stop(signal.SIGKILL)
            posting.stop()
            await clients
        answered |= posting.answered
    stored = {row[0] for row in await conn.fetch("select external_id from lead")}
    assert len(answered) >= 2 * TAKEN
    assert answered <= stored
    states = await tenant.states()
    assert sum(states.values()) == len(stored)
    keyed = {row[0] for row in await conn.fetch("select key from idempotency join lead using (tenant_id, lead_id)")}
    assert keyed == {one for one in stored if int(one[2:]) % 2}
