"""The rejects file: the rows that could not be accepted, with line, column and reason, ready to be corrected."""

import csv
import io
import os
import tempfile
from pathlib import Path
from typing import IO

from router.intake.encoding import CARRIED
from router.intake.lead_file import LeadFile, Row
from router.rules.mapping import REJECTED

_BEGINNING = 200


def is_rejects_file(path: Path) -> bool:
    """Whether an earlier import wrote the file, in whatever encoding. Raises OSError."""
    with path.open("rb") as opened:
        start = opened.read(_BEGINNING).lstrip(b"\xef\xbb\xbf\xff\xfe").replace(b"\0", b"").lstrip(b'"')
    name = REJECTED[0].encode()
    return start.startswith(name) and not start[len(name) : len(name) + 1].isalnum()


class RejectsTable:
    """Writes rejected rows of `like` to `out`, with its delimiter: line, column, reason, and the cells as they were."""

    def __init__(self, out: IO[str], like: LeadFile) -> None:
        self._writer = csv.writer(out, delimiter=like.delimiter)
        self._writer.writerow([*REJECTED, *like.original_columns])

    def add(self, row: Row, column: str, reason: str) -> None:
        """Raises OSError when nothing more can be written."""
        self._writer.writerow([row.line, column, reason, *row.original])


class KeptRejects:
    """Rejected rows in a file without a name, written like `file`, for somebody to fetch; `file` None = there are none.

    Nothing of it is left when it is closed, or the process has ended.
    """

    def __init__(self, like: LeadFile) -> None:
        self.file: IO[bytes] | None = None
        self._like = like

    def add(self, row: Row, column: str, reason: str) -> None:
        """Raises OSError when nothing more can be written."""
        if self.file is None:
            self.file = tempfile.TemporaryFile(prefix="lead-router-")  # noqa: SIM115 (closed by its owner)
            encoding = self._like.encoding
            self._text = io.TextIOWrapper(self.file, encoding, errors=CARRIED, newline="", write_through=True)
            self._table = RejectsTable(self._text, self._like)
        self._table.add(row, column, reason)

    def finish(self) -> IO[bytes] | None:
        """The file, which is the caller's to close."""
        if self.file is not None:
            self._text.flush()
            self._text.detach()
        return self.file

    def discard(self) -> None:
        """Nothing of it is wanted."""
        if self.file is not None:
            self.file.close()


class RejectsFile:
    """Collects rejected rows of `file`; `finish` puts them in place, whole. Made only when there is something in it.

    It is written like `file` (encoding, delimiter), so that the same tools open it and the same command reads it.
    What an earlier import left at `path` is replaced, or removed when nothing is rejected this time.
    """

    def __init__(self, path: Path, file: LeadFile) -> None:
        self.path = path
        self.count = 0
        self._like = file
        self._file: IO[str] | None = None

    def add(self, row: Row, column: str, reason: str) -> None:
        """Raises OSError when the folder cannot be written."""
        if self._file is None:
            self._file = tempfile.NamedTemporaryFile(  # noqa: SIM115 (closed by finish or discard)
                *("w", -1, self._like.encoding),
                errors=CARRIED,
                newline="",
                dir=self.path.parent,
                prefix=f".{self.path.name}.",
                delete=False,
            )
            self._table = RejectsTable(self._file, self._like)
        self._table.add(row, column, reason)
        self.count += 1

    def finish(self) -> None:
        """Puts the file in place, or removes an older one."""
        if self._file is None:
            self.path.unlink(missing_ok=True)
            return
        self._file.close()
        umask = os.umask(0)
        os.umask(umask)
        Path(self._file.name).chmod(0o666 & ~umask)
        Path(self._file.name).replace(self.path)

    def discard(self) -> None:
        """Leaves things as they were; does nothing after `finish`."""
        if self._file is not None:
            self._file.close()
            Path(self._file.name).unlink(missing_ok=True)
