"""One attempt to deliver one event over HTTP."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver
from yarl import URL

from router.outbox.addresses import PrivateAddress, PublicOnly, check_literal
from router.outbox.attempts import Answer, read_answer
from router.outbox.event import Event
from router.outbox.names import Names
from router.outbox.signing import signed_headers

TIMEOUT_S = 15.0
_READ_AT_MOST = 16_384
_ERROR_LENGTH = 300
_HEADERS = {"content-type": "application/json", "user-agent": "lead-router-webhooks"}


class Sender:
    """Keeps connections to endpoints. Open it in the event loop that uses it, and close it."""

    def __init__(self, timeout_s: float = TIMEOUT_S, *, allow_private: bool = False) -> None:
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._anywhere = _session(timeout, Names())
        self._public = self._anywhere if allow_private else _session(timeout, PublicOnly())
        self._allow_private = allow_private

    async def send(
        self, url: str, event: Event, keys: Sequence[bytes], clock: Callable[[], datetime], *, allow_private: bool
    ) -> Answer:
        """Posts the event, signed with each of the keys. Every outcome is an answer; nothing is raised for one."""
        body = msgspec.json.encode(event.body())
        now = clock()
        headers = signed_headers(event.id, int(now.timestamp()), body, keys)
        free = allow_private or self._allow_private
        session = self._anywhere if free else self._public
        try:
            if not free:
                check_literal(urlsplit(url).hostname or "")
            # As it was given: an endpoint's own spelling is not made another one.
            async with session.post(URL(url, encoded=True), data=body, headers=headers, allow_redirects=False) as got:
                # The connection is used again once the answer was read; an endless one ends it.
                await got.content.read(_READ_AT_MOST)
                return read_answer(got.status, got.headers.get("retry-after"), now)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Answer(_words(error, url), reached=not isinstance(error, aiohttp.ClientConnectorError))

    async def close(self) -> None:
        await self._public.close()
        await self._anywhere.close()


def _session(timeout: aiohttp.ClientTimeout, resolver: AbstractResolver) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=0, resolver=resolver)
    return aiohttp.ClientSession(
        connector=connector, timeout=timeout, headers=_HEADERS, cookie_jar=aiohttp.DummyCookieJar()
    )


def _words(error: Exception, url: str) -> str:
    """What went wrong, without what the URL keeps to itself."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, PrivateAddress):
        return str(cause)
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = f"{type(error).__name__}: {error}".replace(urlsplit(url).query or "\0", "***")
    return text[:_ERROR_LENGTH]


def utc_now() -> datetime:
    """By the clock of this host: receivers compare it with theirs."""
    return datetime.now(UTC)
