"""The templates: made once for each language; everything that is put into them is escaped."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ops.blocking.ending_words import advice_of, wait_or_end
from ops.console import words
from ops.console.before_after import share
from ops.console.event_words import TYPES, details
from ops.console.fixes import EFFECTS, advice, page_for
from ops.console.in_language import detail_in, error_in, message_in, notes_in, reason_in, said_in, sentence_in, why_in
from ops.console.rules_words import REPLAY_CHANGES
from ops.notify.titles import TITLES
from ops.text.states import STATES
from ops.text.translation import Say, translator
from ops.why.codes import FIELDS
from ops.why.phrases import detail
from router.domain.calendar import zone
from router.domain.text import visible
from router.domain.worded import restored

TEMPLATES = Path(__file__).parent / "templates"


@cache
def environment(language: str) -> Environment:
    """Of one of the languages that there are."""
    say = translator(language)
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )

    def translated(message: str, **values: Any) -> Markup:
        return Markup(escape(say.gettext(message))).format(**values)

    def counted(one: str, several: str, count: int, **values: Any) -> Markup:
        return Markup(escape(say.ngettext(one, several, count))).format(count=count, **values)

    made.globals |= {"_": translated, "ngettext": counted, "language": language, "page_for": page_for}
    made.filters |= {
        "moment": moment,
        "harmless": visible,
        "harmless_lines": lambda text: visible(text, "\n\t"),
        "reason": lambda reason: words.reason_words(reason, say),
        "waits": lambda phrases: say.gettext("; ").join(words.waits_words(one, say) for one in phrases),
        "event_details": lambda data: details(data, say),
        "seconds": lambda seconds: words.span_words(timedelta(seconds=seconds), say),
        "segment": lambda text: quote(text, safe=""),
        "share": share,
        "span": lambda span: words.span_words(span, say),
        "words": lambda code, table: say.gettext(_TABLES[table].get(code, code)),
        "state_words": lambda code: say.gettext(STATES.get(code, code)),
        "filter_words": lambda name: say.gettext(words.FILTERS.get(name, name)),
        "field_words": lambda name: say.gettext(FIELDS.get(name, name)),
        "advice": lambda command: advice(command, say),
        "sentence_in": lambda finding: sentence_in(finding, say),
        "error_in": lambda job: error_in(job, say),
        "message_in": lambda finding: message_in(finding, say),
        "said_in": lambda text: said_in(text, say),
        "detail_in": lambda refused: detail_in(refused, say),
        "detail_words": lambda text: detail(text, say),
        "of_parts": lambda text, parts: said_in(restored(text, parts), say),
        "why_in": lambda check: why_in(check, say),
        "notes_in": lambda result: notes_in(result, say),
        "reason_in": lambda row: reason_in(row, say),
        "wait_or_end": lambda work: wait_or_end(work, say),
        "ending_advice": lambda finding: advice_of(finding, say),
        "finding_title": lambda code: _begun(say.gettext(TITLES.get(code, code))),
    }
    return made


_TABLES: Mapping[str, Mapping[str, str]] = {
    "level": words.LEVELS,
    "severity": words.SEVERITIES,
    "role": words.ROLES,
    "job": words.JOBS,
    "job_state": words.JOB_STATES,
    "check": words.CHECKS,
    "effect": EFFECTS,
    "standing": words.STANDINGS,
    "replay_change": REPLAY_CHANGES,
    "event": TYPES,
}


def _begun(text: str) -> str:
    """As a heading begins."""
    return text[:1].upper() + text[1:]


def clock(zone_name: str, now: datetime, say: Say) -> Mapping[str, Any]:
    """How a page shows moments: on the wall clock of a zone, as the distance from now, and how long ago it began."""

    def at(value: datetime | str | None) -> Markup:
        if value is None:
            return Markup("–")
        known = moment(value)
        shown = known.astimezone(UTC if zone_name == "UTC" else zone(zone_name))
        title = words.distance_words(known, now, say)
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            known.astimezone(UTC).isoformat(timespec="seconds"), title, f"{shown:%Y-%m-%d %H:%M:%S}"
        )

    def far(value: datetime | str | None, *, past: bool = False) -> Markup:
        """`past`: it cannot be yet to come; a lead may have come after the look at the clock that the page has."""
        if value is None:
            return Markup("–")
        known = min(moment(value), now) if past else moment(value)
        shown = known.astimezone(UTC if zone_name == "UTC" else zone(zone_name))
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            known.astimezone(UTC).isoformat(timespec="seconds"),
            f"{shown:%Y-%m-%d %H:%M:%S}",
            words.distance_words(known, now, say),
        )

    def lasting(value: datetime | str) -> Markup:
        known = moment(value)
        shown = known.astimezone(UTC if zone_name == "UTC" else zone(zone_name))
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            known.astimezone(UTC).isoformat(timespec="seconds"),
            f"{shown:%Y-%m-%d %H:%M:%S}",
            words.span_words(now - known, say),
        )

    return {"at": at, "far": far, "lasting": lasting, "zone_name": zone_name, "now": now}


def moment(value: datetime | str) -> datetime:
    """Documents for machines hold times as text."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)
