"""Lists of values in files of their own, which conditions of a rules file name with `in_file`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from router.domain.text import fold

MAX_LISTED = 100_000
MAX_LIST_BYTES = 4_000_000
"""Of all lists of a ruleset together: they are stored with each of its versions."""
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
    raise ListError(f"{name}: these rules were given without their lists")


def _utf8(data: bytes) -> str:
    return data.decode("utf-8-sig")


def lists_beside(file: Path, decode: Callable[[bytes], str] = _utf8) -> ReadList:
    """Reads lists from files beside a rules file, or in folders below; `decode` may raise ValueError with a reason."""

    def read(name: str) -> str:
        try:
            with (file.parent / name).open("rb") as opened:
                data = opened.read(MAX_LIST_BYTES + 1)
        except (OSError, ValueError) as error:
            raise ListError(f"{name}: {getattr(error, 'strerror', None) or error}") from None
        try:
            return decode(data)
        except ValueError as error:
            if len(data) > MAX_LIST_BYTES:
                return " " * len(data)
            if not isinstance(error, UnicodeDecodeError):
                said = str(error).partition("; name it")[0]
                raise ListError(f"{name}: {said}; save it as UTF-8") from None
            line = data.count(b"\n", 0, error.start) + 1
            raise ListError(f"{name}:{line}: is not valid UTF-8; save it as UTF-8") from None

    return read


def stored_lists(texts: Mapping[str, str]) -> ReadList:
    """Lists as they were stored with a version of the rules."""

    def read(name: str) -> str:
        if name not in texts:
            raise ListError(f"{name}: was not stored with these rules")
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
            raise ListError(f"{name}: the lists of a ruleset have more than {MAX_LIST_BYTES:,} bytes together")
        return text


def _check_name(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise ListError(f"{name}: must be a file beside the rules file, or in a folder below, such as lists/cities.txt")


def _values_in(name: str, text: str, form: Form) -> frozenset[str]:
    """One value a line; empty lines and those that begin with # say nothing."""
    if "\0" in text:
        raise ListError(f"{name}: contains a NUL character: is it a text file?")
    found: set[str] = set()
    # Only line feeds part lines: a value may hold what else Unicode takes for a line's end, and is refused then.
    for number, line in enumerate(text.split("\n"), start=1):
        value = line.strip()
        if not value or value.startswith(_COMMENT):
            continue
        if len(value) > MAX_VALUE:
            raise ListError(f"{name}:{number}: has {len(value):,} characters; the maximum is {MAX_VALUE:,}")
        if not value.isprintable():
            raise ListError(f"{name}:{number}: contains a character that cannot be printed; write one value per line")
        found.add(form(value))
    if not found:
        raise ListError(f"{name}: is an empty list")
    if len(found) > MAX_LISTED:
        raise ListError(f"{name}: has {len(found):,} values; the maximum is {MAX_LISTED:,}")
    return frozenset(found)
