"""Engines by version: roster, ruleset and rates read once and kept while they are used."""

from collections import OrderedDict
from datetime import datetime

from router.domain.engine import Engine
from router.store.apart import MANY_RULES
from router.store.rates import load_rates
from router.store.roster import load_roster
from router.store.rulesets import load_ruleset
from router.store.statements import Connection, load
from router.store.stored_rules import apart_for_routing

Versions = tuple[int, int, int]
MadeAt = tuple[datetime | None, ...]

_SQL = load("engines")


class Engines:
    """A bounded cache. Versions are immutable; only a server that lost its last commits gives a number twice: with
    `verify` it is asked for that before a known engine is given, by one small statement.
    """

    def __init__(self, limit: int = 64, *, verify: bool = False) -> None:
        self._limit = limit
        self._verify = verify
        self._engines: OrderedDict[tuple[int, Versions], Engine] = OrderedDict()

    def known(self, tenant_id: int, versions: Versions) -> Engine | None:
        """What `get` would return at once; None when it would have to read."""
        return self._engines.get((tenant_id, versions))

    async def get(self, conn: Connection, tenant_id: int, versions: Versions) -> Engine:
        """The engine of (ruleset, roster, rates) versions. Raises LookupError for a version that never was."""
        key = (tenant_id, versions)
        known = self._engines.get(key)
        if known is not None and (not self._verify or await self.still_true(conn, tenant_id, known)):
            self._engines[key] = known
            self._engines.move_to_end(key)
            return known
        ruleset, roster, rates = versions
        made_at = await _made_at(conn, tenant_id, versions)
        before = next((e for (t, _), e in reversed(self._engines.items()) if t == tenant_id), None)
        if before is not None and not await self.still_true(conn, tenant_id, before):
            before = None
        people = await load_roster(conn, tenant_id, roster, before.given if before else None)
        rules = await load_ruleset(conn, tenant_id, ruleset)
        snapshot = await load_rates(conn, tenant_id, rates)
        long = len(rules.rules) > MANY_RULES
        engine = await apart_for_routing(conn, long, Engine, people, rules, snapshot, made_at)
        self._engines[key] = engine
        # More than one where several were asked for at once.
        while len(self._engines) > self._limit:
            self._engines.popitem(last=False)
        return engine

    async def still_true(self, conn: Connection, tenant_id: int, engine: Engine) -> bool:
        """Whether the database still means the same by the engine's versions; if not, the tenant's are forgotten."""
        if await _made_at(conn, tenant_id, engine.versions) == engine.made_at:
            return True
        for key in [key for key in self._engines if key[0] == tenant_id]:
            self._engines.pop(key, None)
        return False


async def _made_at(conn: Connection, tenant_id: int, versions: Versions) -> MadeAt:
    ruleset, roster, rates = versions
    row = await _SQL.made_at.row(conn, tenant_id=tenant_id, ruleset=ruleset, roster=roster, rates=rates)
    return () if row is None else tuple(row)
