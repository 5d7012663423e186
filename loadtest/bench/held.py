"""What an old snapshot costs: somebody's transaction stays open for ten minutes while leads come one by one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from time import monotonic

import asyncpg

from loadtest.bench import world as worlds
from loadtest.bench.figures import Figure, figure
from loadtest.bench.router_process import routers
from loadtest.bench.stage import Room, Stage
from loadtest.bench.world import SQL, World
from loadtest.until import until
from router.domain.lead_in import LeadIn
from router.store.leads import accept

_RATE = 200
_WRITERS = 4
_BURSTS = 3
# In shares of the hold: the leads of so long, at its beginning and its end, are those whose waits are compared.
_EDGE = 0.1


Waits = tuple[float, float]


Rates = list[tuple[float, float]]
"""Drains in leads a second: where the snapshot is held, and right before it in another database, where none is."""


@dataclass(slots=True)
class Held:
    """One hold. Waits are seconds from a lead's commit to its assignment's: median, p99."""

    at_start: Rates = field(default_factory=list)
    at_end: Rates = field(default_factory=list)
    afterwards: Rates = field(default_factory=list)
    first_waits_s: Waits = (0.0, 0.0)
    last_waits_s: Waits = (0.0, 0.0)


async def held_snapshot(stage: Stage) -> list[Figure]:
    """held_snapshot_10min: bursts right after a snapshot was taken, and right before it is given back.

    Ten minutes are long: how much faster or slower the machine became meanwhile is seen in a database without it.
    """
    seconds = stage.size(600, 20)
    world = World(leads=stage.size(20_000, 5_000))
    async with stage.room() as room, stage.room() as free:
        bursts = [await _prepared(one, world) for one in (room, free)]
        async with routers(room, 1), routers(free, 1):
            held = await _hold(stage, bursts[0], bursts[1], seconds)
        for one in (room, free):
            await one.audited()
    note = (
        f"{world.in_words}, one router; another session's transaction open for {seconds} s, meanwhile {_RATE} leads a "
        f"second one by one. Bursts of {world.leads:,} leads, and beside them in a database without it: "
        f"{_rates(held.at_start)} leads/s at its start, {_rates(held.at_end)} at its end, "
        f"{_rates(held.afterwards)} after it. From lead to assignment: "
        f"{_in_words(held.first_waits_s)} in its first tenth, {_in_words(held.last_waits_s)} in its last"
    )
    start = median(one / other for one, other in held.at_start)
    return [figure("held_snapshot_10min", [one / other / start for one, other in held.at_end], note)]


def _rates(rates: Rates) -> str:
    return f"{median(one for one, _ in rates):,.0f} ({median(other for _, other in rates):,.0f})"


async def _prepared(room: Room, world: World) -> "_Bursts":
    """A world whose leads come into the pool later."""
    [tenant_id] = await worlds.make(room.conn, world)
    await worlds.add_leads(room.conn, tenant_id, world, world.leads + 1, 3 * _BURSTS * world.leads)
    await worlds.own_customers(room.conn, world, tenant_id)
    await worlds.settle(room.conn)
    return _Bursts(room, tenant_id, world.leads)


async def _hold(stage: Stage, bursts: "_Bursts", free: "_Bursts", seconds: float) -> Held:
    held, room = Held(), bursts.room
    await free.next()
    await bursts.next()
    async with _snapshot(room):
        begin = monotonic()
        held.at_start = await _pairs(bursts, free, _BURSTS)
        stage.say(f"start: {_rates(held.at_start)} leads/s")
        while (left := seconds - (monotonic() - begin)) > 0:
            part_s = min(left, max(2.0, seconds * _EDGE))
            held.last_waits_s = await _stream(room, bursts.tenant_id, part_s)
            if not any(held.first_waits_s):
                held.first_waits_s = held.last_waits_s
            stage.say(f"  {monotonic() - begin:4.0f} s: {_in_words(held.last_waits_s)}")
        held.at_end = await _pairs(bursts, free, _BURSTS)
        stage.say(f"end: {_rates(held.at_end)} leads/s: {held.at_end} after {held.at_start}")
    await room.conn.execute("vacuum lane, lead_pool, rep_load, group_share")
    held.afterwards = await _pairs(bursts, free, _BURSTS - 1)
    return held


async def _pairs(bursts: "_Bursts", free: "_Bursts", rounds: int) -> Rates:
    """In turns, so that both meet the same noise."""
    found: Rates = []
    for _ in range(rounds):
        other = await free.next()
        found.append((await bursts.next(), other))
    return found


@asynccontextmanager
async def _snapshot(room: Room) -> AsyncIterator[None]:
    """As a report or a dump keeps it: one that has read something, and is idle in its transaction since."""
    reader: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
        room.url, server_settings={"application_name": "report"}
    )
    try:
        async with reader.transaction(isolation="repeatable_read"):
            await reader.fetchval("select count(*) from tenant")
            yield
    finally:
        await reader.close()


@dataclass(slots=True)
class _Bursts:
    """Leads that are stored already come into the pool all at once."""

    room: Room
    tenant_id: int
    leads: int
    _after: int = 0

    async def next(self) -> float:
        """Leads a second from the burst's commit to the last assignment's."""
        conn, first = self.room.conn, self._after
        async with conn.transaction():
            self._after = await SQL.arrive_now.value(conn, tenant_id=self.tenant_id, after=first, limit=self.leads)
            await conn.execute("select pg_notify('lead_router', $1)", str(self.tenant_id))
        begin = await SQL.committed_now.value(conn)
        await until(lambda: self._assigned(first), f"{self.leads:,} leads have reps", 300.0)
        last = await SQL.last_commit.value(conn, tenant_id=self.tenant_id, first=first, last=self._after)
        return float(self.leads / (last - begin))

    async def _assigned(self, first: int) -> bool:
        # Seldom: looking must not be what is measured.
        await asyncio.sleep(0.2)
        found = await SQL.assigned_between.value(
            self.room.conn, tenant_id=self.tenant_id, first=first, last=self._after
        )
        return bool(found == self.leads)


def _in_words(waits_s: Waits) -> str:
    return f"{waits_s[0] * 1000:,.0f} ms (p99 {waits_s[1] * 1000:,.0f} ms)"


async def _stream(room: Room, tenant_id: int, seconds: float) -> Waits:
    """Accepts leads one by one at a steady rate for so long; returns the median and the p99 of their waits (s)."""
    source = f"s{monotonic()}"
    async with asyncio.TaskGroup() as group:
        writers = [group.create_task(_write(room, tenant_id, source, number, seconds)) for number in range(_WRITERS)]
    leads = sum(writer.result() for writer in writers)
    first, last = await _numbers(room, tenant_id, source)

    async def all_assigned() -> bool:
        await asyncio.sleep(0.05)
        found = await SQL.assigned_between.value(room.conn, tenant_id=tenant_id, first=first - 1, last=last)
        return bool(found == leads)

    await until(all_assigned, f"{leads:,} single leads have reps", 120.0)
    rows = await SQL.assigned_after.fetch(room.conn, tenant_id=tenant_id, source=source)
    waits = [float(row[0]) for row in rows]
    return waits[len(waits) // 2], waits[len(waits) * 99 // 100]


async def _write(room: Room, tenant_id: int, source: str, writer: int, seconds: float) -> int:
    """One of the writers; returns how many leads it handed in."""
    conn, begin, leads = await worlds.connect(room.url), monotonic(), 0
    try:
        while monotonic() - begin < seconds:
            lead = LeadIn(source, f"{writer}-{leads}", region=f"region{leads % worlds.REGIONS}")
            await accept(conn, tenant_id, [lead])
            leads += 1
            await asyncio.sleep(max(0.0, begin + leads * _WRITERS / _RATE - monotonic()))
    finally:
        await conn.close()
    return leads


async def _numbers(room: Room, tenant_id: int, source: str) -> tuple[int, int]:
    row = await SQL.numbers_of.row(room.conn, tenant_id=tenant_id, source=source)
    assert row is not None
    return row["first"], row["last"]
