"""`make bench-peers`: lead-router beside other ways, in one run in turns, each at its best setting."""

import asyncio
import shutil
import statistics
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import asyncpg
import click
from rich.console import Console

from loadtest.bench import world as worlds
from loadtest.bench.__main__ import SERVER
from loadtest.bench.figures import rounded
from loadtest.bench.stage import NotClean, Room, Stage
from loadtest.bench.world import World
from loadtest.bench.written import machine, write_documents
from loadtest.peers.contenders import CONTENDERS, TENANTS, Contender
from loadtest.peers.handler import SQL
from loadtest.peers.work import Setting
from ops.cli.context import EXIT_FOUND, console
from ops.embedded.embedded import embedded, stopped
from router.runtime.garbage import tune_gc
from router.telemetry.log_format import configure_logs

_NOTE = (
    "All in one run in turns, with durable commits, leads of 8 tenants with 200 reps each, all there at the beginning; "
    "every way writes the assignment and the owner of the customer. Each way has a database of its own, and as many "
    "leads as take it some seconds."
)


@dataclass(slots=True)
class Seat:
    """One contender in its database. `tried` = leads a second by setting, of one run each; `rates` of the best one."""

    contender: Contender
    room: Room
    world: World
    made: list[int]
    tried: dict[str, float] = field(default_factory=dict)
    best: Setting = field(default_factory=dict)
    rates: list[float] = field(default_factory=list)
    split: int = 0

    async def rate(self, setting: Setting) -> float:
        """Leads a second of one run. Raises NotClean unless every lead has one assignment."""
        leads = self.world.leads * self.world.tenants
        seconds = await self.contender.run(self.room, self.world, self.made, setting)
        row = await SQL.results.row(self.room.conn, tenant_ids=self.made)
        assert row is not None
        if row["assigned"] != leads:
            raise NotClean(f"{self.contender.name} assigned {row['assigned']:,} of {leads:,} leads")
        self.split = max(self.split, row["split"])
        return leads / seconds

    async def try_out(self, quick: bool) -> None:
        """Finds the best setting; a quick run takes the first and the last."""
        settings = self.contender.settings
        for setting in (settings[0], settings[-1]) if quick else settings:
            self.tried[in_words(setting)] = await self.rate(setting)
            if self.tried[in_words(setting)] == max(self.tried.values()):
                self.best = setting

    @property
    def document(self) -> dict[str, object]:
        split = f"{self.split:,} customers had leads of theirs with two reps"
        return {
            "id": self.contender.id,
            "name": self.contender.name,
            "value": rounded(statistics.median(self.rates)),
            "spread": [rounded(min(self.rates)), rounded(max(self.rates))],
            "unit": "leads/s",
            "runs": len(self.rates),
            "leads": self.world.leads * self.world.tenants,
            "setting": in_words(self.best),
            "tried": {name: rounded(rate) for name, rate in self.tried.items()},
            "does": list(self.contender.does),
            "does_not": [*self.contender.does_not, *([f"keep a customer with one rep: {split}"] if self.split else [])],
            "note": _NOTE,
        }


def in_words(setting: Mapping[str, int]) -> str:
    """`2 processes, batch 300, sessions 10`."""
    processes = setting["processes"]
    more = [f"{name} {value}" for name, value in setting.items() if name != "processes"]
    return ", ".join([f"{processes} process{'es' if processes > 1 else ''}", *more])


@click.command()
@click.option("--quick", is_flag=True, help="Few leads, one run: for being runnable, never for its figures.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=Path("build/peers.json"))
def main(quick: bool, output: Path) -> None:
    """Measure lead-router beside PgQueuer, Procrastinate and a plain loop; print, and write as JSON."""
    configure_logs("error", "auto", "bench")
    out, begin = console(), monotonic()
    folder = Path(tempfile.mkdtemp(prefix="lead-router-peers-"))
    # Root's servers run as another user, who must be able to enter.
    folder.chmod(0o755)
    tune_gc()
    try:
        asyncio.run(_measured(folder, quick, out, output))
    except (NotClean, OSError, asyncpg.PostgresError) as error:
        out.print(f"does not count: {type(error).__name__}: {error}", style="red")
        sys.exit(EXIT_FOUND)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    out.print(f"{machine()}; {monotonic() - begin:,.0f} s; written to {output}; make plots draws it")


async def _measured(folder: Path, quick: bool, out: Console, output: Path) -> None:
    begin = monotonic()

    def say(what: str) -> None:
        out.print(f"{monotonic() - begin:6.0f} s  {what}", style="dim")

    try:
        async with embedded(folder, SERVER, linger_s=0.5) as urls, AsyncExitStack() as stack:
            stage = Stage(urls.database, quick, say)
            seats = [await _seated(stage, stack, contender) for contender in CONTENDERS]
            for seat in seats:
                say(f"{seat.contender.name}: tries its settings")
                await seat.try_out(quick)
                say(f"  best: {in_words(seat.best)}")
            for turn in range(stage.rounds):
                for seat in seats:
                    seat.rates.append(await seat.rate(seat.best))
                    say(f"round {turn + 1}: {seat.contender.name} {seat.rates[-1]:,.0f} leads/s")
            write_documents(output, [seat.document for seat in seats], quick)
    finally:
        await stopped(folder)


async def _seated(stage: Stage, stack: AsyncExitStack, contender: Contender) -> Seat:
    room = await stack.enter_async_context(stage.room())
    world = contender.world(stage)
    made = await worlds.make(room.conn, world)
    assert len(made) == TENANTS
    await contender.install(room, made)
    return Seat(contender, room, world, made)


if __name__ == "__main__":
    main()
