"""From what happened to figures, objectives and the verdict. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from loadtest.load.failing import Failure, failures
from loadtest.load.objectives import Check, Figures, Objectives, Verdict, busiest, judge, verdict
from loadtest.load.outcome import Assigned
from loadtest.load.percentiles import percentile
from loadtest.load.recovery import Recovery, recovery
from loadtest.load.run import Ran
from loadtest.load.samples import Outcome, Sample, by_name
from loadtest.load.schedule import length_s, rate_at

Counts = Callable[[float, float | None], bool]
SHOWN = (50.0, 95.0, 99.0, 99.9, 100.0)
_LOCUST_LIMIT = 90.1


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report: how many, and exact waits in seconds at the percentiles of SHOWN; () = none answered."""

    name: str
    number: int
    failed: int
    dropped: int
    waits: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Broke:
    """Where a ramp broke the service: after so many seconds, at so many requests a second."""

    at_s: float
    rate: float


@dataclass(frozen=True, slots=True)
class Judged:
    """The whole of it. `late` = how late the generator itself sent, by SHOWN; `generator` in percent of one core."""

    checks: Sequence[Check]
    verdict: Verdict
    requests: Sequence[Row]
    failures: Sequence[Failure]
    assigned: Sequence[Row]
    late: tuple[float, ...]
    generator: float
    recovery: Recovery | None
    broke: Broke | None


def judged(ran: Ran, objectives: Objectives) -> Judged:
    """What the run came to."""
    found = recovery(ran.trouble, ran.samples, ran.stored.assigned) if ran.trouble else None
    allowed_s = objectives.whole.get("recovery_s", 0.0)

    def counts(due_s: float, done_s: float | None) -> bool:
        return ran.trouble is None or not ran.trouble.covers(due_s, done_s, allowed_s)

    checks = judge(objectives, figures(ran, found, counts))
    generator = busiest([(look.at_s, look.generator) for look in ran.looks])
    if ran.generator_warned:
        generator = max(generator, _LOCUST_LIMIT)
    late = _percentiles(sorted(one.late_s for one in ran.samples if one.outcome is not Outcome.DROPPED))
    return Judged(
        checks,
        verdict(checks, generator, late[SHOWN.index(99.0)] if late else 0.0),
        [_row(name, some) for name, some in sorted(by_name(ran.samples).items())],
        failures(ran.samples),
        _assigned_rows(ran.stored.assigned),
        late,
        generator,
        found,
        _broke(ran),
    )


def figures(ran: Ran, found: Recovery | None, counts: Counts) -> Figures:
    """What is compared with the objectives; of waits and failures only those that count."""
    samples = [one for one in ran.samples if counts(one.due_s, one.done_s)]
    answered = [one for one in samples if one.outcome is not Outcome.DROPPED]
    failed = sum(one.outcome is Outcome.FAILED for one in answered)
    whole = {
        "failed_percent": 100 * failed / len(answered) if answered else 0.0,
        "dropped": float(sum(one.outcome is Outcome.DROPPED for one in ran.samples)),
        "missing": float(len(ran.stored.missing)),
        "violations": float(len(ran.stored.violations)),
        "unassigned": float(ran.stored.unassigned),
    }
    if found is not None:
        whole["recovery_s"] = max(0.0, found.seconds)
    leads = [one for one in ran.stored.assigned if counts(one.due_s, one.assigned_s)]
    return Figures(
        whole,
        {name: sorted(one.waited_s for one in some) for name, some in by_name(answered).items()},
        {name: _waits(some) for name, some in (("all", leads), *_leads_by_name(leads).items())},
        len(answered),
    )


def _leads_by_name(leads: Iterable[Assigned]) -> dict[str, list[Assigned]]:
    found: dict[str, list[Assigned]] = {}
    for one in leads:
        found.setdefault(one.name, []).append(one)
    return found


def _waits(leads: Iterable[Assigned]) -> list[float]:
    """Of those that have a rep; that others have none is an objective of its own."""
    return sorted(one.waited_s for one in leads if one.waited_s is not None)


def _row(name: str, samples: Sequence[Sample]) -> Row:
    answered = sorted(one.waited_s for one in samples if one.outcome is not Outcome.DROPPED)
    outcomes = [one.outcome for one in samples]
    return Row(
        name,
        len(samples),
        outcomes.count(Outcome.FAILED),
        outcomes.count(Outcome.DROPPED),
        _percentiles(answered),
    )


def _assigned_rows(leads: Sequence[Assigned]) -> list[Row]:
    parts = {"all": list(leads), **dict(sorted(_leads_by_name(leads).items()))}
    return [
        Row(name, len(some), sum(one.assigned_s is None for one in some), 0, _percentiles(_waits(some)))
        for name, some in parts.items()
    ]


def _percentiles(ascending: Sequence[float]) -> tuple[float, ...]:
    return tuple(percentile(ascending, percent) for percent in SHOWN) if ascending else ()


def _broke(ran: Ran) -> Broke | None:
    """A ramp that ended before its schedule did."""
    if ran.plan.abort is None or not ran.samples:
        return None
    last_s = ran.samples[-1].due_s
    if last_s >= length_s(ran.plan.pieces) - ran.plan.abort.within_s:
        return None
    return Broke(last_s, rate_at(ran.plan.pieces, last_s))
