"""Sentences that are made in English, in the language of the page: where all of their parts are translated. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ops.api.ids import UnknownId
from ops.text.translation import N_, Say
from router.domain.worded import parts_of
from router.http.problems import Refused

if TYPE_CHECKING:
    from ops.api.rulesets import RulesFinding, RulesProblem
    from ops.api.running import JobDocument

_ALSO = N_("; also ")
# A message without words is the same in every language.
_WORDS, _VALUES = re.compile(r"[^\W\d_]"), re.compile(r"\{[^{}]*\}")

Part = Mapping[str, Any]
"""As `router.domain.worded.parts_of` has it."""


class Shown(NamedTuple):
    """A text, and the language that it is marked with: "en", or "" where it is that of the page."""

    text: str
    lang: str


def sentence_in(finding: Mapping[str, Any], say: Say) -> Shown:
    """What a finding says, whose parts follow each other; one that is not translated as a whole stays English."""
    said = _joined(finding.get("parts"), say)
    return Shown(finding["sentence"], "en") if said is None else Shown(said, "")


def said_in(text: str, say: Say) -> Shown:
    """A text that may be worded."""
    said = _joined(parts_of(text), say)
    return Shown(str(text), "en") if said is None else Shown(said, "")


def detail_in(refused: Refused, say: Say) -> Shown:
    """What a refusal says, without the addresses that are for users of the API."""
    if isinstance(refused, UnknownId):
        on_pages = refused.id_kind.on_pages
        return said_in(refused.why, say) if on_pages is None else Shown(say.gettext(on_pages), "")
    in_language = getattr(refused, "translated", False)
    return Shown(refused.detail, "") if in_language else said_in(refused.detail, say)


def error_in(job: "JobDocument", say: Say) -> Shown:
    """Why a job failed."""
    said = _joined(job.error_parts, say)
    return Shown(job.error or "", "en") if said is None else Shown(said, "")


def message_in(finding: "RulesFinding | RulesProblem", say: Say) -> Shown:
    """What is odd or wrong in rules."""
    said = _joined(finding.parts, say)
    return Shown(finding.message, "en") if said is None else Shown(said, "")


def reason_in(row: Mapping[str, Any], say: Say) -> Shown:
    """Why a row was rejected, the parts being what is wrong with each column."""
    parts: Sequence[Part] = row.get("parts") or ()
    said = [_part(part, say) for part in parts]
    if not said or None in said:
        return Shown(row["reason"], "en")
    columns = (part.get("about") for part in parts)
    shown = (f"{column}: {text}" if column else str(text) for column, text in zip(columns, said, strict=True))
    return Shown(say.gettext(_ALSO).join(shown), "")


def why_in(check: Mapping[str, Any], say: Say) -> Shown:
    """Why a check does not apply, or could not look."""
    said = _joined(check.get("parts"), say)
    return Shown(check["why"] or "", "en" if check["why"] else "") if said is None else Shown(said, "")


def notes_in(result: Mapping[str, Any], say: Say) -> list[Shown]:
    """What a person should know of how a file was read."""
    notes = result.get("notes") or ()
    parts = result.get("notes_parts") or [None] * len(notes)
    said = [_joined(one, say) for one in parts]
    return [Shown(note, "en") if one is None else Shown(one, "") for note, one in zip(notes, said, strict=False)]


def _joined(parts: Sequence[Part] | None, say: Say) -> str | None:
    said = [_part(part, say) for part in parts or ()]
    return None if not said or None in said else "".join(map(str, said))


def _part(part: Part, say: Say) -> str | None:
    """None where it is not translated, or another release made it of other values."""
    english, plural, count = part["message"], part.get("plural"), part.get("count", 0)
    if not english:
        # The catalogue has what is said of itself there.
        return ""
    message = say.ngettext(english, plural, count) if plural else say.gettext(english)
    if message in (english, plural) and _WORDS.search(_VALUES.sub("", english)):
        return None
    values = {name: _value(value, say) for name, value in part["values"].items()}
    if None in values.values():
        return None
    try:
        return message.format(**({"count": count} if plural else {}), **values)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return None


def _value(value: object, say: Say) -> object:
    """None for one that should be translated, and is not."""
    return _joined(value["parts"], say) if isinstance(value, Mapping) else value
