"""Answers that many ask for at once."""

import asyncio

import pytest

from router.http.coalesced import Coalesced


async def test_many_who_ask_at_once_cost_two_answers_and_none_is_older_than_its_question() -> None:
    coalesced: Coalesced[str, int] = Coalesced()
    go_on, begun, state = asyncio.Event(), 0, 0

    async def look() -> int:
        nonlocal begun
        begun += 1
        seen = state
        await go_on.wait()
        return seen

    first = asyncio.create_task(coalesced.get("a", look))
    while not begun:
        await asyncio.sleep(0)
    state = 1
    others = [asyncio.create_task(coalesced.get("a", look)) for _ in range(100)]
    another = asyncio.create_task(coalesced.get("b", look))
    await asyncio.sleep(0)
    others[0].cancel()
    go_on.set()
    assert await first == 0
    assert await asyncio.gather(*others[1:]) == [1] * 99
    assert (await another, begun) == (1, 3)
    assert not coalesced._turns
    assert await coalesced.get("a", look) == 1


async def test_an_error_is_told_to_all_who_waited_for_it_and_the_next_is_asked_anew() -> None:
    coalesced: Coalesced[str, int] = Coalesced()

    async def fail() -> int:
        raise ConnectionRefusedError("away")

    async def answer() -> int:
        return 1

    told = await asyncio.gather(*(coalesced.get("a", fail) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in told] == [ConnectionRefusedError] * 3
    with pytest.raises(ConnectionRefusedError):
        await coalesced.get("a", fail)
    assert await coalesced.get("a", answer) == 1
