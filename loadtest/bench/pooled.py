"""The drain through PgBouncer in transaction mode, beside the same drain directly."""

import tempfile

from loadtest.bench import world as worlds
from loadtest.bench.debian import find_program
from loadtest.bench.figures import Figure, figure, per_second, ratios
from loadtest.bench.stage import Room, Stage, emptied
from loadtest.bench.world import World
from loadtest.faults.pooler import pooler, through
from loadtest.faults.server import reachable_folder

PROGRAM = "pgbouncer"


async def pooled(stage: Stage) -> list[Figure]:
    """pgbouncer_vs_direct; nothing where there is no PgBouncer, which is said."""
    if find_program(PROGRAM) is None:
        stage.say("  pgbouncer_vs_direct: NOT MEASURED: Debian's pgbouncer is not here and cannot be installed")
        return []
    world = World(leads=stage.size(200_000, 20_000))
    direct, through_it = list[float](), list[float]()
    async with stage.room() as room:
        with (
            reachable_folder("lead-router-pooler-") as folder,
            tempfile.TemporaryFile() as log,
            pooler(folder, room.url, log),
        ):
            made = await worlds.make(room.conn, world)
            for _ in range(stage.rounds + 1):
                direct.append(await _drain(room, world, made, room.url))
                through_it.append(await _drain(room, world, made, through(str(folder), room.url)))
    note = (
        f"{world.in_words}, one router, PgBouncer on the same host: through it "
        f"{per_second(world.leads, through_it[1:])}; directly {per_second(world.leads, direct[1:])}"
    )
    # The first of each was the warm-up.
    return [figure("pgbouncer_vs_direct", ratios(direct[1:], through_it[1:]), note)]


async def _drain(room: Room, world: World, made: list[int], url: str) -> float:
    await worlds.refill(room.conn, world, made)
    async with room.drain(url=url) as drain:
        seconds = await emptied(drain, made, world.leads)
    await room.audited()
    return seconds
