"""One row of a file as a lead: fields found, words in one spelling, times and contacts read, the rest attributes.

Pure. Rows come as column to value: texts from CSV, any JSON value from NDJSON.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import msgspec

from router.domain.lead_in import LeadIn
from router.domain.text import whole_id, without_invisible
from router.domain.worded import Part, Worded, said_by, worded
from router.intake.contacts import ContactReader
from router.intake.json_text import MAX_EXPONENT, holds_huge_number, read_json
from router.intake.placeholders import is_rounded_id, means_no_id, no_lead
from router.intake.times import UNDECLARED, Orders, TimeReader, UnreadableTime
from router.intake.words import WordReader
from router.rules.columns import NoIdentity, reshaped
from router.rules.mapping import ATTRIBUTE, FileMapping
from router.rules.repeats import named_enquiry
from router.rules.spelling import Spellings
from router.rules.written_numbers import plain_number

MAX_ID = 255
MAX_FACT = 2_000
MAX_TEXT = 10_000
MAX_ATTRIBUTES = 100_000
"""Limits in characters: ids stand in an index, facts in every claim of a batch."""
MAX_PRIORITY = 1_000_000

_LIMITS = {
    **dict.fromkeys(("external_id", "source", "customer_id"), MAX_ID),
    **dict.fromkeys(("region", "industry", "product", "campaign", "ad_id", "landing_page"), MAX_FACT),
}
_PRIORITY = re.compile(r"[+-]?[0-9]{1,7}", re.ASCII)
_EXPONENT = re.compile(r"[0-9]E[+-]?[0-9]{3}")
_MAX_PROBLEMS = 20
_ANY_ID = "any-id"
_NUL_IN_JSON = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_HOLDS_NUL = worded("holds a NUL character")
HOLDS_BAD_BYTES = worded("is not valid in the encoding of the file; try --encoding windows-1252")
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_NO_ID = worded("is empty: without it the lead cannot be distinguished from others")
_IDS = ("external_id", "customer_id")
_DROPPED = ""
_ATTRIBUTES = "attributes"
_AS_WRITTEN = (None, "name", "company", _ATTRIBUTES)
"""What people read. Elsewhere characters that nobody sees would make two values of one."""
AS_IT_CAME = "as_it_came"
"""The attribute with the words that a lead arrived with, by field, where other words took their place."""


class Rejected(ValueError):
    """The row cannot become a lead. `column` is the file's (empty = the whole row); the message says why.

    `reason` is about this column alone; `others` are what else is wrong with the row, which the message names, too.
    """

    def __init__(self, column: str, reason: str, others: "Sequence[Rejected]" = ()) -> None:
        super().__init__("; also ".join([reason, *(f"{one.column}: {one.reason}" for one in others)]))
        self.column: str = column
        self.reason: str = str(reason)
        self.others = others
        self._worded: str = reason

    @property
    def worded(self) -> str:
        """The message, worded where all of its parts are."""
        parts = list[Part]()
        for about, reason in (("", self._worded), *((one.column, one._worded) for one in self.others)):
            if not isinstance(reason, Worded):
                return str(self)
            parts += [replace(part, about=about) for part in reason.parts]
        return Worded(str(self), tuple(parts))


class LeadReader:
    """Turns rows into leads as the mapping says. `phone_region`: where the mapping names none (ISO 3166).

    `zone` is that of times without offset where the mapping names none; `orders` as in TimeReader. `now` (aware)
    decides which times lie ahead; `spellings` is the tenant's table of synonyms; `undeclared` and `from_1904` as in
    TimeReader.
    """

    def __init__(
        self,
        plan: FileMapping,
        now: datetime,
        phone_region: str | None = None,
        spellings: Spellings | None = None,
        *,
        undeclared: str = UNDECLARED,
        zone: str | None = None,
        orders: Callable[[], Orders] | None = None,
        from_1904: bool = False,
        ids_as_they_are: bool = False,
    ) -> None:
        """`ids_as_they_are`: `1001.0` is no number that was to be a whole one."""
        self._ids_as_they_are = ids_as_they_are
        self._plan = plan
        self._words = WordReader(plan.values, spellings or Spellings())
        self._reshapes = bool(plan.split or plan.join)
        self._times = TimeReader(plan.time_zone or zone, now, undeclared, plan.created_at, orders, from_1904=from_1904)
        self._contacts = ContactReader(plan.default_phone_region or phone_region, required=plan.require_contact)
        self._targets: dict[str, str | None] = {}
        self._columns = {target: column for column, target in plan.rename.items()}
        self._names, self._numbers = plan.attribute_names, plan.numbers
        self._attribute_targets = frozenset(target for target in plan.rename.values() if target.startswith(ATTRIBUTE))
        self._reads_attributes = bool(self._names or self._numbers)

    def read(self, row: Mapping[str, object]) -> LeadIn:
        """Raises Rejected, with all that is wrong."""
        try:
            return self._read(row)
        except Rejected as first:
            found = self._others(row, first)
            if not found:
                raise
            raise Rejected(first.column, first._worded, found) from None

    def _others(self, row: Mapping[str, object], first: Rejected) -> list[Rejected]:
        """What else is wrong: the row is read again without what is known to be, so that good rows pay nothing."""
        rest, last, found = dict(row), first, list[Rejected]()
        for _ in range(_MAX_PROBLEMS):
            if not self._left_out(rest, last.column):
                break
            try:
                self._read(rest)
                break
            except Rejected as error:
                last = error
                if last.column not in {first.column, *(one.column for one in found)}:
                    found.append(last)
        return found

    def _left_out(self, row: dict[str, object], column: str) -> bool:
        """Takes a column out of the row; an external id that is missing gets another one. False = neither can be."""
        id_column = self._columns.get("external_id", "external_id")
        if column in row and column != id_column:
            del row[column]
            return True
        identity = self._plan.external_id.columns if self._plan.external_id else ()
        if column in (id_column, *identity) and row.get(id_column) != _ANY_ID:
            row[id_column] = _ANY_ID
            return True
        return False

    def _read(self, row: Mapping[str, object]) -> LeadIn:
        if self._reshapes:
            row = reshaped(row, self._plan.split, self._plan.join, self._plan.empty)
        values, extra = self._sorted(row)
        external_id = values.get("external_id")
        if external_id is None:
            values["external_id"] = self._computed_id(row)
        elif means_no_id(external_id):
            self._reject("external_id", _means_no_id(external_id))
        elif what := no_lead(external_id):
            self._reject("external_id", worded("{value!r} is {what}, not a lead", value=external_id, what=what))
        self._check_ids(values)
        if came := self._words.put(values):
            extra.setdefault(AS_IT_CAME, came)
        _check_texts(values, self._columns)
        get = values.get
        phone, email, malformed, invalid = self._contacts.read(values, extra)
        created_at = get("created_at")
        lead = LeadIn(
            get("source", ""),
            values["external_id"],
            None if created_at is None else self._time(created_at),
            get("name"),
            phone,
            email,
            get("company"),
            get("customer_id"),
            get("region"),
            get("industry"),
            get("product"),
            get("campaign"),
            get("ad_id"),
            get("landing_page"),
            self._priority(get("priority")),
            self._attributes(extra) if extra else None,
            malformed,
            invalid,
        )
        if self._plan.repeats is None:
            return lead
        return lead._replace(enquiry=named_enquiry(lead, self._plan.repeats))

    def _check_ids(self, values: dict[str, str]) -> None:
        """Refuses rounded ones, and takes `1001.0` for the 1001 that it is, unless a program says what it means."""
        rounded = self._plan.allow_rounded_ids
        for field in _IDS:
            text = values.get(field)
            if text is None:
                continue
            if text[-2:] == ".0":
                values[field] = text if self._ids_as_they_are else whole_id(text)
            elif not rounded and is_rounded_id(text):
                self._reject(field, _was_rounded(field, text))

    def _sorted(self, row: Mapping[str, object]) -> tuple[dict[str, str], dict[str, object]]:
        """The values of fields, and what is left over; what is empty is in neither."""
        values = dict(self._plan.constants)
        extra: dict[str, object] = {}
        targets, empty = self._targets, self._plan.empty
        for column, raw in row.items():
            try:
                target = targets[column]
            except KeyError:
                target = self._target(column)
            if isinstance(raw, str):
                value = raw.strip()
                if not value.isascii() and target not in _AS_WRITTEN:
                    value = without_invisible(value).strip()
                if not value or target == _DROPPED or (empty and value in empty):
                    continue
                if target is None or target == _ATTRIBUTES:
                    extra[column] = value
                    continue
            elif raw is None or target == _DROPPED:
                continue
            elif target is None or target == _ATTRIBUTES:
                extra[column] = raw
                continue
            else:
                value = _plain_text(column, raw)
            if target in values:
                raise Rejected(column, worded("{field} is given twice in this row", field=target))
            values[target] = value
        return values, self._as_attributes(extra) if self._reads_attributes else extra

    def _as_attributes(self, extra: Mapping[str, object]) -> dict[str, object]:
        """Attributes under the names that the mapping gives them, and its numbers as rules compare them."""
        found: dict[str, object] = {}
        for column, value in extra.items():
            name = self._names.get(column, column)
            if name in found:
                raise Rejected(column, worded("attribute {name} is given twice in this row", name=name))
            sign = self._numbers.get(column)
            plain = plain_number(value, sign) if sign is not None and isinstance(value, str) else None
            found[name] = value if plain is None else plain
        return found

    @property
    def times_without_offset(self) -> int:
        """Times so far that were read in the zone of the mapping or the tenant."""
        return self._times.without_offset

    @property
    def failed_cells(self) -> Mapping[str, int]:
        """By field, how many cells so far said that there was no value (`#N/A`, `NULL`): they are empty."""
        return self._words.failed

    @property
    def phone_region(self) -> str | None:
        """The country of numbers without country code."""
        return self._contacts.region

    def column_of(self, field: str) -> str:
        """The column of the file that means a field."""
        return self._columns.get(field, field)

    def _computed_id(self, row: Mapping[str, object]) -> str:
        identity = self._plan.external_id
        if identity is None:
            return self._reject("external_id", _NO_ID)
        for column in identity.columns if not self._plan.allow_rounded_ids else ():
            part = row.get(column)
            if isinstance(part, str) and is_rounded_id(part.strip()):
                raise Rejected(
                    column, _was_rounded("external_id", part) + worded(": the external id is computed from it")
                )
        try:
            return identity.of(row, self._plan.empty)
        except NoIdentity as error:
            raise Rejected(error.column, said_by(error)) from None

    def _target(self, column: str) -> str | None:
        """The field that a column means, _DROPPED, or None."""
        target = _DROPPED if self._plan.dropped(column) else self._plan.target(column)
        if target in self._attribute_targets:
            target = None
        if target:
            self._columns.setdefault(target, column)
        # NDJSON may name ever new columns: memory stays bounded.
        if len(self._targets) < 10_000 and len(column) <= MAX_ID:
            self._targets[column] = target
        return target

    def _reject(self, field: str, reason: str) -> str:
        raise Rejected(self._columns.get(field, field), reason)

    def _time(self, text: str) -> datetime:
        try:
            return self._times.read(text)
        except UnreadableTime as error:
            raise Rejected(self._columns.get("created_at", "created_at"), error.args[0]) from None

    def _priority(self, text: str | None) -> int:
        if text is None:
            return 0
        if not _PRIORITY.fullmatch(text) or abs(int(text)) > MAX_PRIORITY:
            self._reject(
                "priority",
                worded(
                    "{value!r} is not a whole number from -{limit:,} to {limit:,}", value=text[:20], limit=MAX_PRIORITY
                ),
            )
        return int(text)

    def _attributes(self, extra: dict[str, object]) -> str | None:
        """All that is left over as one JSON object; a column of attributes is itself an object."""
        column = self._columns.get(_ATTRIBUTES, _ATTRIBUTES)
        given = extra.pop(column, None) if self._targets.get(column) == _ATTRIBUTES else None
        whole = {**extra, **_object(column, given)} if given is not None else extra
        text = _json_text(whole, column)
        if len(text) > MAX_ATTRIBUTES:
            raise Rejected(
                "",
                worded(
                    "has {length:,} characters of attributes; at most {limit:,} are allowed",
                    length=len(text),
                    limit=MAX_ATTRIBUTES,
                ),
            )
        return text if whole else None


def _plain_text(column: str, value: object) -> str:
    if type(value) is int:
        return str(value)
    raise Rejected(column, worded("must be a text, not {kind}", kind=_kind(value)))


def too_long(length: int, limit: int) -> Worded:
    """Why a text of so many characters is refused."""
    return worded("has {length:,} characters; at most {limit:,} are allowed", length=length, limit=limit)


def _means_no_id(text: str) -> Worded:
    return worded(
        "{value!r} means that there is none: without it the lead cannot be distinguished from others", value=text[:40]
    )


def _was_rounded(field: str, text: str) -> Worded:
    if field == "customer_id":
        return worded(
            "{value!r} was rounded by a spreadsheet, so that different customers have the same id; export the ids as "
            "text (or say allow_rounded_ids: true in the mapping)",
            value=text[:40],
        )
    return worded(
        "{value!r} was rounded by a spreadsheet, so that different leads have the same id; export the ids as text (or "
        "say allow_rounded_ids: true in the mapping)",
        value=text[:40],
    )


def _kind(value: object) -> str:
    return worded("a number with decimals") if isinstance(value, Decimal) else type(value).__name__


def _check_texts(values: dict[str, str], columns: Mapping[str, str]) -> None:
    together = "".join(values.values())
    if len(together) <= MAX_ID and "\0" not in together and (together.isascii() or _encodable(together)):
        return
    for field, value in values.items():
        limit = _LIMITS.get(field, MAX_TEXT)
        column = columns.get(field, field)
        if len(value) > limit:
            raise Rejected(column, too_long(len(value), limit))
        if "\0" in value:
            raise Rejected(column, _HOLDS_NUL)
        if not value.isascii() and not _encodable(value):
            raise Rejected(column, HOLDS_BAD_BYTES)


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _object(column: str, given: object) -> dict[str, object]:
    try:
        read = read_json(given) if isinstance(given, str) else given
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise Rejected(column, worded("must be a JSON object, such as {example}", example='{"budget": 100}'))
    return read


def _json_text(whole: dict[str, object], column: str) -> str:
    try:
        text = _ENCODER.encode(whole).decode()
    except UnicodeEncodeError:
        raise Rejected(_column_of(whole, column, _encodable), HOLDS_BAD_BYTES) from None
    except RecursionError:
        raise Rejected(column, worded("is nested too deeply")) from None
    if _EXPONENT.search(text) and holds_huge_number(whole):
        raise Rejected(
            column,
            worded("holds a number of more than {limit} digits before or behind the point", limit=MAX_EXPONENT),
        )
    if "\\u0000" in text and _NUL_IN_JSON.search(text):
        raise Rejected(_column_of(whole, column, lambda value: "\0" not in value), _HOLDS_NUL)
    return text


def _column_of(whole: dict[str, object], otherwise: str, fine: Callable[[str], bool]) -> str:
    """The column whose text is not fine."""
    wrong = (column for column, value in whole.items() if isinstance(value, str) and not fine(value))
    return next(wrong, otherwise)
