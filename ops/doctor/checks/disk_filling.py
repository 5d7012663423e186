"""The disk of the database is nearly full, where it is on this host."""

import shutil
from collections.abc import Sequence

from ops.doctor.finding import Finding, NotApplicable, Severity, Subject
from ops.doctor.scene import Scene
from router.domain.worded import worded
from router.store.upkeep import data_directory

CODE = "disk_filling"
_GB = 1 << 30


async def look(scene: Scene) -> Sequence[Finding]:
    path, is_local = await data_directory(scene.conn)
    if path is None:
        raise NotApplicable(worded("the server does not tell this role where its files are; ask its host"))
    if not is_local:
        raise NotApplicable(
            worded("the server is on another host, and PostgreSQL does not tell what its disk has left")
        )
    try:
        usage = shutil.disk_usage(path)
    except OSError as error:
        why = error.strerror
        raise NotApplicable(worded("the server's files are not to be seen from here: {why}", why=why)) from error
    return [_finding(path, usage.free, usage.total)] if nearly_full(usage.free, usage.total) else ()


def nearly_full(free: int, total: int) -> bool:
    """Whether so few bytes are left that a busy hour or a repair may need them."""
    return free < _GB or (free < 10 * _GB and 20 * free < total)


def _finding(path: str, free: int, total: int) -> Finding:
    sentence = worded(
        "the disk of the database has {free} GB of {total} GB left: when it is full, nothing is accepted or routed",
        free=f"{free / _GB:.1f}",
        total=f"{total / _GB:.0f}",
    )
    evidence = ({"path": path, "free_mb": free >> 20, "total_mb": total >> 20},)
    return Finding(CODE, Severity.WARNING, Subject("server", "PostgreSQL"), sentence, evidence)
