"""`--csv FILE`: lists as CSV, to a new file or, with `-`, to stdout."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

from ops.cli.context import CannotRun
from ops.cli.new_files import cannot_write, new_files
from ops.text.spreadsheet import ENCODING, write_cells
from router.domain.phrases import count

F = TypeVar("F", bound=Callable[..., Any])
STDOUT = "-"


def csv_option(command: F) -> F:
    """Adds `--csv` as the argument `csv_file`."""
    option = click.option("--csv", "csv_file", metavar="FILE", help="Write it as CSV to a new FILE; - is stdout.")
    return option(command)


class Sheet:
    """A CSV that is being written; `rows` so far, without the header."""

    def __init__(self, file: TextIO, path: Path | None) -> None:
        self.rows = 0
        self.is_screen = path is None
        self._file = file
        self._path = path

    def write(self, rows: Iterable[Sequence[object]]) -> None:
        """Raises CannotRun."""
        some = list(rows)
        try:
            write_cells(self._file, some)
            self._file.flush()
        except OSError as error:
            if self._path is None:
                raise
            raise cannot_write(self._path, error) from error
        self.rows += len(some)

    def write_header(self, columns: Sequence[str]) -> None:
        self.write([columns])
        self.rows = 0

    def report(self, what: str) -> None:
        """Says on stderr where it is, so that stdout has nothing but rows."""
        if self._path is not None:
            click.echo(f"{count(self.rows, what)} in {self._path}", err=True)


@contextmanager
def writing_csv(csv_file: str, columns: Sequence[str]) -> Iterator[Sheet]:
    """The header first. A file appears under its name when all of it is written. Raises CannotRun."""
    if csv_file == STDOUT:
        if sys.stdout is None:
            raise CannotRun("stdout is closed, so there is nowhere to write to; --csv FILE names a file")
        sheet = Sheet(sys.stdout, None)
        sheet.write_header(columns)
        yield sheet
        return
    path = Path(csv_file)
    with new_files(path) as drafts, drafts[path].open("w", encoding=ENCODING, newline="") as file:
        sheet = Sheet(file, path)
        sheet.write_header(columns)
        yield sheet
