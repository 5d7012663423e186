"""The night of the outage: at 02:00 a script cleans old leads while new ones come in, and none of those is dropped."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from loadtest.foreign_cleanup import (
    GATED,
    SQL,
    UNGATED,
    add_new,
    add_old,
    clean_in_turns,
    cleaned_at_once,
    make_crm,
    old_left,
)
from ops.cli.audit import audit as audit_command
from ops.cli.blockers import blockers as blockers_command
from router.drain.hints import CHANNEL
from tests.command_line import CommandLine
from tests.support import until
from tests.workers import serving
from tests.world import Tenancy, lead, make_tenant, simple_reps

_AT_ONCE = 2_000
_DEADLINE_S = 120.0


@dataclass
class Night:
    """A tenant where it is 02:00 now, with routers that run, and the CRM's table beside ours."""

    tenant: Tenancy
    url: str
    old: int
    new: int
    accepted: int = 0

    async def leads_come(self) -> None:
        """The new leads come, and wait: the tenant is paused until `go`."""
        await self.tenant.conn.execute("update lane set paused_until = 'infinity'")
        last = self.accepted + self.new
        while self.accepted < last:
            upto = min(self.accepted + _AT_ONCE, last)
            await self.tenant.accept([lead(number) for number in range(self.accepted, upto)])
            self.accepted = upto
        await add_new(self.tenant.conn)

    async def drained(self, left: int = 0, begun: asyncio.Event | None = None) -> float:
        """Lets the routers begin, and sets `begun`; leads a second until so many are left."""
        waiting = await self.waiting()
        begin = perf_counter()
        await self.tenant.conn.execute("update lane set paused_until = null")
        await self.tenant.conn.execute("select pg_notify($1, $2)", CHANNEL, str(self.tenant.tenant_id))
        if begun is not None:
            begun.set()
        await self.until_waiting(left)
        return (waiting - left) / (perf_counter() - begin)

    async def until_waiting(self, left: int, within_s: float = _DEADLINE_S) -> None:
        async def there() -> bool:
            return await self.waiting() <= left

        await until(there, f"at most {left} leads wait", within_s)

    async def waiting(self) -> int:
        return int(await self.tenant.conn.fetchval("select count(*) from lead_pool"))

    async def nothing_is_lost(self) -> None:
        """Every lead that was accepted has a rep, and the audit finds nothing."""
        states = await self.tenant.states()
        assert states == {"waiting": 0, "assigned": self.accepted, "parked": 0, "merged": 0, "closed": 0}
        result = await CommandLine(audit_command, self.url).run()
        assert result.exit_code == 0, result.output

    async def cleaned(self) -> None:
        """What was old is gone, what is new is there."""
        assert await old_left(self.tenant.conn) == 0
        rows = await self.tenant.conn.fetchval("select count(distinct lead_id) from crm_lead where lead_id is not null")
        assert rows == self.accepted


def zone_where_it_is_two(now: datetime) -> str:
    """A zone in which the hour is 2 now."""
    ahead = (2 - now.astimezone(UTC).hour + 12) % 24 - 12
    return f"Etc/GMT{-ahead:+d}"


@asynccontextmanager
async def night(conn: asyncpg.Connection, url: str, old: int, new: int) -> AsyncIterator[Night]:
    now = datetime.now(UTC)
    zone = zone_where_it_is_two(now)
    assert now.astimezone(ZoneInfo(zone)).hour == 2
    tenant = await make_tenant(conn, simple_reps(20, max_open=1_000_000, max_per_day=1_000_000), zone=zone)
    await make_crm(conn, old)
    async with AsyncExitStack() as stack:
        daemons = [await stack.enter_async_context(serving(url)) for _ in range(2)]
        for daemon in daemons:
            await daemon.said("started")
        found = Night(tenant, url, old, new)
        await found.leads_come()
        await found.drained()  # warm, and with statistics
        yield found
        assert all(daemon.alive for daemon in daemons)


SIZES = [
    pytest.param(10_000, 2_000, id="small"),
    pytest.param(200_000, 20_000, id="as it was", marks=pytest.mark.full),
]


def test_there_is_a_zone_for_each_hour() -> None:
    for hour in range(24):
        at = datetime(2026, 3, 10, hour, 59, tzinfo=UTC)
        assert at.astimezone(ZoneInfo(zone_where_it_is_two(at))).hour == 2


@pytest.mark.parametrize(("old", "new"), SIZES)
async def test_at_two_o_clock_a_script_cleans_old_leads_and_no_new_one_is_dropped(
    conn: asyncpg.Connection, database_url: str, old: int, new: int, capsys: pytest.CaptureFixture[str]
) -> None:
    async with night(conn, database_url, old, new) as two:
        await two.leads_come()
        without = await two.drained()
        await two.nothing_is_lost()

        at_once = await _ungated(two)
        await two.nothing_is_lost()
        await two.cleaned()

        await add_old(conn, old)
        in_turns, seconds = await _gated(two)
        await two.nothing_is_lost()
        await two.cleaned()
        done = await SQL.cleaning.row(conn)
        assert done is not None and done["removed"] == old and done["turns"] >= old // 2_000
    with capsys.disabled():
        print(
            f"\n02:00, {old:,} old leads, {new:,} new ones: {without:,.0f} leads/s without a script, "
            f"{at_once:,.0f} beside the one that deletes at once and has every other lead locked, "
            f"{in_turns:,.0f} beside the one that asks ({seconds:.1f} s, {done['turns']} turns, "
            f"{done['refusals']} times not now)"
        )


async def _ungated(two: Night) -> float:
    """The script as it was: while it has every other lead locked, the others are routed; then the rest is. Leads/s."""
    await two.leads_come()
    async with cleaned_at_once(two.url) as locked:
        assert two.new // 2 - 1 <= locked <= two.new // 2 + 1
        speed = await two.drained(left=locked)
        document = await CommandLine(blockers_command, two.url).json(code=1)
        named = [one for one in document["blockers"] if one["application"] == UNGATED]
        assert named and "row_locks" in [part["kind"] for part in named[0]["hindrances"]]
    await two.until_waiting(0, within_s=10.0)
    return speed


async def _gated(two: Night) -> tuple[float, float]:
    """The script as docs/maintenance.md has it, begun while the leads are routed: leads/s, and its own seconds."""
    await two.leads_come()
    begin, begun = perf_counter(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        draining = group.create_task(two.drained(begun=begun))
        await begun.wait()
        await clean_in_turns(two.url, "acme")
    return draining.result(), perf_counter() - begin


async def test_old_rows_are_cleaned_between_bursts_and_each_burst_comes_first(
    conn: asyncpg.Connection, database_url: str
) -> None:
    """Leads that come while the script is at work wait for no more than its present batch."""
    async with night(conn, database_url, 100_000, 1_000) as two:
        cleaning = asyncio.create_task(clean_in_turns(two.url, "acme"))
        for _ in range(3):
            before = await old_left(conn)

            async def at_work(left: int = before) -> bool:
                return cleaning.done() or await old_left(conn) < left

            await until(at_work, f"{GATED} goes on")
            await two.leads_come()
            await two.drained()
        await cleaning
        await two.nothing_is_lost()
        await two.cleaned()
