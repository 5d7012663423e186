"""Finished spans on their way out: a bounded queue, and a thread that hands them over.

The work never waits for it. What finds no room, because the receiver is away or slow, is dropped and counted.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Condition, Thread
from time import monotonic

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

_TOGETHER = 512
_EVERY_S = 2.0

Deliver = Callable[[Sequence[ReadableSpan]], bool]


class SpanQueue(SpanProcessor):
    """Hands over up to 512 spans at a time, at the latest 2 s after their end. `deliver` blocks, and returns whether
    they arrived; `max_spans` may wait meanwhile.
    """

    def __init__(
        self, deliver: Deliver, max_spans: int, *, together: int = _TOGETHER, every_s: float = _EVERY_S
    ) -> None:
        self._deliver = deliver
        self._max_spans = max_spans
        self._together = min(together, max_spans)
        self._every_s = every_s
        self._waiting: deque[ReadableSpan] = deque()
        self._change = Condition()
        self._closed = self._given_up = False
        self._thread: Thread | None = None
        self.no_room = 0
        """Spans that were dropped since too many waited, or since the end had come."""
        self.not_delivered = 0
        """Spans that were handed over and did not arrive."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing is to be done."""

    def on_end(self, span: ReadableSpan) -> None:
        """Takes a span, or drops it. Returns at once."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        with self._change:
            if self._closed or len(self._waiting) >= self._max_spans:
                self.no_room += 1
                return
            self._waiting.append(span)
            if self._thread is None:
                self._thread = Thread(target=self._work, name="spans", daemon=True)
                self._thread.start()
            elif len(self._waiting) == self._together:
                self._change.notify_all()

    def close(self, deadline_s: float) -> None:
        """Hands over what waits, for no longer than this (seconds); what is left then counts as dropped."""
        until = monotonic() + deadline_s
        with self._change:
            self._closed = True
            self._change.notify_all()
        if self._thread is not None:
            self._thread.join(max(0.0, until - monotonic()))
        with self._change:
            self._given_up = True
            self.no_room += len(self._waiting)
            self._waiting.clear()

    def shutdown(self) -> None:
        """As `close`, without waiting."""
        self.close(0.0)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Returns whether nothing waits; it does not wait itself."""
        return not self._waiting

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(self._is_due, self._every_s)
                if self._given_up or (self._closed and not self._waiting):
                    return
                spans = [self._waiting.popleft() for _ in range(min(self._together, len(self._waiting)))]
            if spans and not self._delivered(spans):
                self.not_delivered += len(spans)

    def _delivered(self, spans: Sequence[ReadableSpan]) -> bool:
        # Whatever a receiver or an encoder does, the thread goes on.
        with suppress(Exception):
            return self._deliver(spans)
        return False

    def _is_due(self) -> bool:
        return self._closed or len(self._waiting) >= self._together
