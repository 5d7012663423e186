"""Columns made of other columns: one split into several, several joined into one, an id computed from some. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from router.domain.text import fold

ID_BYTES = 16


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


@dataclass(frozen=True, slots=True)
class Identity:
    """An external id from `columns`: a hash, or the texts with `by` between them."""

    columns: tuple[str, ...]
    hashed: bool = True
    by: str = "-"

    def of(self, row: Mapping[str, object], empty: Collection[str]) -> str | None:
        """The id of a row; None when all the columns are empty.

        The hash is that of the texts in one spelling (case, full-width and outer spaces do not matter), 32
        hexadecimal digits; where one text ends and the next begins does matter.
        """
        texts = [_text(row.get(column), empty) for column in self.columns]
        if not any(texts):
            return None
        if not self.hashed:
            return self.by.join(filter(None, texts))
        whole = "\0".join(map(fold, texts)).encode("utf-8", "surrogatepass")
        return blake2b(whole, digest_size=ID_BYTES).hexdigest()


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
    """A cell as text; what is no text and no whole number (only JSON has that) counts as empty."""
    text = value.strip() if isinstance(value, str) else str(value) if type(value) is int else ""
    return "" if text in empty else text
