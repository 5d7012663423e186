"""What `lead-router status` shows: every lead by state and reason, rates, which routers run, and findings.

One snapshot, so the states add up to what was accepted unless something is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ops.doctor.current import look
from ops.doctor.finding import Finding, of_tenant
from ops.doctor.scene import STATES, Scene, open_scene
from ops.status.rates import Rates, read_rates
from ops.waiting.estimate import Expected, expected
from ops.waiting.waiting import Waiting
from router.drain.presence import Presence
from router.drain.request import BatchRequest
from router.store.changes import SERVICE
from router.store.cleanup import ALL_TENANTS, last_runs
from router.store.cleanup import Run as Cleaning
from router.store.connections.server_capacity import ServerCapacity
from router.store.maintenance import Run, runs
from router.store.processes import count_living
from router.store.statements import Connection
from router.store.status import LaneStatus, ParkedLeads
from router.store.tenants import Tenant

if TYPE_CHECKING:
    from router.store.engines import Engines

MAINTENANCE_SHOWN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TenantStatus:
    """One tenant; `states` has all of STATES, `parked_leads` and `waiting` list two of them by reason.

    `again` = how long the ready leads take that were looked at before or sent back; `cleaned` = its last cleanup.
    """

    tenant: Tenant
    accepted: int
    states: dict[str, int]
    parked_leads: tuple[ParkedLeads, ...]
    waiting: Waiting
    lane: LaneStatus
    rates: Rates
    again: Expected
    findings: tuple[Finding, ...] = ()
    cleaned: Cleaning | None = None

    @property
    def parked(self) -> dict[str, int]:
        """Parked leads by reason, the most frequent first."""
        return {part.reason: part.leads for part in self.parked_leads}

    @property
    def balanced(self) -> bool:
        """Whether every accepted lead is in exactly one state, as far as sums can tell."""
        return self.accepted == sum(self.states.values())


@dataclass(frozen=True, slots=True)
class Status:
    """The tenants asked for, at one moment (UTC). `listeners` = processes that route leads, `room` = connections;
    `partitions_cleaned` = the last run over the partitions of all.

    `maintenance` = scripts of others that asked for a turn in the last MAINTENANCE_SHOWN, the last first; `away` =
    names of tenants that are missing, since their server does not answer (Citus).
    """

    at: datetime
    tenants: list[TenantStatus]
    listeners: int
    room: ServerCapacity
    partitions_cleaned: Cleaning | None = None
    findings: list[Finding] = field(default_factory=list)
    maintenance: tuple[Run, ...] = ()
    away: tuple[str, ...] = ()

    @property
    def accepted(self) -> int:
        return sum(tenant.accepted for tenant in self.tenants)

    @property
    def states(self) -> dict[str, int]:
        return {state: sum(tenant.states[state] for tenant in self.tenants) for state in STATES}

    @property
    def waiting(self) -> dict[str, int]:
        """Waiting leads by reason."""
        return _summed(tenant.waiting.counts for tenant in self.tenants)

    @property
    def parked(self) -> dict[str, int]:
        """Parked leads by reason."""
        return _summed(tenant.parked for tenant in self.tenants)

    @property
    def rates(self) -> Rates:
        return sum((tenant.rates for tenant in self.tenants), Rates())

    @property
    def balanced(self) -> bool:
        return all(tenant.balanced for tenant in self.tenants)


async def status(
    conn: Connection,
    tenant: str | None = None,
    now: datetime | None = None,
    presence: Presence | None = None,
    sizes: BatchRequest = BatchRequest(),
    host_clock: Callable[[], datetime] | None = None,
    engines: Engines | None = None,
) -> Status:
    """Reads it, of one tenant or of all, and changes nothing. `now` None = the database's clock.

    `presence` hears who is present (None = there is no Redis); `sizes` are those of the routers; `host_clock` is
    compared with the database's; `engines` as of `open_scene`. Raises TenantUnknown,
    and errors.LockNotAvailable when somebody keeps a whole table locked for LOCK_TIMEOUT_S.
    """
    looking = open_scene(conn, tenant, now, presence, host_clock, outlook=True, partly=True, engines=engines)
    async with looking as scene:
        findings = await look(scene)
        found = await _of_tenants(scene, findings, sizes)
        asked = await runs(conn, [SERVICE, *scene.tenant_ids], scene.at - MAINTENANCE_SHOWN)
        partitions = None if scene.away else (await last_runs(conn, [ALL_TENANTS])).get(ALL_TENANTS)
        listeners = await count_living(conn)
        return Status(scene.at, found, listeners, scene.room, partitions, findings, tuple(asked), tuple(scene.away))


async def _of_tenants(scene: Scene, findings: Sequence[Finding], sizes: BatchRequest) -> list[TenantStatus]:
    cleaned = await last_runs(scene.conn, scene.tenant_ids)
    rates = await read_rates(scene.conn, scene.tenant_ids, scene.at)
    return [
        TenantStatus(
            tenant,
            scene.accepted[key],
            dict(scene.states[key]),
            tuple(scene.parked.get(key, ())),
            scene.waiting[key],
            scene.lanes.get(key, LaneStatus()),
            rates[key],
            await _again(scene, key, sizes),
            tuple(finding for finding in findings if finding.subject == of_tenant(tenant.name)),
            cleaned.get(key),
        )
        for tenant, key in zip(scene.tenants, scene.tenant_ids, strict=True)
    ]


async def _again(scene: Scene, tenant_id: int, sizes: BatchRequest) -> Expected:
    leads = scene.waiting[tenant_id].again
    return await expected(scene.conn, tenant_id, leads, sizes, scene.at) if leads else Expected(0, 0, 0, None)


def _summed(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in counts:
        total.update(part)
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))
