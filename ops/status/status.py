"""What `lead-router status` tells: every lead by state and reason, rates, and who works.

One snapshot, so the states add up to what was accepted unless something is wrong.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg

from ops.roster.holds import holds, holds_told
from ops.waiting.estimate import Expected, expected
from ops.waiting.judge import Waiting, waiting_by_reason
from router.domain.flight import decode, unpack
from router.drain.claim import BatchRequest
from router.drain.hints import LISTENER_NAME
from router.drain.presence import Presence
from router.drain.quarantine import CAREFUL_FROM
from router.store.blocking.blocked import Blocked, blocked_now
from router.store.connections.server_capacity import ServerCapacity, read_server_capacity
from router.store.engines import Engines
from router.store.statements import Connection, load
from router.store.tenants import Tenant, all_tenants, tenant_named

STATES = ("waiting", "assigned", "parked", "merged", "closed", "archived", "journalled")
RATES_OVER = timedelta(minutes=5)
LOCK_TIMEOUT_S = 10.0
# Rates look at no more than this, and then at a shorter time: status is asked for when routers are busiest.
_LEADS_MOST = 10_000
_BATCHES_MOST = 50

_SQL = load("status")


@dataclass(frozen=True, slots=True)
class Rates:
    """Leads per minute over the last RATES_OVER, or less where more happened than is looked at."""

    accepted: float = 0.0
    assigned: float = 0.0
    refused: float = 0.0
    parked: float = 0.0

    def plus(self, other: "Rates") -> "Rates":
        return Rates(
            self.accepted + other.accepted,
            self.assigned + other.assigned,
            self.refused + other.refused,
            self.parked + other.parked,
        )


@dataclass(frozen=True, slots=True)
class Holder:
    """The session that holds a lane; `since` = when its transaction began (None where it may not be seen)."""

    pid: int
    application: str | None
    user: str | None
    client: str | None
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Paused:
    """Until when nothing of a tenant is routed, and why; `by` whom since when, None = nobody recorded it."""

    until: datetime
    why: str
    by: str | None
    since: datetime | None


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """The lane's last batch (`kind` drain or hand; None when its record is gone), next visit, holder and pause.

    `crashes` routers crashed in the middle of a batch within ten minutes; `careful` leads are still taken
    one at a time.
    """

    batch_no: int = 0
    last_batch_at: datetime | None = None
    kind: str | None = None
    leads: int | None = None
    next_visit_at: datetime | None = None
    holder: Holder | None = None
    paused: Paused | None = None
    crashes: int = 0
    careful: int = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What its crashes ask of a person."""
        if self.crashes < CAREFUL_FROM:
            return ()
        words = f"routers crashed {self.crashes} times in the last ten minutes in the middle of a batch"
        if self.careful:
            words += f"; the next {self.careful:,} leads are taken one at a time, to find one that may be at fault"
        return (f"{words}: see why these processes ended, or lost the database",)


@dataclass(frozen=True, slots=True)
class ParkedLeads:
    """Parked leads of one reason: how many, since when, and how many of them in the last hour and the last day."""

    reason: str
    leads: int
    oldest: datetime
    newest: datetime
    last_hour: int
    last_day: int


@dataclass(frozen=True, slots=True)
class TenantStatus:
    """One tenant; `states` has all of STATES, `parked_leads` and `waiting` tell two of them by reason.

    `again` = how long the ready leads take that were looked at before or sent back; `warnings` are sentences about what
    needs a person.
    """

    tenant: Tenant
    accepted: int
    states: dict[str, int]
    parked_leads: tuple[ParkedLeads, ...]
    waiting: Waiting
    lane: LaneStatus
    rates: Rates
    again: Expected
    warnings: tuple[str, ...] = ()

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
    """The tenants asked for, at one moment (UTC). `listeners` = services that listen for work, `room` = connections."""

    at: datetime
    tenants: list[TenantStatus] = field(default_factory=list)
    listeners: int = 0
    room: ServerCapacity | None = None

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
        total = Rates()
        for tenant in self.tenants:
            total = total.plus(tenant.rates)
        return total

    @property
    def balanced(self) -> bool:
        return all(tenant.balanced for tenant in self.tenants)


async def status(
    conn: Connection,
    tenant: str | None = None,
    now: datetime | None = None,
    presence: Presence | None = None,
    sizes: BatchRequest = BatchRequest(),
) -> Status:
    """Reads it, of one tenant or of all, and changes nothing. `now` None = the database's clock.

    `presence` hears who is present (None = there is no Redis); `sizes` are those of the routers. Raises TenantUnknown,
    and asyncpg.LockNotAvailableError when somebody keeps a whole table locked for LOCK_TIMEOUT_S.
    """
    blocked = await blocked_now(conn, tenant)
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        settings = await _SQL.settings.row(conn, lock_timeout=f"{int(LOCK_TIMEOUT_S * 1000)}ms")
        assert settings is not None
        at = now or settings["now"]
        tenants = [await tenant_named(conn, tenant)] if tenant else await all_tenants(conn)
        listeners = await _SQL.listeners.value(conn, application=LISTENER_NAME)
        found = await _of_tenants(conn, presence or Presence(once=True), tenants, at, now, sizes, blocked)
        return Status(at, found, listeners, await read_server_capacity(conn))


async def _of_tenants(
    conn: Connection,
    presence: Presence,
    tenants: Sequence[Tenant],
    at: datetime,
    now: datetime | None,
    sizes: BatchRequest,
    blocked: Blocked,
) -> list[TenantStatus]:
    ids = [tenant.tenant_id for tenant in tenants]
    states: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for tenant_id, state, leads in await _SQL.states.fetch(conn, tenant_ids=ids):
        states[tenant_id][state] = leads
    parked: defaultdict[int, list[ParkedLeads]] = defaultdict(list)
    for tenant_id, *part in await _SQL.parked.fetch(conn, tenant_ids=ids, now=at):
        parked[tenant_id].append(ParkedLeads(*part))
    lanes = {row["tenant_id"]: _lane(row) for row in await _SQL.lanes.fetch(conn, tenant_ids=ids, now=at)}
    rates = await _rates(conn, ids, at)
    told = {row["tenant_id"]: _warnings(row) for row in await load("roster_sync").told.fetch(conn, tenant_ids=ids)}
    held = {key: holds_told(found, at) for key, found in (await holds(conn, ids)).items()}
    engines = Engines(1)
    found = []
    for tenant in tenants:
        key, counts = tenant.tenant_id, states[tenant.tenant_id]
        waiting = await waiting_by_reason(conn, engines, presence, key, now, blocked)
        counts["waiting"], counts["parked"] = waiting.leads, sum(part.leads for part in parked[key])
        by_state = {state: counts[state] for state in STATES}
        lane = lanes.get(key, LaneStatus())
        found.append(
            TenantStatus(
                tenant,
                counts["accepted"],
                by_state,
                tuple(sorted(parked[key], key=lambda part: (-part.leads, part.reason))),
                waiting,
                lane,
                rates[key],
                await _again(conn, waiting, sizes, at),
                (*lane.warnings, *told.get(key, ()), *(f"roster: {words}" for words in held.get(key, ()))),
            )
        )
    return found


def _warnings(row: asyncpg.Record) -> tuple[str, ...]:
    """What the last sync of the roster has to tell."""
    problem = f"roster not synced: {row['problem']}; the roster stays as it was" if row["problem"] else None
    return tuple(filter(None, (problem, *(f"roster: {warning}" for warning in row["warnings"]))))


def _lane(row: asyncpg.Record) -> LaneStatus:
    holder = None
    if row["pid"] is not None:
        holder = Holder(row["pid"], row["application_name"], row["usename"], row["client"], row["xact_start"])
    paused = None
    if row["paused_until"] is not None:
        paused = Paused(row["paused_until"], row["paused_why"] or "", row["paused_by"], row["paused_at"])
    last = (row["batch_no"], row["last_at"], row["kind"], row["leads"])
    return LaneStatus(*last, row["next_visit_at"], holder, paused, row["crashes"], row["careful"])


async def _again(conn: Connection, waiting: Waiting, sizes: BatchRequest, at: datetime) -> Expected:
    if not waiting.again:
        return Expected(0, 0, 0, None)
    return await expected(conn, waiting.tenant_id, waiting.again, sizes, at)


async def _rates(conn: Connection, ids: Sequence[int], at: datetime) -> dict[int, Rates]:
    since = at - RATES_OVER
    rates = dict.fromkeys(ids, Rates())
    came_in = await _SQL.came_in.fetch(conn, tenant_ids=ids, since=since, most=_LEADS_MOST)
    for tenant_id, leads, first in came_in:
        rates[tenant_id] = Rates(accepted=_per_minute(leads, since if leads < _LEADS_MOST else first, at))
    batches: defaultdict[int, list[tuple[datetime, bytes]]] = defaultdict(list)
    for tenant_id, batch_at, inputs in await _SQL.batches.fetch(conn, tenant_ids=ids, since=since, most=_BATCHES_MOST):
        batches[tenant_id].append((batch_at, inputs))
    for tenant_id, found in batches.items():
        rates[tenant_id] = rates[tenant_id].plus(_decided(found, since, at))
    return rates


def _decided(batches: Sequence[tuple[datetime, bytes]], since: datetime, at: datetime) -> Rates:
    """What batches decided, the youngest first, per minute."""
    assigned = refused = parked = 0
    for _, inputs in batches:
        decided = unpack(decode(inputs).decided)
        assigned += int((decided > 0).sum())
        refused += int((decided == 0).sum())
        parked += int((decided < 0).sum())
    begin = since if len(batches) < _BATCHES_MOST else batches[-1][0]
    return Rates(0.0, *(_per_minute(leads, begin, at) for leads in (assigned, refused, parked)))


def _per_minute(leads: int, since: datetime, until: datetime) -> float:
    """Below a second the clock's steps would say more than the leads."""
    return 60 * leads / max((until - since).total_seconds(), 1.0)


def _summed(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in counts:
        total.update(part)
    return _by_size(total)


def _by_size(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
