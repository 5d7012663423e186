"""Writing the archive: a new file, readable by its owner only, or none at all."""

import io
import os
import tarfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

MODE = 0o600
SUFFIX = ".tar.gz"
# Columns of numbers: the highest level takes several times as long, for hardly less.
_LEVEL = 5


def usual_name(at: datetime) -> str:
    """`lead-router-bundle-20261128T131500Z.tar.gz`; `at` in UTC."""
    return f"lead-router-bundle-{at:%Y%m%dT%H%M%SZ}{SUFFIX}"


def write_archive(path: Path, files: Mapping[str, bytes], at: datetime) -> int:
    """Writes `files` by name into a folder called as the archive; returns its size in bytes.

    Raises FileExistsError rather than overwrite anything, and OSError; then there is no file of that name, unless it
    was there before.
    """
    folder = path.name.removesuffix(SUFFIX)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), MODE)
    try:
        with os.fdopen(descriptor, "wb") as out:
            with tarfile.open(fileobj=out, mode="w:gz", compresslevel=_LEVEL) as archive:
                for name, content in files.items():
                    archive.addfile(_entry(f"{folder}/{name}", len(content), at), io.BytesIO(content))
            out.flush()
            os.fsync(out.fileno())
            return out.tell()
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _entry(name: str, size: int, at: datetime) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, MODE, at.timestamp()
    return entry
