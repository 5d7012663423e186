"""The API on a port of its own, over a real database, and a client with a token."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp
import asyncpg

from ops.api.operations import api_operations
from router.domain.access import EVERY_TENANT, TokenRole, WrittenToken
from router.http.api import ApiService
from router.http.operations import Operation
from router.http.probes import Probes
from router.intake.journal_keeper import JournalKeeper
from router.runtime.health import Health
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.settings.model import ApiSettings, ListenSettings
from router.store.connections.connections import Connections
from router.store.tokens import NewToken, create_token
from router.telemetry.instruments import Instruments


async def make_token(
    conn: asyncpg.Connection,
    tenant_id: int = EVERY_TENANT,
    role: TokenRole = TokenRole.ADMIN,
    *,
    expires_at: datetime | None = None,
    rep_id: str | None = None,
) -> str:
    """A new token of the tenant, as its holder has it."""
    shown = WrittenToken(tenant_id, secrets.token_hex(4), secrets.token_urlsafe(32))
    await create_token(conn, shown, NewToken(f"test {role}", role, expires_at, rep_id), "test")
    return str(shown)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the API answered; `document` is None where it is no JSON."""

    status: int
    document: Any
    headers: Any
    kind: str

    @property
    def pointers(self) -> list[str]:
        """The places that a problem names."""
        return [error["pointer"] for error in self.document.get("errors", [])]


@dataclass
class Api:
    """A running API. Requests carry `token`, unless another one (or none: an empty one) is given."""

    service: ApiService
    session: aiohttp.ClientSession
    token: str = ""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.service.address.port}"

    async def ask(
        self, method: str, path: str, *, token: str | None = None, headers: dict[str, str] | None = None, **body: Any
    ) -> Reply:
        """One request; `json=` or `data=` is its body."""
        bearer = self.token if token is None else token
        sent = ({"Authorization": f"Bearer {bearer}"} if bearer else {}) | (headers or {})
        async with self.session.request(method, self.url + path, headers=sent, **body) as response:
            is_json = response.content_type.endswith("json")
            document = await response.json(content_type=None) if is_json else None
            return Reply(response.status, document, response.headers, response.content_type)

    async def get(self, path: str, **options: Any) -> Reply:
        """GET."""
        return await self.ask("GET", path, **options)

    async def post(self, path: str, document: Any = None, **options: Any) -> Reply:
        """POST of a JSON document."""
        if document is not None:
            options["json"] = document
        return await self.ask("POST", path, **options)


@asynccontextmanager
async def serving_api(
    connections: Connections,
    operations: Sequence[Operation] | None = None,
    journal: JournalKeeper | None = None,
    instruments: Instruments | None = None,
    **settings: Any,
) -> AsyncIterator[Api]:
    """The API in this process; `operations` None = all that it has, `instruments` None = nothing is counted."""
    clock = MonotonicClock()
    service = ApiService(
        ApiSettings(port=0, **settings),
        connections,
        api_operations() if operations is None else operations,
        Probes(Health(clock.monotonic), {}, ListenSettings()),
        max_connections=100,
        journal=journal,
        instruments=instruments,
    )
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(Lifeline(stop, clock, lambda _deadline: None)))
    started = asyncio.create_task(_started(service))
    try:
        await asyncio.wait([running, started], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        async with aiohttp.ClientSession() as session:
            yield Api(service, session)
    finally:
        started.cancel()
        stop.set()
        await running


async def _started(service: ApiService) -> None:
    # The address is made anew by each run.
    while not service.address.started.is_set():
        await asyncio.sleep(0.005)
