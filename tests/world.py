"""A small world for tests of the drain: a tenant with reps, rules and leads, made through the product's own doors."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from router.domain.lead_in import LeadIn
from router.domain.rep_fields import RepLine
from router.drain.drain import Drain
from router.drain.outcome import Drained
from router.drain.presence import Presence
from router.drain.request import BatchRequest
from router.intake.roster_file import read_roster
from router.store import rulesets, tenants
from router.store.connections.connections import Connections
from router.store.leads import Accepted, accept
from router.store.roster import import_reps

CATCH_ALL = """
rules:
  - name: known-customer
    match: {known_customer: true}
    assign_to: owner
    fall_back_after: 30m
  - name: everyone
    match: {}
    assign_to: group:all
"""


def reps_csv(rows: Iterable[str], header: str = "rep_id,name,available,time_zone,groups,max_open,max_per_day") -> bytes:
    """A roster file of these lines."""
    return "\n".join([header, *rows]).encode()


def simple_reps(count: int, *, max_open: int = 1000, max_per_day: int = 1000, groups: str = "all") -> bytes:
    """`count` reps of equal weight, r001 …, always on duty."""
    return reps_csv(f"r{i:03},Rep {i},yes,UTC,{groups},{max_open},{max_per_day}" for i in range(1, count + 1))


def lead(number: int, **fields: object) -> LeadIn:
    """One lead; `number` makes it unique."""
    return LeadIn(source="web", external_id=f"e{number}", **fields)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Tenancy:
    """A tenant of a test, with the connection that changes it."""

    conn: asyncpg.Connection
    tenant_id: int

    async def roster(self, csv: bytes) -> None:
        """Imports a roster file."""
        await import_reps(self.conn, self.tenant_id, _lines(csv), "test")

    async def rules(self, source: str) -> None:
        """Applies rules."""
        await rulesets.apply(self.conn, self.tenant_id, source, "test")

    async def accept(self, leads: Iterable[LeadIn], now: datetime | None = None) -> Accepted:
        """Accepts leads."""
        return await accept(self.conn, self.tenant_id, list(leads), now)

    async def states(self) -> dict[str, int]:
        """Leads by state."""
        found = await self.conn.fetch(
            """select 'waiting' as state, count(*) from lead_pool where tenant_id = $1
               union all select 'assigned', count(*) from assignment where tenant_id = $1
               union all select 'parked', count(*) from parked where tenant_id = $1
               union all select 'merged', count(*) from merged where tenant_id = $1
               union all select 'closed', count(*) from closed where tenant_id = $1""",
            self.tenant_id,
        )
        return {row[0]: row[1] for row in found}

    async def counts(self) -> dict[str, int]:
        """Current assignments by rep id."""
        found = await self.conn.fetch(
            """select r.rep_id, count(*) from assignment a join rep r using (tenant_id, rep_no)
                where tenant_id = $1 group by 1 order by 1""",
            self.tenant_id,
        )
        return {row[0]: row[1] for row in found}


def _lines(csv: bytes) -> list[RepLine]:
    return read_roster(csv, "reps.csv")


async def make_tenant(
    conn: asyncpg.Connection, reps: bytes, rules: str = CATCH_ALL, *, name: str = "acme", zone: str = "UTC"
) -> Tenancy:
    """A tenant with a roster and rules."""
    tenant = await tenants.add(conn, name, zone)
    made = Tenancy(conn, tenant.tenant_id)
    await made.roster(reps)
    await made.rules(rules)
    return made


async def zone_away_from_midnight(conn: asyncpg.Connection) -> str:
    """A zone in which the day neither began in the last three hours nor ends in the next three."""
    hour = await conn.fetchval("select extract(hour from now() at time zone 'UTC')::int")
    return "UTC" if 3 <= hour < 21 else "Pacific/Tarawa"


def a_drain(connections: Connections, *, seed: int = 1, ready: int = 1000) -> Drain:
    """A router with tokens that repeat from run to run."""
    rng = random.Random(seed)
    return Drain(connections, lambda: rng.getrandbits(63), request=BatchRequest(ready=ready))


async def settle(drain: Drain, tenant_id: int, now: datetime | None = None) -> Drained:
    """Drains until a visit finds nothing to do."""
    total = Drained()
    while True:
        done = await drain.drain_tenant(tenant_id, now=now)
        total = total + done
        if not done.leads:
            return total


async def usual(tenant: Tenancy, what: str, name: str, leads: int, minutes: int = 50) -> None:
    """So many in this hour and in the one before it, of this weekday in the last four weeks."""
    await tenant.conn.execute(
        """insert into hour_count (tenant_id, hour, what, name, leads, minutes, last_at)
           select $1, hour, $2, $3, $4, (1::bigint << $5) - 1, hour + interval '59 min'
             from generate_series(1, 4) week, generate_series(0, 1) before,
                  lateral (select date_trunc('hour', now(), 'UTC')
                                  - make_interval(weeks => week, hours => before)) h(hour)""",
        tenant.tenant_id,
        what,
        name,
        leads,
        minutes,
    )


def no_redis() -> Presence:
    """What hears who is present, where there is no Redis."""
    return Presence(once=True)
