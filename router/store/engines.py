"""Engines by version: roster, ruleset and rates read once and kept while they are used."""

from collections import OrderedDict

from router.domain.engine import Engine
from router.store.rates import load_rates
from router.store.roster import load_roster
from router.store.rulesets import load_ruleset
from router.store.statements import Connection

Versions = tuple[int, int, int]


class Engines:
    """A bounded cache; versions are immutable, so nothing in it can become stale."""

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._engines: OrderedDict[tuple[int, Versions], Engine] = OrderedDict()

    def known(self, tenant_id: int, versions: Versions) -> Engine | None:
        """What `get` would answer at once; None when it would have to read."""
        return self._engines.get((tenant_id, versions))

    async def get(self, conn: Connection, tenant_id: int, versions: Versions) -> Engine:
        """The engine of (ruleset, roster, rates) versions. Raises LookupError for a version that never was."""
        key = (tenant_id, versions)
        if key in self._engines:
            self._engines.move_to_end(key)
            return self._engines[key]
        ruleset, roster, rates = versions
        known = next((e.roster for (t, _), e in reversed(self._engines.items()) if t == tenant_id), None)
        engine = Engine(
            await load_roster(conn, tenant_id, roster, known),
            await load_ruleset(conn, tenant_id, ruleset),
            await load_rates(conn, tenant_id, rates),
        )
        self._engines[key] = engine
        if len(self._engines) > self._most:
            self._engines.popitem(last=False)
        return engine
