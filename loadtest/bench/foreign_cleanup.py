"""The drain while a script of others deletes a million rows, in its turns."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from loadtest.bench import world as worlds
from loadtest.bench.figures import Figure, figure, per_second, ratios
from loadtest.bench.router_process import emptied_by_routers, routers
from loadtest.bench.stage import NotClean, Room, Stage
from loadtest.bench.world import World
from loadtest.foreign_cleanup import SQL, add_old, clean_in_turns, make_crm, old_left
from loadtest.until import until

_BETWEEN_S = 2.0
_DEADLINE_S = 300.0
_TENANT = "bench1"

Wait = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Night:
    """Bursts of leads, and rows that the script deletes meanwhile."""

    world: World
    bursts: int
    rows: int

    @property
    def burst(self) -> int:
        return self.world.leads // self.bursts


async def with_gate(stage: Stage) -> list[Figure]:
    """foreign_cleanup_with_gate: each burst meets the script at work."""
    bursts = stage.size(8, 3)
    night = _Night(World(leads=bursts * stage.size(40_000, 2_000)), bursts, stage.size(1_000_000, 60_000))
    alone, beside, refusals = list[float](), list[float](), 0
    async with stage.room() as room:
        made = await worlds.make(room.conn, night.world)
        await make_crm(room.conn, night.rows)
        async with routers(room, 1):
            for _ in range(stage.rounds + 1):
                await _prepared(room, night, made)
                alone.append(await _drained(room, night, made, _quiet))
                seconds, refusals = await _beside(room, night, made)
                beside.append(seconds)
    # The first of each was the warm-up.
    leads = night.world.leads
    note = (
        f"{bursts} bursts of {night.burst:,} leads, each when another {bursts + 1}th of {night.rows:,} rows was "
        f"deleted: {per_second(leads, beside[1:])}, {refusals:,} times not now; "
        f"{per_second(leads, alone[1:])} without the script"
    )
    return [figure("foreign_cleanup_with_gate", ratios(alone[1:], beside[1:]), note)]


async def _beside(room: Room, night: _Night, made: list[int]) -> tuple[float, int]:
    """Seconds beside the script, and how often it was told not now; the rows are there again afterwards."""
    await SQL.forget_runs.execute(room.conn)

    async def at_work(burst: int) -> None:
        async def so_far() -> bool:
            row = await SQL.cleaning.row(room.conn)
            return row is not None and row["removed"] >= burst * night.rows // (night.bursts + 1)

        await until(so_far, f"the script deleted what comes before burst {burst}", _DEADLINE_S)

    await _prepared(room, night, made)
    async with asyncio.timeout(_DEADLINE_S), asyncio.TaskGroup() as group:
        group.create_task(clean_in_turns(room.url, _TENANT))
        seconds = await _drained(room, night, made, at_work)
    done = await SQL.cleaning.row(room.conn)
    if left := await old_left(room.conn):
        raise NotClean(f"the script left {left:,} rows")
    assert done is not None
    await add_old(room.conn, night.rows)
    return seconds, done["refusals"]


async def _prepared(room: Room, night: _Night, made: list[int]) -> None:
    """No lead is in the pool, and nothing of the time before is left to be written."""
    await worlds.SQL.forget_results.execute(room.conn)
    for tenant_id in made:
        await worlds.own_customers(room.conn, night.world, tenant_id)
    await worlds.settle(room.conn)


async def _quiet(_: int) -> None:
    await asyncio.sleep(_BETWEEN_S)


async def _drained(room: Room, night: _Night, made: list[int], wait: Wait) -> float:
    """Seconds in which routers drained the bursts, `wait` before each; what is between them does not count."""
    seconds, last = 0.0, 0
    for burst in range(1, night.bursts + 1):
        await wait(burst)
        last = await worlds.arrive(room.conn, made[0], night.burst, last)
        seconds += await emptied_by_routers(room, made)
    await room.audited()
    return seconds
