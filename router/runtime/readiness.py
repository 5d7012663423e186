"""When a process that answers "ready" or "not ready" changes its answer: for what lasts, so that it does not flap."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """For how long (seconds) checks must have failed, and passed, without a break."""

    unready_after_s: float
    ready_after_s: float


@dataclass(frozen=True, slots=True)
class Readiness:
    """The answer, and since when (monotonic seconds) what is seen contradicts it (None = it does not)."""

    ready: bool = False
    was_ready: bool = False
    contradicted_since: float | None = None


def observe(before: Readiness, passed: bool, now: float, thresholds: Thresholds) -> Readiness:
    """The answer after one look at the checks, at `now` (monotonic seconds).

    The first time that all pass it is ready at once: nobody was sent away yet who could come back too early.
    """
    if passed == before.ready:
        return Readiness(before.ready, before.was_ready)
    since = now if before.contradicted_since is None else before.contradicted_since
    needed_s = thresholds.ready_after_s if passed else thresholds.unready_after_s
    if now - since >= needed_s or not before.was_ready:
        return Readiness(passed, before.was_ready or passed)
    return Readiness(before.ready, before.was_ready, since)
