"""The body of a request in pieces: gzip undone and bounded, counted, and not for ever waited for."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import TypeVar

from aiohttp import web

from router.http.guard import waiting_for_body
from router.http.problems import Kind, Refused

READ_S = 10.0
"""The longest time for the body of one small request to arrive."""
SILENT_S = 30.0
"""The longest pause within a long body."""
FIRST_S = 60.0
"""How long a long body may be waited for in all, before what has arrived of it counts."""
SLOWEST_RATE = 16_000
"""Bytes a second: each second more is earned by so many that have arrived. So 100 MB take 105 min at the slowest."""
_PIECE = 256 * 1024
_GZIP = 16 + zlib.MAX_WBITS

T = TypeVar("T")


class Arrival:
    """How long one body has been waited for, against what has arrived of it. What this service itself takes for what
    has arrived does not count. `what` is the body's name in refusals; `clock` in seconds.
    """

    def __init__(self, what: str, clock: Callable[[], float] = monotonic) -> None:
        self._what, self._clock = what, clock
        self._waited_s = 0.0
        self._arrived = 0

    def count(self, size: int) -> None:
        """So many bytes more have arrived."""
        self._arrived += size

    async def wait(self, coming: Awaitable[T]) -> T:
        """What comes next. Raises Refused when nothing comes for too long, or too little in all the time."""
        left_s = FIRST_S + self._arrived / SLOWEST_RATE - self._waited_s
        begin = self._clock()
        try:
            async with asyncio.timeout(max(0.0, min(SILENT_S, left_s))):
                return await coming
        except TimeoutError:
            raise self._too_slow(silent=left_s >= SILENT_S) from None
        finally:
            self._waited_s += self._clock() - begin

    def _too_slow(self, *, silent: bool) -> Refused:
        if silent:
            return Refused(Kind.TOO_SLOW, f"nothing of the {self._what} arrived for {SILENT_S:g} s")
        return Refused(
            Kind.TOO_SLOW,
            f"the {self._what} arrived too slowly: {self._arrived:,} bytes in {self._waited_s:.0f} s; after the first "
            f"{FIRST_S:g} s at least {SLOWEST_RATE:,} bytes a second are needed. Send less at once, or over a faster "
            "connection",
        )


async def read_body(request: web.Request, limit: int) -> bytes:
    """The whole body, decoded. Raises Refused."""
    content = request.content
    if content.is_eof() and "Content-Encoding" not in request.headers:
        # It came with the head: nothing has to be waited for.
        return _checked(content.read_nowait(-1), limit)
    try:
        with waiting_for_body(request):
            async with asyncio.timeout(READ_S):
                return b"".join([piece async for piece in body_pieces(request, limit)])
    except TimeoutError:
        raise Refused(Kind.TOO_SLOW, f"the body did not arrive within {READ_S:g} s") from None


async def body_pieces(request: web.Request, limit: int) -> AsyncIterator[bytes]:
    """The body as it comes, in pieces of at most 256 KiB; `limit` is in bytes, also after gzip is undone.

    Raises Refused: too large, too slow, broken or cut off.
    """
    check_length(request, limit)
    pieces = _arriving(request)
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("gzip", "x-gzip"):
        pieces = _unzipped(pieces)
    elif encoding != "identity":
        raise Refused(Kind.WRONG_MEDIA_TYPE, "only gzip is undone here", headers={"Accept-Encoding": "gzip, identity"})
    total = 0
    async for piece in pieces:
        total += len(piece)
        if total > limit:
            raise too_large(limit)
        yield piece


def check_length(request: web.Request, limit: int) -> None:
    """Refuses what says itself that it is too long, before anything is read."""
    if request.content_length is not None and request.content_length > limit:
        raise too_large(limit)


def too_large(limit: int) -> Refused:
    """The refusal of a longer body."""
    return Refused(Kind.TOO_LARGE, f"at most {limit:,} bytes are taken here")


def _checked(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise too_large(limit)
    return body


async def _arriving(request: web.Request) -> AsyncIterator[bytes]:
    arrival = Arrival("body")
    while True:
        try:
            piece = await arrival.wait(request.content.readany())
        except web.RequestPayloadError as error:
            raise Refused(Kind.BAD_REQUEST, f"the body cannot be read: {error}") from None
        if not piece:
            return
        arrival.count(len(piece))
        yield piece


async def _unzipped(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Never more than a piece at once, however much a few bytes stand for."""
    unzip = zlib.decompressobj(_GZIP)
    begun = False
    async for piece in pieces:
        rest = piece
        while rest:
            if unzip.eof:
                unzip = zlib.decompressobj(_GZIP)
            begun = True
            try:
                yield unzip.decompress(rest, _PIECE)
            except zlib.error as error:
                raise Refused(Kind.BAD_REQUEST, f"the body is not gzip: {error}") from None
            rest = unzip.unused_data if unzip.eof else unzip.unconsumed_tail
    if begun and not unzip.eof:
        raise Refused(Kind.BAD_REQUEST, "the gzip ends too early: the body was cut off")
