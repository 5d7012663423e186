"""Proves promises 1, 2, 5 and 6 over the whole database, in one snapshot, while routers go on working.

A repeatable-read, read-only transaction sees every batch, ending and import either whole or not at all. So
every sum must be right to the last lead at any moment, and what is not right is a violation, not a race.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from ops.audit.kinds import (
    ACCEPTED_DIFFERS,
    OF_DATABASE,
    OF_TENANT,
    RECORD_DIFFERS,
    REPLAY_DIFFERS,
    RULESET_UNREADABLE,
    Kind,
)
from ops.audit.rerun import ENGINES_KEPT, given_in, portions, replay, sample_of
from router.store.engines import Engines
from router.store.statements import Connection, load
from router.store.tenants import Tenant, all_tenants, tenant_named
from router.store.transactions import limit_locks

EXAMPLES = 5
SAMPLE = 20
LOCK_TIMEOUT_S = 10.0
# Those in journals are accepted, as far as their instances have said so, and have no row in `lead` yet; archived ones
# have none any more.
STATES = ("waiting", "assigned", "parked", "merged", "closed", "archived", "removed", "journalled")

_SQL = load("audit")
_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise: how often, and a few examples that name the rows."""

    kind: Kind
    count: int
    examples: tuple[str, ...]


@dataclass(slots=True)
class Audit:
    """What was counted and what was found. `checks`, `replayed` (batches) say how much was looked at.

    `not_replayed`: batches of the sample that were not decided again (another release's, or damaged).
    """

    accepted: int = 0
    states: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    violations: list[Violation] = field(default_factory=list)
    tenants: int = 0
    checks: int = 0
    replayed: int = 0
    not_replayed: int = 0

    @property
    def ok(self) -> bool:
        return not self.violations

    def add(self, kind: Kind, count: int, examples: Sequence[str]) -> None:
        """Counts a violation; those of one kind in many tenants become one."""
        if not count:
            return
        for i, known in enumerate(self.violations):
            if known.kind == kind:
                shown = (*known.examples, *examples)[:EXAMPLES]
                self.violations[i] = Violation(kind, known.count + count, shown)
                return
        self.violations.append(Violation(kind, count, tuple(examples[:EXAMPLES])))


@dataclass(frozen=True, slots=True)
class Step:
    """Before a check starts: how many are done of how many, the tenant's name ("" = all), what is checked."""

    done: int
    total: int
    tenant: str
    check: str


Progress = Callable[[Step], None]


def silent(step: Step) -> None:
    """Progress for those who do not want it."""


async def audit(
    conn: Connection, tenant: str | None = None, sample: int = SAMPLE, progress: Progress = silent
) -> Audit:
    """Checks one tenant, or everything; so many (`sample`) of the last batches and others are run again.

    Changes nothing and makes nobody wait. Raises TenantUnknown, and asyncpg.LockNotAvailableError when
    somebody keeps a whole table locked for LOCK_TIMEOUT_S.
    """
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        await _SQL.hold_partitions.execute(conn)
        await limit_locks(conn, int(LOCK_TIMEOUT_S * 1000))
        await _SQL.settings.execute(conn)
        tenants = [await tenant_named(conn, tenant)] if tenant else await all_tenants(conn)
        return await _Auditor(conn, tenants, progress, everything=tenant is None).run(sample)


class _Auditor:
    """One run over some tenants, inside the snapshot of `conn`."""

    def __init__(self, conn: Connection, tenants: list[Tenant], progress: Progress, *, everything: bool) -> None:
        self._conn = conn
        self._tenants = tenants
        self._progress = progress
        self._of_database = OF_DATABASE if everything else ()
        # Beside its kinds, every tenant has its states counted and its rulesets read.
        self._total = len(self._of_database) + len(tenants) * (len(OF_TENANT) + 2)
        self._done = 0
        self.result = Audit(tenants=len(tenants))

    async def run(self, sample: int) -> Audit:
        chosen = await sample_of(self._conn, [tenant.tenant_id for tenant in self._tenants], sample)
        self._total += sum(map(len, chosen.values()))
        for kind in self._of_database:
            await self._check(kind, "", {})
        for tenant in self._tenants:
            await self._audit_tenant(tenant)
        for tenant in self._tenants:
            await self._replay(tenant, chosen.get(tenant.tenant_id, ()))
        return self.result

    async def _audit_tenant(self, tenant: Tenant) -> None:
        await self._count_states(tenant)
        known: dict[str, Any] = {"tenant_id": tenant.tenant_id, "time_zone": tenant.time_zone}
        known |= await self._default_caps(tenant)
        for kind in OF_TENANT:
            await self._check(kind, tenant.name, known)

    async def _replay(self, tenant: Tenant, batch_nos: Sequence[int]) -> None:
        engines = Engines(ENGINES_KEPT)
        for portion in portions(batch_nos):
            given = await given_in(self._conn, tenant.tenant_id, portion)
            for batch_no in portion:
                self._step(tenant.name, f"batch {batch_no} again")
                found = await replay(self._conn, engines, tenant.tenant_id, batch_no, given.get(batch_no, ()))
                self.result.replayed += found.compared
                self.result.not_replayed += not found.compared
                self._add(REPLAY_DIFFERS, tenant.name, len(found.differences), found.differences)
                self._add(RECORD_DIFFERS, tenant.name, len(found.unlike_record), found.unlike_record)

    async def _check(self, kind: Kind, tenant: str, known: dict[str, Any]) -> None:
        self._step_check(tenant, kind.name)
        statement = getattr(_SQL, kind.name)
        rows = await statement.fetch(self._conn, **{name: known[name] for name in statement.parameters})
        if rows:
            self._add(kind, tenant, rows[0]["found"], [row["example"] for row in rows])

    async def _count_states(self, tenant: Tenant) -> None:
        self._step_check(tenant.name, "states")
        row = await _SQL.states.row(self._conn, tenant_id=tenant.tenant_id)
        assert row is not None
        counts = {state: row[state] for state in STATES}
        for state, count in counts.items():
            self.result.states[state] += count
        accepted = row["stored"] + row["archived"] + row["removed"] + row["journalled"]
        self.result.accepted += accepted
        difference = abs(accepted - sum(counts.values()))
        if difference:
            told = f"accepted {accepted}, " + ", ".join(f"{s} {n}" for s, n in counts.items())
            self._add(ACCEPTED_DIFFERS, tenant.name, difference, [told])

    async def _default_caps(self, tenant: Tenant) -> dict[str, Any]:
        """The arrays that tell the cap statements the defaults of every ruleset that decided something."""
        self._step_check(tenant.name, "rulesets")
        rows = await _SQL.rulesets_used.fetch(self._conn, tenant_id=tenant.tenant_id)
        caps = {}
        for row in rows:
            try:
                caps[row["version"]] = default_caps(row["source"])
            except (ValueError, yaml.YAMLError) as error:
                first = str(error).splitlines()[0]
                self._add(RULESET_UNREADABLE, tenant.name, 1, [f"ruleset {row['version']}: {first}"])
        return {
            "rulesets": list(caps),
            "max_open": [max_open for max_open, _ in caps.values()],
            "max_per_day": [max_per_day for _, max_per_day in caps.values()],
        }

    def _add(self, kind: Kind, tenant: str, count: int, examples: Sequence[str]) -> None:
        self.result.add(kind, count, [f"{tenant}: {e}" if tenant else e for e in examples[:EXAMPLES]])

    def _step_check(self, tenant: str, check: str) -> None:
        self._step(tenant, check)
        self.result.checks += 1

    def _step(self, tenant: str, what: str) -> None:
        self._progress(Step(self._done, self._total, tenant, what))
        self._done += 1


def default_caps(source: str) -> tuple[int | None, int | None]:
    """`max_open` and `max_per_day` of a ruleset's `defaults`; None = no cap.

    Read here, and not with the router's own reader, so that a mistake there does not hide itself. Raises
    ValueError or yaml.YAMLError.
    """
    document = yaml.load(source, Loader=_YAML)
    if not isinstance(document, dict):
        raise ValueError("not a mapping")
    defaults = document.get("defaults") or {}
    if not isinstance(defaults, dict):
        raise ValueError("defaults: not a mapping")
    return _cap(defaults, "max_open"), _cap(defaults, "max_per_day")


def _cap(defaults: dict[str, Any], name: str) -> int | None:
    value = defaults.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ValueError(f"defaults.{name}: {value!r} is not a whole number")
