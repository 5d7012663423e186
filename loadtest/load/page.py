"""The report of a run for people: one HTML file that needs nothing else. Pure."""

from collections.abc import Iterable, Sequence
from html import escape
from math import isfinite
from pathlib import Path

from loadtest.load.charts import draw
from loadtest.load.faults import told
from loadtest.load.judging import SHOWN, Judged, Row
from loadtest.load.objectives import GENERATOR_LIMIT, Check
from loadtest.load.report import FAILURES_SHOWN, SAID, about_machine, caution, machine, of_ramp, sentence
from loadtest.load.run import Ran
from loadtest.load.series import charts

_STYLE = (Path(__file__).with_name("page.css")).read_text(encoding="utf-8")


def page(ran: Ran, judged: Judged) -> str:
    """One HTML file."""
    kind, options = SAID[judged.verdict][0], ran.options
    title = f"Load: {options.shape}, {options.seconds:,.0f} s, {options.rate:g} requests/s"
    drawn = "\n".join(draw(one) for one in charts(ran))
    parts = [
        "<!doctype html>",
        f'<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>',
        f"<h1>{escape(title)}</h1>",
        f'<p class="verdict {kind}">{escape(sentence(judged))}</p>',
        *_paragraph(caution(ran, judged)),
        f"<p>{escape(machine(ran))}; seed {options.seed}, Locust with {options.workers} sending process(es).</p>",
        *_about_fault(ran, judged),
        *_paragraph(of_ramp(ran, judged)),
        "<h2>What happened</h2>",
        f'<div class="charts">{drawn}</div>',
        "<h2>Objectives</h2>",
        '<p class="note">What was agreed (loadtest/objectives.yaml, or the file of OBJECTIVES). <i>request</i> = the '
        "wait for an answer, <i>post to rep</i> = until the lead has its rep, in the database. p50, p95, p99: so long "
        "at most in 50, 95, 99 of 100 cases.</p>",
        _table(("objective", "measured", "limit", "holds"), map(_check_cells, judged.checks)),
        "<h2>Requests</h2>",
        '<p class="note">Milliseconds from when a request was due, whether or not it could be sent then. Exact values, '
        "not buckets. Dropped = never sent, because too many were unanswered. What each request is: "
        "docs/load-testing.md, <i>What is asked</i>.</p>",
        _table(("request", "due", "failed", "dropped", *_heads()), map(_row_cells, judged.requests)),
        *_about_failures(ran, judged),
        "<h2>From post to rep</h2>",
        f'<p class="note">{_clock(ran)} Milliseconds from when the post was due.</p>',
        _table(("handed in by", "leads", "no rep", *_heads()), (_lead_cells(one) for one in judged.assigned)),
        "<h2>Leads</h2>",
        *_about_leads(ran),
        "<h2>The generator</h2>",
        f"<p>Its busiest process used {judged.generator:.0f}% of a core for 5 s (above {GENERATOR_LIMIT:.0f}% there is "
        f"no verdict). It sent later than due by {_ms(judged.late)}, which is part of all waits above.</p>",
        f"<p>{escape(about_machine(ran))}</p>",
        "<h2>What the doctor said</h2>",
        *_about_doctor(ran),
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _about_fault(ran: Ran, judged: Judged) -> list[str]:
    if ran.trouble is None or judged.recovery is None:
        return []
    seconds = max(0.0, judged.recovery.seconds)
    again = (
        f"All was right again {seconds:.1f} s after the fix"
        if isfinite(seconds)
        else "It was not right again by the end"
    )
    return [
        f"<p><b>Broken on purpose</b> from {ran.trouble.began_s:.1f} s to {ran.trouble.fixed_s:.1f} s (shaded): "
        f"{escape(told(ran.options.faults))}. <b>{again}</b>; last there was "
        f"{escape(judged.recovery.last)}. What was due in between counts for neither failures nor waits in the "
        "objectives.</p>"
    ]


_ON_PURPOSE = " Those that failed while it was broken on purpose are among them, and count for no objective."


def _paragraph(text: str) -> list[str]:
    return [f"<p><b>{escape(text)}</b></p>"] if text else []


def _about_failures(ran: Ran, judged: Judged) -> list[str]:
    """What failed requests were answered, the most frequent first."""
    if not judged.failures:
        return []
    rows = (
        (
            (f"{one.number:,}", ""),
            (one.answer, "text"),
            (", ".join(f"{name} {number:,}" for name, number in one.names.items()), "text"),
            (f"{one.first_s:,.0f} s", ""),
            (f"{one.last_s:,.0f} s", ""),
        )
        for one in judged.failures[:FAILURES_SHOWN]
    )
    more = len(judged.failures) - FAILURES_SHOWN
    return [
        "<h2>Why requests failed</h2>",
        '<p class="note">What was answered instead; answers that differ in numbers only are one. From and until: when '
        f"the first and the last of them were due.{_ON_PURPOSE if ran.trouble is not None else ''}</p>",
        _table(("number", "answer", "requests", "from", "until"), rows),
        *([f"<p>… and {more:,} more answers.</p>"] if more > 0 else []),
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
    lines = list(rows)
    # The head of a column of texts stands where the texts begin.
    kinds = ["text" if kind == "text" else "" for _, kind in lines[0]] if lines else [""] * len(heads)
    head = "".join(f'<th class="{kind}">{escape(one)}</th>' for one, kind in zip(heads, kinds, strict=True))
    body = "\n".join(
        "<tr>" + "".join(f'<td class="{kind}">{escape(text)}</td>' for text, kind in row) + "</tr>" for row in lines
    )
    return f"<table><tr>{head}</tr>\n{body}</table>"


def _check_cells(one: Check) -> Cells:
    holds = ("yes", "") if one.holds else ("NO", "bad")
    title = one.name if one.title == one.name else f"{one.title} ({one.name})"
    return [(title, ""), (one.measured, ""), (one.allowed, ""), holds]


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
