"""Clients of the API that post leads, about 200 a second."""

import asyncio

import aiohttp

from loadtest.daemon import Daemon
from tests.support import until

RATE = 200
CLIENTS = 20


async def port_of(daemon: Daemon) -> int:
    """That of its API, once it answers."""
    await daemon.said("API listening")
    return int(next(line["port"] for line in daemon.log if line.get("event") == "API listening"))


class Posting:
    """Clients that post leads, half of them with keys; `answered` are the external ids of what was taken, by the state
    that was answered.
    """

    def __init__(self, port: int, token: str, prefix: str) -> None:
        self._url, self._prefix = f"http://127.0.0.1:{port}/v1/leads", prefix
        self._headers = {"Authorization": f"Bearer {token}"}
        self._stop = asyncio.Event()
        self.answered: dict[str, str] = {}

    async def took(self, leads: int, state: str | None = None) -> None:
        """Waits until so many more are taken, in that state."""

        def count() -> int:
            return sum(state in (None, one) for one in self.answered.values())

        wanted = count() + leads

        async def there() -> bool:
            return count() >= wanted

        await until(there, f"{leads} leads are taken", 90)

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
                    self.answered[lead["external_id"]] = (await reply.json())["state"]
        except aiohttp.ClientError:
            pass
