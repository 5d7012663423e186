"""A connection whose posts of single leads are read and answered here; the first other request leaves it to aiohttp."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from router.http.plain_request import No, Post, read_post

_REST_S = 0.5
"""So long the rest of a post may take; then aiohttp, which has deadlines of its own, gets what has come."""
_MAX_UNREAD = 64 * 1024
"""Bytes that may come while a post is being answered; then the client has to wait."""

Answered = Callable[[bytes], None]
"""Takes the whole answer to a post; called once, at once or later."""


class Marks(Protocol):
    """Is told when a connection is being answered, and no longer."""

    def answers(self, transport: asyncio.BaseTransport) -> None: ...
    def answered(self, transport: asyncio.BaseTransport) -> None: ...


class Posts(Protocol):
    """Answers posts. `closing` = no more of them are taken."""

    def answer(self, post: Post, remote: str | None, answered: Answered) -> None: ...
    def opened(self, connection: "PlainConnection") -> bool: ...
    def gone(self, connection: "PlainConnection") -> None: ...


class PlainConnection(asyncio.Protocol):
    """`make` makes the protocol of aiohttp that takes the connection over."""

    def __init__(self, posts: Posts, make: Callable[[], asyncio.Protocol], marks: Marks) -> None:
        self._posts = posts
        self._make = make
        self._marks = marks
        self._transport: asyncio.Transport | None = None
        self._remote: str | None = None
        self._other: asyncio.Protocol | None = None
        self._unread = b""
        self._timer: asyncio.TimerHandle | None = None
        self._stops = False
        self._full = False
        self.under_way = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._remote = str(peer[0]) if isinstance(peer, tuple) else peer
        if not self._posts.opened(self):
            self._hand_over()

    def data_received(self, data: bytes) -> None:
        if self._other is not None:
            self._other.data_received(data)
            return
        self._unread = self._unread + data if self._unread else data
        if not self.under_way and not self._full:
            self._read()
        elif len(self._unread) > _MAX_UNREAD and self._transport is not None:
            self._transport.pause_reading()

    def eof_received(self) -> bool | None:
        return None if self._other is None else self._other.eof_received()

    def pause_writing(self) -> None:
        # Who does not take the answers gets no more of them.
        self._full = True
        if self._other is not None:
            self._other.pause_writing()

    def resume_writing(self) -> None:
        self._full = False
        if self._other is not None:
            self._other.resume_writing()
        else:
            self._read_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._unread = b""
        self._stop_timer()
        if self._other is not None:
            self._other.connection_lost(exc)
        else:
            self._posts.gone(self)

    def stop(self) -> None:
        """Closes the connection, after the answer that is under way."""
        self._stops = True
        if not self.under_way and self._transport is not None:
            self._transport.close()

    def _read(self) -> None:
        if self._stops or self._transport is None:
            return
        found = read_post(self._unread)
        if found is No.UNFINISHED:
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(_REST_S, self._hand_over)
            return
        if self._timer is not None:
            self._stop_timer()
        if isinstance(found, No):
            self._hand_over()
            return
        self._unread = self._unread[found.size :]
        self.under_way = True
        self._marks.answers(self._transport)
        self._posts.answer(found, self._remote, self._answered)

    def _answered(self, answer: bytes) -> None:
        self.under_way = False
        transport = self._transport
        if transport is None:
            return
        transport.write(answer)
        self._marks.answered(transport)
        if self._stops:
            transport.close()
        elif self._unread:
            # Not from within the answer: a client may have sent thousands of posts at once.
            asyncio.get_running_loop().call_soon(self._read_on)

    def _read_on(self) -> None:
        if self._transport is None or self._other is not None or self.under_way or self._full:
            return
        self._transport.resume_reading()
        if self._unread:
            self._read()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hand_over(self) -> None:
        """From here on the connection is aiohttp's, with what has been read of it."""
        if self._transport is None or self._other is not None:
            return
        self._stop_timer()
        self._posts.gone(self)
        self._transport.resume_reading()
        self._other, unread, self._unread = self._make(), self._unread, b""
        self._other.connection_made(self._transport)
        if self._full:
            self._other.pause_writing()
        if unread:
            self._other.data_received(unread)
