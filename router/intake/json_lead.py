"""One JSON object as a lead: the fields of a lead and nothing else, read by the code that reads files. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from router.domain.date_forms import ISO
from router.domain.lead_in import LeadIn
from router.domain.phrases import suggestion
from router.intake.normalise import HOLDS_BAD_BYTES, LeadReader, Rejected
from router.rules.mapping import FIELDS, FileMapping
from router.rules.spelling import Spellings

_KNOWN = frozenset(FIELDS)
_MAX_UNKNOWN = 20
_NO_OFFSET = ": add it, as in 2026-03-02T09:30:00+08:00"
_SURROGATE = "holds half of a surrogate pair, which is no text"


class FieldError(NamedTuple):
    """A value that is wrong: the names that lead to it (none = the whole), and why."""

    path: tuple[str, ...]
    reason: str


class NotALead(ValueError):
    """The object cannot become a lead, for these reasons."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(error.reason for error in errors))
        self.errors = errors


class JsonLeadReader:
    """Reads leads as HTTP brings them; the arguments are those of LeadReader. Times need an offset.

    How deep a value is, is for the caller to look at.
    """

    def __init__(self, now: datetime, phone_region: str | None = None, spellings: Spellings | None = None) -> None:
        # A program says what it means: no time is guessed from a number, nor from how others are written.
        plan = FileMapping(created_at=ISO)
        self._reader = LeadReader(plan, now, phone_region, spellings, undeclared=_NO_OFFSET, ids_as_they_are=True)

    def read(self, value: object) -> LeadIn:
        """Raises NotALead, with all that is wrong."""
        if not isinstance(value, dict):
            raise NotALead([FieldError((), "must be a JSON object")])
        errors = self._shape_errors(value)
        try:
            lead = self._reader.read(value if not errors else {name: value[name] for name in value if name in _KNOWN})
        except Rejected as rejected:
            raise NotALead(errors + _as_errors(rejected, errors)) from None
        if errors:
            raise NotALead(errors)
        return lead

    @staticmethod
    def _shape_errors(value: Mapping[str, object]) -> list[FieldError]:
        errors = [] if value.keys() <= _KNOWN else _unknown(value)
        source = value.get("source")
        if source is None or (isinstance(source, str) and not source.strip()):
            errors.append(FieldError(("source",), "is missing: source and external_id identify a lead"))
        attributes = value.get("attributes")
        if attributes is not None and not isinstance(attributes, dict):
            errors.append(FieldError(("attributes",), 'must be a JSON object, such as {"budget": 100}'))
        return errors


def _unknown(value: Mapping[str, object]) -> list[FieldError]:
    names = [name for name in value if name not in _KNOWN]
    errors = [FieldError((name,), _unknown_reason(name)) for name in names[:_MAX_UNKNOWN]]
    if len(names) > _MAX_UNKNOWN:
        errors.append(FieldError((), f"has {len(names) - _MAX_UNKNOWN:,} more fields that are not known"))
    return errors


def _unknown_reason(name: str) -> str:
    near = suggestion(name[:60], FIELDS)
    meant = f"did you mean {near}? " if near else ""
    return f"is not a field of a lead; {meant}fields of your own belong in attributes"


def _as_errors(rejected: Rejected, known: list[FieldError]) -> list[FieldError]:
    """What the reader found, but for what is known already."""
    named = {error.path for error in known}
    found = [_as_error(one) for one in (rejected, *rejected.others)]
    return [error for error in found if error.path not in named]


def _as_error(rejected: Rejected) -> FieldError:
    column = rejected.column
    path = () if not column else (column,) if column in _KNOWN else ("attributes", column)
    return FieldError(path, _SURROGATE if rejected.reason == HOLDS_BAD_BYTES else rejected.reason)
