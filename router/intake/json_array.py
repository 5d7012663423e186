"""A JSON array as JSON lines, in constant memory: each element is cut out as it was written."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from router.intake import encoding as encodings
from router.intake import text_lines
from router.intake.text_lines import FileUnusable

_CHUNK = 1 << 16
_MARK = re.compile(r'["\\\[\]{},]')
_ENDS = re.compile(r'["\\]')


def write_lines(path: Path, out: IO[str]) -> None:
    """Raises FileUnusable where the array is cut off or something stands behind it."""
    with path.open("rb") as file:
        encoding = encodings.of_start(file.read(encodings.START)) or "utf-8"
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        for element in _elements(path, file):
            # Line breaks may only stand between tokens of JSON.
            out.write(element.replace("\r", " ").replace("\n", " ") + "\n")


def _elements(path: Path, file: IO[str]) -> Iterator[str]:
    depth, quoted, escaped = 0, False, False
    parts: list[str] = []
    size = 0
    done = False
    while chunk := file.read(_CHUNK):
        start = place = 0
        if escaped:
            place, escaped = 1, False
        while found := (_ENDS if quoted else _MARK).search(chunk, place):
            sign, place = found[0], found.end()
            if sign == "\\":
                escaped = place >= len(chunk)
                place += 1
            elif sign == '"':
                quoted = not quoted
            elif sign in "[{":
                depth += 1
                if depth == 1:
                    start = place
            elif sign in "]}" or depth == 1:
                depth -= sign in "]}"
                if depth > (1 if sign == "," else 0):
                    continue
                text = "".join([*parts, chunk[start : found.start()]]).strip()
                parts, size, start = [], 0, place
                if text:
                    yield text
                if depth == 0:
                    done = True
                    break
        if done:
            _refuse_rest(path, chunk[place:] + file.read(_CHUNK))
            return
        if depth:
            parts.append(chunk[start:])
            size += len(chunk) - start
            if size > text_lines.MAX_ROW:
                raise FileUnusable(f"{path}: an element of the array has more than {text_lines.MAX_ROW:,} characters")
    raise FileUnusable(f"{path}: the JSON array is not closed: the file was cut off; get it again, whole")


def _refuse_rest(path: Path, rest: str) -> None:
    if rest.strip("\0 \t\r\n"):
        raise FileUnusable(f"{path}: something stands behind the JSON array; use one array, or one object a line")
