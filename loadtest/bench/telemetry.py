"""The drain with all telemetry (metrics scraped and exported, every batch traced, logs of each batch), and without."""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TextIO, cast

from loadtest.bench import world as worlds
from loadtest.bench.figures import Figure, figure, per_second, ratios
from loadtest.bench.stage import NotClean, Room, Stage, emptied
from loadtest.bench.world import World
from loadtest.shell import PROJECT
from router.drain.drain import Drain
from router.store.connections.connections import open_connections
from router.telemetry.export_plan import ExportWishes, plan_exports
from router.telemetry.exposition import open_exposition
from router.telemetry.instruments import Instruments
from router.telemetry.log_format import configure_logs
from router.telemetry.log_writer import LogWriter


async def telemetry(stage: Stage) -> list[Figure]:
    """telemetry_on_vs_off."""
    world = World(leads=stage.size(300_000, 20_000))
    with_it, without = list[float](), list[float]()
    async with stage.room() as room, _receiver() as url:
        made = await worlds.make(room.conn, world)
        for _ in range(stage.rounds + 1):
            await worlds.refill(room.conn, world, made)
            without.append(await _drained(room, world, made, Instruments.silent()))
            await worlds.refill(room.conn, world, made)
            with_it.append(await _drained_with_telemetry(room, world, made, url))
        await room.audited()
    # The first of each was the warm-up.
    note = (
        f"{world.in_words}: {per_second(world.leads, with_it[1:])} with metrics exported every second, every batch "
        f"traced and logged, {per_second(world.leads, without[1:])} without"
    )
    return [figure("telemetry_on_vs_off", ratios(without[1:], with_it[1:]), note)]


async def _drained(room: Room, world: World, made: list[int], instruments: Instruments) -> float:
    async with open_connections(room.url, instruments=instruments) as connections:
        drain = Drain(connections, lambda: secrets.randbits(63), instruments)
        return await emptied(drain, made, world.leads)


async def _drained_with_telemetry(room: Room, world: World, made: list[int], url: str) -> float:
    """Raises NotClean when something of it was dropped: then it did not cost what it costs."""
    plan = plan_exports(ExportWishes(url, sample_share=1.0, metrics_every_s=1.0), {})
    with _logged(), open_exposition("bench", "bench", plan=plan) as exposition:
        seconds = await _drained(room, world, made, exposition.instruments)
        text = exposition.text().decode()
    dropped = [line for line in text.splitlines() if line.startswith("lead_router_spans_dropped_total{")]
    if not dropped or not all(line.endswith(" 0.0") for line in dropped):
        raise NotClean(f"spans were dropped: {dropped}")
    return seconds


@contextmanager
def _logged() -> Iterator[None]:
    """Each batch is logged as JSON, in the way of the service, to where nobody reads it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    writer = LogWriter(nowhere)
    stream = cast(TextIO, _Stream(writer))
    configure_logs("debug", "json", "bench", stream)
    try:
        yield
    finally:
        configure_logs("error", "auto", "bench")
        writer.wait(5.0)
        os.close(nowhere)


class _Stream:
    """A log writer as a stream that is no terminal."""

    def __init__(self, writer: LogWriter) -> None:
        self.write = writer.write
        self.flush = writer.flush

    def isatty(self) -> bool:
        return False


@asynccontextmanager
async def _receiver() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loadtest.bench.otlp_sink", cwd=PROJECT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.kill()
        await process.wait()
