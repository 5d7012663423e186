"""Incidents of rules and leads: no rule matches, rules that cannot work, parked leads, wrong times, a pause."""

from datetime import timedelta

from router.store.assignments import FoundLead
from router.store.parking import park
from router.store.pauses import pause
from router.store.tenants import tenant_named
from tests.postgres.test_doctor_time import TODAY, stream
from tests.runbooks.world import AsyncIterator, Incident, World, asynccontextmanager
from tests.world import CATCH_ALL, lead, make_tenant, simple_reps

ONLY_EAST = """
rules:
  - {name: east, match: {region: east}, assign_to: "group:all"}
"""


@asynccontextmanager
async def unmatched(world: World) -> AsyncIterator[Incident]:
    """A region that no rule expects."""
    tenant = await world.acme(simple_reps(1), ONLY_EAST, [lead(n, region="beijing") for n in range(3)])
    world.has("rules.yaml", CATCH_ALL)
    other_way = {"lead-router rules rollback": "the other way: there are no earlier rules"}
    yield world.incident(tenant, left_out=other_way if world.name == "no_matching_rule" else {})


@asynccontextmanager
async def doubtful_rules(world: World) -> AsyncIterator[Incident]:
    """The only rule gives the leads to a group that has no member."""
    tenant = await world.acme(simple_reps(2), CATCH_ALL.replace("group:all", "group:east"))
    world.has("rules.yaml", CATCH_ALL)
    yield world.incident(tenant)


@asynccontextmanager
async def rules_of_a_later_release(world: World) -> AsyncIterator[Incident]:
    """The release was taken back; the rules that it wrote were not."""
    tenant = await make_tenant(world.conn, simple_reps(1))
    await tenant.rules(ONLY_EAST)
    await world.routed(tenant, [lead(1), lead(2)])
    await world.conn.execute("update ruleset set source = 'of_a_later_release: yes' where version = 2")
    yield world.incident(tenant)


@asynccontextmanager
async def parked_by_intake(world: World) -> AsyncIterator[Incident]:
    """A lead without phone and e-mail."""
    tenant = await world.acme(simple_reps(1), leads=[lead(1, invalid="nobody can be reached")])
    yield world.incident(tenant)


@asynccontextmanager
async def parked_by_a_person(world: World) -> AsyncIterator[Incident]:
    """Somebody wanted to look at it."""
    tenant = await make_tenant(world.conn, simple_reps(1))
    await tenant.accept([lead(1)])
    number = await world.conn.fetchval("select lead_id from lead")
    await park(world.conn, FoundLead(tenant.tenant_id, number), "ann", "asked not to be called")
    yield world.incident(tenant)


@asynccontextmanager
async def parked_by_an_error(world: World) -> AsyncIterator[Incident]:
    """Deciding about them failed; the release that was to blame is gone."""
    tenant = await world.acme(simple_reps(1), leads=[lead(n, invalid="x") for n in range(3)])
    await world.conn.execute("update parked set reason = 'internal_error', detail = 'deciding failed'")
    yield world.incident(tenant)


@asynccontextmanager
async def times_of_another_zone(world: World) -> AsyncIterator[Incident]:
    """F3: a form writes times that are a day ahead; its mapping has been corrected since."""
    tenant = await make_tenant(world.conn, simple_reps(2), TODAY)
    await stream(tenant, 24)
    await world.routed(tenant)

    async def by_itself() -> None:
        await world.routed(tenant)
        assert await world.conn.fetchval("select count(*) from lead_pool") == 0, "not all leads are routed"
        await stream(tenant, 0, number=40, first=1000)
        await world.routed(tenant)

    yield world.incident(tenant, by_itself=by_itself)


@asynccontextmanager
async def paused(world: World) -> AsyncIterator[Incident]:
    """Somebody paused the tenant for two days, and leads come in."""
    tenant = await make_tenant(world.conn, simple_reps(1))
    await pause(world.conn, await tenant_named(world.conn, "acme"), timedelta(days=2), "ann", "CRM upgrade")
    await tenant.accept([lead(1)])
    yield world.incident(tenant)
