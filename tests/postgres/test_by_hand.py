"""A lead given by hand: caps hold to the last lead, shares do not move, and the record says who did it and why."""

import asyncio
import getpass
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from ops.audit.audit import audit
from ops.cli.assign import assign as assign_command
from router.manual.assign import CannotGive, Given, assign_by_hand
from router.store.assignments import Ending, NotAssigned, end
from router.store.connections.connections import Connections
from router.store.flights import read_flight
from router.store.lane import LaneLimits
from router.store.roster import RepUnknown
from tests.command_line import CommandLine
from tests.support import BLOCKED, connected, until
from tests.world import Tenancy, a_drain, lead, make_tenant, reps_csv, settle

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
RULES = """
rules:
  - {name: known, match: {known_customer: true}, assign_to: owner}
  - {name: east, match: {region: [east]}, assign_to: "group:all"}
"""


async def a_tenant(conn: asyncpg.Connection, *reps: str) -> Tenancy:
    """Reps given as `rep_id,available,max_open,max_per_day`."""
    rows = (row.split(",") for row in reps)
    return await make_tenant(
        conn, reps_csv(f"{no},{no},{on},UTC,all,{most},{day}" for no, on, most, day in rows), RULES
    )


async def number_of(tenant: Tenancy, n: int) -> int:
    number: int = await tenant.conn.fetchval("select lead_id from lead where external_id = $1", f"e{n}")
    return number


async def give(tenant: Tenancy, n: int, rep_id: str, now: datetime | None = NOON, note: str = "") -> Given:
    """Gives the lead made as `lead(n)`."""
    number = await number_of(tenant, n)
    return await assign_by_hand(tenant.conn, tenant.tenant_id, number, rep_id, actor="ann", note=note, token=n, now=now)


async def loads(tenant: Tenancy) -> dict[str, tuple[int, int]]:
    """(open, today) by rep, as stored."""
    rows = await tenant.conn.fetch("select rep_id, open, today from rep_load join rep using (tenant_id, rep_no)")
    return {row["rep_id"]: (row["open"], row["today"]) for row in rows}


async def credits(tenant: Tenancy) -> list[asyncpg.Record]:
    return list(await tenant.conn.fetch("select group_no, reps, credit from group_share order by 1"))


async def owners(tenant: Tenancy) -> list[str]:
    rows = await tenant.conn.fetch("select rep_id from customer_owner join rep using (tenant_id, rep_no)")
    return [row["rep_id"] for row in rows]


async def test_max_open_holds_to_the_last_lead(conn: asyncpg.Connection) -> None:
    tenant = await a_tenant(conn, "r1,yes,2,10")
    await tenant.accept((lead(i) for i in range(3)), NOON)
    await give(tenant, 0, "r1")
    await give(tenant, 1, "r1")
    with pytest.raises(CannotGive, match="has 2 open leads, which is max_open"):
        await give(tenant, 2, "r1")
    assert await tenant.states() == {"waiting": 1, "assigned": 2, "parked": 0, "merged": 0, "closed": 0}
    await end(conn, tenant.tenant_id, await number_of(tenant, 0), Ending.WON, NOON + SECOND)
    await give(tenant, 2, "r1", NOON + SECOND)
    assert await loads(tenant) == {"r1": (2, 3)}
    assert (await audit(conn)).ok


async def test_max_per_day_holds_to_the_last_lead_and_until_the_day_is_over(conn: asyncpg.Connection) -> None:
    tenant = await a_tenant(conn, "r1,yes,10,2")
    await tenant.accept((lead(i) for i in range(3)), NOON)
    await give(tenant, 0, "r1")
    await give(tenant, 1, "r1")
    await end(conn, tenant.tenant_id, await number_of(tenant, 0), Ending.WON, NOON + SECOND)
    with pytest.raises(CannotGive, match="has had 2 leads today, which is max_per_day"):
        await give(tenant, 2, "r1", NOON + SECOND)
    await give(tenant, 2, "r1", NOON + timedelta(hours=12))
    assert await loads(tenant) == {"r1": (2, 1)}
    assert (await audit(conn)).ok


async def test_a_hand_over_moves_load_and_customer_but_no_share(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, drain = await a_tenant(conn, "r1,yes,10,10", "r2,no,10,10"), a_drain(connections)
    await tenant.accept([lead(0, declared_customer="c", region="east")], NOON)
    await settle(drain, tenant.tenant_id, NOON)
    before = await credits(tenant)
    given = await give(tenant, 0, "r2", NOON + SECOND)
    assert (given.rep_no, given.from_rep, given.was) == (2, 1, "assigned")
    assert await loads(tenant) == {"r1": (0, 1), "r2": (1, 1)}
    assert await credits(tenant) == before
    assert await owners(tenant) == ["r2"]
    assert await conn.fetchval("select outcome from assignment_history") == "handed_over"
    with pytest.raises(CannotGive, match="r2 has this lead already"):
        await give(tenant, 0, "r2", NOON + SECOND)
    # The customer's next lead goes where the customer is, and a router that remembers older loads reads them again.
    await tenant.roster(reps_csv(["r2,r2,yes,UTC,all,10,10"]))
    await tenant.accept([lead(1, declared_customer="c", product="other")], NOON + SECOND)
    await settle(drain, tenant.tenant_id, NOON + SECOND)
    assert await tenant.counts() == {"r2": 2}
    assert (await audit(conn)).ok


async def test_the_place_that_a_hand_over_frees_is_given_at_once(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, drain = await a_tenant(conn, "r1,yes,1,10", "r2,no,1,10"), a_drain(connections)
    await tenant.accept((lead(i, region="east") for i in range(2)), NOON)
    await settle(drain, tenant.tenant_id, NOON)
    given = await conn.fetchval("select external_id from assignment join lead using (tenant_id, lead_id)")
    await give(tenant, int(given[1:]), "r2", NOON + SECOND)
    assert await drain.tenants_with_work(NOON + SECOND) == [tenant.tenant_id]
    assert (await settle(drain, tenant.tenant_id, NOON + SECOND)).assigned == 1
    assert await tenant.counts() == {"r1": 1, "r2": 1}


async def test_a_parked_lead_can_be_given_and_a_closed_one_cannot(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_tenant(conn, "r1,yes,10,10")
    await tenant.accept([lead(0)], NOON)
    await settle(a_drain(connections), tenant.tenant_id, NOON)
    later = NOON + timedelta(hours=25)
    await settle(a_drain(connections), tenant.tenant_id, later)
    assert (await tenant.states())["parked"] == 1
    assert (await give(tenant, 0, "r1", later)).was == "parked"
    await end(conn, tenant.tenant_id, await number_of(tenant, 0), Ending.LOST, later)
    with pytest.raises(NotAssigned, match="is closed; it cannot be given"):
        await give(tenant, 0, "r1", later)
    assert (await audit(conn)).ok


async def test_what_cannot_be_given_changes_nothing(conn: asyncpg.Connection) -> None:
    tenant = await a_tenant(conn, "r1,yes,10,10")
    await conn.execute("update rep_row set active = false")
    await tenant.accept([lead(0, declared_customer="c")], NOON)
    before = await conn.fetch("select * from lane"), await conn.fetch("select * from lead_pool")
    with pytest.raises(CannotGive, match="r1 is not active; lead-router reps set r1 --active yes"):
        await give(tenant, 0, "r1")
    with pytest.raises(RepUnknown, match="there is no rep 'nobody'"):
        await give(tenant, 0, "nobody")
    assert (await conn.fetch("select * from lane"), await conn.fetch("select * from lead_pool")) == before
    for table in ("assignment", "rep_load", "flight", "customer_owner"):
        assert await conn.fetchval(f"select count(*) from {table}") == 0


async def test_the_record_says_who_gave_the_lead_and_why(conn: asyncpg.Connection) -> None:
    tenant = await a_tenant(conn, "r1,no,10,10")
    await tenant.accept([lead(0)], NOON)
    given = await give(tenant, 0, "r1", note="asked for her")
    found = await read_flight(conn, tenant.tenant_id, given.batch_no)
    assert found is not None
    assert (found.kind, found.flight.actor, found.flight.note, found.at) == ("hand", "ann", "asked for her", NOON)
    assigned = await conn.fetchrow("select batch_no, rule_no, group_no, assigned_at from assignment")
    assert assigned is not None
    assert tuple(assigned) == (given.batch_no, None, None, NOON)


async def test_a_lane_that_stays_locked_is_an_error_in_time(database_url: str, conn: asyncpg.Connection) -> None:
    tenant = await a_tenant(conn, "r1,yes,10,10")
    await tenant.accept([lead(0)])
    number = await number_of(tenant, 0)
    async with connected(database_url) as other, other.transaction():
        await other.execute("select from lane for update")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await assign_by_hand(
                conn, tenant.tenant_id, number, "r1", actor="ann", token=1, limits=LaneLimits(lock_ms=50)
            )
    async with connected(database_url) as other, other.transaction():
        await other.execute("select from lead_pool for update")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await assign_by_hand(
                conn, tenant.tenant_id, number, "r1", actor="ann", token=1, limits=LaneLimits(lock_ms=50)
            )
    assert (await give(tenant, 0, "r1", None)).was == "waiting"


async def test_whoever_waits_for_a_locked_lead_keeps_no_router_waiting(
    database_url: str, conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_tenant(conn, "r1,yes,10,10")
    await tenant.accept([lead(0), lead(1, region="east")])
    locked, drain = await number_of(tenant, 0), a_drain(connections)
    async with connected(database_url) as own, connected(database_url) as other:
        foreign = other.transaction()
        await foreign.start()
        await other.execute("select from lead_pool where lead_id = $1 for update", locked)
        patient = LaneLimits(lock_ms=30_000)
        giving = asyncio.create_task(
            assign_by_hand(own, tenant.tenant_id, locked, "r1", actor="ann", token=1, limits=patient)
        )

        async def blocked() -> bool:
            return giving.done() or await conn.fetchval(BLOCKED) > 0

        await until(blocked, "the gift waits for the lead")
        assert (await drain.drain_tenant(tenant.tenant_id)).assigned == 1
        assert not giving.done()
        await foreign.rollback()
        assert (await giving).was == "waiting"


async def test_people_and_a_router_who_want_the_last_places_at_once_get_no_more_than_there_are(
    database_url: str, conn: asyncpg.Connection, connections: Connections
) -> None:
    """Four people and a router want three places, and an ending adds a fourth; processes do so in test_routers."""
    tenant = await a_tenant(conn, "r1,yes,4,10")
    await tenant.accept([lead(0, region="east")])
    await settle(a_drain(connections), tenant.tenant_id)
    await tenant.accept(lead(i, region="east") for i in range(1, 9))
    numbers = [await number_of(tenant, i) for i in range(5)]
    patient = LaneLimits(lock_ms=60_000)

    async def person(n: int) -> Given:
        async with connected(database_url) as own:
            return await assign_by_hand(own, tenant.tenant_id, numbers[n], "r1", actor="ann", token=n, limits=patient)

    async def all_wait() -> bool:
        return bool(await conn.fetchval(BLOCKED) == 4)

    async with connected(database_url) as holder:
        held = holder.transaction()
        await held.start()
        await holder.execute("select from lane for update")
        people = asyncio.gather(*(person(n) for n in range(1, 5)), return_exceptions=True)
        await until(all_wait, "four people wait for the lane")
        await end(conn, tenant.tenant_id, numbers[0], Ending.WON)
        await held.rollback()
        _, results = await asyncio.gather(settle(a_drain(connections), tenant.tenant_id), people)
    await settle(a_drain(connections), tenant.tenant_id)
    refused = [str(result) for result in results if isinstance(result, CannotGive | NotAssigned)]
    assert len(refused) == sum(not isinstance(result, Given) for result in results)
    assert await tenant.counts() == {"r1": 4}
    assert await loads(tenant) == {"r1": (4, 5)}
    assert await conn.fetchval("select count(*) from assignment_history") == 1
    assert (await audit(conn)).ok


async def test_the_command_says_what_it_did_and_what_it_could_not(database_url: str, conn: asyncpg.Connection) -> None:
    tenant = await a_tenant(conn, "r1,yes,1,10", "r2,yes,0,10")
    await tenant.accept(lead(i) for i in range(2))
    command, to = CommandLine(assign_command, database_url), ("--tenant", "acme", "--to")
    for arguments, code, said in (
        (("e7", *to, "r1"), 2, "no lead with the external id or number 'e7'"),
        (("e0", *to, "r9"), 2, "there is no rep 'r9'"),
        (("e0", *to, "r2"), 1, "rep r2 has 0 open leads, which is max_open"),
    ):
        refused = await command.run(*arguments)
        assert (refused.exit_code, said in refused.stderr) == (code, True), refused.stderr
    number = await number_of(tenant, 0)
    done = await command.json("e0", *to, "r1", "--note", "asked for her")
    on_duty = {"off_duty": None, "leave_until": None}
    assert done == {"lead_id": number, "rep_id": "r1", "from_rep_id": None, "was": "waiting", "batch_no": 1, **on_duty}
    record = await read_flight(conn, tenant.tenant_id, 1)
    assert record is not None
    assert (record.flight.actor, record.flight.note) == (getpass.getuser(), "asked for her")
    await tenant.roster(reps_csv(["r2,r2,yes,UTC,all,10,10"]))
    told = await command.run(str(number), "--to", "r2")
    assert told.stdout == f"lead {number} now belongs to rep r2; taken from rep r1\n"
    async with conn.transaction():
        await conn.execute("select from lane for update")
        locked = await command.run("e1", *to, "r1")
    assert locked.exit_code == 1
    assert "or its lane is locked" in locked.stderr
