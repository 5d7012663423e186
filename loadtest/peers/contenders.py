"""Who is compared, how each is set, and what each does and does not do beside writing the result rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

from loadtest.bench import world as worlds
from loadtest.bench.drains import burst
from loadtest.bench.router_process import routers
from loadtest.bench.stage import Room, Stage
from loadtest.bench.world import World
from loadtest.peers import pgqueuer, procrastinate
from loadtest.peers.handler import SQL
from loadtest.peers.processes import run_processes
from loadtest.peers.work import Lead, Setting

TENANTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way to route. `leads` and `quick_leads` are of one run, in all tenants together; `settings` are tried out
    once, and the fastest is measured.
    """

    id: str
    name: str
    leads: int
    quick_leads: int
    settings: Sequence[Setting]
    does: Sequence[str]
    does_not: Sequence[str] = field(default=())

    def world(self, stage: Stage) -> World:
        return World(leads=stage.size(self.leads, self.quick_leads) // TENANTS, tenants=TENANTS)

    async def install(self, room: Room, made: Sequence[int]) -> None:
        """Once for its database."""

    async def run(self, room: Room, world: World, made: Sequence[int], setting: Setting) -> float:
        """Seconds in which it routes all leads, everything undecided before. Its preparation does not count."""
        raise NotImplementedError


class LeadRouter(Contender):
    async def run(self, room: Room, world: World, made: Sequence[int], setting: Setting) -> float:
        await worlds.SQL.forget_results.execute(room.conn)
        await _settled(room)
        async with routers(room, setting["processes"]):
            seconds = await burst(room, world, made)
        await room.audited()
        return seconds


class Queue(Contender):
    """A job queue: its own table is the pool of leads."""

    async def install(self, room: Room, made: Sequence[int]) -> None:
        await (pgqueuer if self.id == "pgqueuer" else procrastinate).install(room.url)

    async def run(self, room: Room, world: World, made: Sequence[int], setting: Setting) -> float:
        await worlds.refill(room.conn, world, list(made))
        await room.conn.execute("truncate lead_pool")
        await (pgqueuer if self.id == "pgqueuer" else procrastinate).enqueue(room.url, await _leads(room, made))
        await _settled(room)
        return await run_processes(self.id, room.url, setting, made)


class RowByRow(Contender):
    async def run(self, room: Room, world: World, made: Sequence[int], setting: Setting) -> float:
        await worlds.refill(room.conn, world, list(made))
        for tenant_id in made:
            await SQL.no_loads.execute(room.conn, tenant_id=tenant_id)
        await _settled(room)
        return await run_processes(self.id, room.url, setting, made)


async def _leads(room: Room, made: Sequence[int]) -> list[Lead]:
    """In turn of each tenant, as they would come."""
    of_each = [
        [(tenant_id, row[0]) for row in await SQL.leads_of.fetch(room.conn, tenant_id=tenant_id)] for tenant_id in made
    ]
    return [lead for turn in zip(*of_each, strict=True) for lead in turn]


async def _settled(room: Room) -> None:
    await room.conn.execute("vacuum (analyze)")
    await room.conn.execute("checkpoint")


def _settings(*, processes: Sequence[int] = (1, 2), **choices: Sequence[int]) -> list[Mapping[str, int]]:
    """All combinations."""
    found: list[Mapping[str, int]] = [{"processes": count} for count in processes]
    for name, values in choices.items():
        found = [{**one, name: value} for one in found for value in values]
    return found


_HANDLER = "its handler takes one lead at a time: the customer's owner, else the reps in turn, with a commit for each"
_NO_ROUTING = (
    "know rules, groups, working hours, caps or fair shares",
    "say why a lead waits",
    "record how it decided",
)

CONTENDERS: Sequence[Contender] = (
    LeadRouter(
        id="lead_router",
        name=f"lead-router {version('lead-router')}",
        leads=160_000,
        quick_leads=1_600,
        settings=_settings(),
        does=(
            "routes by 30 rules, owners, working hours, exact caps, and shares by weight, region, industry and product",
            "says why each lead waits",
            "records each decision so that it can be run again",
            "writes events",
            "passes the audit after each run",
        ),
        does_not=("run other jobs, or code of yours",),
    ),
    Queue(
        id="pgqueuer",
        name=f"PgQueuer {version('pgqueuer')}",
        leads=24_000,
        quick_leads=400,
        settings=_settings(batch=(100, 300, 1000), sessions=(5, 20)),
        does=("runs any job, with retries, schedules and limits of concurrency", _HANDLER),
        does_not=_NO_ROUTING,
    ),
    Queue(
        id="procrastinate",
        name=f"Procrastinate {version('procrastinate')}",
        leads=4_000,
        quick_leads=160,
        settings=_settings(concurrency=(10, 50), sessions=(10,)),
        does=("runs any job, with retries, schedules, locks between jobs and a history", _HANDLER),
        does_not=_NO_ROUTING,
    ),
    RowByRow(
        id="row_by_row",
        name="plain loop, row by row",
        leads=8_000,
        quick_leads=160,
        settings=_settings(sessions=(1, 4, 8)),
        does=(
            "fetches one lead, picks its customer's owner, else the rep with the fewest open leads, writes, commits",
            "counts open leads",
        ),
        does_not=(*_NO_ROUTING, "try again what failed"),
    ),
)
