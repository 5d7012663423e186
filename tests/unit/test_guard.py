"""Who of the clients of a listener has to go when its places are taken, or when nothing comes."""

import asyncio
from typing import cast

import pytest

from router.http import guard as module
from router.http.guard import Guard


class Wire(asyncio.WriteTransport):
    """A connection that knows whether it was ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = False

    def abort(self) -> None:
        self.ended = True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


def a_guard(places: int, clients: list[Wire], clock: list[float]) -> Guard:
    guard = Guard(lambda: cast(asyncio.Protocol, None), places, 10.0)
    for client in clients:
        clock[0] += 0.1
        guard.begins(client)
    return guard


def test_a_client_who_has_just_connected_keeps_the_place_before_those_whose_bodies_are_slow(clock: list[float]) -> None:
    slow, probe = [Wire() for _ in range(3)], Wire()
    guard = a_guard(4, [*slow, probe], clock)
    bodies = []
    for client in slow:
        # Their heads are read only now, after the probe has connected.
        clock[0] += 0.1
        guard.answers(client)
        body = guard._waits_for_body(client)
        body.__enter__()
        bodies.append(body)
    guard.begins(Wire())
    assert ([client.ended for client in slow], probe.ended) == ([True, False, False], False)


def test_a_body_that_follows_a_long_silence_has_its_own_time(clock: list[float]) -> None:
    client = Wire()
    guard = a_guard(4, [client], clock)
    clock[0] += 9.9
    guard.answers(client)
    body = guard._waits_for_body(client)
    body.__enter__()
    clock[0] += 9.9
    guard.end_silent()
    assert not client.ended
    clock[0] += 0.2
    guard.end_silent()
    assert client.ended
