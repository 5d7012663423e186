"""The clients of the fault suite see each answer that breaks a promise, and hold a router to every 202."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from aiohttp import web

from loadtest.faults.people import Ledger
from loadtest.faults.posting import CLIENTS, SOURCE, TAKEN, Poster, numbers_in
from tests.support import until

TENANT = 1


@dataclass(frozen=True, slots=True)
class Listening:
    """What the clients look at of a router."""

    api_port: int | None
    alive: bool = True


async def posted(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]], enough: Callable[[Poster], bool]
) -> Poster:
    """Clients have posted to such an API, and to a dead router and one that does not listen yet, until it is enough."""
    application = web.Application()
    application.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    routers = [Listening(runner.addresses[0][1]), Listening(1, alive=False), Listening(None)]
    poster, stop = Poster(lambda: routers, {TENANT: "lr_x"}, Ledger(), seed=1, every_s=0.001), asyncio.Event()
    running = asyncio.create_task(poster.run(stop))

    async def done() -> bool:
        return enough(poster)

    try:
        await until(done, "enough was posted")
    finally:
        stop.set()
        await running
        await runner.cleanup()
    return poster


@pytest.mark.parametrize("status", [400, 401, 403, 413, 422, 500, 502, 504])
async def test_an_answer_that_no_fault_excuses_is_a_finding(status: int) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text="why")

    poster = await posted(answer, lambda so_far: bool(so_far.wrong))
    assert f"was answered {status}: why" in poster.wrong[0]
    assert poster.ledger.leads == 0


@pytest.mark.parametrize("status", [408, 409, 429, 503])
async def test_what_may_be_sent_again_is_sent_again_the_same_and_is_no_finding(status: int) -> None:
    seen: list[tuple[str | None, bytes]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.headers.get("Idempotency-Key"), await request.read()))
        return web.Response(status=status)

    poster = await posted(answer, lambda _: len(seen) > 5 * CLIENTS)
    assert (poster.wrong, poster.ledger.leads) == ([], 0)
    assert len(set(seen)) == CLIENTS


async def test_a_202_whose_body_was_cut_off_is_a_promise_all_the_same() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        cut = web.StreamResponse(status=202, headers={"Content-Type": "application/json", "Content-Length": "100"})
        await cut.prepare(request)
        await cut.write(b'{"id":')
        assert request.transport
        request.transport.abort()
        return cut

    poster = await posted(answer, lambda so_far: so_far.answers[TAKEN] > 10)
    assert poster.ledger.leads >= 10 - CLIENTS
    assert set(poster.ledger.acknowledged[TENANT].values()) == {None}


async def test_a_lead_that_is_answered_under_two_numbers_is_a_finding() -> None:
    numbers = iter(range(1, 1_000_000))

    async def answer(request: web.Request) -> web.Response:
        count = (await request.read()).count(b"external_id")
        lines = [{"line": line, "id": next(numbers), "state": "waiting"} for line in range(1, count + 1)]
        return web.json_response(lines[0] if count == 1 else {"leads": lines}, status=202)

    poster = await posted(answer, lambda so_far: bool(so_far.wrong))
    assert poster.wrong[0].startswith(SOURCE) and "was answered as lead" in poster.wrong[0]


def test_numbers_of_a_batch_are_those_of_its_lines() -> None:
    lines = {"leads": [{"line": 3, "id": 30}, {"line": 1, "id": None}, {"line": 2, "id": 20}]}
    assert numbers_in(lines, 3) == [None, 20, 30]
    assert numbers_in({}, 2) == [None, None]
    assert numbers_in({"id": 7}, 1) == [7]
