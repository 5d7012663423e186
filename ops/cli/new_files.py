"""Files that a command writes: new ones only, whole or not at all, and known to be possible before the work begins."""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ops.cli.context import CannotRun


@contextmanager
def new_files(*paths: Path | None) -> Iterator[Mapping[Path, Path]]:
    """Where to write each file until the end, when it gets its name; nothing is left after an error.

    Raises CannotRun at once for a file that is there already, is named twice, or cannot be written.
    """
    named = [path for path in paths if path is not None]
    if len({os.path.realpath(path) for path in named}) < len(named):
        raise CannotRun(f"{named[0]} is named twice: give each output a file of its own")
    drafts = dict[Path, Path]()
    try:
        for path in named:
            drafts[path] = _draft(path)
        yield drafts
        for path, draft in drafts.items():
            _place(draft, path)
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> CannotRun:
    """The error for people."""
    return CannotRun(f"cannot write {path}: {error.strerror or error}")


def _draft(path: Path) -> Path:
    """An empty file beside the path."""
    _refuse_existing(path)
    draft = path.parent / f".lead-router-{secrets.token_hex(6)}.part"
    try:
        draft.touch(exist_ok=False)
    except OSError as error:
        raise cannot_write(path, error) from error
    return draft


def _place(draft: Path, path: Path) -> None:
    _refuse_existing(path)
    try:
        draft.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error


def _refuse_existing(path: Path) -> None:
    if os.path.lexists(path):
        raise CannotRun(f"{path} is there already; it is never overwritten: give another file")
