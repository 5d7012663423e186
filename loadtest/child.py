"""A program of ours as a child that ends when its parent does, however that ends: also by `kill -9`."""

import ctypes
import os
import signal
import sys

from ops.embedded.account import PR_SET_PDEATHSIG


def ending_with_us(program: str) -> str:
    """The program (Python, for `python -c`) for a child of this process. It needs the project among its modules.

    The child asks for it by itself: between fork and exec, in a process that may have threads, nothing of ours runs.
    """
    return f"from loadtest.child import end_with_parent; end_with_parent({os.getpid()}); {program}"


def end_with_parent(parent: int) -> None:
    """Has the kernel send us SIGTERM, with which services end in order, when the process `parent` is gone. Linux only:
    elsewhere nothing happens.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        # It was gone before it could be asked for.
        sys.exit(1)
