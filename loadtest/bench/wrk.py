"""wrk, the load generator from Debian: where it is, and getting it where it is missing."""

import os
import shutil
import subprocess
from functools import cache

_INSTALL = (
    "env",
    "DEBIAN_FRONTEND=noninteractive",
    "apt-get",
    "install",
    "-y",
    "-qq",
    "--no-install-recommends",
    "wrk",
)
_UPDATE = ("apt-get", "update", "-qq")
_DEADLINE_S = 180


@cache
def find_wrk() -> str | None:
    """Where wrk is; installed with apt-get where it is missing (as root, or sudo without a password). None = it cannot
    be had here.
    """
    if shutil.which("wrk") is None and shutil.which("apt-get"):
        root = () if os.geteuid() == 0 else ("sudo", "-n")
        for command in (_UPDATE, _INSTALL):
            _run(*root, *command)
    return shutil.which("wrk")


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=_DEADLINE_S)
    except (OSError, subprocess.TimeoutExpired):
        return
