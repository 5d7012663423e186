"""One day is one day: the tenant's, whatever the host's TZ and the database session's TimeZone say.

Every test here runs three times, with the host and the session in zones that are neither UTC nor the tenant's.
"""

import os
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import cast

import asyncpg
import pytest

from ops.audit.audit import audit
from router.domain.calendar import day_after, day_before, day_of
from router.domain.calendar import zone as zone_of
from router.store.connections.connections import Connections, open_connections
from tests.world import Tenancy, a_drain, lead, make_tenant, reps_csv, settle

# (host, session); the tenants' zones are none of them.
CLOCKS = [("UTC", "America/Los_Angeles"), ("Pacific/Kiritimati", "UTC"), ("America/Anchorage", "Asia/Tokyo")]
SECOND = timedelta(seconds=1)

# A zone, a date, and how many hours long that business day is.
DAYS = [
    ("Asia/Shanghai", date(2026, 3, 2), 24),
    ("Asia/Kolkata", date(2026, 3, 2), 24),
    ("America/New_York", date(2026, 3, 8), 23),
    ("America/New_York", date(2026, 11, 1), 25),
    # The clocks skip midnight, and go back over it.
    ("America/Santiago", date(2026, 9, 6), 23),
    ("America/Santiago", date(2026, 4, 4), 25),
    ("Africa/Cairo", date(2026, 4, 24), 23),
    ("Africa/Cairo", date(2026, 10, 29), 25),
    # The day before is not 2011-12-30, which Apia never saw, but the 29th.
    ("Pacific/Apia", date(2011, 12, 31), 24),
]
NAMES = [f"{zone} {day}" for zone, day, _ in DAYS]

RULES = """
defaults: {max_open: 1000, max_per_day: 1000}
rules:
  - {name: today, match: {created: today}, assign_to: "group:today"}
  - {name: yesterday, match: {created: yesterday}, assign_to: "group:yesterday"}
  - {name: older, match: {}, assign_to: "group:older"}
"""


@pytest.fixture(params=CLOCKS, ids=[f"host {host}, session {session}" for host, session in CLOCKS], autouse=True)
def clocks(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Sets this process's clock to the host's zone."""
    host, session = cast(tuple[str, str], request.param)
    before = os.environ.get("TZ")
    os.environ["TZ"] = host
    time.tzset()
    yield host, session
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.fixture
async def elsewhere(database_url: str, clocks: tuple[str, str]) -> str:
    """The database, whose sessions are in another zone than everybody else."""
    name = database_url.partition("?")[0].rpartition("/")[2]
    connection = await asyncpg.connect(database_url)
    await connection.execute(f"alter database \"{name}\" set timezone = '{clocks[1]}'")
    await connection.close()
    return database_url


@pytest.fixture
async def there(elsewhere: str, clocks: tuple[str, str]) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(elsewhere)
    assert await connection.fetchval("show timezone") == clocks[1]
    assert timedelta(seconds=time.localtime().tm_gmtoff) == datetime.now(zone_of(clocks[0])).utcoffset()
    yield connection
    await connection.close()


@pytest.fixture
async def routers(elsewhere: str, there: asyncpg.Connection) -> AsyncIterator[Connections]:
    async with open_connections(elsewhere) as opened:
        yield opened


async def by_rep(tenant: Tenancy) -> dict[str, str]:
    """The rep who has each lead, by external ids."""
    rows = await tenant.conn.fetch(
        """select l.external_id, r.rep_id from assignment a join rep r using (tenant_id, rep_no)
             join lead l using (tenant_id, lead_id) where a.tenant_id = $1""",
        tenant.tenant_id,
    )
    return {row[0]: row[1] for row in rows}


ONE_EACH = reps_csv(
    (f"{group},{group},yes,UTC,{group}" for group in ("today", "yesterday", "older")),
    header="rep_id,name,available,time_zone,groups",
)


@pytest.mark.parametrize(("zone", "day", "hours"), DAYS, ids=NAMES)
async def test_rules_take_exactly_the_leads_of_the_tenants_day(
    there: asyncpg.Connection, routers: Connections, zone: str, day: date, hours: int
) -> None:
    today = day_of(day, zone)
    assert today.end - today.start == timedelta(hours=hours)
    yesterday = day_before(today, zone)
    created = {
        "older": [yesterday.start - SECOND],
        "yesterday": [yesterday.start, yesterday.start + (yesterday.end - yesterday.start) / 2, today.start - SECOND],
        "today": [today.start, today.start + (today.end - today.start) / 2, today.end - SECOND],
    }
    tenant = await make_tenant(there, ONE_EACH, RULES, zone=zone)
    drain, number, expected = a_drain(routers), 0, {}
    for now in (today.start, today.start + SECOND, today.end - SECOND):
        leads = []
        for group, instants in created.items():
            for instant in (at for at in instants if at <= now):
                number += 1
                leads.append(lead(number, created_at=instant))
                expected[f"e{number}"] = group
        await tenant.accept(leads, now)
        await settle(drain, tenant.tenant_id, now)
    assert await by_rep(tenant) == expected
    # One tick later the same instants are of the day before.
    now = today.end
    await tenant.accept([lead(900, created_at=today.end - SECOND), lead(901, created_at=yesterday.end - SECOND)], now)
    await settle(drain, tenant.tenant_id, now)
    assert (await by_rep(tenant)).items() >= {"e900": "yesterday", "e901": "older"}.items()
    assert not (await audit(there)).violations


CAPPED = """
rules:
  - {name: everyone, match: {}, assign_to: "group:all"}
"""


@pytest.mark.parametrize(("zone", "day", "hours"), DAYS, ids=NAMES)
async def test_daily_caps_begin_anew_exactly_at_the_tenants_midnight(
    there: asyncpg.Connection, routers: Connections, zone: str, day: date, hours: int
) -> None:
    today = day_of(day, zone)
    tomorrow = day_after(today, zone)
    reps = reps_csv(f"r{i},Rep {i},yes,UTC,all,1000,3" for i in range(2))
    tenant = await make_tenant(there, reps, CAPPED, zone=zone)
    # Created on the day itself, in the order of their numbers, and all waiting from the start.
    await tenant.accept((lead(i, created_at=today.start) for i in range(20)), today.start)
    drain = a_drain(routers, ready=4)
    counts = []
    for now in (
        today.start,
        today.start + (today.end - today.start) / 2,
        today.end - timedelta.resolution,
        today.end,
        tomorrow.end - timedelta.resolution,
        tomorrow.end,
    ):
        if now in (today.end, tomorrow.end):
            # Nobody calls: time alone brings the router.
            assert await drain.tenants_with_work(now - timedelta.resolution) == []
            assert await drain.tenants_with_work(now) == [tenant.tenant_id]
        await settle(drain, tenant.tenant_id, now)
        counts.append((await tenant.states())["assigned"])
    assert counts == [6, 6, 6, 12, 12, 18]
    assert not (await audit(there)).violations


async def test_a_lead_stamped_half_past_midnight_in_shanghai_is_of_today(
    there: asyncpg.Connection, routers: Connections
) -> None:
    tenant = await make_tenant(there, ONE_EACH, RULES, zone="Asia/Shanghai")
    stamped = datetime.fromisoformat("2026-03-02T00:30:00+08:00")
    assert stamped.astimezone(UTC).date() == date(2026, 3, 1)
    await tenant.accept([lead(1, created_at=stamped)], stamped)
    now = datetime.fromisoformat("2026-03-02T09:00:00+08:00")
    await settle(a_drain(routers), tenant.tenant_id, now)
    assert await by_rep(tenant) == {"e1": "today"}


@pytest.mark.parametrize(("zone", "day", "hours"), DAYS, ids=NAMES)
async def test_a_lead_that_waits_over_midnight_falls_to_the_next_rule(
    there: asyncpg.Connection, routers: Connections, zone: str, day: date, hours: int
) -> None:
    today = day_of(day, zone)
    reps = reps_csv(
        ["t,T,no,UTC,today", "y,Y,yes,UTC,yesterday", "o,O,yes,UTC,older"],
        header="rep_id,name,available,time_zone,groups",
    )
    rules = RULES.replace('assign_to: "group:today"', 'assign_to: "group:today", on_no_candidate: wait')
    tenant = await make_tenant(there, reps, rules, zone=zone)
    drain = a_drain(routers)
    await tenant.accept([lead(1, created_at=today.start), lead(2, created_at=today.end - SECOND)], today.end - SECOND)
    await settle(drain, tenant.tenant_id, today.end - SECOND)
    assert (await tenant.states())["waiting"] == 2
    assert await there.fetchval("select min(recheck_at) from lead_pool") == today.end
    assert await drain.tenants_with_work(today.end - timedelta.resolution) == []
    await settle(drain, tenant.tenant_id, today.end - timedelta.resolution)
    assert (await tenant.states())["waiting"] == 2
    assert await drain.tenants_with_work(today.end) == [tenant.tenant_id]
    await settle(drain, tenant.tenant_id, today.end)
    assert await by_rep(tenant) == {"e1": "y", "e2": "y"}
    assert not (await audit(there)).violations
