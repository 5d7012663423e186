"""The table of section 6 of the design: for each reason, what brings its leads back, and how soon.

A change of cause takes effect within 2 s although nobody tells the router: here it hears no hints and only polls.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from ops.waiting.judge import waiting_by_reason
from router.domain.reason import Reason
from router.drain.drain import Drain
from router.drain.hints import Wakeups
from router.drain.presence import Presence
from router.drain.scheduler import DrainService
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.store import rulesets, tenants
from router.store.assignments import Ending, FoundLead, end
from router.store.connections.connections import Connections
from router.store.parking import park, unpark
from router.store.pauses import pause, resume
from router.store.roster import set_rep
from router.store.tenants import tenant_named
from tests.support import connected, until
from tests.world import CATCH_ALL, Tenancy, a_drain, lead, make_tenant, reps_csv, settle, simple_reps

# What no poll looks at again is looked at when the lead's rule or shift says, in half an hour at the earliest.
SOON = timedelta(seconds=30)
STEP = timedelta.resolution
MONDAY = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ROSTER = reps_csv(["r1,R1,yes,UTC,all,10,10", "r2,R2,yes,UTC,other,10,10"])
RULES = """
rules:
  - {name: known, match: {known_customer: true}, assign_to: owner, fall_back_after: 30m}
  - {name: east, match: {region: [east]}, assign_to: "group:all", on_no_candidate: wait}
  - {name: other, match: {region: [other]}, assign_to: "group:other"}
"""
EVERYBODY = CATCH_ALL.replace(":all", ":other")
Act = Callable[[Tenancy], Awaitable[object]]


def changed(**fields: object) -> Act:
    """The roster says something else of r1."""

    async def act(tenant: Tenancy) -> None:
        await set_rep(tenant.conn, tenant.tenant_id, "r1", fields, "ann")

    return act


def ruled(source: str) -> Act:
    """Other rules are applied."""

    async def act(tenant: Tenancy) -> None:
        await rulesets.apply(tenant.conn, tenant.tenant_id, source, "ann")

    return act


async def ended(tenant: Tenancy) -> None:
    """The first lead is won."""
    number = await tenant.conn.fetchval("select min(lead_id) from assignment")
    await end(tenant.conn, tenant.tenant_id, number, Ending.WON)


async def resumed(tenant: Tenancy) -> None:
    await resume(tenant.conn, await tenant_named(tenant.conn, "acme"), "ann", "")


async def paused(tenant: Tenancy) -> None:
    await pause(tenant.conn, await tenant_named(tenant.conn, "acme"), timedelta(hours=1), "ann", "upgrade")


@dataclass(frozen=True, slots=True)
class Case:
    """First `before`; then a lead of `region` waits for `reason`, until `cause`. `owned` = r1 has the customer."""

    reason: Reason
    before: Act
    cause: Act
    region: str = "east"
    owned: bool = False


CASES = {
    "new rules for no_matching_rule": Case(Reason.NO_MATCHING_RULE, changed(), ruled(CATCH_ALL), "nowhere"),
    "a member for group_empty": Case(Reason.GROUP_EMPTY, changed(groups=("desk",)), changed(groups=("all",))),
    "somebody comes on duty": Case(Reason.NOBODY_AVAILABLE, changed(available=False), changed(available=True)),
    "a daily cap is raised": Case(Reason.ALL_AT_DAILY_CAP, changed(max_per_day=0), changed(max_per_day=5)),
    "an open cap is raised": Case(Reason.ALL_AT_OPEN_CAP, changed(max_open=0), changed(max_open=5)),
    "an ending": Case(Reason.ALL_AT_OPEN_CAP, changed(max_open=1), ended),
    "new rules for group_empty": Case(Reason.GROUP_EMPTY, changed(groups=("desk",)), ruled(EVERYBODY)),
    "the owner comes on duty": Case(
        Reason.OWNER_UNAVAILABLE, changed(available=False), changed(available=True), owned=True),
    "the owner leaves": Case(
        Reason.OWNER_UNAVAILABLE, changed(available=False), changed(active=False), "other", owned=True),
    "the owner's cap is raised": Case(Reason.OWNER_AT_CAP, changed(max_open=1), changed(max_open=2), owned=True),
    "the owner ends a lead": Case(Reason.OWNER_AT_CAP, changed(max_open=1), ended, owned=True),
    "resume": Case(Reason.PAUSED, paused, resumed),
}  # fmt: skip


@asynccontextmanager
async def polling(drain: Drain, jitter: float = 0.99) -> AsyncIterator[None]:
    """The daemon's drain, which hears no hints."""
    stop, wakeups = asyncio.Event(), Wakeups()
    service = DrainService(drain, wakeups, jitter=lambda: jitter)
    running = asyncio.create_task(service.run(Lifeline(stop, MonotonicClock(), lambda _: None)))
    try:
        yield
    finally:
        stop.set()
        wakeups.poke()
        await running


async def reasons(tenant: Tenancy, now: datetime | None = None) -> dict[str, int]:
    return (await waiting_by_reason(tenant.conn, Presence(), tenant.tenant_id, now)).counts


async def assigned_at(tenant: Tenancy, external_id: str) -> datetime | None:
    at: datetime | None = await tenant.conn.fetchval(
        "select assigned_at from assignment join lead using (tenant_id, lead_id) where external_id = $1", external_id
    )
    return at


async def soon(tenant: Tenancy, external_id: str, since: datetime) -> None:
    """The lead gets a rep at one of the next polls, by the database's clock."""

    async def given() -> bool:
        return await assigned_at(tenant, external_id) is not None

    await until(given, f"{external_id} has a rep")
    at = await assigned_at(tenant, external_id)
    assert at is not None
    assert at - since <= SOON


@pytest.mark.parametrize("name", CASES)
async def test_a_change_of_cause_brings_the_leads_back_soon(
    conn: asyncpg.Connection, connections: Connections, name: str
) -> None:
    case, drain = CASES[name], a_drain(connections)
    tenant = await make_tenant(conn, ROSTER, RULES)
    await tenant.accept([lead(0, region="east", declared_customer="c" if case.owned else None)])
    await settle(drain, tenant.tenant_id)
    await case.before(tenant)
    await tenant.accept([lead(1, region=case.region, declared_customer="c" if case.owned else None, product="p")])
    await settle(drain, tenant.tenant_id)
    assert await reasons(tenant) == {case.reason: 1}
    async with polling(drain):
        await case.cause(tenant)
        await soon(tenant, "e1", await conn.fetchval("select clock_timestamp()"))


async def test_a_lead_whose_owner_left_and_whom_no_rule_takes_waits_in_peace(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, drain = await make_tenant(conn, ROSTER, RULES), a_drain(connections)
    await tenant.accept([lead(0, region="east", declared_customer="c")])
    await settle(drain, tenant.tenant_id)
    await changed(available=False)(tenant)
    await tenant.accept([lead(1, region="nowhere", declared_customer="c", product="p")])
    await settle(drain, tenant.tenant_id)
    await changed(active=False)(tenant)
    async with asyncio.timeout(60):
        assert (await settle(drain, tenant.tenant_id)).refused.total() == 1
    assert not (await drain.drain_tenant(tenant.tenant_id)).more
    await changed(active=True, available=True)(tenant)
    assert (await settle(drain, tenant.tenant_id)).assigned == 1


async def test_a_parked_lead_that_is_sent_back_is_tried_soon(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, ROSTER, RULES)
    await tenant.accept([lead(1, region="east")])
    one = FoundLead(tenant.tenant_id, await conn.fetchval("select lead_id from lead"))
    await park(conn, one, "ann", "let me look")
    async with polling(a_drain(connections)):
        await unpark(conn, one, "ann", "")
        await soon(tenant, "e1", await conn.fetchval("select clock_timestamp()"))


async def test_the_first_rules_of_a_tenant_take_its_leads_soon(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = Tenancy(conn, (await tenants.add(conn, "acme", "UTC")).tenant_id)
    await tenant.roster(ROSTER)
    await tenant.accept([lead(1, region="east")])
    assert await reasons(tenant) == {Reason.NO_MATCHING_RULE: 1}
    async with polling(a_drain(connections)):
        await tenant.rules(RULES)
        await soon(tenant, "e1", await conn.fetchval("select clock_timestamp()"))


async def test_a_lane_whose_table_was_locked_goes_on_soon(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, ROSTER, RULES)
    drain = a_drain(connections)
    await settle(drain, tenant.tenant_id)
    waits = """select exists (select from pg_locks join pg_stat_activity using (pid)
                where datname = current_database() and not granted and relation = 'rep_load'::regclass)"""
    async with connected(database_url) as other, polling(drain):
        async with other.transaction():
            await other.execute("lock table rep_load in access exclusive mode")
            await tenant.accept([lead(1, region="east")])
            await until(lambda: conn.fetchval(waits), "a batch waits for the table")
        await soon(tenant, "e1", await conn.fetchval("select clock_timestamp()"))


@dataclass(frozen=True, slots=True)
class Clock:
    """A lead that waits at `begin` for `reason` is decided again at `at`, and then `becomes`."""

    reason: Reason
    rules: str
    roster: tuple[str, ...]
    begin: datetime
    at: datetime
    becomes: str = "assigned"
    earlier: int = 0
    owned: bool = False


HEADER = "rep_id,name,available,time_zone,groups,max_open,max_per_day,working_hours"
ANY = """
rules:
  - {name: all, match: {}, assign_to: "group:all"}
"""
LONELY = ("r1,R1,yes,UTC,all,10,10,",)
BUSY = ("r1,R1,yes,UTC,all,1,10,", "r2,R2,yes,UTC,all,10,10,")
OWNED = """
rules:
  - {name: known, match: {known_customer: true}, assign_to: owner, fall_back_after: 30m}
  - {name: all, match: {}, assign_to: "group:all"}
"""
TIMES = {
    "time makes a rule match": Clock(
        Reason.NO_MATCHING_RULE,
        'rules:\n  - {name: late, match: {created: yesterday}, assign_to: "group:all"}\n',
        LONELY, MONDAY, MONDAY + timedelta(hours=12)),
    "nothing matches for a day": Clock(
        Reason.NO_MATCHING_RULE,
        'rules:\n  - {name: east, match: {region: [east]}, assign_to: "group:all"}\n',
        LONELY, MONDAY, MONDAY + timedelta(hours=24), "parked"),
    "nobody comes until max_age": Clock(
        Reason.GROUP_EMPTY, "max_age: 2d\n" + ANY.replace(":all", ":nobody"),
        LONELY, MONDAY, MONDAY + timedelta(days=2), "parked"),
    "working hours begin": Clock(
        Reason.NOBODY_AVAILABLE, ANY, ("r1,R1,yes,UTC,all,10,10,mon-fri 14:30-18:00",),
        MONDAY, MONDAY + timedelta(hours=2, minutes=30)),
    "a new business day": Clock(
        Reason.ALL_AT_DAILY_CAP, ANY, ("r1,R1,yes,UTC,all,10,1,",), MONDAY, MONDAY + timedelta(hours=12), earlier=1),
    "a window opens": Clock(
        Reason.OUTSIDE_WINDOW,
        ANY.replace('all"}', 'all", window: {mon-fri: "20:00-22:00"}, on_no_candidate: wait}'),
        LONELY, MONDAY, MONDAY + timedelta(hours=8)),
    "the owner stays full": Clock(
        Reason.OWNER_AT_CAP, OWNED, BUSY, MONDAY, MONDAY + timedelta(minutes=30), earlier=1, owned=True),
}  # fmt: skip


@pytest.mark.parametrize("name", TIMES)
async def test_time_brings_the_leads_back_to_the_instant_and_not_before(
    conn: asyncpg.Connection, connections: Connections, name: str
) -> None:
    case, drain = TIMES[name], a_drain(connections)
    tenant = await make_tenant(conn, reps_csv(case.roster, header=HEADER), case.rules)
    key = "c" if case.owned else None
    for number in range(case.earlier + 1):
        await tenant.accept([lead(number, declared_customer=key, product=f"p{number}")], case.begin)
        await settle(drain, tenant.tenant_id, case.begin)
    assert await reasons(tenant, case.begin) == {case.reason: 1}
    await settle(drain, tenant.tenant_id, case.at - STEP)
    assert (await tenant.states())["waiting"] == 1
    assert await drain.tenants_with_work(case.at - STEP) == []
    assert await drain.tenants_with_work(case.at) == [tenant.tenant_id]
    await settle(drain, tenant.tenant_id, case.at)
    assert (await tenant.states())[case.becomes] == (1 if case.becomes == "parked" else case.earlier + 1)
    if case.becomes == "parked":
        assert await conn.fetchval("select reason from parked") == case.reason


async def test_an_invalid_lead_is_parked_at_once_and_nothing_but_a_person_brings_it_back(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(1), CATCH_ALL)
    drain = a_drain(connections)
    await tenant.accept([lead(1, invalid="nobody can be reached")], MONDAY)
    assert await conn.fetchval("select reason from parked") == Reason.LEAD_INVALID
    await tenant.roster(simple_reps(2))
    await tenant.rules(CATCH_ALL + '  - {name: more, match: {region: [x]}, assign_to: "group:all"}\n')
    await settle(drain, tenant.tenant_id, MONDAY + timedelta(days=40))
    assert (await tenant.states())["parked"] == 1
