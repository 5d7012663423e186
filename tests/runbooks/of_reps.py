"""Incidents of people: nobody there, nobody in the group, everybody at a limit."""

from datetime import UTC, datetime, timedelta

from router.domain.lead_in import LeadIn
from tests.runbooks.world import AsyncIterator, Incident, World, asynccontextmanager
from tests.world import lead, reps_csv, simple_reps

GROUP_WEB = """
rules:
  - {name: web, match: {region: web}, assign_to: "group:web", on_no_candidate: wait}
  - {name: rest, match: {}, assign_to: "group:rest"}
"""
ALL = """
rules:
  - {name: all, match: {}, assign_to: "group:all", on_no_candidate: wait}
"""


@asynccontextmanager
async def empty_group(world: World) -> AsyncIterator[Incident]:
    """A rep was put into no group, and the rules give the leads to a group without members."""
    reps = reps_csv(["n1,New,yes,UTC,,100,100", "r1,One,yes,UTC,rest,1,1"])
    tenant = await world.acme(reps, GROUP_WEB, [lead(n, region="web") for n in range(3)])
    yield world.incident(tenant, chosen={"REP": "n1", "GROUP": "web"})


@asynccontextmanager
async def rep_without_group(world: World) -> AsyncIterator[Incident]:
    """F2, before a lead waits for it."""
    tenant = await world.acme(reps_csv(["n1,New,yes,UTC,,100,100", "r1,One,yes,UTC,rest,1,1"]), GROUP_WEB)
    yield world.incident(tenant, chosen={"GROUP": "web"})


@asynccontextmanager
async def nobody_there(world: World) -> AsyncIterator[Incident]:
    """A team that always was available is not, all at once."""
    tenant = await world.acme(reps_csv(f"r{n},R{n},yes,UTC,all,9,9" for n in range(3)), ALL)
    await world.conn.execute("update roster_version set at = at - interval '30 days'")
    await tenant.roster(reps_csv(f"r{n},R{n},no,UTC,all,9,9" for n in range(3)))
    await world.routed(tenant, [lead(1), lead(2)])
    yield world.incident(tenant)


@asynccontextmanager
async def daily_cap(world: World) -> AsyncIterator[Incident]:
    """A campaign day."""
    tenant = await world.acme(simple_reps(1, max_per_day=1), ALL, [lead(1)])
    await world.routed(tenant, [lead(2), lead(3)])
    yield world.incident(tenant)


@asynccontextmanager
async def open_cap(world: World) -> AsyncIterator[Incident]:
    """Nobody has ended anything."""
    tenant = await world.acme(simple_reps(1, max_open=1), ALL, [lead(1)])
    await world.routed(tenant, [lead(2), lead(3)])
    yield world.incident(tenant)


def of_one_customer(number: int) -> LeadIn:
    """They differ, so that one is no repeat of the other."""
    return lead(number, declared_customer="c1", product=f"product {number}")


@asynccontextmanager
async def owner_full(world: World) -> AsyncIterator[Incident]:
    """The customer's rep has all the leads allowed."""
    tenant = await world.acme(simple_reps(2, max_open=1), leads=[of_one_customer(1)])
    await world.routed(tenant, [of_one_customer(2)])
    yield world.incident(tenant, chosen={"REP": await _owner(world)})


@asynccontextmanager
async def owner_away(world: World) -> AsyncIterator[Incident]:
    """The customer's rep is not on duty."""
    tenant = await world.acme(simple_reps(2), leads=[of_one_customer(1)])
    owner = await _owner(world)
    rows = (f"r00{n},Rep {n},{'no' if owner == f'r00{n}' else 'yes'},UTC,all,9,9" for n in (1, 2))
    await tenant.roster(reps_csv(rows))
    await world.routed(tenant, [of_one_customer(2)])
    yield world.incident(tenant, chosen={"REP": owner})


async def _owner(world: World) -> str:
    return str(await world.conn.fetchval("select rep_id from assignment join rep using (tenant_id, rep_no)"))


@asynccontextmanager
async def closed_window(world: World) -> AsyncIterator[Incident]:
    """The rule applies at other hours: at some that begin in three."""
    now = datetime.now(UTC)
    begin, end = ((now + timedelta(hours=hours)).strftime("%H:00") for hours in (3, 4))
    window = f'window: "mon-sun {begin}-{"24:00" if end == "00:00" else end}"'
    rules = f'rules: [{{name: night, match: {{}}, assign_to: "group:all", on_no_candidate: wait, {window}}}]'
    tenant = await world.acme(simple_reps(1), rules, [lead(1)])
    yield world.incident(tenant)
