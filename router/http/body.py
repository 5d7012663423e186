"""The body of a request in pieces: gzip undone and bounded, counted, and not for ever waited for."""

import asyncio
import zlib
from collections.abc import AsyncIterator

from aiohttp import web

from router.http.guard import waiting_for_body
from router.http.problems import Kind, Refused

READ_S = 10.0
"""The longest time for the body of one small request to arrive."""
SILENT_S = 30.0
"""The longest pause within a long body."""
_PIECE = 256 * 1024
_GZIP = 16 + zlib.MAX_WBITS


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
    while True:
        try:
            async with asyncio.timeout(SILENT_S):
                piece = await request.content.readany()
        except TimeoutError:
            raise Refused(Kind.TOO_SLOW, f"nothing of the body arrived for {SILENT_S:g} s") from None
        except web.RequestPayloadError as error:
            raise Refused(Kind.BAD_REQUEST, f"the body cannot be read: {error}") from None
        if not piece:
            return
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
