"""What reads the leads of a tenant that come over HTTP: with its synonyms, and the phone region of its rules."""

from datetime import datetime
from typing import NamedTuple

from router.http.recent import Recent
from router.intake.json_lead import JsonLeadReader
from router.rules.spelling import Spellings, Synonym, spellings
from router.store.connections.connections import Connections, Part
from router.store.leads import database_clock
from router.store.rulesets import load_ruleset
from router.store.synonyms import load_synonyms
from router.store.tenants import Tenant

HOLDS_S = 10.0
"""Words that are imported now count for leads after so many seconds."""
_LOOK_UP_S = 2.0
_READERS = 200
"""Each remembers words and phones: of more tenants than this they are made anew."""


class ReaderFacts(NamedTuple):
    """What a reader is made of."""

    phone_region: str | None
    synonyms: list[Synonym]


class _Made(NamedTuple):
    reader: JsonLeadReader
    spellings: Spellings
    facts: ReaderFacts


class LeadReaders:
    """One reader per tenant and ruleset, made anew every few seconds; kept while the database is away."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._readers = Recent(self._make, HOLDS_S, _READERS, away=lambda: connections.away)
        self._regions: dict[int, tuple[int, str | None]] = {}

    async def reader_of(self, tenant: Tenant) -> JsonLeadReader:
        """Raises what the database raises, when the tenant's is not known."""
        return (await self._made(tenant)).reader

    def fresh_reader_of(self, tenant: Tenant) -> JsonLeadReader | None:
        """The reader, if it was made a moment ago."""
        made = self._readers.fresh((tenant.tenant_id, tenant.ruleset))
        return None if made is None else made.reader

    async def spellings_of(self, tenant: Tenant) -> Spellings:
        """How the reader spells sources. Raises as `reader_of`."""
        return (await self._made(tenant)).spellings

    def facts(self) -> dict[tuple[int, int], ReaderFacts]:
        """What the readers are made of that would be used while the database is away, by tenant and ruleset."""
        return {key: made.facts for key, made, _ in self._readers.known()}

    def remember(self, tenant: Tenant, facts: ReaderFacts, now: datetime, age_s: float) -> None:
        """Makes the reader of a tenant of what an earlier process knew so many seconds ago; `now` is aware."""
        self._readers.remember((tenant.tenant_id, tenant.ruleset), _made(facts, now), age_s)

    async def _made(self, tenant: Tenant) -> _Made:
        made = await self._readers.get((tenant.tenant_id, tenant.ruleset))
        assert made is not None
        return made

    async def _make(self, key: tuple[int, int]) -> _Made:
        tenant_id, ruleset = key
        async with self._connections.acquire(Part.INTAKE, _LOOK_UP_S) as conn:
            known = self._regions.get(tenant_id)
            if known is None or known[0] != ruleset:
                region = (await load_ruleset(conn, tenant_id, ruleset)).default_phone_region if ruleset else None
                self._regions[tenant_id] = known = (ruleset, region)
            now = await database_clock(conn)
            return _made(ReaderFacts(known[1], await load_synonyms(conn, tenant_id)), now)


def _made(facts: ReaderFacts, now: datetime) -> _Made:
    spelled = spellings(facts.synonyms)
    return _Made(JsonLeadReader(now, facts.phone_region, spelled), spelled, facts)
