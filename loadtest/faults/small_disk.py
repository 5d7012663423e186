"""A disk that is soon full: a tmpfs of our own, the small one of a container, or one that is named to us."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NAMED = "LEAD_ROUTER_TEST_SMALL_DISK"
_MOST_BYTES = 256 * 1024 * 1024
_SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A folder on a small file system."""

    path: Path

    def fill(self) -> None:
        """Nothing fits any more."""
        block = b"\0" * 65536
        with (self.path / "filler").open("ab", buffering=0) as file:
            try:
                while file.write(block) == len(block):
                    pass
            except OSError:
                return

    def free(self) -> None:
        """What filled it is gone."""
        (self.path / "filler").unlink()


@contextmanager
def small_disk(beside: Path, megabytes: int = 96) -> Iterator[SmallDisk]:
    """A small disk; emptied at the end. Raises RuntimeError where there is none to be had."""
    mounted = beside / "small-disk"
    mounted.mkdir(exist_ok=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", mounted],
        check=False,
        capture_output=True,
        text=True,
    )
    if made.returncode == 0:
        try:
            yield SmallDisk(mounted)
        finally:
            subprocess.run(["umount", "--lazy", mounted], check=True)
        return
    place = Path(os.environ.get(NAMED, _SHARED_MEMORY))
    if shutil.disk_usage(place).total > _MOST_BYTES:
        raise RuntimeError(
            f"no small disk: mount says {made.stderr.strip()!r} and {place} is larger than {_MOST_BYTES:,} bytes; run "
            f"as root, or name a folder on a small file system of its own in {NAMED}"
        )
    folder = Path(tempfile.mkdtemp(prefix="lead-router-", dir=place))
    folder.chmod(0o755)
    try:
        yield SmallDisk(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
