"""One run: the stack, the world, the generator, what is looked at meanwhile, and what it came to."""

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from loadtest.datasets import bpic2012
from loadtest.load import plan as plans
from loadtest.load import stack as stacks
from loadtest.load import world as worlds
from loadtest.load.diagnosing import Doctor, Said
from loadtest.load.faults import SHIFTED, Scene, Troubles
from loadtest.load.generator import Generator, generating, planned_s
from loadtest.load.outcome import Stored, settled, stored
from loadtest.load.recovery import Trouble
from loadtest.load.samples import Sample, read
from loadtest.load.setting_out import Service
from loadtest.load.shapes import APPLICATIONS, MORNING_RUSH, RAMP, SHAPES, at_once
from loadtest.load.stack import Stack
from loadtest.load.watch import Look, Watch
from loadtest.load.world import World

Say = Callable[[str], None]
# The night is as long as this many seconds of the usual rate.
_NIGHT_S = 100
_RAMP = plans.Abort(within_s=5.0, slower_than_s=1.0, percent=5.0)
_TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for. `rate` = requests a second of a usual time, `url` None = a stack of our own, else that of a
    running service with its `database`.
    """

    shape: str
    seconds: float
    rate: float
    seed: int
    workers: int
    faults: Sequence[str] = ()
    at_s: float = 0.0
    until_s: float = 0.0
    url: str | None = None
    database: str | None = None
    redis: str | None = None


@dataclass
class Ran:
    """What happened. Times are seconds from `begin` (since 1970)."""

    options: Options
    plan: plans.Plan
    begin: float
    samples: list[Sample]
    stored: Stored
    looks: list[Look]
    said: list[Said]
    asked_doctor: int
    doctor_failed: list[str]
    trouble: Trouble | None
    settle_s: float
    generator_warned: bool
    server: str


async def run(options: Options, log: Path, say: Say) -> Ran:
    """Runs it. Raises DataMissing, GeneratorFailed, Refused, ServersError and what a database raises."""
    # Before anything is started: the data may be missing.
    due_s = _applications(options) if options.shape == APPLICATIONS else ()
    async with AsyncExitStack() as opened:
        stack, world = await opened.enter_async_context(_prepared(options, say))
        conn = await asyncpg.connect(stack.database)
        opened.push_async_callback(conn.close)
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="lead-router-samples-")))
        return await _loaded(options, _plan(options, due_s, stack, world, folder), Stage(stack, world, conn, say), log)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where it happens."""

    stack: Stack
    world: World
    conn: asyncpg.Connection
    say: Say


@asynccontextmanager
async def _prepared(options: Options, say: Say) -> AsyncIterator[tuple[Stack, World]]:
    fresh_only = "F3" in options.faults
    async with AsyncExitStack() as opened:
        if options.url is not None:
            assert options.database is not None
            stack = await opened.enter_async_context(stacks.running(options.url, options.database, options.redis))
            world = await _world(stack, f"load-{secrets.token_hex(3)}", fresh_only=fresh_only)
            say(f"the running service at {stack.api}; its new tenant {world.name} stays afterwards")
        else:
            limited = "F5" in options.faults
            stack = await opened.enter_async_context(stacks.servers(small=limited))
            world = await _world(stack, "load", fresh_only=fresh_only, view="F1" in options.faults)
            synced = world.name if "F1" in options.faults else None
            await opened.enter_async_context(stacks.service(stack, limited=limited, synced=synced))
            say(f"a service of its own at {stack.api}")
        yield stack, world


async def _world(stack: Stack, name: str, *, fresh_only: bool, view: bool = False) -> World:
    conn = await asyncpg.connect(stack.database)
    try:
        world = await worlds.make(conn, name, fresh_only=fresh_only)
        if view:
            await worlds.make_crm_view(conn, world.tenant_id)
        return world
    finally:
        await conn.close()


def _plan(options: Options, due_s: Sequence[float], stack: Stack, world: World, folder: Path) -> plans.Plan:
    pieces = () if due_s else SHAPES[options.shape](options.rate, options.seconds)
    highest = max((piece.rate for piece in pieces), default=10 * options.rate)
    return plans.Plan(
        url=stack.api,
        token=world.token,
        form_key=world.form_key,
        run=secrets.token_hex(4),
        folder=str(folder),
        seed=options.seed,
        workers=options.workers,
        reps=worlds.REPS,
        flipped=worlds.FLIPPED,
        pieces=pieces,
        due_s=due_s,
        # Room for all that is due while nothing is answered; what then finds none is dropped, and that counts.
        in_flight=min(4000, max(200, int(highest * _TIMEOUT_S / options.workers))),
        timeout_s=_TIMEOUT_S,
        abort=_RAMP if options.shape == RAMP else None,
        regions=worlds.REGIONS,
        shifted=(options.at_s, options.until_s) if "F3" in options.faults else None,
        shift_s=SHIFTED.total_seconds(),
    )


def _applications(options: Options) -> list[float]:
    """Raises DataMissing."""
    real = bpic2012.read_applications(bpic2012.data_folder())
    return at_once([one.submitted_at for one in real], options.rate, options.seconds)


async def _loaded(options: Options, plan: plans.Plan, stage: Stage, log: Path) -> Ran:
    service, world = Service(stage.stack.api, stage.world), stage.world
    await service.come_to_work()
    night = options.shape == MORNING_RUSH
    if night:
        await service.night(int(_NIGHT_S * options.rate))
    async with generating(plan, log) as generator, _own_connections(stage.stack, 3) as (doctors, faults, holder):
        begin = await generator.begun()
        stage.say(f"{options.shape} for {planned_s(plan):,.0f} s has begun")
        if night:
            await service.morning()
        watch = Watch(stage.stack, world.tenant_id, generator.process.pid, begin)
        doctor = Doctor(doctors, stage.stack.redis, world.name, begin)
        scene = Scene(faults, holder, stage.stack, world)
        troubles = Troubles(scene, options.faults, options.at_s, options.until_s)
        async with _meanwhile(watch.run(), doctor.run()):
            await _through(generator, troubles, begin)
            stage.say("all is answered; until the last lead has its rep")
            settle_s = await settled(stage.conn, world.tenant_id)
    stage.say("reads what the database has, and audits it")
    samples = read(Path(plan.folder))
    found = await stored(stage.conn, world.name, world.tenant_id, samples, begin)
    return Ran(
        options=options,
        plan=plan,
        begin=begin,
        samples=samples,
        stored=found,
        looks=watch.looks,
        said=doctor.said,
        asked_doctor=doctor.asked,
        doctor_failed=doctor.failed,
        trouble=_trouble(troubles),
        settle_s=settle_s,
        generator_warned=generator.warned(),
        server=str(await stage.conn.fetchval("show server_version")),
    )


async def _through(generator: Generator, troubles: Troubles, begin: float) -> None:
    """Until the generator is through and what was broken is right again."""
    if not troubles.names:
        await generator.done()
        return
    disturbing = asyncio.create_task(troubles.run(begin))
    try:
        await generator.done()
        await disturbing
    finally:
        disturbing.cancel()


def _trouble(troubles: Troubles) -> Trouble | None:
    if troubles.began_s is None or troubles.fixed_s is None:
        return None
    return Trouble(troubles.began_s, troubles.fixed_s)


@asynccontextmanager
async def _own_connections(stack: Stack, number: int) -> AsyncIterator[list[asyncpg.Connection]]:
    """Opened before, so that they are there when the server has none left to give."""
    opened = [await asyncpg.connect(stack.database) for _ in range(number)]
    try:
        yield opened
    finally:
        for conn in opened:
            conn.terminate()


@asynccontextmanager
async def _meanwhile(*work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Work that goes on until the end of the block. An error of it is raised at its end."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
