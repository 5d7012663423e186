"""What it costs to start a command: processor time, beside that of a Python which only imports click."""

import asyncio
import os
import sys
from collections.abc import Sequence

from loadtest.bench import world as worlds
from loadtest.bench.figures import Figure, figure, ratios
from loadtest.bench.stage import NotClean, Room, Stage
from loadtest.bench.world import World
from loadtest.shell import PROGRAM, PROJECT

_STARTS = 11
_CLICK = ("-c", "import click")


async def starts(stage: Stage) -> list[Figure]:
    """cli_help_vs_click and cli_status_vs_click."""
    world = World(leads=stage.size(1_000, 100))
    async with stage.room() as room:
        [tenant_id] = await worlds.make(room.conn, world)
        await worlds.arrive(room.conn, tenant_id, world.leads)
        await asyncio.to_thread(_in_turns, room)  # the first reading of the modules does not count
        click, help_, ready = await asyncio.to_thread(_in_turns, room)
        async with room.drain() as drain:
            await drain.drain_tenant(tenant_id)
        _, _, drained = await asyncio.to_thread(_in_turns, room)
    base = f"import click takes {sorted(click)[_STARTS // 2] * 1000:.0f} ms"
    note = f"{world.leads:,} ready leads; {base}; when they are assigned {sorted(drained)[_STARTS // 2] * 1000:.0f} ms"
    return [
        figure("cli_help_vs_click", ratios(help_, click), f"`lead-router --help`; {base}"),
        figure("cli_status_vs_click", ratios(ready, click), f"`lead-router status`, {note}"),
    ]


def _in_turns(room: Room) -> tuple[list[float], list[float], list[float]]:
    """Seconds of each start of click alone, of the help, and of status."""
    rows = [
        (_seconds(_CLICK, room), _seconds(("-c", PROGRAM, "--help"), room), _seconds(("-c", PROGRAM, "status"), room))
        for _ in range(_STARTS)
    ]
    click, help_, status = zip(*rows, strict=True)
    return list(click), list(help_), list(status)


def _seconds(arguments: Sequence[str], room: Room) -> float:
    """User and system time of one Python. Raises NotClean when it fails."""
    environment = {**os.environ, "LEAD_ROUTER_DATABASE_URL": room.url, "PYTHONPATH": str(PROJECT)}
    # As installed: modules are compiled once, with the turn that does not count.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawn(sys.executable, [sys.executable, *arguments], environment, file_actions=quiet)
    _, status, used = os.wait4(pid, 0)
    if status != 0:
        raise NotClean(f"{' '.join(arguments)} ended with {status}")
    return used.ru_utime + used.ru_stime
