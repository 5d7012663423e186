"""Posted forms and webhooks as leads, by the mapping of their source. Pure: the preview and the service read alike."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from hashlib import blake2b, sha256
from typing import NamedTuple

from router.domain.lead_in import LeadIn
from router.intake.json_lead import FieldError, NotALead
from router.intake.normalise import HOLDS_BAD_BYTES, LeadReader, Rejected
from router.intake.placeholders import means_no_id
from router.rules.columns import ID_BYTES
from router.rules.json_paths import Step, parse_path, places_of, value_at, without
from router.rules.source_file import FormDoor, SourceFile, WebhookDoor
from router.rules.spelling import Spellings

MAX_LEADS = 500
"""Leads in one webhook."""
FORM_KEEPS = frozenset(("source", "created_at", "customer_id", "priority", "attributes"))
"""Fields that the visitors of a page fill only where the mapping names them."""
_SENT = "sent_"
_NO_ID = "no-id"
_NOT_SAID = ("malformed", "enquiry")
_UNDECLARED = ", and the file of the source declares no time_zone"
_SURROGATE = "holds half of a surrogate pair, which is no text"

Place = tuple[str | int, ...]


class ReadingContext(NamedTuple):
    """What reading depends on: the time (aware), the tenant's words, and the country of its phone numbers."""

    now: datetime
    phone_region: str | None = None
    spellings: Spellings | None = None


class SourceReader:
    """Reads what comes in at the source `name`."""

    def __init__(self, name: str, source: SourceFile, context: ReadingContext) -> None:
        plan = replace(source.mapping, constants={**source.mapping.constants, "source": name})
        self._plan = plan
        self._reader = LeadReader(
            plan, context.now, context.phone_region, context.spellings, undeclared=_UNDECLARED, ids_as_they_are=True
        )
        self._door = source.door
        self._kept = (FORM_KEEPS if isinstance(source.door, FormDoor) else frozenset({"source"})) - plan.columns
        self._id_column = next((c for c, target in plan.rename.items() if target == "external_id"), "external_id")
        self._paths = _paths(source)

    def form_lead(self, fields: Mapping[str, object], day: date) -> LeadIn:
        """The lead of a form that is posted on this business day. Without an id it gets one that is the same for the
        same texts on the same day, so that a double click is one lead. Raises NotALead.
        """
        row = self._row(dict(fields))
        made = self._needs_id(row)
        if made:
            row[self._id_column] = _NO_ID
        lead = self._read(row, lambda column: (column,))
        return lead._replace(external_id=form_id(lead, day)) if made else lead

    def webhook_leads(self, document: object, fallback_id: str) -> list[LeadIn | NotALead]:
        """The leads of a body, in its order, each by itself; `fallback_id` is for those without an id of their own."""
        assert isinstance(self._door, WebhookDoor)
        try:
            items, place = _items(document, self._door.leads)
        except NotALead as error:
            return [error]
        if isinstance(items, list):
            return [self._one(one, (*place, n), f"{fallback_id}-{n}") for n, one in enumerate(items)]
        return [self._one(items, place, fallback_id)]

    def _one(self, item: object, place: Place, fallback_id: str) -> LeadIn | NotALead:
        try:
            return self._webhook_lead(item, place, fallback_id)
        except NotALead as error:
            return error

    def _webhook_lead(self, item: object, place: Place, fallback_id: str) -> LeadIn:
        if not isinstance(item, dict):
            raise NotALead([FieldError(_names(place), "must be a JSON object")])
        found = dict(self._found(item))
        rest = without(item, list(found.values()))
        assert isinstance(rest, dict)
        row = self._row({**rest, **{column: value_at(item, places) for column, places in found.items()}})
        if self._needs_id(row):
            row[self._id_column] = fallback_id
        return self._read(row, lambda column: (*place, *found.get(column, [column])))

    def _found(self, item: Mapping[str, object]) -> Iterator[tuple[str, list[str | int]]]:
        """The columns of the mapping that are deeper within the item, and where."""
        for column, path in self._paths.items():
            if column not in item and (places := places_of(item, path)) is not None:
                yield column, places

    def _row(self, row: dict[str, object]) -> dict[str, object]:
        """What the sender may not say becomes an attribute of another name."""
        return {_SENT + name if name in self._kept else name: value for name, value in row.items()}

    def _needs_id(self, row: Mapping[str, object]) -> bool:
        value = row.get(self._id_column)
        text = value.strip() if isinstance(value, str) else None
        absent = value is None or (text is not None and (text in ("", *self._plan.empty) or means_no_id(text)))
        return absent and self._plan.external_id is None

    def _read(self, row: Mapping[str, object], place_of: Callable[[str], Place]) -> LeadIn:
        try:
            return self._reader.read(row)
        except Rejected as rejected:
            errors = [_as_error(one, place_of) for one in (rejected, *rejected.others)]
            raise NotALead(errors) from None


def form_id(lead: LeadIn, day: date) -> str:
    """An id made of all that the form says, in one spelling, and of the day; 32 hexadecimal digits."""
    said = lead._replace(external_id="", created_at=None, malformed=frozenset())._asdict()
    text = json.dumps([day.isoformat(), *(value for name, value in said.items() if name not in _NOT_SAID)])
    return blake2b(text.encode(), digest_size=ID_BYTES).hexdigest()


def body_id(body: bytes) -> str:
    """What stands for a webhook without an id that is signed: the same body again is the same."""
    return sha256(body).hexdigest()[:32]


def _paths(source: SourceFile) -> dict[str, tuple[Step, ...]]:
    if isinstance(source.door, FormDoor):
        return {}
    return {column: parse_path(column) for column in source.mapping.columns}


def _items(document: object, path: str | None) -> tuple[object, Place]:
    """What holds the leads, and where it is."""
    items, place = document, list[str | int]()
    if path is not None:
        found = places_of(document, parse_path(path))
        if found is None:
            raise NotALead([FieldError((), f"has nothing at {path}, where the leads should be")])
        items, place = value_at(document, found), found
    if isinstance(items, list) and not 1 <= len(items) <= MAX_LEADS:
        raise NotALead([FieldError(_names(place), f"must have 1 to {MAX_LEADS} leads, not {len(items):,}")])
    return items, tuple(place)


def _as_error(rejected: Rejected, place_of: Callable[[str], Place]) -> FieldError:
    place = place_of(rejected.column) if rejected.column else place_of("")[:-1]
    reason = _SURROGATE if rejected.reason == HOLDS_BAD_BYTES else rejected.reason
    return FieldError(_names(place), reason)


def _names(place: Sequence[str | int]) -> tuple[str, ...]:
    return tuple(map(str, place))
