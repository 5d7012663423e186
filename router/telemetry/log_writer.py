"""Writing log lines without ever waiting for the reader: a bounded queue, and a thread that writes.

A pipe that nobody reads is full after 64 KiB. A process that writes to it directly stops there, in the middle of a
transaction.
"""

import atexit
import os
from collections import deque
from threading import Condition, Thread

_MAX_LINES = 10_000
# At the end of the process: what is read is read at once, and what is not is not worth waiting for.
_GOODBYE_S = 0.5


class LogWriter:
    """A stream for `logging`: `write` returns at once. Not for more than one file descriptor at a time."""

    def __init__(self, descriptor: int | None, max_lines: int = _MAX_LINES) -> None:
        """`descriptor` None = there is nowhere to write to: all lines count as dropped."""
        self._descriptor = descriptor
        self._max_lines = max_lines
        self._waiting: deque[bytes] = deque()
        self._change = Condition()
        self._writing = False
        self._thread: Thread | None = None
        self.dropped = 0
        """Lines that were not written: there was no room, or no reader any more."""

    def write(self, text: str) -> int:
        """Takes a line, or drops it where too many wait."""
        with self._change:
            if self._descriptor is None or len(self._waiting) >= self._max_lines:
                self.dropped += 1
            else:
                self._waiting.append(text.encode(errors="backslashreplace"))
                self._start()
                self._change.notify_all()
        return len(text)

    def flush(self) -> None:
        """Returns at once; `wait` waits."""

    def wait(self, seconds: float) -> bool:
        """Until all is written, but no longer than this; returns whether it is."""
        with self._change:
            return self._change.wait_for(lambda: not self._waiting and not self._writing, seconds)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._work, name="logs", daemon=True)
            self._thread.start()
            atexit.register(self.wait, _GOODBYE_S)

    def _work(self) -> None:
        assert self._descriptor is not None
        while True:
            with self._change:
                self._writing = False
                self._change.notify_all()
                self._change.wait_for(lambda: bool(self._waiting))
                line = self._waiting.popleft()
                self._writing = True
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except OSError:  # the reader is gone, or the descriptor was closed
                self.dropped += 1


_writers: dict[int | None, LogWriter] = {}


def writer_of(descriptor: int | None) -> LogWriter:
    """The one writer of a file descriptor in this process."""
    if descriptor not in _writers:
        _writers[descriptor] = LogWriter(descriptor)
    return _writers[descriptor]


def dropped_lines() -> int:
    """Log lines of this process that were not written."""
    return sum(writer.dropped for writer in _writers.values())
