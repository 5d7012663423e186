"""Where the tests' servers keep their files: in memory, where the machine has a file system there with enough room.

Each test has a database of its own, some 700 files. On a disk that is most of a run's time, and no test cuts the power.
"""

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM_BYTES = 6 * 2**30


def keep_files_in_memory() -> None:
    """From here on temporary files of this process and of those that it starts are in memory, if there is room.

    A TMPDIR that a person chose stays.
    """
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK | os.X_OK):
        return
    if min(shutil.disk_usage(MEMORY).free, _memory_available()) >= ROOM_BYTES:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def _memory_available() -> int:
    """Bytes that programs can still get."""
    with Path("/proc/meminfo").open() as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
