"""Whatever stands still is noticed, with its reasons, and its end too; whoever waits as planned is left in peace."""

import asyncio
import itertools
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from types import SimpleNamespace

import asyncpg
import msgspec
import pytest
from structlog.testing import capture_logs

from ops.doctor.look import examine, findings_of
from ops.doctor.scene import open_scene
from ops.stalls import counting
from ops.stalls.counting import RuleNames
from ops.stalls.service import StallsService
from router.domain.calendar import DayKind
from router.domain.lead_in import LeadIn
from router.domain.next_chance import Outlook
from router.runtime.health import Health
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.settings.model import ConnectionSettings, StallSettings
from router.store.connections.connections import Connections, Part, open_connections
from router.store.errors import NoConnection
from router.store.pauses import pause
from router.store.stalls import StoredStall
from router.store.tenants import tenant_named
from router.telemetry.instruments import Instruments
from tests.support import until
from tests.world import Tenancy, a_drain, lead, make_tenant, no_redis, reps_csv, settle, simple_reps, usual

QUICK = StallSettings(look_every_s=0.1, after_s=0.5, oldest_after_s=900)


class Watch:
    """A stall watch at work, and what it shows."""

    def __init__(self, connections: Connections, settings: StallSettings = QUICK) -> None:
        self.health = Health(monotonic)
        self.looks = 0
        self.service = StallsService(connections, settings, self.health, Instruments.silent(), no_redis, "this test")

    async def look(self, times: int = 1) -> None:
        """So many looks that went well, one after another."""
        for _ in range(times):
            await self.service.once(Lifeline(asyncio.Event(), MonotonicClock(), lambda _: None))

    async def looked_for(self, seconds: float) -> None:
        """Looks again and again, for so long by the database's clock."""
        begin = asyncio.get_running_loop().time()
        await self.look()
        while asyncio.get_running_loop().time() - begin < seconds:
            await self.look()


async def stalls(tenant: Tenancy) -> list[StoredStall]:
    """All that there are, the latest first."""
    rows = await tenant.conn.fetch(
        """select tenant_id, id, topic, kind, subject, began_at, seen_at, ended_at, leads, oldest, reasons, sentence
             from stall where tenant_id in (0, $1) order by id desc""",
        tenant.tenant_id,
    )
    return [StoredStall(**{**dict(row), "reasons": json.loads(row["reasons"])}) for row in rows]


async def kinds(tenant: Tenancy) -> list[str]:
    """Of those that go on."""
    return sorted(one.kind for one in await stalls(tenant) if one.ended_at is None)


async def noticed(watch: Watch, tenant: Tenancy, kind: str) -> StoredStall:
    async def there() -> bool:
        await watch.look()
        return kind in await kinds(tenant)

    await until(there, f"{kind} is noticed")
    return next(one for one in await stalls(tenant) if one.kind == kind)


async def over(watch: Watch, tenant: Tenancy) -> StoredStall:
    async def ended() -> bool:
        await watch.look()
        return not await kinds(tenant)

    await until(ended, "the stall is over")
    return (await stalls(tenant))[0]


async def dated(tenant: Tenancy, ago: timedelta, where: str = "true") -> None:
    """Waiting leads came in so long ago."""
    for table, column in (("lead", "received_at"), ("lead_pool", "queued_at")):
        await tenant.conn.execute(
            f"update {table} set {column} = {column} - $2::interval where tenant_id = $1 and {where}",
            tenant.tenant_id,
            ago,
        )


def leads(count: int, first: int = 1, **fields: object) -> list[LeadIn]:
    return [lead(number, **fields) for number in range(first, first + count)]


@pytest.fixture
async def watch(connections: Connections) -> Watch:
    return Watch(connections)


async def test_a_dead_drain_is_noticed_and_its_end_with_how_long_and_how_many(
    conn: asyncpg.Connection, connections: Connections, watch: Watch
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    await tenant.accept(leads(7))
    with capture_logs() as logs:
        found = await noticed(watch, tenant, "lane_not_taken")
        assert (found.leads, dict(found.reasons)) == (7, {"ready": 7})
        assert list(watch.health.worse()) == ["stall acme lane_not_taken"]
        assert watch.health.codes == {"stall acme lane_not_taken": "stalled"}
        await settle(a_drain(connections), tenant.tenant_id)
        ended = await over(watch, tenant)
    assert ended.leads == 7 and ended.ended_at is not None and ended.ended_at > ended.began_at
    assert watch.health.worse() == {}
    error = next(one for one in logs if one["log_level"] == "error")
    assert (error["event"], error["tenant"], error["leads"], error["reasons"]) == (
        "leads stand still",
        "acme",
        7,
        {"ready": 7},
    )
    assert any("rules apply" in change for change in error["changes"]), error["changes"]
    assert [one["leads"] for one in logs if one["event"] == "stall over"] == [7]


async def test_a_router_that_works_is_no_stall(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await make_tenant(conn, simple_reps(2, max_open=100_000, max_per_day=100_000))
    drain, begin = a_drain(connections), monotonic()
    # So long that no lead waits for it, however busy the machine is, and the router works for longer.
    after_s = 3.0
    watch = Watch(connections, msgspec.structs.replace(QUICK, after_s=after_s))
    for number in itertools.count(1):
        if monotonic() - begin > 1.5 * after_s:
            break
        await tenant.accept([lead(number)])
        await watch.look()
        await settle(drain, tenant.tenant_id)
    await watch.look()
    assert await stalls(tenant) == []


async def test_nobody_available_in_working_hours_is_a_stall(
    conn: asyncpg.Connection, connections: Connections, watch: Watch
) -> None:
    tenant = await make_tenant(conn, reps_csv(["r1,One,no,UTC,all,100,100"]))
    drain = a_drain(connections)
    await settle(drain, tenant.tenant_id)
    await watch.look()
    await tenant.accept(leads(5))
    await settle(drain, tenant.tenant_id)
    found = await noticed(watch, tenant, "nothing_assigned")
    assert dict(found.reasons) == {"nobody_available": 5}
    await tenant.roster(reps_csv(["r1,One,yes,UTC,all,100,100"]))
    await settle(drain, tenant.tenant_id)
    await over(watch, tenant)


async def test_the_watch_and_the_doctor_work_out_no_chances(
    conn: asyncpg.Connection, connections: Connections, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await make_tenant(conn, reps_csv(["r001,Ann,no,UTC,all,10,10"]))
    await tenant.accept(leads(1))
    await settle(a_drain(connections), tenant.tenant_id)
    asked = list[object]()
    monkeypatch.setattr(Outlook, "chance", lambda _self, targets: asked.append(targets))
    await watch.look()
    async with open_scene(conn) as scene:
        assert scene.waiting[tenant.tenant_id].counts == {"nobody_available": 1}
    assert not asked
    async with open_scene(conn, outlook=True):
        pass
    assert asked


@pytest.mark.parametrize(
    "row",
    [
        "r1,One,no,UTC,all,100,100,NIGHT",
        "r1,One,yes,UTC,all,100,100,NIGHT",
        "r1,One,yes,UTC,all,3,100,",
        "r1,One,yes,UTC,all,100,3,",
    ],
    ids=["night, unavailable", "night", "open cap", "daily cap"],
)
async def test_leads_that_wait_as_planned_wake_nobody(
    conn: asyncpg.Connection, connections: Connections, watch: Watch, row: str
) -> None:
    header = "rep_id,name,available,time_zone,groups,max_open,max_per_day,working_hours"
    hour = (datetime.now(UTC) + timedelta(hours=12)).hour
    row = row.replace("NIGHT", f"mon-sun {hour:02}:00-{hour:02}:01")
    tenant = await make_tenant(conn, reps_csv([row], header))
    drain = a_drain(connections)
    await watch.look()
    await tenant.accept(leads(40))
    await settle(drain, tenant.tenant_id)
    await dated(tenant, timedelta(hours=3))
    await watch.looked_for(1.0)
    assert await stalls(tenant) == []


async def test_in_a_pause_nothing_is_a_stall(conn: asyncpg.Connection, watch: Watch) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept(leads(30))
    await pause(conn, await tenant_named(conn, "acme"), timedelta(hours=1), "ann", "CRM upgrade")
    await dated(tenant, timedelta(hours=3))
    await watch.looked_for(1.0)
    assert await stalls(tenant) == []


async def test_a_tenant_without_leads_is_no_stall(conn: asyncpg.Connection, watch: Watch) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await watch.looked_for(1.0)
    assert await stalls(tenant) == []


WEB_OVER = """
rules:
  - {name: shop, match: {region: shop}, assign_to: "group:all"}
  - {name: rest, match: {}, assign_to: "group:all"}
"""


async def test_a_time_without_leads_at_which_they_usually_come_is_noticed(
    conn: asyncpg.Connection, connections: Connections, watch: Watch
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(1)])
    await settle(a_drain(connections), tenant.tenant_id)
    await usual(tenant, "received", "", 300)
    await watch.looked_for(1.0)
    assert await kinds(tenant) == []
    await dated(tenant, timedelta(minutes=20))
    found = await noticed(watch, tenant, "intake_stopped")
    assert found.leads == 0
    await tenant.accept([lead(2)])
    await settle(a_drain(connections), tenant.tenant_id)
    await over(watch, tenant)


async def test_a_catch_all_that_takes_what_a_rule_took_is_noticed_although_all_is_assigned(
    conn: asyncpg.Connection, connections: Connections, watch: Watch
) -> None:
    tenant = await make_tenant(conn, simple_reps(2), WEB_OVER)
    drain = a_drain(connections)
    await watch.look()
    for name, count in (("shop", 80), ("rest", 20), ("", 100)):
        await usual(tenant, "rule", name, count)
    for number in range(1, 80):
        await tenant.accept([lead(number, region="shop" if number % 5 else None)])
        await settle(drain, tenant.tenant_id)
        await watch.look()
    await watch.looked_for(1.0)
    assert await stalls(tenant) == []
    for number in range(100, 160):
        await tenant.accept([lead(number, region="Shop (new)")])
        await settle(drain, tenant.tenant_id)
        await watch.look()
    found = await noticed(watch, tenant, "catch_all_takes_more")
    assert found.subject == "rest"
    assert watch.health.codes == {"stall acme catch_all_takes_more rest": "misrouted"}


async def test_what_a_rule_lacks_on_a_holiday_is_not_missed_on_the_day_after(
    conn: asyncpg.Connection, connections: Connections, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All day the catch-all takes the few leads there are; the trend must not remember that."""
    monkeypatch.setattr(RuleNames, "is_holiday", lambda _self, _day: True)
    tenant = await make_tenant(conn, simple_reps(2), WEB_OVER)
    drain = a_drain(connections)
    await watch.look()
    for name, count in (("shop", 80), ("rest", 20), ("", 100)):
        await usual(tenant, "rule", name, count)
    for number in range(60):
        await tenant.accept([lead(number)])
        await settle(drain, tenant.tenant_id)
        await watch.look()
    monkeypatch.undo()
    await tenant.accept([lead(100)])
    await settle(drain, tenant.tenant_id)
    await watch.look(2)
    assert await stalls(tenant) == []


@pytest.mark.parametrize(("tenants", "groups", "missed"), [("none", "CN", False), ("CN", "none", True)])
async def test_a_rule_whose_group_has_holidays_of_its_own_is_judged_by_these(
    conn: asyncpg.Connection,
    connections: Connections,
    watch: Watch,
    monkeypatch: pytest.MonkeyPatch,
    tenants: str,
    groups: str,
    missed: bool,
) -> None:
    """In China every day is a holiday here. The catch-all has the tenant's calendar, the other rule its group's."""
    kinds_of_day = {"CN": DayKind.HOLIDAY}
    monkeypatch.setattr(
        counting,
        "holiday_calendar",
        lambda country: SimpleNamespace(kind=lambda _day: kinds_of_day.get(country, DayKind.ORDINARY)),
    )
    rules = WEB_OVER.replace("group:all", "group:shop", 1) + f"groups: {{shop: {{calendar: {{country: {groups}}}}}}}\n"
    rules += f"calendar: {{country: {tenants}}}\n" if tenants != "none" else ""
    tenant = await make_tenant(
        conn, reps_csv(["r001,Ann,yes,UTC,all,1000,1000", "r002,Bo,yes,UTC,shop,1000,1000"]), rules
    )
    drain = a_drain(connections)
    await watch.look()
    for name, count in (("shop", 80), ("rest", 20), ("", 100)):
        await usual(tenant, "rule", name, count)
    for number in range(60):
        await tenant.accept([lead(number)])
        await settle(drain, tenant.tenant_id)
        await watch.look()
    # Minutes in which something was assigned pass too slowly for a test.
    stored = json.loads(await conn.fetchval("select trends::text from hour_count_reached"))
    assert ("shop" in stored["rules"]) is missed
    assert "rest" not in stored["rules"]
    stored["rules"]["shop"] = [30.0, 0.0, 80.0, 100.0]
    await conn.execute("update hour_count_reached set trends = $1::text::jsonb", json.dumps(stored))
    await watch.looked_for(1.0)
    assert await kinds(tenant) == (["rule_stopped"] if missed else [])


async def test_a_new_tenant_without_history_is_compared_with_nothing(
    conn: asyncpg.Connection, connections: Connections, watch: Watch
) -> None:
    tenant = await make_tenant(conn, simple_reps(2), WEB_OVER)
    await watch.look()
    for number in range(60):
        await tenant.accept([lead(number)])
        await settle(a_drain(connections), tenant.tenant_id)
        await watch.look()
    await watch.looked_for(1.0)
    assert await stalls(tenant) == []


async def test_the_doctor_names_what_the_watch_has_noticed_and_causes_come_first(
    conn: asyncpg.Connection, connections: Connections, watch: Watch
) -> None:
    tenant = await make_tenant(conn, reps_csv(["r1,One,yes,UTC,other,100,100"]))
    await watch.look()
    await tenant.accept(leads(5))
    await settle(a_drain(connections), tenant.tenant_id)
    await noticed(watch, tenant, "nothing_assigned")
    async with open_scene(conn) as scene:
        found = findings_of(await examine(scene, ["stalled", "groups_empty"]))
    assert [(one.code, one.severity, one.held_back) for one in found] == [
        ("groups_empty", "critical", 5),
        ("stalled", "critical", 5),
    ]


async def test_without_a_connection_it_is_said_at_once_and_written_down_afterwards(
    conn: asyncpg.Connection, database_url: str, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    limits = ConnectionSettings(maximum=1, acquire_deadline_s=0.1)
    async with open_connections(database_url, limits) as few:
        watch = Watch(few)
        await watch.look()
        async with few.acquire(Part.DRAIN):

            async def blind() -> bool:
                with suppress(NoConnection):
                    await watch.look()
                return "stall cannot_look" in watch.health.worse()

            await until(blind, "it says that it cannot look")
            assert watch.health.codes == {"stall cannot_look": "stalled"}
        await watch.look()
    assert watch.health.worse() == {}
    (row,) = await stalls(tenant)
    assert (row.kind, row.subject, row.ended_at is not None) == ("cannot_look", "this test", True)


@pytest.mark.direct
async def test_a_database_that_can_only_be_read_is_said_as_not_being_able_to_look(
    conn: asyncpg.Connection, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept(leads(3))
    name = await conn.fetchval("select current_database()")
    await conn.execute(f'alter database "{name}" set default_transaction_read_only = on')
    async with open_connections(database_url, ConnectionSettings()) as connections:
        watch = Watch(connections)

        async def blind() -> bool:
            with suppress(asyncpg.PostgresError):
                await watch.look()
            return "stall cannot_look" in watch.health.worse()

        await until(blind, "it says that it cannot look")


async def test_two_instances_write_one_stall(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept(leads(3))
    watches = [Watch(connections), Watch(connections)]
    with capture_logs() as logs:
        for watch in watches:
            await noticed(watch, tenant, "lane_not_taken")
        await asyncio.gather(*(watch.looked_for(1.0) for watch in watches))
        assert len(await stalls(tenant)) == 1
        await settle(a_drain(connections), tenant.tenant_id)
        await over(watches[0], tenant)
        await watches[1].looked_for(0.6)
    assert len(await stalls(tenant)) == 1
    assert [one["event"] for one in logs if one["event"] in ("leads stand still", "stall over")] == [
        "leads stand still",
        "stall over",
    ]


async def test_what_is_wrong_with_one_tenant_stops_the_looks_at_no_other(
    conn: asyncpg.Connection, connections: Connections, watch: Watch
) -> None:
    broken = await make_tenant(conn, simple_reps(1), name="a-broken")
    await broken.accept(leads(2))
    await settle(a_drain(connections), broken.tenant_id)
    await conn.execute("update tenant set time_zone = 'Nowhere/Land'")
    await conn.execute("update flight set inputs = 'x'")
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept(leads(3))
    await noticed(watch, tenant, "lane_not_taken")
    assert watch.health.codes["stalls of a-broken"] == "service_failing"
    await conn.execute("update tenant set time_zone = 'UTC'")
    await watch.look()
    assert "stalls of a-broken" not in watch.health.worse()


async def test_the_doctor_looks_on_when_the_rules_of_one_tenant_are_gone(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, reps_csv(["r1,One,yes,UTC,other,100,100"]))
    await tenant.accept(leads(3))
    await settle(a_drain(connections), tenant.tenant_id)
    await conn.execute("delete from ruleset")
    async with open_scene(conn) as scene:
        assert scene.unreadable.keys() == {tenant.tenant_id}


async def test_an_open_stall_of_the_intake_is_over_with_a_lead_and_not_with_the_day(
    conn: asyncpg.Connection, connections: Connections, watch: Watch
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(1)])
    await settle(a_drain(connections), tenant.tenant_id)
    await usual(tenant, "received", "", 300)
    await dated(tenant, timedelta(minutes=20))
    await noticed(watch, tenant, "intake_stopped")
    await conn.execute("delete from hour_count")
    await watch.look(3)
    assert await kinds(tenant) == ["intake_stopped"]
    await tenant.accept([lead(2)])
    await over(watch, tenant)


async def test_rules_that_cannot_be_read_are_a_stall(
    conn: asyncpg.Connection, connections: Connections, watch: Watch
) -> None:
    tenant = await make_tenant(conn, reps_csv(["r1,One,yes,UTC,other,100,100"]))
    await tenant.accept(leads(3))
    await settle(a_drain(connections), tenant.tenant_id)
    await conn.execute("update ruleset set source = 'rules: ['")
    await dated(tenant, timedelta(minutes=20))
    found = await noticed(watch, tenant, "oldest_waits")
    assert dict(found.reasons) == {"rules_unreadable": 3}


TWO_GROUPS = """
rules:
  - name: web
    match: {region: web}
    assign_to: group:web
    on_no_candidate: wait
  - name: rest
    match: {}
    assign_to: group:rest
"""


async def two_groups(conn: asyncpg.Connection, web: str = "no") -> Tenancy:
    rows = [f"r1,One,{web},UTC,web,1000,1000", "r2,Two,yes,UTC,rest,1000,1000"]
    return await make_tenant(conn, reps_csv(rows), TWO_GROUPS)


async def test_when_only_some_are_assigned_the_fallen_share_is_noticed(
    conn: asyncpg.Connection, connections: Connections, watch: Watch
) -> None:
    tenant = await two_groups(conn)
    await tenant.accept([*leads(22, region="web"), *leads(3, first=100)])
    await settle(a_drain(connections), tenant.tenant_id)
    await dated(tenant, timedelta(minutes=2))
    found = await noticed(watch, tenant, "share_fell")
    assert found.sentence.startswith("only 3 of the last 25 leads (12%, last 1 h 0 min) were assigned"), found.sentence


async def test_a_reason_that_suddenly_dominates_is_noticed(
    conn: asyncpg.Connection, connections: Connections, watch: Watch
) -> None:
    tenant = await two_groups(conn, web="yes")
    drain = a_drain(connections)
    await tenant.accept([*leads(20, region="web"), *leads(20, first=100)])
    await settle(drain, tenant.tenant_id)
    await conn.execute("update lead set received_at = received_at - interval '2 hours'")
    await tenant.roster(reps_csv(["r1,One,no,UTC,web,1000,1000"]))
    await tenant.accept([*leads(6, first=200, region="web"), *leads(14, first=300)])
    await settle(drain, tenant.tenant_id)
    await dated(tenant, timedelta(minutes=2))
    found = await noticed(watch, tenant, "reason_dominates")
    assert dict(found.reasons) == {"nobody_available": 6}
    await tenant.roster(reps_csv(["r1,One,yes,UTC,web,1000,1000"]))
    await settle(drain, tenant.tenant_id)
    await over(watch, tenant)


async def test_a_reason_that_was_always_there_is_no_news(
    conn: asyncpg.Connection, connections: Connections, watch: Watch
) -> None:
    tenant = await two_groups(conn)
    drain = a_drain(connections)
    await tenant.accept([*leads(6, region="web"), *leads(20, first=100)])
    await settle(drain, tenant.tenant_id)
    await conn.execute("update lead set received_at = received_at - interval '2 hours'")
    await tenant.accept([*leads(6, first=200, region="web"), *leads(20, first=300)])
    await settle(drain, tenant.tenant_id)
    await dated(tenant, timedelta(minutes=2))
    await watch.looked_for(1.0)
    assert "reason_dominates" not in {one.kind for one in await stalls(tenant)}


async def test_one_lead_that_nobody_takes_is_noticed_however_small_the_tenant(
    conn: asyncpg.Connection, connections: Connections, watch: Watch
) -> None:
    tenant = await two_groups(conn)
    await tenant.accept([lead(1, region="web"), lead(2)])
    await settle(a_drain(connections), tenant.tenant_id)
    await dated(tenant, timedelta(minutes=14))
    await watch.looked_for(1.0)
    assert await stalls(tenant) == []
    await dated(tenant, timedelta(minutes=2))
    found = await noticed(watch, tenant, "oldest_waits")
    assert (found.leads, dict(found.reasons)) == (1, {"nobody_available": 1})


async def test_parked_leads_that_become_more_are_noticed(
    conn: asyncpg.Connection, connections: Connections, watch: Watch
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(n, invalid="no phone") for n in range(4)])
    await watch.looked_for(1.0)
    assert await stalls(tenant) == []
    await tenant.accept([lead(n, invalid="no phone") for n in range(4, 6)])
    found = await noticed(watch, tenant, "parked_grow")
    assert dict(found.reasons) == {"lead_invalid": 6}


async def test_leads_that_a_person_parks_are_no_stall(conn: asyncpg.Connection, watch: Watch) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept(leads(10))
    await conn.execute(
        """with gone as (delete from lead_pool returning tenant_id, lead_id)
           insert into parked (tenant_id, lead_id, reason, parked_at)
           select *, 'screening', clock_timestamp() from gone"""
    )
    await watch.looked_for(1.0)
    assert await stalls(tenant) == []
