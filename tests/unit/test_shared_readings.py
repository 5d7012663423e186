"""Long versions that several people look at are read once, and few of them are kept."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ops.console import rules_read
from ops.console.rules_read import read_shared
from router.store.apart import LONG_TEXT
from router.store.shared_readings import SharedReadings

RULES = "rules: [{name: a, match: {}, assign_to: group:g}]"
LONG = RULES + "\n#" + "." * LONG_TEXT


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=1) as made:
        yield made


def test_who_asks_while_it_is_read_and_afterwards_gets_the_same(thread: ThreadPoolExecutor) -> None:
    kept = SharedReadings[object](thread, entries=2, characters=100)
    go_on = threading.Event()
    thread.submit(go_on.wait, 30)
    first, second = kept.of(("a", "b"), object), kept.of(("a", "b"), object)
    other = kept.of(("ab", ""), object)
    go_on.set()
    assert first.result(30) is second.result(30) is kept.of(("a", "b"), object).result(30)
    assert first.result(30) is not other.result(30)


def test_few_are_kept_and_of_long_ones_fewer(thread: ThreadPoolExecutor) -> None:
    kept = SharedReadings[int](thread, entries=3, characters=10)

    def names() -> list[int]:
        return [one.found.result(30) for one in kept._known.values()]

    for number in range(5):
        kept.of((str(number),), lambda number=number: number).result(30)  # type: ignore[misc]
    assert names() == [2, 3, 4]
    kept.of(("2",), lambda: -1).result(30)
    kept.of(("12345678",), lambda: 8).result(30)
    assert names() == [4, 2, 8]
    kept.of(("x" * 1_000,), lambda: 9).result(30)
    assert names() == [9]


def test_what_is_under_way_is_not_forgotten_before_somebody_has_it(thread: ThreadPoolExecutor) -> None:
    kept = SharedReadings[int](thread, entries=1, characters=10)
    go_on = threading.Event()
    thread.submit(go_on.wait, 30)
    made = [kept.of((str(number),), lambda number=number: number) for number in range(3)]  # type: ignore[misc]
    assert [kept.of((str(number),), lambda: -1) for number in range(3)] == made
    go_on.set()
    assert [one.result(30) for one in made] == [0, 1, 2]
    kept.of(("3",), lambda: 3).result(30)
    thread.submit(int).result(30)
    assert len(kept._known) == 1


def test_of_many_that_are_read_at_once_few_stay_also_when_nobody_asks_again(thread: ThreadPoolExecutor) -> None:
    """As when a process starts that routes for many tenants with long rules."""
    kept = SharedReadings[int](thread, entries=2, characters=10)
    go_on = threading.Event()
    thread.submit(go_on.wait, 30)
    made = [kept.of((str(number),), lambda number=number: number) for number in range(20)]  # type: ignore[misc]
    go_on.set()
    assert [one.result(30) for one in made] == list(range(20))
    # Behind it the thread is through with the last one.
    thread.submit(int).result(30)
    assert [one.found.result() for one in kept._known.values()] == [18, 19]


def test_an_error_is_of_who_asked_and_it_is_tried_again(thread: ThreadPoolExecutor) -> None:
    kept = SharedReadings[int](thread, entries=1, characters=10)
    with pytest.raises(ZeroDivisionError):
        kept.of(("a",), lambda: 1 // 0).result(30)
    assert kept.of(("a",), lambda: 1).result(30) == 1


async def test_views_of_one_version_at_a_time_read_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rules_read._readings.clear()
    began: list[str] = []
    go_on = threading.Event()
    read = rules_read.read_version

    def slowly(source: str, lists: dict[str, str]) -> object:
        began.append(threading.current_thread().name)
        assert go_on.wait(30)
        return read(source, lists)

    monkeypatch.setattr(rules_read, "read_version", slowly)
    given_up, *views = [asyncio.create_task(read_shared(LONG, {"a": "b"})) for _ in range(5)]
    while not began:
        await asyncio.sleep(0.001)
    given_up.cancel()
    go_on.set()
    found = await asyncio.gather(*views)
    assert len(began) == 1 and began[0].startswith("rules of pages")
    assert all(one is found[0] for one in found) and found[0] is not None
    rules_read._readings.clear()


async def test_a_view_of_few_rules_does_not_stand_in_line_behind_long_ones() -> None:
    go_on = threading.Event()
    rules_read._THREAD.submit(go_on.wait, 60)
    try:
        async with asyncio.timeout(30):
            found = await read_shared(RULES, {})
        assert found is not None and [rule.name for rule in found.rules] == ["a"]
        assert not rules_read._readings._known
    finally:
        go_on.set()
