"""A program of ours as a child that ends when its parent does, however that ends: also by `kill -9`."""

import os
import select
import signal
import sys
import threading


def ending_with_us(program: str) -> str:
    """The program (Python, for `python -c`) for a child of this process. It needs the project among its modules.

    The child watches by itself: between fork and exec, in a process that may have threads, nothing of ours runs.
    """
    return f"from loadtest.child import end_with_parent; end_with_parent({os.getpid()}); {program}"


def end_with_parent(parent: int) -> None:
    """Sends us SIGTERM, once, with which services end in order, when the process `parent` is gone. Linux only:
    elsewhere nothing happens.

    The kernel's own signal (PR_SET_PDEATHSIG) comes once for each thread that the parent still had: services that are
    asked a second time end at once.
    """
    if not hasattr(os, "pidfd_open"):
        return
    try:
        watched = os.pidfd_open(parent)
    except ProcessLookupError:
        sys.exit(1)
    if os.getppid() != parent:
        # It was gone before it could be watched, and its number may be another's.
        sys.exit(1)
    threading.Thread(target=_end_after, args=(watched,), name="parent watch", daemon=True).start()


def _end_after(watched: int) -> None:
    select.select([watched], [], [])
    os.kill(os.getpid(), signal.SIGTERM)
