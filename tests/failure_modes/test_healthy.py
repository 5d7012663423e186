"""Days on which nothing is wrong: nobody is woken, and the doctor has nothing to say that anybody must act on.

The database's clock is set, and everything is judged by it; the leads are routed in this process.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from time import monotonic
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from loadtest.faults.clock import install_clock, set_clock
from ops.doctor.finding import Severity
from ops.doctor.look import examine, findings_of
from ops.doctor.scene import open_scene
from ops.stalls.service import StallsService
from router.domain.lead_in import LeadIn
from router.runtime.health import Health
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.settings.model import ConnectionSettings, StallSettings
from router.store.connections.connections import Connections, open_connections
from router.store.pauses import pause
from router.store.tenants import tenant_named
from router.telemetry.instruments import Instruments
from tests.world import Tenancy, a_drain, lead, make_tenant, no_redis, reps_csv, settle, usual

# It reads the clock that this test sets, over sessions of its own.
pytestmark = pytest.mark.direct

SHANGHAI = ZoneInfo("Asia/Shanghai")
QUICK = StallSettings(look_every_s=0.1, after_s=0.5)
RULES = """
calendar: {country: CN, working_hours: {mon-fri: "09:00-18:00"}}
rules:
  - {name: shop, match: {region: shop}, assign_to: "group:all"}
  - {name: rest, match: {}, assign_to: "group:all"}
"""


class Day:
    """A tenant in Shanghai at a time that the test sets."""

    def __init__(self, tenant: Tenancy, connections: Connections) -> None:
        self.tenant = tenant
        self._drain = a_drain(connections)
        self._watch = StallsService(connections, QUICK, Health(monotonic), Instruments.silent(), no_redis, "this test")

    async def at(self, wall: str) -> None:
        """It is that time in Shanghai."""
        await set_clock(self.tenant.conn, datetime.fromisoformat(wall).replace(tzinfo=SHANGHAI))

    async def accept(self, numbers: Iterable[int]) -> None:
        await self.tenant.accept(_some(numbers))

    async def route(self) -> None:
        await settle(self._drain, self.tenant.tenant_id, await self.tenant.conn.fetchval("select clock_timestamp()"))

    async def look(self, for_s: float = 1.0) -> None:
        """The watch looks again and again for so long."""
        begin = monotonic()
        while monotonic() - begin < for_s:
            await self._watch.once(Lifeline(asyncio.Event(), MonotonicClock(), lambda _: None))

    async def quiet(self) -> None:
        conn = self.tenant.conn
        found = await conn.fetch("select kind, sentence from stall")
        assert [tuple(row) for row in found] == []
        async with open_scene(conn) as scene:
            findings = findings_of(await examine(scene))
        # Only the database's clock is set; that of this host is not, which is found.
        urgent = [one for one in findings if one.severity is Severity.CRITICAL and one.code != "clocks_differ"]
        assert [one.line for one in urgent] == []


def _some(numbers: Iterable[int]) -> list[LeadIn]:
    """Three of four match the first rule."""
    return [lead(number, region="shop" if number % 4 else None) for number in numbers]


@pytest.fixture
async def day(conn: asyncpg.Connection, database_url: str) -> AsyncIterator[Day]:
    """Three reps who work from Monday to Friday, and at most 40 leads each."""
    await install_clock(conn)
    tenant = await make_tenant(
        conn, reps_csv(f"r{n},Rep {n},yes,Asia/Shanghai,all,40,40" for n in range(1, 4)), RULES, zone="Asia/Shanghai"
    )
    async with open_connections(database_url, ConnectionSettings()) as connections:
        yield Day(tenant, connections)


async def test_a_busy_day_whose_caps_are_used_up(day: Day) -> None:
    await day.at("2026-03-03 10:30")
    for what, name, leads in (("received", "", 300), ("rule", "shop", 225), ("rule", "rest", 75), ("rule", "", 300)):
        await usual(day.tenant, what, name, leads)
    for first in range(0, 200, 10):
        await day.accept(range(first, first + 10))
        await day.look(0)
        await day.route()
    await day.look()
    assert await day.tenant.states() == {"waiting": 80, "assigned": 120, "parked": 0, "merged": 0, "closed": 0}
    await day.quiet()


@pytest.mark.parametrize(
    "wall",
    ["2026-03-03 03:00", "2026-10-01 10:00", "2026-03-07 11:00", "2026-03-03 08:58"],
    ids=["a night", "a holiday", "a Saturday", "before opening"],
)
async def test_leads_that_come_when_nobody_works_yet(day: Day, wall: str) -> None:
    await day.at(wall)
    await day.accept(range(60))
    await day.route()
    await day.look()
    await day.quiet()


async def test_the_first_minutes_of_a_day_in_which_people_are_still_coming(day: Day) -> None:
    await day.at("2026-03-03 09:01")
    await day.tenant.roster(reps_csv(f"r{n},Rep {n},no,Asia/Shanghai,all,40,40" for n in range(1, 4)))
    await day.accept(range(60))
    await day.route()
    await day.look()
    assert await day.tenant.conn.fetchval("select count(*) from stall") == 0


async def test_a_monday_rush_on_all_that_came_over_the_weekend(day: Day) -> None:
    await day.at("2026-03-01 20:00")
    await day.accept(range(100))
    await day.route()
    await day.look()
    await day.at("2026-03-02 09:00:05")
    await day.look(0.2)
    await day.route()
    await day.look()
    assert (await day.tenant.states())["assigned"] == 100
    await day.quiet()


async def test_a_pause_of_some_hours(day: Day) -> None:
    await day.at("2026-03-03 10:30")
    await day.accept(range(60))
    await pause(day.tenant.conn, await tenant_named(day.tenant.conn, "acme"), timedelta(hours=3), "ann", "CRM upgrade")
    await day.look()
    await day.quiet()


async def test_a_tenant_without_leads(day: Day) -> None:
    await day.at("2026-03-03 10:30")
    await day.look()
    await day.quiet()


async def test_an_hour_without_leads_at_night_in_a_tenant_that_has_many_by_day(day: Day) -> None:
    await day.at("2026-03-03 17:59")
    await usual(day.tenant, "received", "", 300)
    await day.accept(range(5))
    await day.route()
    await day.look(0.2)
    await day.at("2026-03-03 23:30")
    await day.look()
    await day.quiet()
