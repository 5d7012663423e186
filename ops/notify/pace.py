"""When a message may be sent, and what becomes of those for which there is no room: pure.

A rate limit is kept over all instances: each attempt is written down before it is made. A window is longer than the
one of the product by as much as an attempt may last, since what counts there is when it arrives.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops.notify.channels import Kind

Limit = tuple[float, int]
"""Within so many seconds at most so many attempts."""

LIMITS: Mapping[Kind, Sequence[Limit]] = {
    Kind.WECOM: ((60.0, 20),),
    Kind.DINGTALK: ((60.0, 20),),
    Kind.FEISHU: ((60.0, 100), (1.0, 5)),
    Kind.WEBHOOK: ((60.0, 60),),
    Kind.EMAIL: ((60.0, 10),),
}
KEPT = timedelta(hours=24)
"""An older message is not sent any more: what it says is reported again by the next repeat."""
_FIRST_S, _LONGEST_S, _MOST_DOUBLED = 5.0, 600.0, 10


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message in the queue."""

    number: int
    made_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Send:
    """This one is sent now."""

    number: int


@dataclass(frozen=True, slots=True)
class Join:
    """There is no room for so many: these become one."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GiveUp:
    """These are too old."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing can be sent for so many seconds."""

    seconds: float


Step = Send | Join | GiveUp | Rest


def windows(kind: Kind, timeout_s: float) -> list[Limit]:
    """The limits of a kind, kept also when an attempt takes as long as it may."""
    return [(span_s + timeout_s, most) for span_s, most in LIMITS[kind]]


def room(attempts: Sequence[datetime], now: datetime, limits: Sequence[Limit]) -> int:
    """How many attempts may be made at `now`, after those at these moments."""
    return max(0, min(most - len(_within(attempts, now, span_s)) for span_s, most in limits))


def wait_s(attempts: Sequence[datetime], now: datetime, limits: Sequence[Limit]) -> float:
    """Seconds until there is room for one."""
    waits = [0.0]
    for span_s, most in limits:
        inside = sorted(_within(attempts, now, span_s))
        if len(inside) >= most:
            waits.append(span_s - (now - inside[-most]).total_seconds())
    return max(waits)


def remembered(attempts: Sequence[datetime], now: datetime, limits: Sequence[Limit]) -> list[datetime]:
    """The attempts that still count, and one at `now`."""
    return [*_within(attempts, now, max(span_s for span_s, _ in limits)), now]


def _within(attempts: Sequence[datetime], now: datetime, span_s: float) -> list[datetime]:
    # One that seems to be yet to come counts too: clocks go back.
    return [one for one in attempts if (now - one).total_seconds() < span_s]


def next_step(
    queue: Sequence[Waiting], attempts: Sequence[datetime], failures: int, now: datetime, limits: Sequence[Limit]
) -> Step | None:
    """What to do with a channel; None = there is nothing to send. `failures` = of its last attempts, in a row."""
    if old := tuple(one.number for one in queue if now - one.made_at > KEPT):
        return GiveUp(old)
    if not queue:
        return None
    free = room(attempts, now, limits)
    if len(queue) > max(free, 1):
        return Join(tuple(sorted(one.number for one in queue)))
    untried = tuple(sorted(one.number for one in queue if not one.attempts))
    if failures and len(untried) > 1:
        return Join(untried)
    if not free:
        return Rest(wait_s(attempts, now, limits))
    return Send(min(queue, key=lambda one: (one.attempts, one.number)).number)


def backoff_s(failures: int, jitter: float) -> float:
    """Seconds until the next attempt after so many failed ones in a row; `jitter` is from 0 to 1, ± 10 %."""
    return min(_LONGEST_S, _FIRST_S * 2.0 ** min(failures - 1, _MOST_DOUBLED)) * (0.9 + 0.2 * jitter)
