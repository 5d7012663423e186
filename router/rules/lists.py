"""Lists of values in files of their own, which conditions of a rules file name with `in_file`."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from router.domain.text import fold
from router.domain.worded import worded

MAX_LISTED = 100_000
MAX_LIST_BYTES = 4_000_000
"""Of all lists of a ruleset together: they are stored with each of its versions."""
MAX_JOINED = 100 * MAX_LISTED
"""Values of the lists that conditions name together: each combination is a set of its own, in each router's memory."""
MAX_VALUE = 1_000

_COMMENT = "#"


class ListError(ValueError):
    """The list cannot be read, or is not one; the message names the file, and the line where there is one."""


Form = Callable[[str], str]
"""What makes of a value the form in which it is compared."""

ReadList = Callable[[str], str]
"""From the name in the rules file to the text of the list. Raises ListError."""


def no_lists(name: str) -> str:
    """For rules that are in no folder, and so have no lists."""
    raise ListError(worded("{list}: these rules were given without their lists", list=name))


def _utf8(data: bytes) -> str:
    return data.decode("utf-8-sig")


def lists_beside(file: Path, decode: Callable[[bytes], str] = _utf8) -> ReadList:
    """Reads lists from files beside a rules file, or in folders below; `decode` may raise ValueError with a reason."""

    def read(name: str) -> str:
        try:
            with (file.parent / name).open("rb") as opened:
                data = opened.read(MAX_LIST_BYTES + 1)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise ListError(worded("{list}: {why}", list=name, why=why)) from None
        try:
            return decode(data)
        except ValueError as error:
            if len(data) > MAX_LIST_BYTES:
                return " " * len(data)
            if not isinstance(error, UnicodeDecodeError):
                why = str(error).partition("; name it")[0]
                raise ListError(f"{name}: {why}; save it as UTF-8") from None
            line = data.count(b"\n", 0, error.start) + 1
            said = worded("{list}:{line}: is not valid UTF-8; save it as UTF-8", list=name, line=line)
            raise ListError(said) from None

    return read


def stored_lists(texts: Mapping[str, str]) -> ReadList:
    """Lists as they were stored with a version of the rules."""

    def read(name: str) -> str:
        if name not in texts:
            raise ListError(worded("{list}: was not stored with these rules", list=name))
        return texts[name]

    return read


def lists_given(texts: Mapping[str, str], otherwise: ReadList) -> ReadList:
    """Lists that came with the rules; those that did not are read otherwise."""
    return lambda name: texts[name] if name in texts else otherwise(name)


@dataclass
class Lists:
    """The lists of one rules file, each read once. `texts` are those that were asked for."""

    read: ReadList = no_lists
    texts: dict[str, str] = field(default_factory=dict)
    _values: dict[tuple[str, Form], frozenset[str]] = field(default_factory=dict)
    _bytes: int = 0
    _joined: dict[tuple[tuple[str, ...], Form], frozenset[str]] = field(default_factory=dict)
    _joined_values: int = 0

    def together(self, names: Collection[str], form: Form = fold) -> frozenset[str]:
        """The values of several lists; who names the same ones has the same set. Raises ListError."""
        if len(names) == 1:
            return self.values(next(iter(names)), form)
        key = tuple(sorted(names)), form
        if key not in self._joined:
            lists = [self.values(name, form) for name in key[0]]
            self._joined_values += sum(map(len, lists))
            if self._joined_values > MAX_JOINED:
                raise ListError(
                    worded(
                        "the combinations of lists that conditions name together have more than {limit:,} values; "
                        "write lists that are often named together into one file",
                        limit=MAX_JOINED,
                    )
                )
            self._joined[key] = frozenset().union(*lists)
        return self._joined[key]

    def values(self, name: str, form: Form = fold) -> frozenset[str]:
        """In the form in which the values of a field are compared, folded for most. Raises ListError."""
        if (name, form) not in self._values:
            text = self._text(name)
            self._values[name, form] = _values_in(name, text, form)
            # Lists that are none are not stored: they came no further than here.
            self.texts[name] = text
        return self._values[name, form]

    def _text(self, name: str) -> str:
        if name in self.texts:
            return self.texts[name]
        _check_name(name)
        text = self.read(name)
        self._bytes += len(text.encode(errors="surrogatepass"))
        if self._bytes > MAX_LIST_BYTES:
            raise ListError(
                worded(
                    "{list}: the lists of a ruleset have more than {limit:,} bytes together",
                    list=name,
                    limit=MAX_LIST_BYTES,
                )
            )
        return text


def _check_name(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise ListError(
            worded(
                "{list}: must be a file beside the rules file, or in a folder below, such as lists/cities.txt",
                list=name,
            )
        )


def _values_in(name: str, text: str, form: Form) -> frozenset[str]:
    """One value a line; empty lines and those that begin with # say nothing."""
    if "\0" in text:
        raise ListError(worded("{list}: contains a NUL character: is it a text file?", list=name))
    found: set[str] = set()
    # Only line feeds part lines: a value may hold what else Unicode takes for a line's end, and is refused then.
    for number, line in enumerate(text.split("\n"), start=1):
        value = line.strip()
        if not value or value.startswith(_COMMENT):
            continue
        if len(value) > MAX_VALUE:
            raise ListError(
                worded(
                    "{list}:{line}: has {size:,} characters; the maximum is {limit:,}",
                    list=name,
                    line=number,
                    size=len(value),
                    limit=MAX_VALUE,
                )
            )
        if not value.isprintable():
            raise ListError(
                worded(
                    "{list}:{line}: contains a character that cannot be printed; write one value per line",
                    list=name,
                    line=number,
                )
            )
        found.add(form(value))
    if not found:
        raise ListError(worded("{list}: is an empty list", list=name))
    if len(found) > MAX_LISTED:
        raise ListError(
            worded(
                "{list}: has {size:,} values; the maximum is {limit:,}", list=name, size=len(found), limit=MAX_LISTED
            )
        )
    return frozenset(found)
