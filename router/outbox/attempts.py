"""What an answer of an endpoint means, and when to try again: pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

WAITS_S = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""After so many failed attempts of one event, seconds until the next; then it is given up. Standard Webhooks."""
MAX_ATTEMPTS = len(WAITS_S) + 1
OPENS_AFTER = 5
"""Failures in a row after which the endpoint as a whole is taken to be down: one attempt at a time, with pauses."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
_LONGEST_ASKED_S = 3600.0
_GONE = 410
_THROTTLES = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an attempt. `error` None = it was taken; `gone` = for good; `pause_s` = the endpoint asks for
    rest; `throttled` = it cannot take any now; `reached` False = there was no connection, so the event never got there.
    """

    error: str | None = None
    gone: bool = False
    pause_s: float = 0.0
    throttled: bool = False
    reached: bool = True


def read_answer(status: int, retry_after: str | None, now: datetime) -> Answer:
    """What a response means: 2xx only is success."""
    if 200 <= status < 300:
        return Answer()
    error = f"answered {status}" + (", and redirects are not followed" if 300 <= status < 400 else "")
    pause_s = _asked_s(retry_after, now) if status in _THROTTLES else 0.0
    return Answer(error, status == _GONE, pause_s, status in _THROTTLES)


def _asked_s(retry_after: str | None, now: datetime) -> float:
    """Seconds of a Retry-After, which is a number or a date; 0 where it is neither."""
    if retry_after is None:
        return 0.0
    text = retry_after.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:9]), _LONGEST_ASKED_S)
    try:
        at = parsedate_to_datetime(text)
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), _LONGEST_ASKED_S)


def retry_wait_s(attempts: int, jitter: float) -> float | None:
    """Seconds until the next attempt after so many failed ones, None = give up; `jitter` is from 0 to 1, ± 10 %."""
    if attempts >= MAX_ATTEMPTS:
        return None
    return WAITS_S[attempts - 1] * (0.9 + 0.2 * jitter)


@dataclass(slots=True)
class Breaker:
    """Whether an endpoint is asked at all. `clock` is monotonic, seconds; `failures` in a row, of all its events."""

    clock: Callable[[], float]
    random: Callable[[], float]
    failures: int = 0
    rests_until: float = 0.0
    pauses: int = 0

    @property
    def open(self) -> bool:
        """The endpoint is taken to be down."""
        return self.failures >= OPENS_AFTER

    def free(self, in_flight: int, concurrency: int) -> int:
        """How many more attempts may begin now."""
        if self.clock() < self.rests_until:
            return 0
        return max(0, (1 if self.open else concurrency) - in_flight)

    def wait_s(self) -> float:
        """Seconds until an attempt may begin."""
        return max(0.0, self.rests_until - self.clock())

    def worked(self) -> bool:
        """An attempt succeeded; returns whether the endpoint was down before."""
        was_open = self.open
        self.failures = self.pauses = 0
        return was_open

    def failed(self, answer: Answer) -> None:
        """An attempt failed: from some on, or when it is asked for, the endpoint gets a rest."""
        self.failures += 1
        pause_s = 0.0
        if self.open:
            limit = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**self.pauses)
            pause_s = limit * (0.5 + 0.5 * self.random())
            if self.clock() >= self.rests_until:
                self.pauses = min(self.pauses + 1, 20)
        self.rests_until = max(self.rests_until, self.clock() + max(pause_s, answer.pause_s))
