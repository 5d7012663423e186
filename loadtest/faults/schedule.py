"""A schedule of faults that a seed decides: the same seed, the same faults with the same amounts, in the same order."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What can be done to the service."""

    KILL = "kill"
    KILL_AT_POINT = "kill_at_point"
    FREEZE = "freeze"
    CUT = "cut"
    STALL = "stall"
    HALF_OPEN = "half_open"
    RESET = "reset"
    SLOW = "slow"
    COMMIT_LOST = "commit_lost"
    COMMIT_UNKNOWN = "commit_unknown"
    CRASH = "crash"
    TERMINATE = "terminate"
    READ_ONLY = "read_only"
    CONNECTIONS = "connections"
    ROWS = "rows"
    TABLE = "table"
    SNAPSHOT = "snapshot"
    ALTERED = "altered"
    REFUSED_CHANGE = "refused_change"
    CLIENTS = "clients"
    CLOCK = "clock"


# Those that may come together with a killed router.
_BESIDE = frozenset(Fault) - {Fault.KILL, Fault.KILL_AT_POINT, Fault.FREEZE}
_LONGEST_S = 6.0


@dataclass(frozen=True, slots=True)
class Step:
    """One fault: how long it lasts, the wait before it, whether a router is killed meanwhile (all seconds).

    `choice` in [0, 1) chooses whatever else is to be chosen: the router, the table, the point.
    """

    fault: Fault
    after_s: float
    lasts_s: float
    choice: float
    with_kill: bool


def schedule(seed: int, faults: Sequence[Fault] = tuple(Fault)) -> Iterator[Step]:
    """Steps without end; each of `faults` comes once before any comes again."""
    rng = random.Random(seed)
    while True:
        for fault in rng.sample(faults, len(faults)):
            yield Step(
                fault,
                after_s=round(rng.uniform(0.2, 1.5), 3),
                lasts_s=round(rng.uniform(0.3, _LONGEST_S) * rng.random(), 3) + 0.2,
                choice=rng.random(),
                with_kill=rng.random() < 0.25 and fault in _BESIDE,
            )
