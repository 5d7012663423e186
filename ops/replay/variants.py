"""The engines of a replay: those that decided, and beside each the one with what is changed."""

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from ops.replay.overrides import Override, check_overrides, with_defaults_changed, with_reps_changed
from router.domain.engine import Engine
from router.domain.matching import asked_of
from router.rules.file import RulesError, RulesFile
from router.store.engines import Engines, Versions
from router.store.replay import Span, rulesets_of
from router.store.roster import load_roster
from router.store.rulesets import as_in_force, load_ruleset
from router.store.statements import Connection
from router.store.tenants import Tenant

KEPT = 8


@dataclass(frozen=True, slots=True)
class Changes:
    """What is changed in a replay: other rules (None = those of each batch), and single fields."""

    rules: RulesFile | None = None
    overrides: Sequence[Override] = ()

    def __bool__(self) -> bool:
        return self.rules is not None or bool(self.overrides)


@dataclass
class Variants:
    """By versions of ruleset, roster and rates. Few are kept: batches come in the order of the versions."""

    tenant: Tenant
    changes: Changes
    engines: Engines = field(default_factory=lambda: Engines(KEPT))
    _made: OrderedDict[Versions, Engine] = field(default_factory=OrderedDict)

    async def check(self, conn: Connection) -> None:
        """Raises BadOverride for reps and groups that there are not, ZoneDiffers for rules of another zone."""
        roster = await load_roster(conn, self.tenant.tenant_id, self.tenant.roster)
        if self.changes.rules is not None:
            _, roster = await as_in_force(conn, self.tenant.tenant_id, self.changes.rules, roster, self._version)
        check_overrides(self.changes.overrides, roster)

    async def asked(self, conn: Connection, span: Span) -> tuple[str, ...]:
        """What the changed rules, or those of any batch of the span, ask of leads beyond what records always have.

        All of it is read for all leads: one that waits may be decided by rules that were not in force when it came.
        """
        if self.changes.rules is not None:
            return asked_of(self.changes.rules.ruleset.rules)
        found = set[str]()
        for version in await rulesets_of(conn, span):
            # A version that cannot be read is told of each of its batches.
            with suppress(LookupError, RulesError):
                found |= set(asked_of((await load_ruleset(conn, self.tenant.tenant_id, version)).rules))
        return tuple(sorted(found))

    async def get(self, conn: Connection, versions: Versions) -> tuple[Engine, Engine]:
        """(the engine that decided, the changed one). Raises LookupError and RulesError for unreadable versions."""
        recorded = await self.engines.get(conn, self.tenant.tenant_id, versions)
        changed = self._made.get(versions)
        if changed is None:
            changed = self._made[versions] = await self._changed(conn, recorded)
            if len(self._made) > KEPT:
                self._made.popitem(last=False)
        return recorded, changed

    @property
    def _version(self) -> int:
        """Of the other rules: one that no batch has."""
        return self.tenant.ruleset + 1

    async def _changed(self, conn: Connection, recorded: Engine) -> Engine:
        ruleset, roster, rules = recorded.ruleset, recorded.given, self.changes.rules
        if rules is not None:
            ruleset, roster = await as_in_force(conn, self.tenant.tenant_id, rules, roster, self._version)
        ruleset = with_defaults_changed(ruleset, self.changes.overrides)
        roster = with_reps_changed(roster, self.changes.overrides)
        return Engine(roster, ruleset, recorded.rates, recorded.made_at)
