"""The sources that keys in addresses open: looked up once in a few seconds, with what reading their leads needs."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from time import monotonic

from router.domain.calendar import zone
from router.http.failed_attempts import FailedAttempts
from router.http.problems import Kind, Refused, busy
from router.http.recent import Recent
from router.intake.source_lead import ReadingContext, SourceReader
from router.rules.problems import InvalidFile
from router.rules.source_file import FormDoor, WebhookDoor
from router.store.apart import takes_long
from router.store.connections.connections import Connections, Part
from router.store.errors import TRANSIENT_ERRORS
from router.store.leads import database_clock
from router.store.rulesets import load_ruleset
from router.store.sources import Source, secrets_of, source_opened_by, tenant_of_key
from router.store.statements import Connection
from router.store.synonyms import load_spellings
from router.store.tenants import Tenant, tenant_numbered
from router.telemetry.logs import get_logger

log = get_logger(__name__)

HOLDS_S = 5.0
"""A key that was rotated, and a mapping that was changed, count after so many seconds."""
_LOOK_UP_S = 2.0
_MINUTE_S = 60.0
_MAX_ADDRESSES = 50_000


@dataclass(frozen=True, slots=True)
class OpenSource:
    """A source, as a request finds it. `secrets` are those that hold; they are in no text made of this."""

    tenant: Tenant
    name: str
    door: FormDoor | WebhookDoor
    reader: SourceReader
    secrets: "Secrets"

    @property
    def key(self) -> tuple[int, str]:
        """Tenant number and name."""
        return self.tenant.tenant_id, self.name

    def today(self) -> date:
        """The business day."""
        return datetime.now(zone(self.tenant.time_zone)).date()

    def cross_origin(self, origin: str | None) -> Mapping[str, str]:
        """The headers that let a page of this origin read the answer."""
        if not isinstance(self.door, FormDoor):
            return {}
        allowed = origin is not None and origin.lower() in self.door.origins
        return {"Vary": "Origin, Accept"} | ({"Access-Control-Allow-Origin": str(origin)} if allowed else {})


class Secrets(tuple[str, ...]):
    """Texts that show themselves nowhere."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} secrets>"


class SourceDoors:
    """One per process."""

    def __init__(self, connections: Connections, failed: FailedAttempts | None = None) -> None:
        self._connections = connections
        self._failed = failed or FailedAttempts()
        self._sources = Recent(self._find, HOLDS_S, away=lambda: connections.away)
        self._regions: dict[int, tuple[int, str | None]] = {}
        self.addresses = AddressLimits()

    async def opened_by(self, key: str, kind: type[FormDoor | WebhookDoor], address: str | None) -> OpenSource:
        """The source of this kind that a key opens, for a client of this address. Raises Refused."""
        source = None
        if tenant_of_key(key) is not None:
            try:
                source = await self._looked_up(key, address)
            except (*TRANSIENT_ERRORS, TimeoutError):
                raise busy("sources cannot be looked up now: the database is away or busy") from None
        if source is None or not isinstance(source.door, kind):
            raise Refused(Kind.NOT_FOUND, "no source has this key; it may have been rotated")
        return source

    async def _looked_up(self, key: str, address: str | None) -> OpenSource | None:
        """Who guesses is refused before the database is asked; a key that was there before is always looked up."""
        if self._sources.answers(key):
            return await self._sources.get(key)
        with self._failed.attempt(address) as forgive:
            source = await self._sources.get(key)
            if source is not None:
                forgive()
        return source

    async def _find(self, key: str) -> OpenSource | None:
        tenant_id = tenant_of_key(key)
        assert tenant_id is not None
        async with self._connections.acquire(Part.INTAKE, _LOOK_UP_S) as conn:
            source = await source_opened_by(conn, tenant_id, key)
            tenant = await tenant_numbered(conn, tenant_id) if source else None
            return await self._opened(conn, source, tenant) if source and tenant else None

    async def _opened(self, conn: Connection, source: Source, tenant: Tenant) -> OpenSource | None:
        try:
            # Not in the thread of drafts: looking for what is odd in large rules takes a minute, and leads wait here.
            file = await asyncio.to_thread(source.parsed) if takes_long(source.definition) else source.parsed()
        except InvalidFile as error:
            log.error("source cannot be read", tenant=tenant.name, source=source.name, error=str(error))
            return None
        reader = SourceReader(source.name, file, await self._context(conn, tenant))
        secrets = Secrets(await secrets_of(conn, tenant.tenant_id, source.name))
        return OpenSource(tenant, source.name, file.door, reader, secrets)

    async def _context(self, conn: Connection, tenant: Tenant) -> ReadingContext:
        known = self._regions.get(tenant.tenant_id)
        if known is None or known[0] != tenant.ruleset:
            region = await phone_region_of(conn, tenant)
            self._regions[tenant.tenant_id] = known = (tenant.ruleset, region)
        return ReadingContext(await database_clock(conn), known[1], await load_spellings(conn, tenant.tenant_id))


async def phone_region_of(conn: Connection, tenant: Tenant) -> str | None:
    """The country of phone numbers, as the tenant's rules say."""
    return (await load_ruleset(conn, tenant.tenant_id, tenant.ruleset)).default_phone_region if tenant.ruleset else None


class AddressLimits:
    """Counts posts by source and client address in windows of a minute; each process by itself."""

    def __init__(self) -> None:
        self._window = -1
        self._counts: dict[tuple[int, str, str], int] = {}

    def take(self, key: tuple[int, str], address: str, per_minute: int) -> None:
        """One post more. Raises Refused when the minute's are used up."""
        window = int(monotonic() // _MINUTE_S)
        if window != self._window or len(self._counts) > _MAX_ADDRESSES:
            self._window, self._counts = window, {}
        count = self._counts.get((*key, address), 0)
        if count >= per_minute:
            left = str(int(_MINUTE_S - monotonic() % _MINUTE_S) + 1)
            raise Refused(Kind.TOO_MANY, "too many posts from this address", headers={"Retry-After": left})
        self._counts[*key, address] = count + 1


def utc_now() -> datetime:
    """By the clock of this machine."""
    return datetime.now(UTC)
