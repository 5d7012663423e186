"""Whose turn it is: no part of the service starves another, whatever the others ask for."""

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.store.connections.fair_queue import LISTEN_FROM, FairQueue, Part, share

ASKING = [part for part in Part if part not in (Part.HINTS, Part.JOBS)]


@given(limit=st.integers(1, 200))
def test_no_part_may_have_all_when_there_is_more_than_one(limit: int) -> None:
    for part in ASKING:
        assert 1 <= share(part, limit) < max(2, limit)
    assert share(Part.HINTS, limit) == (limit >= LISTEN_FROM)
    if limit >= LISTEN_FROM:
        assert share(Part.DRAIN, limit) + share(Part.HINTS, limit) < limit


@given(limit=st.integers(1, 200))
def test_jobs_that_take_minutes_leave_most_connections_to_others(limit: int) -> None:
    assert share(Part.JOBS, limit) == (0 if limit == 1 else 1 if limit < 8 else limit // 4)


@pytest.mark.parametrize("limit", [1, 2, 3, 8])
async def test_a_part_that_floods_the_line_delays_another_by_one_turn_at_most(limit: int) -> None:
    turns: FairQueue[int] = FairQueue()
    loop = asyncio.get_running_loop()
    floods = [loop.create_future() for _ in range(1000)]
    for one in floods:
        turns.join(Part.DRAIN, one)
    out = [Part.DRAIN for _ in range(limit) if turns.serve(0, limit)]
    assert len(out) == share(Part.DRAIN, limit)
    quiet: asyncio.Future[int] = loop.create_future()
    turns.join(Part.DUTIES, quiet)
    if len(out) == limit:
        assert turns.contended(Part.DRAIN, limit)
        turns.back(out.pop())
    assert turns.serve(0, limit)
    assert quiet.done()
    assert not turns.contended(Part.DRAIN, limit)


@given(seed=st.integers(0, 2**32), limit=st.integers(1, 9))
def test_everybody_who_waits_is_served_and_no_share_is_exceeded(seed: int, limit: int) -> None:
    chance = random.Random(seed)

    async def play() -> None:
        turns: FairQueue[int] = FairQueue()
        loop = asyncio.get_running_loop()
        waiting: list[tuple[Part, asyncio.Future[int]]] = []
        lent: list[Part] = []
        most = dict.fromkeys(Part, 0)
        for _ in range(200):
            act = chance.random()
            if act < 0.5:
                part = chance.choice(ASKING)
                waiting.append((part, loop.create_future()))
                turns.join(*waiting[-1])
            elif act < 0.6 and waiting:
                gone = waiting.pop(chance.randrange(len(waiting)))
                if chance.random() < 0.5:
                    turns.leave(*gone)
                else:
                    gone[1].cancel()
            elif lent:
                turns.back(lent.pop(chance.randrange(len(lent))))
            while len(lent) < limit and turns.serve(0, limit):
                lent += [part for part, waiter in waiting if waiter.done()]
                waiting = [(part, waiter) for part, waiter in waiting if not waiter.done()]
            for part in ASKING:
                most[part] = max(most[part], turns.in_use[part])
                assert turns.in_use[part] == lent.count(part)
        assert all(most[part] <= share(part, limit) for part in ASKING)
        while lent or waiting:
            if lent:
                turns.back(lent.pop(0))
            while len(lent) < limit and turns.serve(0, limit):
                lent += [part for part, waiter in waiting if waiter.done()]
                waiting = [(part, waiter) for part, waiter in waiting if not waiter.done()]
        assert turns.waiting == 0

    asyncio.run(play())
