"""SIGINT and SIGTERM: the first asks for a graceful stop, the second ends the process at once."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
EXIT_NOT_STOPPED = 1


@contextmanager
def stop_on_signals(stop: Callable[[], None], give_up_after_s: float) -> Iterator[None]:
    """Inside the running event loop of the main thread: calls `stop` in the loop at the first signal.

    A second signal exits with 128 + its number; a stop that takes longer than `give_up_after_s` exits with 1.
    Both work while the loop is busy, because they do not need it.
    """
    handler = _Handler(asyncio.get_running_loop(), stop, give_up_after_s)
    before = {number: signal.signal(number, handler) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        handler.close()
        for number, previous in before.items():
            signal.signal(number, previous)


@contextmanager
def on_hangup(ask: Callable[[], None], stop: Callable[[], None]) -> Iterator[None]:
    """Inside the running event loop of the main thread: calls `ask` in the loop at every SIGHUP.

    Only when the terminal that it was started on is gone does the signal mean what it once did: `stop`.
    """
    loop = asyncio.get_running_loop()
    on_terminal = has_terminal()
    loop.add_signal_handler(signal.SIGHUP, lambda: stop() if on_terminal and not has_terminal() else ask())
    try:
        yield
    finally:
        # Whoever asks once more while we stop shall not kill us.
        loop.add_signal_handler(signal.SIGHUP, lambda: None)


def has_terminal() -> bool:
    """Whether this process has a terminal that can still be opened."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


class _Handler:
    def __init__(self, loop: asyncio.AbstractEventLoop, stop: Callable[[], None], give_up_after_s: float) -> None:
        self._loop = loop
        self._stop = stop
        self._timer = threading.Timer(give_up_after_s, _give_up, (give_up_after_s,))
        self._timer.daemon = True
        self._signalled = False

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self._signalled:
            os._exit(128 + number)
        self._signalled = True
        self._timer.start()
        self._loop.call_soon_threadsafe(self._stop)

    def close(self) -> None:
        self._timer.cancel()


def _give_up(after_s: float) -> None:
    sys.stderr.write(f"not stopped within {after_s:g} s; what was not committed is rolled back\n")
    os._exit(EXIT_NOT_STOPPED)
