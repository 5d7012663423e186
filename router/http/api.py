"""The API as a service: its address, its operations, who may use it."""

import ipaddress
import ssl
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from router.domain.access import Token, TokenKey
from router.http.access import Access
from router.http.application import Door, application_of
from router.http.failed_attempts import FailedAttempts
from router.http.html_page import HtmlPage
from router.http.known_before import Memory
from router.http.lead_door import LeadDoor
from router.http.operations import Operation
from router.http.plain_posts import PlainPosts
from router.http.probes import Probes
from router.http.rate_limits import RateLimits
from router.http.recent import Recent
from router.http.serving import Address
from router.intake.lead_intake import Journal
from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.runtime.supervisor import StartRefused
from router.settings.model import ApiSettings
from router.store.connections.connections import Connections, Part
from router.store.tenants import Tenant, TenantUnknown, tenant_named, tenant_numbered
from router.store.tokens import any_token, find_token, note_uses
from router.telemetry.instruments import Instruments

_TENANT_HOLDS_S = 2.0
_LOOK_UP_DEADLINE_S = 2.0
_LAST_COMMITS_S = 1.5


class ExposedWithoutToken(StartRefused):
    """Other hosts could reach the API, and there is no token for it: most likely a mistake."""


class ApiService:
    """A service. `operations` are what it offers, `probes` and `pages` answer without a token. `database_seen` says
    at the start whether the database is there, with its schema; it listens in any case.
    """

    name = "api"
    max_silence_s = 10.0

    def __init__(
        self,
        settings: ApiSettings,
        connections: Connections,
        operations: Sequence[Operation],
        probes: Probes,
        *,
        max_connections: int,
        instruments: Instruments | None = None,
        journal: Journal | None = None,
        database_seen: Callable[[], bool] = lambda: True,
        pages: Sequence[HtmlPage] = (),
    ) -> None:
        self._settings = settings
        self._connections = connections
        self._operations = operations
        self._probes = probes
        self._pages = pages
        self._database_seen = database_seen
        failed = FailedAttempts()
        self.access = Access(self._find_token, failed, away=self._is_away)
        self.limits = RateLimits(settings.requests_per_s)
        instruments = instruments or Instruments.silent()
        self.leads = LeadDoor(connections, instruments.intake, journal, failed)
        self._requests = instruments.http
        tenants = Recent(self._tenant_numbered, _TENANT_HOLDS_S, away=self._is_away)
        names = Recent(self._tenant_named, _TENANT_HOLDS_S, away=self._is_away)
        self.memory = Memory(self.access, tenants, names, self.leads.readers)
        self._door = Door(self.access, self.limits, tenants, names, connections, self.leads)
        self._open = partial(
            Address,
            settings.host,
            settings.port,
            "LEAD_ROUTER_API_PORT",
            max_connections=max_connections,
            request_s=settings.idle_s,
            share_port=settings.share_port == "yes",
            event="API listening",
        )
        self.address = self._open()

    async def run(self, life: Lifeline) -> None:
        """Answers until the stop. Raises StartRefused when the address, or its certificate, cannot be used."""
        # Without the database no token is known but those of before: `ExposureService` asks for it later.
        if self._database_seen():
            await self.check_exposed()
        settings = self._settings
        self.address = self._open(tls=tls_context(settings.tls_certificate, settings.tls_key, "LEAD_ROUTER_API"))
        application = application_of(self._operations, self._door, self._requests)
        self._probes.add_to(application)
        for page in self._pages:
            page.add_to(application)
        try:
            await self.address.serve(application, life, posts=PlainPosts(self._door, self._requests))
        finally:
            await self.leads.close(_LAST_COMMITS_S)

    async def check_exposed(self) -> None:
        """Raises ExposedWithoutToken."""
        if is_loopback(self._settings.host):
            return
        async with self._connections.acquire(Part.CONSOLE) as conn:
            if not await any_token(conn):
                raise ExposedWithoutToken(
                    f"the API would listen on {self._settings.host}, which others can reach, and there is no token "
                    "yet. Make one first: lead-router tokens create NAME --tenant T --role intake"
                )

    def _is_away(self) -> bool:
        return self._connections.away

    async def _find_token(self, shown: TokenKey) -> Token | None:
        async with self._connections.acquire(Part.INTAKE, _LOOK_UP_DEADLINE_S) as conn:
            return await find_token(conn, shown)

    async def _tenant_numbered(self, tenant_id: int) -> Tenant | None:
        async with self._connections.acquire(Part.INTAKE, _LOOK_UP_DEADLINE_S) as conn:
            return await tenant_numbered(conn, tenant_id)

    async def _tenant_named(self, name: str) -> Tenant | None:
        async with self._connections.acquire(Part.INTAKE, _LOOK_UP_DEADLINE_S) as conn:
            try:
                return await tenant_named(conn, name)
            except TenantUnknown:
                return None


class ExposureService(Periodic):
    """Looks whether there is a token once the database is there, where the API began to listen without it."""

    name = "api exposure"
    failing = "whether there is a token is not known"

    def __init__(self, api: ApiService) -> None:
        self._api = api

    async def once(self, life: Lifeline) -> None:
        """Raises ExposedWithoutToken, which ends the process."""
        await self._api.check_exposed()

    async def rest(self, life: Lifeline) -> None:
        """Once is enough."""
        await life.wait()


class TokenUsesService(Periodic):
    """Stores when tokens were last used."""

    name = "token uses"
    failing = "uses of tokens not noted"
    interval_s = 30.0

    def __init__(self, access: Access, connections: Connections) -> None:
        self._access = access
        self._connections = connections
        self._unnoted: dict[tuple[int, str], datetime] = {}

    async def once(self, life: Lifeline) -> None:
        """What could not be stored is kept for the next time."""
        self._unnoted |= self._access.take_uses()
        if self._unnoted:
            async with self._connections.acquire(Part.DUTIES) as conn:
                await note_uses(conn, self._unnoted)
            self._unnoted = {}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def tls_context(certificate: Path | None, key: Path | None, prefix: str) -> ssl.SSLContext | None:
    """What a listener speaks TLS with; None = plain HTTP. `prefix` is that of the settings' variables. Raises
    StartRefused.
    """
    if certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise StartRefused(
            f"the certificate {certificate} cannot be used: {error}. Set "
            f"{prefix}_TLS_CERTIFICATE and {prefix}_TLS_KEY to PEM files"
        ) from error
    return context
