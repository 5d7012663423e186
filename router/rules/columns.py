"""Columns made of other columns: one split into several, several joined into one, an id computed from some. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from router.domain.text import fold
from router.domain.worded import worded

ID_BYTES = 16
_EMPTY_PART = worded(
    "is empty, but the external id is computed from it: without it two people could become one lead; "
    "fill it in, or name it in the mapping under external_id.may_be_empty"
)


@dataclass(frozen=True, slots=True)
class Split:
    """The column's text, cut at `by`, into as many columns as `into` names; the last one takes what is left."""

    column: str
    by: str
    into: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """The texts of `columns`, those that are not empty, with `by` between them, as the column `into`."""

    into: str
    columns: tuple[str, ...]
    by: str


class NoIdentity(ValueError):
    """No id can be computed for the row, because of `column`; the message has the reason, and what to do."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column


@dataclass(frozen=True, slots=True)
class Identity:
    """An external id from `columns`: a hash, or the texts with `by` between them.

    Columns outside `may_be_empty` (one at least) must be filled: where rows lack the phone, only the date would be
    left, and all people of that day would be one lead.
    """

    columns: tuple[str, ...]
    hashed: bool = True
    by: str = "-"
    may_be_empty: frozenset[str] = frozenset()

    def of(self, row: Mapping[str, object], empty: Collection[str]) -> str:
        """The id of a row. Raises NoIdentity.

        An empty column keeps its place. The hash is that of the texts in one spelling (case, full-width and outer
        spaces do not matter), 32 hexadecimal digits; where one text ends and the next begins does matter.
        """
        texts = [self._part(column, row.get(column), empty) for column in self.columns]
        if not self.hashed:
            return self.by.join(texts)
        whole = "\0".join(map(fold, texts)).encode("utf-8", "surrogatepass")
        return blake2b(whole, digest_size=ID_BYTES).hexdigest()

    def _part(self, column: str, value: object, empty: Collection[str]) -> str:
        """The column's text. What is not a text would count as empty, and could not tell people apart."""
        if value is not None and type(value) not in (str, int):
            kind = type(value).__name__
            raise NoIdentity(
                column, worded("must be a text, not {kind}: the external id is computed from it", kind=kind)
            )
        text = _text(value, empty)
        if not text and column not in self.may_be_empty:
            raise NoIdentity(column, _EMPTY_PART)
        return text


def columns_after(columns: Iterable[str], splits: Sequence[Split], joins: Sequence[Join]) -> list[str]:
    """The names of a file's columns once the new ones are there."""
    new = [name for split in splits for name in split.into] + [join.into for join in joins]
    return list(dict.fromkeys([*columns, *new]))


def reshaped(
    row: Mapping[str, object], splits: Sequence[Split], joins: Sequence[Join], empty: Collection[str]
) -> dict[str, object]:
    """The row with its new columns, which take the place of those of the same name; all others stay."""
    new = dict(row)
    for split in splits:
        text = _text(row.get(split.column), empty)
        parts = [part.strip() for part in text.split(split.by, len(split.into) - 1)]
        new.update(dict.fromkeys(split.into, ""))
        new.update(zip(split.into, parts, strict=False))
    made = dict(new)
    for join in joins:
        new[join.into] = join.by.join(filter(None, (_text(made.get(column), empty) for column in join.columns)))
    return new


def _text(value: object, empty: Collection[str]) -> str:
    """A cell as text; what is neither a text nor a whole number (only JSON has that) counts as empty."""
    text = value.strip() if isinstance(value, str) else str(value) if type(value) is int else ""
    return "" if text in empty else text
