"""Programs of Debian that measurements need: where they are, and getting them where they are missing."""

import os
import shutil
import subprocess
from functools import cache

# In this run level the packages' own services are not started.
_INSTALL = (
    "env",
    "DEBIAN_FRONTEND=noninteractive",
    "RUNLEVEL=1",
    "apt-get",
    "install",
    "-y",
    "-qq",
    "--no-install-recommends",
)
_UPDATE = ("apt-get", "update", "-qq")
_DEADLINE_S = 180
_PATH = f"{os.defpath}:/usr/sbin:/usr/local/bin"


@cache
def find_program(name: str) -> str | None:
    """Where the program is, of the package of that name; installed with apt-get where it is missing (as root, or sudo
    without a password). None = it cannot be had here.
    """
    if _there(name) is None and shutil.which("apt-get"):
        root = () if os.geteuid() == 0 else ("sudo", "-n")
        for command in (_UPDATE, (*_INSTALL, name)):
            _run(*root, *command)
    return _there(name)


def _there(name: str) -> str | None:
    # A user's path may lack the folder of servers.
    return shutil.which(name) or shutil.which(name, path=_PATH)


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=_DEADLINE_S)
    except (OSError, subprocess.TimeoutExpired):
        return
