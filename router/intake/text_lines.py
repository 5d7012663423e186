"""The lines of a text file, in constant memory whatever the file holds."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from router.domain.worded import worded
from router.intake.encoding import CARRIED

MAX_ROW = 1024 * 1024
"""Characters of one row, which may have several lines; a lead has far less."""

_MARK = "\ufeff"
_END_OF_FILE = "\x1a"
"""Written by old programs as the last character."""


class FileUnusable(ValueError):
    """Nothing can be made of the file; the message, which may be worded, says why and what would be right."""


class TextLines:
    """Iterates over the lines, their ends included; raises FileUnusable where the file is broken.

    `row` are the lines since the reader last said that a row begins (`begin_row`); together they are limited.
    """

    def __init__(self, path: Path, file: IO[bytes], encoding: str, errors: str = CARRIED) -> None:
        self._path = path
        self.errors = errors
        self.longest = 0
        """Characters of the longest row so far."""
        self._text = io.TextIOWrapper(file, encoding, errors=errors, newline="")
        self.number = 0
        self.row: list[str] = []
        self.begin_row: Callable[[], None] = self.row.clear

    def close(self) -> None:
        self._text.close()

    @property
    def cut_off(self) -> bool:
        """Whether the last line has no end, as the last one of a file may."""
        return bool(self.row) and not self.row[-1].endswith(("\n", "\r"))

    def __iter__(self) -> Iterator[str]:
        readline, row, size = self._text.readline, self.row, 0
        while line := readline(MAX_ROW + 1):
            self.number += 1
            if self.number == 1:
                line = line.removeprefix(_MARK)
            if line[-1:] == _END_OF_FILE and not (line := line[:-1]):
                return
            size = size + len(line) if row else len(line)
            if size > self.longest:
                self.longest = size
                if size > MAX_ROW:
                    raise self._too_long()
            if "\0" in line:
                raise FileUnusable(
                    worded(
                        "{file}:{line}: holds a NUL character: damaged, or not a text file",
                        file=self._path,
                        line=self.number,
                    )
                )
            row.append(line)
            yield line

    def _too_long(self) -> FileUnusable:
        return FileUnusable(
            worded(
                "{file}:{line}: the row that begins here has more than {limit:,} characters; is a quote not "
                "closed, or is this not a file of leads?",
                file=self._path,
                line=self.number - len(self.row),
                limit=MAX_ROW,
            )
        )
