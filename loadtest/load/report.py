"""The report of a run: a page that needs nothing else, and the same for machines. Pure."""

import platform
from collections.abc import Iterable, Sequence
from html import escape
from math import isfinite
from pathlib import Path
from typing import Any

import psutil

from loadtest.load.charts import draw
from loadtest.load.faults import told
from loadtest.load.judging import SHOWN, Judged, Row
from loadtest.load.objectives import GENERATOR_LIMIT, LATE_LIMIT_S, Check, Verdict
from loadtest.load.run import Ran
from loadtest.load.samples import Outcome
from loadtest.load.series import charts

_STYLE = (Path(__file__).with_name("report.css")).read_text(encoding="utf-8")
_SAID = {
    Verdict.PASSED: ("good", "Passed: every objective holds."),
    Verdict.FAILED: ("bad", "Failed: {missed}."),
    Verdict.REFUSED: (
        "none",
        "No verdict: the generator used {generator:.0f}% of a core (limit {limit:.0f}%), and sent one request in a "
        "hundred {late:,.0f} ms late or more (limit {late_limit:,.0f}). Its figures are its own, not the service's: "
        "lower RATE, raise PROCESSES, or run it on another machine.",
    ),
}


def sentence(judged: Judged) -> str:
    """The verdict in one sentence."""
    missed = ", ".join(one.name for one in judged.checks if not one.holds)
    return _SAID[judged.verdict][1].format(
        missed=missed,
        generator=judged.generator,
        limit=GENERATOR_LIMIT,
        late=1000 * judged.late[SHOWN.index(99.0)] if judged.late else 0.0,
        late_limit=1000 * LATE_LIMIT_S,
    )


def document(ran: Ran, judged: Judged) -> dict[str, Any]:
    """For machines; waits in milliseconds, times in seconds from the beginning of the run."""
    options, stored = ran.options, ran.stored
    return {
        "verdict": judged.verdict.name.lower(),
        "sentence": sentence(judged),
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


def _about_machine(ran: Ran) -> str:
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


def page(ran: Ran, judged: Judged) -> str:
    """One HTML file."""
    kind, options = _SAID[judged.verdict][0], ran.options
    title = f"Load: {options.shape}, {options.seconds:,.0f} s, {options.rate:g} requests/s"
    drawn = "\n".join(draw(one) for one in charts(ran))
    parts = [
        "<!doctype html>",
        f'<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>',
        f"<h1>{escape(title)}</h1>",
        f'<p class="verdict {kind}">{escape(sentence(judged))}</p>',
        f"<p>{escape(machine(ran))}; seed {options.seed}, Locust with {options.workers} sending process(es).</p>",
        *_about_fault(ran, judged),
        *_about_ramp(judged),
        "<h2>What happened</h2>",
        f'<div class="charts">{drawn}</div>',
        "<h2>Objectives</h2>",
        _table(("objective", "measured", "limit", "holds"), map(_check_cells, judged.checks)),
        "<h2>Requests</h2>",
        '<p class="note">Milliseconds from when a request was due, whether or not it could be sent then. Exact values, '
        "not buckets. Dropped = never sent, because too many were unanswered.</p>",
        _table(("request", "due", "failed", "dropped", *_heads()), map(_row_cells, judged.requests)),
        "<h2>From post to rep</h2>",
        f'<p class="note">{_clock(ran)} Milliseconds from when the post was due.</p>',
        _table(("handed in by", "leads", "no rep", *_heads()), (_lead_cells(one) for one in judged.assigned)),
        "<h2>Leads</h2>",
        *_about_leads(ran),
        "<h2>The generator</h2>",
        f"<p>Its busiest process used {judged.generator:.0f}% of a core for 5 s (above {GENERATOR_LIMIT:.0f}% there is "
        f"no verdict). It sent later than due by {_ms(judged.late)}, which is part of all waits above.</p>",
        f"<p>{escape(_about_machine(ran))}</p>",
        "<h2>What the doctor said</h2>",
        *_about_doctor(ran),
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _about_fault(ran: Ran, judged: Judged) -> list[str]:
    if ran.trouble is None or judged.recovery is None:
        return []
    seconds = max(0.0, judged.recovery.seconds)
    when = f"{seconds:.1f} s after the fix" if isfinite(seconds) else "never"
    return [
        f"<p><b>Broken on purpose</b> from {ran.trouble.began_s:.1f} s to {ran.trouble.fixed_s:.1f} s (shaded): "
        f"{escape(told(ran.options.faults))}. <b>All was right again {when}</b>; last there was "
        f"{escape(judged.recovery.last)}. What was due in between counts for neither failures nor waits in the "
        "objectives.</p>"
    ]


def _about_ramp(judged: Judged) -> list[str]:
    if judged.broke is None:
        return []
    return [
        f"<p><b>It broke at {judged.broke.rate:,.0f} requests a second</b>, after {judged.broke.at_s:,.0f} s: "
        "more than 5% of 5 s failed or waited longer than a second.</p>"
    ]


def _about_leads(ran: Ran) -> list[str]:
    stored = ran.stored
    found = stored.acknowledged - len(stored.missing)
    audit = "; ".join(stored.violations) or "no violations"
    lines = [
        f"{stored.acknowledged:,} leads were accepted, {found:,} of them are in the database, {stored.unassigned:,} "
        "without a rep at the end.",
        f"{stored.others:,} more are stored whose answer was an error or never came: nobody was promised anything.",
        f"Audit: {audit}.",
        f"After the last answer it took {ran.settle_s:.1f} s until no lead waited.",
    ]
    if stored.night:
        done = "not all of them" if stored.night_done_s is None else f"within {stored.night_done_s:.1f} s"
        lines.insert(0, f"The night's {stored.night:,} leads had their reps when the morning began: {done}.")
    return ["<ul>", *(f"<li>{escape(line)}</li>" for line in lines), "</ul>"]


def _about_doctor(ran: Ran) -> list[str]:
    asked = f"Asked {ran.asked_doctor} times, every two seconds."
    if ran.doctor_failed:
        asked += f" {len(ran.doctor_failed)} times it could not look: {ran.doctor_failed[0]}."
    if not ran.said:
        return [f"<p>{escape(asked)} Nothing was wrong.</p>"]
    rows = (
        (
            f"{one.since_s:.0f} s",
            "" if one.until_s is None else f"{one.until_s:.0f} s",
            one.severity,
            one.code,
            f"{one.sentence} {one.command}",
        )
        for one in ran.said
    )
    return [
        f"<p>{escape(asked)}</p>",
        _table(("from", "until", "severity", "finding", "says"), ([(cell, "text") for cell in row] for row in rows)),
    ]


def _clock(ran: Ran) -> str:
    if ran.stored.exact:
        return "Read from the database after the run: when the transaction that assigned the lead was committed."
    return "Read from the database after the run: when it was decided (the server does not record commit times)."


Cells = Sequence[tuple[str, str]]


def _table(heads: Sequence[str], rows: Iterable[Cells]) -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "\n".join(
        "<tr>" + "".join(f'<td class="{kind}">{escape(text)}</td>' for text, kind in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>\n{body}</table>"


def _check_cells(one: Check) -> Cells:
    sign = "≥" if one.at_least else "≤"
    value = "nothing measured" if one.value is None else f"{one.value:,.1f} {one.unit}"
    holds = ("yes", "") if one.holds else ("NO", "bad")
    return [(one.name, ""), (value, ""), (f"{sign} {one.limit:,g} {one.unit}", ""), holds]


def _heads() -> list[str]:
    return ["largest" if percent == 100 else f"p{percent:g}" for percent in SHOWN]


def _row_cells(row: Row) -> Cells:
    return [
        (row.name, ""),
        (f"{row.number:,}", ""),
        (f"{row.failed:,}", "bad" if row.failed else ""),
        (f"{row.dropped:,}", "bad" if row.dropped else ""),
        *_wait_cells(row.waits),
    ]


def _lead_cells(row: Row) -> Cells:
    return [
        (row.name, ""),
        (f"{row.number:,}", ""),
        (f"{row.failed:,}", "bad" if row.failed else ""),
        *_wait_cells(row.waits),
    ]


def _wait_cells(waits: Sequence[float]) -> Cells:
    return [(f"{wait * 1000:,.1f}", "") for wait in waits] or [("", "")] * len(SHOWN)


def _ms(waits: Sequence[float]) -> str:
    return ", ".join(f"{name} {wait * 1000:,.1f} ms" for name, wait in zip(_heads(), waits, strict=False)) or "nothing"
