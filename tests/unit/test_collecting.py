"""While long texts are read the collector looks for no cycles, and does so again afterwards."""

import gc
import threading
from collections.abc import Iterator

import pytest

from router.store.collecting import uncollected


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    assert gc.isenabled()
    yield
    gc.enable()


def test_nothing_is_collected_until_the_last_reader_is_through() -> None:
    both, first_ended = threading.Barrier(3), threading.Event()
    seen: list[bool] = []

    def read(wait: bool) -> None:
        both.wait(30)
        if wait:
            assert first_ended.wait(30)
            seen.append(gc.isenabled())

    readers = [threading.Thread(target=uncollected, args=(read, wait)) for wait in (False, True)]
    for reader in readers:
        reader.start()
    both.wait(30)
    readers[0].join(30)
    first_ended.set()
    readers[1].join(30)
    assert seen == [False] and gc.isenabled()


def test_an_error_does_not_leave_the_collector_off() -> None:
    with pytest.raises(ZeroDivisionError):
        uncollected(lambda: 1 // 0)
    assert gc.isenabled()


def test_what_was_off_before_stays_off() -> None:
    gc.disable()
    assert uncollected(gc.isenabled) is False
    assert not gc.isenabled()
