"""One row of a file that says something of leads or customers that are stored: its fields as plain texts. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from router.domain.phrases import listed, suggestion
from router.domain.text import fold, whole_id, without_invisible
from router.intake.normalise import HOLDS_BAD_BYTES, MAX_ID, Rejected, too_long
from router.intake.times import Orders, TimeReader, UnreadableTime
from router.rules.mapping import FileMapping

MAX_REASON = 1_000
_LIMITS = {"reason": MAX_REASON}
_IDS = ("external_id", "customer_id", "rep_id")
_MAX_LEAD_ID = 2**63 - 1
_CLOCKS_APART = timedelta(minutes=1)


class RowFields:
    """Reads the fields of `names` from rows, as the mapping says; `now` (aware) and `zone` are for times."""

    def __init__(
        self,
        plan: FileMapping,
        names: tuple[str, ...],
        now: datetime,
        zone: str,
        orders: Callable[[str], Orders] = lambda _: {},
        *,
        from_1904: bool = False,
    ) -> None:
        """`orders` returns what a column allows; that and `from_1904` as in TimeReader."""
        self._from_1904 = from_1904
        self._plan = plan
        self._names = frozenset(names)
        self._now = now
        self._zone = plan.time_zone or zone
        self._orders = orders
        self._columns = {target: column for column, target in plan.rename.items()}
        self._times: dict[str, TimeReader] = {}
        self._meant: dict[str, str | None] = {}

    def split(self, cells: Mapping[str, object]) -> tuple[dict[str, str], dict[str, object]]:
        """The fields that are filled, and all other cells. Raises Rejected."""
        found = {name: text for name, text in self._plan.constants.items() if name in self._names and text}
        rest: dict[str, object] = {}
        for column, raw in cells.items():
            try:
                name = self._meant[column]
            except KeyError:
                name = self._target(column)
            if name is None:
                rest[column] = raw
            elif text := self._text(name, column, raw):
                found[name] = text
        return found, rest

    def _target(self, column: str) -> str | None:
        """The field that a column means, of those that are read here."""
        name = None if self._plan.dropped(column) else self._plan.target(column)
        if name not in self._names:
            name = None
        else:
            self._columns.setdefault(name, column)
        # NDJSON may name ever new columns: memory stays bounded.
        if len(self._meant) < 10_000 and len(column) <= MAX_ID:
            self._meant[column] = name
        return name

    def column_of(self, name: str) -> str:
        """The column of the file that means a field."""
        return self._columns.get(name, name)

    def reject(self, name: str, reason: str) -> Rejected:
        """What is wrong with a field, for the caller to raise."""
        return Rejected(self.column_of(name), reason)

    def word(self, name: str, text: str, words: tuple[str, ...]) -> str:
        """One of the words, in any capitals, or what the mapping says that it means. Raises Rejected."""
        meant = self._plan.values.get(name, {}).get(fold(text), text).strip().casefold()
        if meant in words:
            return meant
        near = suggestion(meant, words)
        hint = f"; did you mean {near}?" if near else "; the mapping can say what others mean, under values:"
        raise self.reject(name, f"{text[:40]!r} is not one of {listed(words)}{hint}")

    def time(self, name: str, text: str) -> datetime:
        """In UTC, and not yet to come. Raises Rejected."""
        reader = self._times.get(name)
        if reader is None:
            column = self.column_of(name)
            reader = TimeReader(
                self._zone,
                self._now,
                form=self._plan.created_at,
                orders=lambda: self._orders(column),
                from_1904=self._from_1904,
            )
            self._times[name] = reader
        try:
            at = reader.read(text)
        except UnreadableTime as error:
            raise self.reject(name, error.args[0]) from None
        if at > self._now + _CLOCKS_APART:
            raise self.reject(name, f"{text[:40]!r} is yet to come")
        return min(at, self._now)

    def number(self, name: str, text: str) -> int:
        """A number of a lead. Raises Rejected."""
        if text.isascii() and text.isdecimal() and len(text) < 20 and 0 < int(text) <= _MAX_LEAD_ID:
            return int(text)
        raise self.reject(name, f"{text[:40]!r} is not the number of a lead; external ids go into external_id")

    def _text(self, name: str, column: str, raw: object) -> str:
        if raw is None:
            return ""
        if type(raw) not in (str, int):
            raise Rejected(column, f"must be a text, not {type(raw).__name__}")
        text = str(raw).strip()
        if not text.isascii():
            if any("\ud800" <= letter <= "\udfff" for letter in text):
                raise Rejected(column, HOLDS_BAD_BYTES)
            if name != "reason":
                text = without_invisible(text).strip()
        if text in self._plan.empty:
            return ""
        if name in _IDS:
            text = whole_id(text)
        limit = _LIMITS.get(name, MAX_ID)
        if len(text) > limit:
            raise Rejected(column, too_long(len(text), limit))
        if "\0" in text:
            raise Rejected(column, "holds a NUL character")
        return text
