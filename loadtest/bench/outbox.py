"""Events out: what the drain pays for them, and deliveries to a webhook beside what the same HTTP client posts."""

import asyncio
import random
import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import perf_counter

import aiohttp
import msgspec

from loadtest.bench import world as worlds
from loadtest.bench.figures import Figure, figure, per_second, ratios
from loadtest.bench.stage import NotClean, Room, Stage, emptied
from loadtest.bench.world import World
from loadtest.until import until
from router.outbox.cursor import START
from router.outbox.feed import read_events
from router.outbox.signing import new_secret
from router.outbox.webhooks_service import WebhooksService
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.settings.model import WebhookSettings
from router.store import webhooks as store
from router.store.connections.connections import open_connections
from router.store.events import switch
from router.telemetry.instruments import Instruments

_CONCURRENCY = WebhookSettings().concurrency
# Looking costs the process that delivers some of its time.
_LOOK_EVERY_S = 0.05


async def events(stage: Stage) -> list[Figure]:
    """events_on_vs_off."""
    world = World(leads=stage.size(300_000, 20_000))
    on, off = list[float](), list[float]()
    async with stage.room() as room:
        made = await worlds.make(room.conn, world)
        for _ in range(2 * stage.rounds + 1):
            for enabled, seen in ((False, off), (True, on)):
                for tenant_id in made:
                    await switch(room.conn, tenant_id, enabled=enabled, actor="bench", why="")
                seen.append(await _drained(room, world, made))
        written = await room.conn.fetchval("select coalesce(sum(size), 0) from event where type = 'lead.assigned'")
    if written != world.leads:
        raise NotClean(f"{written:,} events of {world.leads:,} assignments")
    note = f"{world.in_words}, in turns: with events {per_second(world.leads, on[1:])}"
    return [figure("events_on_vs_off", ratios(off[1:], on[1:]), f"{note}; without {per_second(world.leads, off[1:])}")]


async def _drained(room: Room, world: World, made: list[int]) -> float:
    await worlds.refill(room.conn, world, made)
    async with room.drain() as drain:
        seconds = await emptied(drain, made, world.leads)
    await room.audited()
    return seconds


async def webhooks(stage: Stage) -> list[Figure]:
    """webhooks_vs_client."""
    world = World(leads=stage.size(20_000, 8_000))
    client, delivered = list[float](), list[float]()
    async with stage.room() as room, _sink() as url:
        made = await worlds.make(room.conn, world)
        await _drained(room, world, made)
        page = await read_events(room.conn, made[0], START, limit=1)
        body = msgspec.json.encode(page.events[0].body())
        for _ in range(stage.rounds + 1):
            client.append(await _posted(url, body, world.leads))
            delivered.append(await _delivered(room, made[0], url, world.leads))
    note = f"{world.leads:,} events, {_CONCURRENCY} at a time, to a sink in a process of its own"
    seen = f"delivered {per_second(world.leads, delivered[1:])}; posted {per_second(world.leads, client[1:])}"
    return [figure("webhooks_vs_client", ratios(client[1:], delivered[1:]), f"{note}: {seen}")]


@asynccontextmanager
async def _sink() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loadtest.bench.sink", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}/"
    finally:
        process.kill()
        await process.wait()


async def _posted(url: str, body: bytes, number: int) -> float:
    """Seconds for so many posts by a client that does nothing else."""
    left = iter(range(number))

    async def post(session: aiohttp.ClientSession) -> None:
        for _ in left:
            async with session.post(url, data=body) as answer:
                await answer.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        begin = perf_counter()
        await asyncio.gather(*(post(session) for _ in range(_CONCURRENCY)))
        return perf_counter() - begin


async def _delivered(room: Room, tenant_id: int, url: str, number: int) -> float:
    """Seconds until a webhook that begins at the first event has got all, and this is committed."""
    secret = new_secret(secrets.token_bytes(32))
    options = {"allow_private": True, "note": "", "actor": "bench"}
    webhook_no = await store.add(room.conn, tenant_id, url, None, secret, START, **options)  # type: ignore[arg-type]
    stop = asyncio.Event()
    async with open_connections(room.url) as connections:
        service = WebhooksService(connections, WebhookSettings(), Instruments.silent(), 1, random.random)
        begin = perf_counter()
        running = asyncio.create_task(service.run(Lifeline(stop, MonotonicClock(), lambda _: None)))

        async def all_there() -> bool:
            return await _got(room, tenant_id, webhook_no) >= number

        await until(all_there, "all events are delivered", 600, _LOOK_EVERY_S)
        seconds = perf_counter() - begin
        stop.set()
        await running
    await store.remove(room.conn, tenant_id, webhook_no, "bench", "")
    return seconds


async def _got(room: Room, tenant_id: int, webhook_no: int) -> int:
    found: Sequence[store.Webhook] = await store.webhooks_of(room.conn, [tenant_id])
    return next(one.delivered for one in found if one.webhook_no == webhook_no)
