"""The metrics of how leads stand are what the database has: alerts rest on them."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import monotonic

import asyncpg
import pytest

from ops.doctor.findings_service import FindingsService
from ops.stalls.service import StallsService
from router.drain.drain import Drain
from router.runtime.health import Health
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.runtime.reloading import ReloadingService
from router.settings.model import ConnectionSettings, DrainSettings, Settings, SettingsError, StallSettings
from router.store.connections.connections import Connections, Part, open_connections
from router.store.errors import TRANSIENT_ERRORS
from router.store.mutes import Muting, mute
from router.store.pauses import pause
from router.store.tenants import tenant_named
from router.telemetry.exposition import Exposition, open_exposition
from tests.http.support import make_token, serving_api
from tests.metrics import value
from tests.support import connected, until
from tests.world import lead, make_tenant, no_redis, reps_csv, settle, simple_reps

IN_NO_GROUP = reps_csv(["a,A,yes,UTC,", "b,B,no,UTC,all"], "rep_id,name,available,time_zone,groups")

AWAY = reps_csv(["r001,A,no,UTC,all", "r002,B,no,UTC,all"], "rep_id,name,available,time_zone,groups")


@pytest.fixture
def shown() -> Iterator[Exposition]:
    with open_exposition("a", "1.2.3") as exposition:
        yield exposition


def a_life() -> Lifeline:
    return Lifeline(asyncio.Event(), MonotonicClock(), lambda _: None)


def findings(connections: Connections, shown: Exposition) -> FindingsService:
    return FindingsService(connections, shown.instruments, no_redis)


def drain_of(connections: Connections, shown: Exposition) -> Drain:
    return Drain(connections, iter(range(1, 1000)).__next__, shown.instruments)


async def test_leads_are_shown_by_what_they_wait_for_and_those_who_could_be_taken_by_their_age(
    conn: asyncpg.Connection, connections: Connections, shown: Exposition
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    await tenant.accept([lead(1), lead(2)], datetime.now(UTC) - timedelta(minutes=5))
    look = findings(connections, shown)
    await look.once(a_life())
    assert value(shown, "leads_waiting", tenant="acme", reason="ready") == 2
    assert 295 < (value(shown, "leads_placeable_oldest_seconds", tenant="acme") or 0) < 400
    await tenant.roster(AWAY)
    await settle(drain_of(connections, shown), tenant.tenant_id)
    await look.once(a_life())
    assert value(shown, "leads_waiting", tenant="acme", reason="ready") == 0
    assert value(shown, "leads_waiting", tenant="acme", reason="nobody_available") == 2
    assert value(shown, "leads_placeable_oldest_seconds", tenant="acme") == 0
    assert (value(shown, "leads_waiting_oldest_seconds", tenant="acme") or 0) > 295
    assert value(shown, "leads_in_state", tenant="acme", state="waiting") == 2
    assert value(shown, "conservation_errors", tenant="acme") == 0


async def test_a_lead_that_is_in_no_state_is_counted(
    conn: asyncpg.Connection, connections: Connections, shown: Exposition
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    await tenant.accept([lead(1), lead(2)])
    await conn.execute("delete from lead_pool where lead_id = (select min(lead_id) from lead_pool)")
    await findings(connections, shown).once(a_life())
    assert value(shown, "conservation_errors", tenant="acme") == 1
    assert value(shown, "findings_open", code="leads_unaccounted", severity="critical") == 1


async def test_a_pause_is_shown_with_its_age_and_its_end(
    conn: asyncpg.Connection, connections: Connections, shown: Exposition
) -> None:
    await make_tenant(conn, simple_reps(2))
    look = findings(connections, shown)
    await look.once(a_life())
    assert value(shown, "tenant_paused_seconds", tenant="acme") == 0
    await pause(conn, await tenant_named(conn, "acme"), timedelta(hours=9), "me", "a test")
    await look.once(a_life())
    assert (value(shown, "tenant_paused_seconds", tenant="acme") or 0) > 0


async def test_findings_are_shown_until_they_are_over_or_muted(
    conn: asyncpg.Connection, connections: Connections, shown: Exposition
) -> None:
    tenant = await make_tenant(conn, IN_NO_GROUP)
    look = findings(connections, shown)
    await look.once(a_life())
    assert value(shown, "findings_open", code="reps_without_group", severity="warning") == 1
    assert (value(shown, "findings_looked_at_seconds") or 0) > 1_700_000_000
    what = Muting(tenant.tenant_id, "reps_without_group", "tenant", "acme", "warning", 0)
    await mute(conn, [what], timedelta(hours=1), "me", "they start tomorrow")
    await look.once(a_life())
    assert value(shown, "findings_open", code="reps_without_group", severity="warning") == 0


async def test_members_of_groups_are_shown_and_who_of_them_is_available(
    conn: asyncpg.Connection, connections: Connections, shown: Exposition
) -> None:
    tenant = await make_tenant(conn, simple_reps(3, groups="east"))
    look = findings(connections, shown)
    await look.once(a_life())
    group = {"tenant": "acme", "group": "east"}
    assert value(shown, "group_reps", **group, state="member") == 3
    assert value(shown, "group_reps", **group, state="available") == 3
    await tenant.roster(reps_csv(["r001,A,no,UTC,east"], "rep_id,name,available,time_zone,groups"))
    await look.once(a_life())
    assert value(shown, "group_reps", **group, state="member") == 3
    assert value(shown, "group_reps", **group, state="available") == 2


async def test_who_has_a_table_locked_is_found_although_nothing_else_can_be_looked_at(
    conn: asyncpg.Connection, connections: Connections, database_url: str, shown: Exposition
) -> None:
    await make_tenant(conn, simple_reps(2))
    look = findings(connections, shown)
    await look.once(a_life())
    at = value(shown, "findings_looked_at_seconds")
    async with connected(database_url) as other, other.transaction():
        await other.execute("lock table lead_pool in access exclusive mode")
        with pytest.raises(TRANSIENT_ERRORS):
            await look.once(a_life())
    assert value(shown, "findings_open", code="database_busy", severity="critical") == 1
    assert value(shown, "findings_looked_at_seconds") == at, "what could not be looked at is not shown as fresh"


@pytest.mark.parametrize("service", ["findings", "stalls"])
async def test_after_connections_were_short_it_is_soon_looked_again(
    service: str, conn: asyncpg.Connection, database_url: str, shown: Exposition
) -> None:
    await make_tenant(conn, simple_reps(2))
    async with open_connections(database_url, ConnectionSettings(maximum=1)) as one:
        look = (
            FindingsService(one, shown.instruments, no_redis, 1.0)
            if service == "findings"
            else StallsService(
                one, StallSettings(look_every_s=1.0), Health(monotonic), shown.instruments, no_redis, "a"
            )
        )
        async with one.acquire(Part.DUTIES):
            looking = asyncio.create_task(look.once(a_life()))
            await asyncio.sleep(3)  # the wait itself is what is measured
        await looking
    assert look.interval_s < 20, "with the wait it would be at least this"


async def test_a_new_stall_makes_the_doctor_look_at_once_so_that_its_page_names_the_cause(
    conn: asyncpg.Connection, connections: Connections, shown: Exposition
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    doctor = FindingsService(connections, shown.instruments, no_redis, 600.0)
    settings = StallSettings(look_every_s=1, after_s=1)
    watch = StallsService(
        connections, settings, Health(monotonic), shown.instruments, no_redis, "a", noticed=doctor.look_soon
    )
    looking = asyncio.create_task(doctor.run(a_life()))

    async def looked() -> bool:
        return bool(value(shown, "findings_looked_at_seconds"))

    async def found() -> bool:
        await watch.once(a_life())
        return value(shown, "findings_open", code="stalled", severity="critical") == 1

    try:
        await until(looked, "the first look is over")
        await tenant.accept([lead(1), lead(2)])
        await until(found, "the cause is found long before the next look is due", every_s=0.5)
    finally:
        looking.cancel()


async def test_a_locked_table_ends_no_alert_about_something_else(
    conn: asyncpg.Connection, connections: Connections, database_url: str, shown: Exposition
) -> None:
    tenant = await make_tenant(conn, IN_NO_GROUP)
    look = findings(connections, shown)
    await look.once(a_life())
    async with connected(database_url) as other, other.transaction():
        await other.execute("lock table lead_pool in access exclusive mode")
        with pytest.raises(TRANSIENT_ERRORS):
            await look.once(a_life())
    assert value(shown, "findings_open", code="reps_without_group", severity="warning") == 1
    await tenant.roster(reps_csv(["a,A,yes,UTC,all"], "rep_id,name,available,time_zone,groups"))
    await look.once(a_life())
    assert value(shown, "findings_open", code="reps_without_group", severity="warning") == 0
    assert value(shown, "findings_open", code="database_busy", severity="critical") == 0


async def test_arrivals_and_the_rules_that_assigned_are_counted_once_for_all_instances(
    conn: asyncpg.Connection, connections: Connections, shown: Exposition
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    health = Health(monotonic)
    settings = StallSettings(look_every_s=0.1)
    with open_exposition("b", "1.2.3") as elsewhere:
        one = StallsService(connections, settings, health, shown.instruments, no_redis, "a")
        other = StallsService(connections, settings, health, elsewhere.instruments, no_redis, "b")
        for look in (one, other):
            await look.once(a_life())
        await tenant.accept([lead(1), lead(2), lead(3)])
        await settle(drain_of(connections, shown), tenant.tenant_id)
        for look in (one, other):
            await look.once(a_life())
        for exposition, leads in ((shown, 3), (elsewhere, 0)):
            assert (value(exposition, "leads_arrived_total", tenant="acme") or 0) == leads
            assert (value(exposition, "rule_leads_total", tenant="acme", rule="everyone") or 0) == leads
            assert (value(exposition, "leads_fell_through_total", tenant="acme") or 0) == leads


async def test_a_stall_is_shown_with_its_tenant_until_it_is_over(
    conn: asyncpg.Connection, connections: Connections, shown: Exposition
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    settings = StallSettings(look_every_s=0.1, after_s=0.5)
    watch = StallsService(connections, settings, Health(monotonic), shown.instruments, no_redis, "a")
    stall = {"tenant": "acme", "topic": "waiting"}

    async def stands(number: int) -> bool:
        await watch.once(a_life())
        return value(shown, "stalls_open", **stall) == number

    await watch.once(a_life())
    assert value(shown, "stalls_open", tenant="(all)", topic="look") == 0, "its first rise must be seen"
    await tenant.accept([lead(1)])
    await until(lambda: stands(1), "the stall is shown")
    assert value(shown, "stalls_leads", **stall) == 1
    await settle(drain_of(connections, shown), tenant.tenant_id)
    await until(lambda: stands(0), "the stall is over")


async def test_lanes_and_locks_in_the_way_of_batches_are_counted(
    conn: asyncpg.Connection, connections: Connections, database_url: str, shown: Exposition
) -> None:
    tenant = await make_tenant(conn, AWAY)
    await tenant.accept([lead(1)])
    drain = drain_of(connections, shown)
    await settle(drain, tenant.tenant_id)
    await tenant.roster(simple_reps(2))
    async with connected(database_url) as other, other.transaction():
        await other.execute("select from lead_pool for update")
        await drain.drain_tenant(tenant.tenant_id, batch_limit=1)
    assert value(shown, "locks_skips_total", tenant="acme") == 1
    async with connected(database_url) as other, other.transaction():
        await other.execute("lock table lead_pool in access exclusive mode")
        with pytest.raises(TRANSIENT_ERRORS):
            await drain.drain_tenant(tenant.tenant_id, batch_limit=1)
    assert value(shown, "locks_timeouts_total", tenant="acme") == 1
    assert value(shown, "lanes_held") == 0


async def test_requests_are_counted_by_route_and_status_and_never_by_what_was_asked_for(
    conn: asyncpg.Connection, connections: Connections, shown: Exposition
) -> None:
    await make_tenant(conn, simple_reps(2))
    async with serving_api(connections, instruments=shown.instruments) as api:
        route = {"area": "intake", "method": "POST", "route": "/v1/leads"}
        assert value(shown, "http_requests_total", **route, status="503") == 0, "its first rise must be seen"
        api.token = await make_token(conn)
        await api.post("/v1/leads?tenant=acme", {"external_id": "1", "source": "web", "phone": "+8613800138000"})
        await api.post("/v1/leads?tenant=acme", token="wrong")
        for number in range(7, 10):
            await api.get(f"/v1/leads/{number}?tenant=acme")
            await api.get(f"/nosuch/{number}")
    assert value(shown, "http_requests_total", **route, status="202") == 1
    assert value(shown, "http_requests_total", **route, status="401") == 1
    one = {"area": "api", "method": "GET", "route": "/v1/leads/{id}"}
    assert value(shown, "http_requests_total", **one, status="404") == 3
    unknown = {"area": "pages", "method": "(other)", "route": "(other)"}
    assert value(shown, "http_requests_total", **unknown, status="404") == 3


async def test_instances_with_other_settings_show_another_hash_and_a_failed_reload_is_seen(
    connections: Connections, shown: Exposition
) -> None:
    read: list[Settings | SettingsError] = []

    def reread() -> Settings:
        found = read.pop()
        if isinstance(found, SettingsError):
            raise found
        return found

    service = ReloadingService(
        Settings(), reread, lambda _: None, connections, shown.instruments, instance="a", kind="drain"
    )
    before = hash_of(shown)
    for found, failed in (
        (SettingsError("wrong"), 1),
        (Settings(connections=ConnectionSettings(maximum=30)), 0),
        (Settings(connections=ConnectionSettings(maximum=30), drain=DrainSettings(concurrency=4)), 0),
    ):
        read.append(found)
        service.ask()
        await service.once(a_life())
        assert value(shown, "settings_reload_failed") == failed
        assert (hash_of(shown) == before) == bool(failed)
    assert (value(shown, "settings_read_at_seconds") or 0) > 1_700_000_000
    assert value(shown, "build_info", version="1.2.3", python=hash_of(shown, "build_info", "python")) == 1


def hash_of(shown: Exposition, name: str = "settings_info", label: str = "hash") -> str:
    """The one value of a label."""
    lines = [line for line in shown.text().decode().splitlines() if line.startswith(f"lead_router_{name}{{")]
    assert len(lines) == 1, "what was in force is shown no more"
    return lines[0].partition(f'{label}="')[2].partition('"')[0]
