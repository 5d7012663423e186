"""The worlds that are measured: tenants with rosters and rules through the product's doors, leads by SQL."""

from dataclasses import dataclass

import asyncpg
import yaml

from router.intake.roster_file import read_roster
from router.store import rulesets, tenants
from router.store.roster import import_reps
from router.store.statements import Connection, load

SQL = load("bench")
REGIONS, INDUSTRIES, PRODUCTS, CAMPAIGNS = 23, 11, 17, 29
ALWAYS = "mon-sun 00:00-24:00"
# Above every backlog, so that caps are looked at and never stop anybody.
CAP = 1_000_000


@dataclass(frozen=True, slots=True)
class World:
    """How large a world is. `leads` and `customers` are of each tenant; `group_size` reps stand in one group.

    `cap` is every rep's max_open; `everybody` a group that all are in, beside their own.
    """

    leads: int
    tenants: int = 1
    reps: int = 200
    group_size: int = 20
    rules: int = 30
    cap: int = CAP
    everybody: str | None = None

    @property
    def groups(self) -> int:
        return max(1, self.reps // self.group_size)

    @property
    def customers(self) -> int:
        return max(1, self.leads // 3)

    @property
    def in_words(self) -> str:
        size = f"{self.tenants} tenants with {self.leads:,} leads each" if self.tenants > 1 else f"{self.leads:,} leads"
        return f"{size}, {self.reps:,} reps in groups of {self.group_size}, {self.rules:,} rules"


def roster_csv(world: World) -> bytes:
    """A roster in which everybody is on duty, with regions, industries and weights that differ."""
    also = "" if world.everybody is None else f";{world.everybody}"
    lines = ["rep_id,name,available,time_zone,working_hours,groups,regions,industries,weight,max_open,max_per_day"]
    for i in range(world.reps):
        lines.append(
            f"r{i},Rep {i},yes,Asia/Shanghai,{ALWAYS},g{i % world.groups}{also},region{i % REGIONS},"
            f"industry{i % INDUSTRIES},{(1, 1, 0.5, 2)[i % 4]},{world.cap},{CAP}"
        )
    return "\n".join(lines).encode()


def rules_yaml(world: World) -> str:
    """Rules that ask for owner, region, industry, product, campaign and day; the last takes everything."""
    rules: list[dict[str, object]] = [
        {"name": "known", "match": {"known_customer": True}, "assign_to": "owner", "fall_back_after": "30m"},
        {"name": "nobody", "match": {"region": ["nowhere"]}, "assign_to": "group:empty", "on_no_candidate": "wait"},
    ]
    for n in range(world.rules - 3):
        match: dict[str, object] = {"region": [f"region{n % REGIONS}"]}
        if n >= REGIONS // 2:
            match["industry"] = [f"industry{n % INDUSTRIES}"]
        if n % 3 == 0:
            match["created"] = "today"
        if n >= 2 * REGIONS:
            match |= {"product": [f"product{n % PRODUCTS}"], "campaign": [f"campaign{n % CAMPAIGNS}"]}
        rules.append({"name": f"rule{n}", "match": match, "assign_to": f"group:g{n % world.groups}"})
    everything = world.everybody or f"g{world.groups - 1}"
    rules.append({"name": "everything", "match": {}, "assign_to": f"group:{everything}"})
    document = {
        "business_time_zone": "Asia/Shanghai",
        "calendar": {"country": "CN", "working_hours": {"mon-fri": "09:00-18:00"}},
        "defaults": {"max_open": CAP, "max_per_day": CAP},
        "weights": {
            "region_match": 2.0,
            "industry_match": 1.5,
            "close_rate": {"lookback_days": 90, "prior_leads": 20},
            "sold_product": {"lookback_days": 90, "factor": 1.5},
        },
        "rules": rules,
    }
    return yaml.safe_dump(document, sort_keys=False)


async def make(conn: Connection, world: World) -> list[int]:
    """Makes the tenants with their rosters, rules and leads, none in the pool yet; returns their numbers."""
    first = (await tenants.add(conn, "bench1", "Asia/Shanghai")).tenant_id
    await import_reps(conn, first, read_roster(roster_csv(world), "reps.csv"), "bench")
    await rulesets.apply(conn, first, rules_yaml(world), "bench")
    others = [
        int(await SQL.copy_tenant.value(conn, tenant_id=first, name=f"bench{number}"))
        for number in range(2, world.tenants + 1)
    ]
    for tenant_id in (made := [first, *others]):
        await add_leads(conn, tenant_id, world, 1, world.leads)
    await conn.execute("analyze")
    return made


async def add_leads(
    conn: Connection, tenant_id: int, world: World, first: int, last: int, region: str | None = None
) -> None:
    """Leads of a tenant by their numbers from 1, not in the pool yet; with a region, all of that one."""
    await SQL.fill_leads.execute(
        conn, tenant_id=tenant_id, first=first, last=last, customers=world.customers, region=region
    )


async def refill(conn: Connection, world: World, made: list[int]) -> None:
    """Everything is undecided again, known customers have their owners, and nothing is left to be written."""
    await SQL.forget_results.execute(conn)
    for tenant_id in made:
        await own_customers(conn, world, tenant_id)
        await arrive(conn, tenant_id, world.leads)
    await settle(conn)


async def own_customers(conn: Connection, world: World, tenant_id: int) -> None:
    """Gives the known customers their owners."""
    reps = await rep_numbers(conn, tenant_id)
    await SQL.fill_owners.execute(conn, tenant_id=tenant_id, customers=world.customers, rep_nos=reps)


async def rep_numbers(conn: Connection, tenant_id: int) -> list[int]:
    """The numbers of a tenant's reps."""
    return [row[0] for row in await SQL.rep_numbers.fetch(conn, tenant_id=tenant_id)]


async def arrive(conn: Connection, tenant_id: int, leads: int, after: int = 0) -> int:
    """The next leads after a number come into the pool at once; returns the last one's number."""
    return int(await SQL.fill_pool.value(conn, tenant_id=tenant_id, after=after, limit=leads))


async def settle(conn: Connection) -> None:
    """Written pages and dead rows of the preparation do not fall into the measurement."""
    await conn.execute("vacuum (analyze) lead_pool, assignment, customer_owner")
    await SQL.settle.execute(conn)


async def connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection for preparing a world, without a limit of time."""
    return await asyncpg.connect(url)
