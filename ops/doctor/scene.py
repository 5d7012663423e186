"""What checks look at: one snapshot of some tenants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from ops.waiting.judge import waiting_by_reason
from ops.waiting.waiting import Waiting, WaitingLeads
from router.drain.presence import Presence
from router.rules.problems import InvalidFile
from router.store import status as store
from router.store.blocking.blocked import Blocked, blocked_now
from router.store.connections.server_capacity import ServerCapacity, read_server_capacity
from router.store.errors import TRANSIENT_ERRORS, server_of
from router.store.stalls import StoredStall, open_stalls
from router.store.statements import Connection
from router.store.status import LaneStatus, ParkedLeads
from router.store.tenants import Tenant, all_tenants, tenant_named

if TYPE_CHECKING:
    from router.store.engines import Engines
    from router.store.parts import Unanswered

STATES = ("waiting", "assigned", "parked", "merged", "closed", "archived", "removed", "journalled")
_ACCEPTED = ("stored", "archived", "removed", "journalled")
LOCK_TIMEOUT_S = 10.0
AWAY_WITHIN_S = 10.0
"""So long it may take to find out whose server does not answer."""
UNKNOWN = "unknown"
"""In place of a reason, where it cannot be judged."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One snapshot at `at` (UTC), of `tenants`; what several checks need is read already, by tenant number.

    `accepted` = leads, those in journals included, `states` = how many of them are in each of STATES, `parked` by
    reason; `stalls` = those that have not ended; `away` = by name the tenants whose server does not answer (Citus): all
    else is without them; `host_at` = the time by this host's clock (None = not to be compared);
    `unreadable` = why a tenant's rules or roster cannot be read; `thorough` = checks may take their time, somebody
    looks for a cause. A check may read more over `conn`, and ask `presence` who is present.
    """

    conn: Connection
    at: datetime
    tenants: Sequence[Tenant]
    presence: Presence
    accepted: Mapping[int, int]
    states: Mapping[int, Mapping[str, int]]
    waiting: Mapping[int, Waiting]
    lanes: Mapping[int, LaneStatus]
    room: ServerCapacity
    parked: Mapping[int, Sequence[ParkedLeads]]
    stalls: Sequence[StoredStall] = ()
    host_at: datetime | None = None
    unreadable: Mapping[int, str] = field(default_factory=dict)
    thorough: bool = False
    away: Mapping[str, Unanswered] = field(default_factory=dict)

    @property
    def tenant_ids(self) -> list[int]:
        return [tenant.tenant_id for tenant in self.tenants]


@asynccontextmanager
async def open_scene(
    conn: Connection,
    tenant: str | None = None,
    now: datetime | None = None,
    presence: Presence | None = None,
    host_clock: Callable[[], datetime] | None = None,
    lock_timeout_s: float | None = None,
    *,
    thorough: bool = False,
    outlook: bool = False,
    partly: bool = False,
    engines: Engines | None = None,
) -> AsyncIterator[Scene]:
    """Of one tenant or of all, in a transaction that changes nothing. `now` None = the database's clock, to which that
    of `host_clock` is compared.

    `presence` hears who is present (None = there is no Redis); with `outlook` the next chances of waiting leads are
    worked out. `partly`: while a server that has rows of some tenants does not answer, without these (`Scene.away`).
    `engines` keeps what was read, for those who ask again and again. Raises TenantUnknown, and errors.LockNotAvailable
    when somebody keeps a whole table locked for `lock_timeout_s` (None = LOCK_TIMEOUT_S).
    """
    heard = presence or Presence(once=True)
    patience_s = LOCK_TIMEOUT_S if lock_timeout_s is None else lock_timeout_s
    asked = _Asked(tenant, now, heard, host_clock, patience_s, thorough, outlook, engines)
    async with AsyncExitStack() as stack:
        try:
            scene = await stack.enter_async_context(_snapshot(conn, asked, {}))
        except TRANSIENT_ERRORS as error:
            if not partly or server_of(error) is None:
                raise
            away = await _away(conn, tenant)
            if not away:
                raise
            scene = await stack.enter_async_context(_snapshot(conn, asked, away))
        yield scene


@dataclass(frozen=True, slots=True)
class _Asked:
    """What `open_scene` was asked for."""

    tenant: str | None
    now: datetime | None
    presence: Presence
    host_clock: Callable[[], datetime] | None
    lock_timeout_s: float
    thorough: bool
    outlook: bool
    engines: Engines | None


async def _away(conn: Connection, tenant: str | None) -> dict[int, Unanswered]:
    """Whose server does not answer, of the one or of all."""
    from router.store.parts import tenants_away  # noqa: PLC0415 - with it comes NumPy, and rarely is it needed

    tenants = [await tenant_named(conn, tenant)] if tenant else await all_tenants(conn)
    return await tenants_away(conn, [one.tenant_id for one in tenants], AWAY_WITHIN_S)


@asynccontextmanager
async def _snapshot(conn: Connection, asked: _Asked, away: Mapping[int, Unanswered]) -> AsyncIterator[Scene]:
    """Without the tenants that are `away`."""
    blocked = await blocked_now(conn, asked.tenant)
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        clock = await store.begin(conn, asked.lock_timeout_s)
        host_at = asked.host_clock() if asked.host_clock and asked.now is None else None
        at = asked.now or clock
        known = [await tenant_named(conn, asked.tenant)] if asked.tenant else await all_tenants(conn)
        tenants = [one for one in known if one.tenant_id not in away]
        ids = [one.tenant_id for one in tenants]
        lanes = await store.lanes(conn, ids, at)
        waiting, unreadable = await _waiting(conn, asked, ids, lanes.keys(), blocked, at)
        parked = await store.parked_leads(conn, ids, at)
        counts = await store.leads_by_state(conn, ids)
        for key in ids:
            in_parked = sum(part.leads for part in parked.get(key, ()))
            counts[key] = {**counts.get(key, {}), "waiting": waiting[key].leads, "parked": in_parked}
        accepted = {key: sum(counts[key].get(part, 0) for part in _ACCEPTED) for key in ids}
        states = {key: {state: counts[key].get(state, 0) for state in STATES} for key in ids}
        room = await read_server_capacity(conn)
        stalls = await open_stalls(conn, ids)
        found = (conn, at, tenants, asked.presence, accepted, states, waiting, lanes, room, parked, stalls)
        names = {one.name: away[one.tenant_id] for one in known if one.tenant_id in away}
        yield Scene(*found, host_at, unreadable, asked.thorough, names)


async def _waiting(
    conn: Connection, asked: _Asked, ids: Sequence[int], with_lane: Collection[int], blocked: Blocked, at: datetime
) -> tuple[dict[int, Waiting], dict[int, str]]:
    """What waits of each tenant and what for, and why that of some cannot be read."""
    waiting, unreadable = dict[int, Waiting](), dict[int, str]()
    with_leads = await store.tenants_that_wait(conn, ids)
    for key in ids:
        # Of thousands of tenants most have none: one look has found them all, but for those without a lane.
        if key in with_lane and key not in with_leads:
            waiting[key] = Waiting(key, at, ())
            continue
        try:
            waiting[key] = await waiting_by_reason(
                conn, asked.presence, key, asked.now, blocked, asked.engines, outlook=asked.outlook
            )
        except (InvalidFile, LookupError, ValueError) as error:
            # Rules or a roster that are gone or not to be read, of one tenant: they hide nothing of the others.
            unreadable[key] = " ".join(str(error).split())
            waiting[key] = await _unjudged(conn, key, at)
    return waiting, unreadable


async def _unjudged(conn: Connection, tenant_id: int, at: datetime) -> Waiting:
    """All that waits, without what for."""
    leads, oldest = await store.pool_size(conn, tenant_id)
    reasons = (WaitingLeads(UNKNOWN, leads, oldest, None, ()),) if oldest is not None else ()
    return Waiting(tenant_id, at, reasons)
