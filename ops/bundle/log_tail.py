"""The end of a log file, however long the file is."""

import os
from pathlib import Path

LINES = 5_000
MAX_BYTES = 16 * 1024 * 1024


def last_lines(path: Path, limit: int = LINES, max_bytes: int = MAX_BYTES) -> list[str]:
    """The last `limit` lines, of the last `max_bytes` bytes; what is no UTF-8 is escaped. Raises OSError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        begin = max(0, size - max_bytes)
        file.seek(begin)
        # Not what is written while it is read: a log that grows faster would never end.
        lines = file.read(size - begin).split(b"\n")
    if begin:
        del lines[0]
    if lines and not lines[-1]:
        lines.pop()
    return [line.decode(errors="backslashreplace").rstrip("\r") for line in lines[-limit:]]
