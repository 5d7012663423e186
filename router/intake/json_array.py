"""A JSON array as JSON lines, in constant memory: each element is cut out as it was written."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from router.domain.worded import worded
from router.intake import encoding as encodings
from router.intake import text_lines
from router.intake.json_text import read_json
from router.intake.text_lines import FileUnusable
from router.rules.column_words import folded_name

_CHUNK = 1 << 16
_MARK = re.compile(r'["\\\[\]{},]')
_ENDS = re.compile(r'["\\]')


_NAMES = ("data", "leads", "records", "results", "rows")
_OFTEN_OF_A_LEAD = ("items", "contacts", "objects", "value")
_OF_A_LEAD = frozenset(("external_id", "phone", "email"))
_WITHIN = re.compile(
    r'\{(?:\s*"[^"\\]{0,100}"\s*:\s*(?:"[^"\\]{0,1000}"|[-0-9.eE+]{1,40}|true|false|null)\s*,){0,50}'
    rf'\s*"(?P<name>{"|".join((*_NAMES, *_OFTEN_OF_A_LEAD))})"\s*:\s*(?=\[\s*[\{{\]])'
)
"""An object of single values, and then the array, as APIs return it."""


class Within(NamedTuple):
    """An array that is the value of an object, and at which character it begins."""

    name: str
    start: int


def array_within(path: Path) -> Within | None:
    """The array of the one object that the file is; None where it has an object a line.

    Raises FileUnusable for one object over several lines without such an array.
    """
    with path.open("rb") as file:
        start = file.read(encodings.START)
        is_all = len(start) < encodings.START
    text = start.decode(encodings.of_start(start) or "utf-8", "surrogateescape")
    plain = text.lstrip("\ufeff \t\r\n")
    line, _, rest = plain.partition("\n")
    found = _WITHIN.match(plain)
    if found is not None:
        several = not line.rstrip().endswith(("}", "},"))
        alone = is_all and not rest.strip() and found["name"] in _NAMES and _is_envelope(line)
        if several or alone:
            return Within(found["name"], len(text) - len(plain) + found.end())
    if line.strip() == "{":
        raise FileUnusable(
            worded(
                "{file}: is one JSON object over several lines; leads are read from an array of objects, or from one "
                "object a line",
                file=path,
            )
        )
    return None


def _is_envelope(line: str) -> bool:
    """Whether it is an object, and not a lead that has a list."""
    try:
        read = read_json(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(read, dict) and _OF_A_LEAD.isdisjoint(map(folded_name, read))


def write_lines(path: Path, out: IO[str], array: Within | None = None) -> None:
    """`array`: where it is within an object. Raises FileUnusable where the array is cut off or something stands
    behind it.
    """
    with path.open("rb") as file:
        encoding = encodings.of_start(file.read(encodings.START)) or "utf-8"
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        if array is not None:
            # A mark at the start that the encoding takes away is no character.
            file.read(array.start)
        for element in _elements(path, file, within=array is not None):
            # Line breaks may only stand between tokens of JSON.
            out.write(element.replace("\r", " ").replace("\n", " ") + "\n")


class _Cutter:
    """Cuts the elements out of the text of an array, chunk by chunk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._depth = self._size = 0
        self._quoted = self._escaped = False
        self._parts: list[str] = []
        self.rest: str | None = None
        """What stands behind the array, once it is closed."""

    def elements(self, chunk: str) -> Iterator[str]:
        start, place = 0, int(self._escaped)
        self._escaped = False
        while found := (_ENDS if self._quoted else _MARK).search(chunk, place):
            sign, place = found[0], found.end()
            if sign == "\\":
                self._escaped = place >= len(chunk)
                place += 1
            elif sign == '"':
                self._quoted = not self._quoted
            elif sign in "[{":
                self._depth += 1
                start = place if self._depth == 1 else start
            elif self._ends(sign):
                if text := "".join([*self._parts, chunk[start : found.start()]]).strip():
                    yield text
                self._parts, self._size, start = [], 0, place
                if self._depth == 0:
                    self.rest = chunk[place:]
                    return
        self._keep(chunk[start:])

    def _ends(self, sign: str) -> bool:
        """Whether the comma or bracket ends an element of the array itself."""
        if sign == ",":
            return self._depth == 1
        self._depth -= 1
        return self._depth == 0

    def _keep(self, text: str) -> None:
        if not self._depth:
            return
        self._parts.append(text)
        self._size += len(text)
        if self._size > text_lines.MAX_ROW:
            raise FileUnusable(
                worded(
                    "{file}: an element of the array has more than {limit:,} characters",
                    file=self._path,
                    limit=text_lines.MAX_ROW,
                )
            )


def _elements(path: Path, file: IO[str], *, within: bool) -> Iterator[str]:
    cutter = _Cutter(path)
    while chunk := file.read(_CHUNK):
        yield from cutter.elements(chunk)
        if cutter.rest is not None:
            if within:
                _refuse_open(path, cutter.rest, file)
            else:
                _refuse_rest(path, cutter.rest + file.read(_CHUNK))
            return
    raise FileUnusable(
        worded("{file}: the JSON array is not closed: the file was cut off; get it again, whole", file=path)
    )


def _refuse_rest(path: Path, rest: str) -> None:
    if rest.strip("\0 \t\r\n"):
        raise FileUnusable(
            worded("{file}: something follows the JSON array; use one array, or one object a line", file=path)
        )


def _refuse_open(path: Path, rest: str, file: IO[str]) -> None:
    last = rest
    while chunk := file.read(_CHUNK):
        last = last[-_CHUNK:] + chunk
    if not last.rstrip("\0 \t\r\n").endswith("}"):
        raise FileUnusable(
            worded("{file}: the JSON object is not closed: the file was cut off; get it again, whole", file=path)
        )
