"""Leads posted one by one: how many a second, and how fast at half of that, beside a handler that does nothing."""

import statistics
from collections.abc import Callable
from itertools import count

from loadtest.bench.figures import Figure, figure, ratios
from loadtest.bench.paced import paced
from loadtest.bench.posted_to import new_tenant, noop, service
from loadtest.bench.posts import BODY_BYTES, CONNECTIONS, SOURCE, Address, client_in_words, most
from loadtest.bench.stage import NotClean, Room, Stage
from loadtest.bench.world import SQL

# More than are posted in one turn, so that each turn has leads of its own.
_A_TURN = 10_000_000


async def singles(stage: Stage) -> list[Figure]:
    """http_single_vs_noop, http_single_p99_vs_noop."""
    seconds = stage.size(10, 1)
    async with stage.room() as room:
        tenant_id = await new_tenant(room)
        turns = count(1)

        def first() -> int:
            return next(turns) * _A_TURN

        async with service(room, tenant_id) as ours, noop(ours.token) as nothing:
            stage.say("as many as are answered")
            posted, answered = list[float](), list[float]()
            for _ in range(stage.rounds + 1):
                answered.append(await most(nothing, first(), seconds))
                posted.append(await _posted(room, tenant_id, ours, first(), seconds))
            stage.say("at half of that")
            rate = statistics.median(posted[1:]) / 2
            slow, fast = await _p99s(ours, nothing, first, rate, seconds, stage.rounds)
        await room.audited()
    note = (
        f"`serve --role api`, {client_in_words()}, {CONNECTIONS} connections, {seconds} s each, bodies of {BODY_BYTES} "
        f"bytes: {_rates(posted[1:])}; an aiohttp handler that answers 202 {_rates(answered[1:])}"
    )
    p99_note = (
        f"{rate:,.0f} posts/s by a client that keeps that pace, {seconds} s each: {_milliseconds(slow)}; "
        f"the handler {_milliseconds(fast)}"
    )
    return [
        figure("http_single_vs_noop", ratios(posted[1:], answered[1:]), note),
        figure("http_single_p99_vs_noop", ratios(slow, fast), p99_note),
    ]


async def _posted(room: Room, tenant_id: int, address: Address, first: int, seconds: int) -> float:
    """Posts taken a second. Raises NotClean unless what was answered is stored."""
    rate = await most(address, first, seconds)
    stored = await SQL.posted.value(
        room.conn, tenant_id=tenant_id, source=SOURCE, first=f"{first:09}", last=f"{first + _A_TURN - 1:09}"
    )
    if stored < int(rate * seconds):
        raise NotClean(f"{stored:,} leads are stored of {int(rate * seconds):,} that were answered with 202")
    return rate


async def _p99s(
    ours: Address, nothing: Address, first: Callable[[], int], rate: float, seconds: int, rounds: int
) -> tuple[list[float], list[float]]:
    """Seconds in which 99 of 100 posts are answered, by the service and by the handler; the first turn does not
    count.
    """
    slow, fast = list[float](), list[float]()
    for _ in range(rounds + 1):
        for address, kept in ((nothing, fast), (ours, slow)):
            waits = sorted(post.seconds for post in await paced(address, first(), rate, seconds))
            kept.append(waits[len(waits) * 99 // 100])
    return slow[1:], fast[1:]


def _rates(runs: list[float]) -> str:
    return f"{statistics.median(runs):,.0f} posts/s ({min(runs):,.0f} to {max(runs):,.0f})"


def _milliseconds(runs: list[float]) -> str:
    return f"p99 {statistics.median(runs) * 1000:.1f} ms ({min(runs) * 1000:.1f} to {max(runs) * 1000:.1f})"
