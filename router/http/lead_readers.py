"""What reads the leads of a tenant that come over HTTP: with its synonyms, and the phone region of its rules."""

from router.http.recent import Recent
from router.intake.json_lead import JsonLeadReader
from router.store.connections.connections import Connections, Part
from router.store.leads import database_clock
from router.store.rulesets import load_ruleset
from router.store.synonyms import load_spellings
from router.store.tenants import Tenant

HOLDS_S = 10.0
"""Words that are imported now count for leads after so many seconds."""
_LOOK_UP_S = 2.0
_READERS = 200
"""Each remembers words and phones: of more tenants than this they are made anew."""


class LeadReaders:
    """One reader per tenant and ruleset, made anew every few seconds; kept while the database is away."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._readers = Recent(self._make, HOLDS_S, _READERS)
        self._regions: dict[int, tuple[int, str | None]] = {}

    async def reader_of(self, tenant: Tenant) -> JsonLeadReader:
        """Raises what the database raises, when the tenant's is not known."""
        reader = await self._readers.get((tenant.tenant_id, tenant.ruleset))
        assert reader is not None
        return reader

    async def _make(self, key: tuple[int, int]) -> JsonLeadReader:
        tenant_id, ruleset = key
        async with self._connections.acquire(Part.INTAKE, _LOOK_UP_S) as conn:
            known = self._regions.get(tenant_id)
            if known is None or known[0] != ruleset:
                region = (await load_ruleset(conn, tenant_id, ruleset)).default_phone_region if ruleset else None
                self._regions[tenant_id] = known = (ruleset, region)
            return JsonLeadReader(await database_clock(conn), known[1], await load_spellings(conn, tenant_id))
