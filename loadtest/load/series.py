"""What happened, second by second, for the charts. Pure."""

from collections.abc import Callable, Iterable, Sequence
from math import ceil

from loadtest.load.charts import Chart, Line
from loadtest.load.percentiles import percentile
from loadtest.load.run import Ran
from loadtest.load.samples import Outcome
from loadtest.load.watch import Look

_BINS = 120
Points = list[tuple[float, float | None]]


def charts(ran: Ran) -> list[Chart]:
    """All charts of a run; the seconds of a fault are shaded."""
    samples, leads = ran.samples, ran.stored.assigned
    ended = [one.assigned_s for one in leads if one.assigned_s is not None]
    seconds = max([ran.options.seconds, *(one.done_s for one in samples), *ended, 1.0])
    width = max(1.0, seconds / _BINS)
    shaded = (ran.trouble.began_s, ran.trouble.fixed_s) if ran.trouble else None

    def rates(moments: Iterable[float]) -> Points:
        counts = [0] * ceil(seconds / width)
        for moment in moments:
            counts[min(len(counts) - 1, max(0, int(moment / width)))] += 1
        return [((place + 0.5) * width, count / width) for place, count in enumerate(counts)]

    def waits(pairs: Iterable[tuple[float, float]], percent: float) -> Points:
        bins: list[list[float]] = [[] for _ in range(ceil(seconds / width))]
        for due_s, waited_s in pairs:
            bins[min(len(bins) - 1, max(0, int(due_s / width)))].append(waited_s * 1000)
        return [
            ((place + 0.5) * width, percentile(sorted(one), percent) if one else None) for place, one in enumerate(bins)
        ]

    answered = [(one.due_s, one.waited_s) for one in samples if one.outcome is Outcome.OK]
    placed = [(one.due_s, one.waited_s) for one in leads if one.waited_s is not None]
    lines: Sequence[tuple[str, str, list[Line]]] = [
        (
            "Leads a second: accepted, and assigned to a rep",
            "leads/s",
            [Line("accepted", rates(one.due_s for one in leads)), Line("assigned", rates(ended))],
        ),
        (
            "From post to rep, by when it was due",
            "ms",
            [Line("half within", waits(placed, 50)), Line("99 of 100 within", waits(placed, 99))],
        ),
        (
            "Requests a second",
            "requests/s",
            [
                Line("due", rates(one.due_s for one in samples)),
                Line("failed", rates(one.due_s for one in samples if one.outcome is Outcome.FAILED)),
                Line("answered", rates(one.done_s for one in samples if one.outcome is Outcome.OK)),
                Line("dropped", rates(one.due_s for one in samples if one.outcome is Outcome.DROPPED)),
            ],
        ),
        (
            "Wait for an answer, by when it was due",
            "ms",
            [Line("half within", waits(answered, 50)), Line("99 of 100 within", waits(answered, 99))],
        ),
        ("Leads that wait", "leads", [_looked(ran, "waiting", lambda look: look.waiting)]),
        (
            "Processors (100 = one core)",
            "%",
            [
                _looked(ran, "service", lambda look: look.service),
                _looked(ran, "generator", lambda look: look.generator),
                _looked(ran, "PostgreSQL", lambda look: look.postgres),
            ],
        ),
        (
            "Memory",
            "MB",
            [
                _looked(ran, "service", lambda look: look.service_mb),
                _looked(ran, "generator", lambda look: look.generator_mb),
            ],
        ),
        (
            "Connections to the database",
            "connections",
            [
                _looked(ran, "all", lambda look: look.connections),
                _looked(ran, "of the service", lambda look: look.service_connections),
            ],
        ),
        ("Write-ahead log", "MB", [_looked(ran, "written", lambda look: look.wal_mb)]),
    ]
    return [Chart(title, unit, some, seconds, shaded) for title, unit, some in lines]


def _looked(ran: Ran, name: str, value: Callable[[Look], float | None]) -> Line:
    return Line(name, [(look.at_s, value(look)) for look in ran.looks])
