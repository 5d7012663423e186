"""Pages with a filter: what cannot be read in time is a banner beside the filter, which stays usable."""

import asyncio
from collections.abc import Awaitable
from enum import StrEnum
from typing import TypeVar

from ops.console.view import View
from router.http.problems import Refused
from router.store.errors import LOCK_TIMEOUTS, TRANSIENT_ERRORS, is_away

T = TypeVar("T")


class Missed(StrEnum):
    """Why nothing could be read: it took too long and was cancelled, also in the database; somebody else has locked
    what it needs; or the database gives no connection or no answer.
    """

    LATE = "late"
    LOCKED = "locked"
    AWAY = "away"


async def in_time(view: View, work: Awaitable[T]) -> T | Missed:
    """What `work` comes to within the deadline of a page. Raises what is wrong with the question itself."""
    try:
        async with asyncio.timeout(view.shared.settings.page_deadline_s):
            return await work
    except TimeoutError:
        return Missed.LATE
    except (Refused, *TRANSIENT_ERRORS) as error:
        missed = _missed(error.__cause__ if isinstance(error, Refused) else error)
        if missed is None:
            raise
        return missed


def _missed(error: BaseException | None) -> Missed | None:
    if isinstance(error, LOCK_TIMEOUTS):
        return Missed.LOCKED
    return Missed.AWAY if error is not None and isinstance(error, TRANSIENT_ERRORS) and is_away(error) else None
