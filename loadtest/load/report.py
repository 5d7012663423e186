"""The report of a run for machines, and the sentences that it shares with the page. Pure."""

import platform
from collections.abc import Sequence
from math import isfinite
from typing import Any

import psutil

from loadtest.load.faults import told
from loadtest.load.judging import SHOWN, Judged, Row
from loadtest.load.objectives import GENERATOR_LIMIT, LATE_LIMIT_S, Verdict
from loadtest.load.run import Ran
from loadtest.load.samples import Outcome

SAID = {
    Verdict.PASSED: ("good", "Passed: every objective holds."),
    Verdict.FAILED: ("bad", "Failed: {missed}."),
    Verdict.REFUSED: (
        "none",
        "No verdict: the generator used {generator:.0f}% of a core (limit {limit:.0f}%), and sent one request in a "
        "hundred {late:,.0f} ms late or more (limit {late_limit:,.0f}). Its figures are its own, not the service's: "
        "lower RATE, raise PROCESSES, or run it on another machine.",
    ),
}


_BUSY = 90.0
"""Percent of all processors."""
FAILURES_SHOWN = 20


def sentence(judged: Judged) -> str:
    """The verdict in one sentence."""
    missed = "; ".join(one.words for one in judged.checks if not one.holds)
    return SAID[judged.verdict][1].format(
        missed=missed,
        generator=judged.generator,
        limit=GENERATOR_LIMIT,
        late=1000 * judged.late[SHOWN.index(99.0)] if judged.late else 0.0,
        late_limit=1000 * LATE_LIMIT_S,
    )


def caution(ran: Ran, judged: Judged) -> str:
    """What to know before the service is blamed for a failed run; "" where there is nothing."""
    found = _processors(ran)
    slow = any(not one.holds and one.unit in ("ms", "s") for one in judged.checks)
    if judged.verdict is not Verdict.FAILED or not slow or not found or found["busy"] < _BUSY:
        return ""
    if found["of_this_run"] > found["busy"] / 2:
        return (
            f"The processors were {found['busy']:.0f}% busy, and this run used most of that: this rate is about what "
            "the machine carries. Look for the highest with SHAPE=ramp."
        )
    return (
        f"The processors were {found['busy']:.0f}% busy, but only {found['of_this_run']:.0f}% with this run: other "
        "work on the machine makes waits long. Run it again on a quiet machine before you blame the service."
    )


def of_ramp(ran: Ran, judged: Judged) -> str:
    """How far a ramp came; "" for another shape."""
    if ran.plan.abort is None:
        return ""
    if judged.broke is None:
        return f"It did not break: at the end {ran.plan.pieces[-1].rate:,.0f} requests a second were due."
    limits = ran.plan.abort
    return (
        f"It broke at {judged.broke.rate:,.0f} requests a second, after {judged.broke.at_s:,.0f} s: more than "
        f"{limits.percent:g}% of {limits.within_s:g} s failed or waited longer than {limits.slower_than_s:g} s."
    )


def document(ran: Ran, judged: Judged) -> dict[str, Any]:
    """For machines; waits in milliseconds, times in seconds from the beginning of the run."""
    options, stored = ran.options, ran.stored
    return {
        "verdict": judged.verdict.name.lower(),
        "sentence": sentence(judged),
        "caution": caution(ran, judged),
        "shape": options.shape,
        "seconds": options.seconds,
        "rate": options.rate,
        "seed": options.seed,
        "workers": options.workers,
        "machine": machine(ran),
        "objectives": [
            {"name": one.name, "value": _number(one.value), "limit": one.limit, "unit": one.unit, "holds": one.holds}
            for one in judged.checks
        ],
        "requests": {
            "due": len(ran.samples),
            "failed": sum(one.outcome is Outcome.FAILED for one in ran.samples),
            "dropped": sum(one.outcome is Outcome.DROPPED for one in ran.samples),
            "by_name": [_row_document(one) for one in judged.requests],
            "failures": [
                {
                    "answer": one.answer,
                    "number": one.number,
                    "by_name": dict(one.names),
                    "first_s": round(one.first_s, 1),
                    "last_s": round(one.last_s, 1),
                }
                for one in judged.failures[:FAILURES_SHOWN]
            ],
        },
        "post_to_assignment": {
            "by_commit_time": stored.exact,
            "by_name": [_row_document(one) for one in judged.assigned],
        },
        "leads": {
            "accepted": stored.acknowledged,
            "found": stored.acknowledged - len(stored.missing),
            "missing": list(stored.missing[:100]),
            "stored_without_an_answer": stored.others,
            "without_rep": stored.unassigned,
            "night": stored.night,
            "night_done_s": _number(stored.night_done_s),
            "settle_s": round(ran.settle_s, 2),
        },
        "audit": {"violations": list(stored.violations)},
        "generator": {"percent": round(judged.generator, 1), "late_ms": _by_percent(judged.late)},
        "processors_percent": {name: round(value, 1) for name, value in _processors(ran).items()},
        "fault": _fault(ran, judged),
        "broke": None if judged.broke is None else {"at_s": judged.broke.at_s, "rate": round(judged.broke.rate, 1)},
        "doctor": {
            "asked": ran.asked_doctor,
            "failed": ran.doctor_failed,
            "said": [
                {
                    "code": one.code,
                    "severity": one.severity,
                    "since_s": round(one.since_s, 1),
                    "until_s": _number(one.until_s),
                    "sentence": one.sentence,
                    "command": one.command,
                }
                for one in ran.said
            ],
        },
        "looks": [one.document() for one in ran.looks],
    }


def machine(ran: Ran) -> str:
    """Where it ran."""
    python, cores = platform.python_version(), psutil.cpu_count()
    return f"{platform.machine()}, {cores} cores, Python {python}, PostgreSQL {ran.server}"


def _processors(ran: Ran) -> dict[str, float]:
    """Mean percent of all processors together: that were busy, and with what of this run."""
    looks, cores = ran.looks, psutil.cpu_count() or 1
    if not looks:
        return {}
    own = [look.generator + (look.service or 0.0) + (look.postgres or 0.0) for look in looks]
    return {"busy": sum(look.machine for look in looks) / len(looks), "of_this_run": sum(own) / len(own) / cores}


def about_machine(ran: Ran) -> str:
    found = _processors(ran)
    if not found:
        return ""
    return (
        f"The machine's processors were {found['busy']:.0f}% busy on average; generator, service and PostgreSQL used "
        f"{found['of_this_run']:.0f}%. What is left of the first is the work of others, which makes waits longer."
    )


def _fault(ran: Ran, judged: Judged) -> dict[str, Any] | None:
    if ran.trouble is None or judged.recovery is None:
        return None
    return {
        "names": list(ran.options.faults),
        "told": told(ran.options.faults),
        "began_s": round(ran.trouble.began_s, 2),
        "fixed_s": round(ran.trouble.fixed_s, 2),
        "recovery_s": _number(max(0.0, judged.recovery.seconds)),
        "last": judged.recovery.last,
    }


def _number(value: float | None) -> float | None:
    """As JSON can have it."""
    return round(value, 3) if value is not None and isfinite(value) else None


def _by_percent(waits: Sequence[float]) -> dict[str, float]:
    return {f"p{percent:g}": round(wait * 1000, 2) for percent, wait in zip(SHOWN, waits, strict=False)}


def _row_document(row: Row) -> dict[str, Any]:
    waits = {"ms": _by_percent(row.waits)}
    return {"name": row.name, "number": row.number, "failed": row.failed, "dropped": row.dropped, **waits}
