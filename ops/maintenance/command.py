"""Running a command within its turn: signals are passed on, and at the deadline it is ended with all its children."""

import asyncio
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum

from router.store.errors import TRANSIENT_ERRORS

BEAT_S = 10.0
ALIVE_FOR_S = 60.0
"""A turn is lost when no sign of life comes for so long."""
GRACE_S = 10.0
DEADLINE_CODE = 124
"""As of timeout(1)."""
_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_PR_SET_PDEATHSIG = 1


class End(StrEnum):
    """How a command ended: by itself, by a signal, or by us, since its time was over or another has the turn."""

    EXITED = "exited"
    SIGNAL = "signal"
    DEADLINE = "deadline"
    TURN_LOST = "turn_lost"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the command ended, and the exit code of `maintenance run` (128 + n after signal n, 124 when we ended it)."""

    end: End
    code: int


async def run_command(
    words: Sequence[str],
    variables: Mapping[str, str],
    seconds: float,
    keep: Callable[[], Awaitable[bool]],
    *,
    output_to_stderr: bool = False,
    grace_s: float = GRACE_S,
    beat_s: float = BEAT_S,
) -> Outcome:
    """Runs it for `seconds` at most, with `variables` added to its environment. `keep` says whether the turn is ours.

    Raises OSError when it cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *words,
        env={**os.environ, **variables},
        stdin=asyncio.subprocess.DEVNULL if os.isatty(0) else None,
        stdout=2 if output_to_stderr else None,
        process_group=0,
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,
    )
    with _signals_passed_on(process):
        ended = asyncio.create_task(process.wait())
        why = await _first_of(ended, seconds, keep, beat_s)
        if why is not None:
            await _killed(process, ended, grace_s)
        code = await ended
    return _outcome(why, code)


async def _first_of(
    ended: "asyncio.Task[int]", seconds: float, keep: Callable[[], Awaitable[bool]], beat_s: float
) -> End | None:
    """Why the command has to be ended; None when it ended."""
    lost = asyncio.create_task(_until_lost(keep, beat_s))
    try:
        await asyncio.wait({ended, lost}, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            return None
        return End.TURN_LOST if lost.done() else End.DEADLINE
    finally:
        lost.cancel()
        await asyncio.gather(lost, return_exceptions=True)


async def _until_lost(keep: Callable[[], Awaitable[bool]], beat_s: float) -> None:
    """Gives signs of life until the turn is not ours any more; a database that is away is asked again."""
    kept = True
    while kept:
        await asyncio.sleep(beat_s)
        with suppress(*TRANSIENT_ERRORS):
            kept = await keep()


async def _killed(process: asyncio.subprocess.Process, ended: "asyncio.Task[int]", grace_s: float) -> None:
    """SIGTERM to the command and its children, SIGKILL to who is left after `grace_s`."""
    _send(process, signal.SIGTERM)
    await asyncio.wait({ended}, timeout=grace_s)
    _send(process, signal.SIGKILL)


def _send(process: asyncio.subprocess.Process, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


@contextmanager
def _signals_passed_on(process: asyncio.subprocess.Process) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    for number in _PASSED_ON:
        loop.add_signal_handler(number, _send, process, number)
    try:
        yield
    finally:
        for number in _PASSED_ON:
            loop.remove_signal_handler(number)


def _end_with_parent() -> None:
    """In the child: when this process is killed, nobody is left to end the command at its deadline."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _outcome(why: End | None, code: int) -> Outcome:
    if why is not None:
        return Outcome(why, DEADLINE_CODE)
    return Outcome(End.EXITED, code) if code >= 0 else Outcome(End.SIGNAL, 128 - code)
