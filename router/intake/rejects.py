"""The rejects file: the rows that could not be accepted, with line, column and reason, ready to be mended."""

import csv
import os
import tempfile
from pathlib import Path
from typing import IO

from router.intake.lead_file import Row
from router.intake.mapping import REJECTED


def is_rejects_file(path: Path) -> bool:
    """Whether an earlier import wrote the file. Raises OSError."""
    first = f"{REJECTED[0]},".encode()
    with path.open("rb") as opened:
        return opened.read(len(first)) == first


class RejectsFile:
    """Collects rejected rows; `finish` puts the file in place, whole. Made only when there is something in it.

    What an earlier import left at `path` is replaced, or removed when nothing is rejected this time.
    """

    def __init__(self, path: Path, original_columns: list[str]) -> None:
        self.path = path
        self.count = 0
        self._columns = original_columns
        self._file: IO[str] | None = None

    def add(self, row: Row, column: str, reason: str) -> None:
        """Raises OSError when the folder cannot be written."""
        if self._file is None:
            self._file = tempfile.NamedTemporaryFile(  # noqa: SIM115 (closed by finish or discard)
                *("w", -1, "utf-8"),
                errors="surrogateescape",
                newline="",
                dir=self.path.parent,
                prefix=f".{self.path.name}.",
                delete=False,
            )
            self._writer = csv.writer(self._file)
            self._writer.writerow([*REJECTED, *self._columns])
        self._writer.writerow([row.line, column, reason, *row.original])
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
