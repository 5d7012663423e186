"""A tenant after some busy hours: every kind of decision, under several versions of roster, rules and rates."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg

from router.domain.lead_in import LeadIn
from router.domain.ruleset import CloseRate, SoldProduct
from router.manual.assign import assign_by_hand
from router.store.assignments import Ending, end
from router.store.connections.connections import Connections
from router.store.rates import Wanted, take_snapshot
from tests.world import Tenancy, a_drain, make_tenant, reps_csv, settle

MONDAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
# The day of its creation has no end, so a rule that asks for it fails for this lead alone.
POISON = datetime(9999, 12, 31, 12, 0, tzinfo=UTC)
HEADER = "rep_id,name,available,time_zone,working_hours,groups,regions,industries,weight,max_open,max_per_day"
REPS = [
    "ann,Ann,yes,Asia/Shanghai,,east,Shanghai,automation,2,9,6",
    "bo,Bo,yes,Asia/Shanghai,,east;desk,Hangzhou,medical,1,4,",
    "cy,Cy,no,Asia/Shanghai,,east,,,1,,",
    "di,Di,yes,America/New_York,mon-fri 09:00-17:00,east;west,,,1,,",
    "ed,Ed,yes,Europe/Berlin,always,west,Berlin,automation,1,5,3",
    "flo,Flo,yes,Asia/Shanghai,,desk,,,0,,",
    "gus,Gus,yes,Asia/Shanghai,always,desk,Berlin,,0.5,200,7",
]
RULES = """
calendar: {working_hours: {mon-fri: "09:00-18:00"}}
defaults: {max_open: 30, max_per_day: 20}
weights:
  region_match: 2.0
  industry_match: 1.5
  close_rate: {lookback_days: 90, prior_leads: 2, segment: industry}
  sold_product: {lookback_days: 90, factor: 1.5}
rules:
  - {name: known-customer, match: {known_customer: true}, assign_to: owner, fall_back_after: 30m}
  - {name: night-desk, match: {priority: [5]}, assign_to: "group:west", window: "always"}
  - {name: today-east, match: {created: today, region: [Shanghai, Hangzhou]}, assign_to: "group:east"}
  - {name: fresh-west, match: {created: {within: 6h}, region: [Berlin]}, assign_to: "group:west", on_no_candidate: wait}
  - {name: lunch, match: {industry: [medical]}, assign_to: "group:desk", window: {mon-fri: "13:00-18:00"}}
  - {name: empty, match: {industry: [toys]}, assign_to: "group:nobody"}
"""
EVERYTHING = RULES + '  - {name: rest, match: {product: [robot, drive]}, assign_to: "group:desk"}\n'


@dataclass(frozen=True, slots=True)
class Busy:
    """The tenant, when its last batch was, and the numbers of all leads in the order of their arrival."""

    tenant: Tenancy
    now: datetime
    lead_ids: tuple[int, ...]


def some_leads(rng: random.Random, first: int, count: int, now: datetime) -> list[LeadIn]:
    """Leads with numbers from `first`; customers come again."""
    return [
        LeadIn(
            source="web",
            external_id=f"e{number}",
            created_at=now - timedelta(minutes=rng.choice((0, 5, 60 * 5, 60 * 20))),
            declared_customer=f"c{rng.randint(1, 30)}" if rng.random() < 0.5 else None,
            name=f"Person {number}",
            region=rng.choice(("Shanghai", "Hangzhou", "Berlin", None)),
            industry=rng.choice(("automation", "Medical", "toys", None)),
            product=rng.choice(("robot", "drive", "gear")),
            priority=rng.choice((0, 0, 0, 5)),
        )
        for number in range(first, first + count)
    ]


async def make_busy(conn: asyncpg.Connection, connections: Connections, seed: int = 7) -> Busy:
    """Two days in Shanghai: batches of 25, endings, gifts by hand, flips of the roster, new rules, new rates."""
    rng = random.Random(seed)
    tenant = await make_tenant(conn, reps_csv(REPS, HEADER), RULES, zone="Asia/Shanghai")
    drain, tenant_id = a_drain(connections, ready=25), tenant.tenant_id
    lead_ids: list[int] = []
    now = MONDAY
    for hour in range(14):
        now = MONDAY + timedelta(hours=3 * hour)
        leads = some_leads(rng, len(lead_ids), 12, now)
        if hour in (1, 6):
            leads[3] = leads[3]._replace(created_at=POISON, region="Shanghai", declared_customer=None, priority=0)
        accepted = await tenant.accept(leads, now)
        lead_ids += accepted.lead_ids
        await settle(drain, tenant_id, now)
        await _life(conn, rng, tenant_id, now + timedelta(minutes=40))
        if hour == 3:
            await take_snapshot(conn, tenant_id, Wanted(now, CloseRate(prior_leads=2), SoldProduct()))
        if hour == 5:
            await tenant.rules(EVERYTHING)
        if hour == 8:
            flipped = [line.replace("cy,Cy,no", "cy,Cy,yes").replace("bo,Bo,yes", "bo,Bo,no") for line in REPS]
            await tenant.roster(reps_csv(flipped, HEADER))
        now += timedelta(hours=1)
        await settle(drain, tenant_id, now)
    return Busy(tenant, now, tuple(lead_ids))


async def _life(conn: asyncpg.Connection, rng: random.Random, tenant_id: int, at: datetime) -> None:
    """Some assignments end, one lead is given by hand."""
    rows = await conn.fetch("select lead_id from assignment where tenant_id = $1 order by lead_id", tenant_id)
    for row in rng.sample(rows, min(4, len(rows))):
        await end(conn, tenant_id, row["lead_id"], rng.choice(list(Ending)), at)
    waiting = await conn.fetchval("select min(lead_id) from lead_pool where tenant_id = $1", tenant_id)
    if waiting is not None:
        await assign_by_hand(conn, tenant_id, waiting, "flo", actor="lee", note="asked for her", token=1, now=at)
