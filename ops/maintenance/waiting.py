"""Waiting for a turn: asks once a second, says why there is none yet, and gives up after a while."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import monotonic

from router.store.errors import TRANSIENT_ERRORS
from router.store.maintenance import Answer

ASK_EVERY_S = 1.0


async def wait_for_turn(
    ask: Callable[[], Awaitable[Answer]],
    wait: timedelta,
    say: Callable[[str], None],
    every_s: float = ASK_EVERY_S,
) -> Answer:
    """Returns the turn, or the last answer without one once `wait` is over. `say` is told each new reason.

    The first question raises what asking raises; later a database that is away is a reason to wait.
    """
    give_up = monotonic() + wait.total_seconds()
    answer = await ask()
    said = ""
    while answer.turn is None and monotonic() + every_s <= give_up:
        if _kind(answer.reason) != _kind(said):
            say(f"waiting for a turn: {answer.reason}")
        said = answer.reason
        await asyncio.sleep(every_s)
        answer = await _asked_again(ask)
    return answer


async def _asked_again(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    try:
        return await ask()
    except TRANSIENT_ERRORS as error:
        return Answer(0, None, None, f"the database cannot be asked: {error}")


def _kind(reason: str) -> str:
    """The reason without its numbers: 41 leads instead of 42 are no news."""
    return "".join(letter for letter in reason if not letter.isdigit())
