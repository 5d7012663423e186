"""Looking up the names of endpoints, in threads of their own: a name server that does not answer delays no others.

The event loop's own threads serve the whole process, and it waits for them at its end; a lookup cannot be ended.
"""

import asyncio
import socket
import threading
from collections.abc import Sequence
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

LOOK_UP_S = 5.0
MOST_AT_ONCE = 64
"""Also those that no delivery waits for any more."""


class NamesUnavailable(OSError):
    """A name was not found in time, or too many are being looked up."""


class Names(AbstractResolver):
    """Resolves names. Raises OSError."""

    def __init__(self) -> None:
        self._under_way = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if self._under_way >= MOST_AT_ONCE:
            raise NamesUnavailable(f"{host} cannot be looked up: {MOST_AT_ONCE} names are, and no answer came yet")
        self._under_way += 1
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[Any]] = loop.create_future()
        threading.Thread(target=self._look_up, args=(loop, answer, host, port, family), daemon=True).start()
        try:
            async with asyncio.timeout(LOOK_UP_S):
                found = await answer
        except TimeoutError:
            raise NamesUnavailable(f"the name server did not answer for {host} within {LOOK_UP_S:g} s") from None
        # An address with a scope is of this link only.
        return [_result(host, *one) for one in found if len(one[4]) == 2 or not one[4][3]]

    async def close(self) -> None:
        """Lookups that are under way end by themselves; the process does not wait for them."""

    def _look_up(
        self,
        loop: asyncio.AbstractEventLoop,
        answer: "asyncio.Future[Sequence[Any]]",
        host: str,
        port: int,
        family: int,
    ) -> None:
        try:
            found: Sequence[Any] | OSError = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        except (OSError, UnicodeError) as error:
            found = error if isinstance(error, OSError) else OSError(str(error))
        try:
            loop.call_soon_threadsafe(self._answered, answer, found)
        except RuntimeError:
            return  # the loop has ended

    def _answered(self, answer: "asyncio.Future[Sequence[Any]]", found: Sequence[Any] | OSError) -> None:
        self._under_way -= 1
        if answer.done():
            return
        answer.set_exception(found) if isinstance(found, OSError) else answer.set_result(found)


def _result(host: str, family: int, _kind: int, proto: int, _name: str, address: tuple[Any, ...]) -> ResolveResult:
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address[0], port=address[1], family=family, proto=proto, flags=flags)
