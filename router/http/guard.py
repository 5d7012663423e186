"""What one listener may cost the process: so many connections, each with so much time to ask something.

A client that never finishes a request holds a file descriptor that the database's connections need. When all places are
taken, the connection that has been silent for longest is closed, so that a probe gets through.
"""

import asyncio
import resource
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from time import monotonic
from typing import Any

from aiohttp import web

_WAITS: web.RequestKey["partial[Any]"] = web.RequestKey("waits for its body", partial)
_MAX_CONNECTIONS = 64
_MIN_CONNECTIONS = 8
# What a process has open beside its database connections and its clients: logs, Redis, sockets of the event loop.
_OWN_DESCRIPTORS = 48
_WANTED_DESCRIPTORS = 8_192


def reserve_descriptors(database_connections: int, wanted_clients: int = _MAX_CONNECTIONS) -> int:
    """Raises the process's limit of file descriptors as far as it may; returns how many connections a listener may
    have beside so many to the database.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _WANTED_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    if soft == resource.RLIM_INFINITY:
        return wanted_clients
    return max(_MIN_CONNECTIONS, min(wanted_clients, (soft - _OWN_DESCRIPTORS - database_connections) // 2))


class Guard:
    """Makes the protocols of a listener, from those of aiohttp. `request_s` is the time for a request to be there."""

    def __init__(self, make: Callable[[], asyncio.Protocol], max_connections: int, request_s: float) -> None:
        self._make = make
        self._max_connections = max_connections
        self._request_s = request_s
        self._asked_at: dict[asyncio.BaseTransport, float] = {}
        self._answering: set[asyncio.BaseTransport] = set()
        self._body_awaited_at: dict[asyncio.BaseTransport, float] = {}

    def __call__(self) -> asyncio.Protocol:
        return _Guarded(self, self._make())

    @web.middleware
    async def middleware(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Marks a connection while it is answered; it may be asked again afterwards."""
        transport = request.transport
        if transport is None:
            return await handler(request)
        self.answers(transport)
        waits: partial[Any] = partial(self._waits_for_body, transport)
        request[_WAITS] = waits
        try:
            return await handler(request)
        finally:
            self.answered(transport)

    def answers(self, transport: asyncio.BaseTransport) -> None:
        """Marks a connection that is being answered."""
        self._answering.add(transport)

    def answered(self, transport: asyncio.BaseTransport) -> None:
        """It is answered, and may be asked again."""
        self._answering.discard(transport)
        if transport in self._asked_at:
            self._asked_at[transport] = monotonic()

    @contextmanager
    def _waits_for_body(self, transport: asyncio.BaseTransport) -> Iterator[None]:
        """Meanwhile its place may be given to another client: it is not the service that takes the time. With its head
        it has not come nearer to an end than a client who has just connected: in their order it stays where it was.
        """
        if transport not in self._asked_at:
            yield
            return
        self._body_awaited_at[transport] = monotonic()
        self._answering.discard(transport)
        try:
            yield
        finally:
            self._body_awaited_at.pop(transport, None)
            self._answering.add(transport)

    def end_silent(self) -> None:
        """Ends those that have not asked anything for too long. To be called now and then."""
        before = monotonic() - self._request_s
        silent = [one for one, at in self._asked_at.items() if at <= before and one not in self._answering]
        for transport in silent:
            if self._body_awaited_at.get(transport, before) <= before:
                self.end(transport)

    def begins(self, transport: asyncio.BaseTransport) -> None:
        """A connection more; where there are too many, the one that has been silent for longest ends."""
        self._asked_at[transport] = monotonic()
        if len(self._asked_at) > self._max_connections:
            silent = [one for one in self._asked_at if one not in self._answering]
            self.end(min(silent, key=self._asked_at.__getitem__, default=transport))

    def end(self, transport: asyncio.BaseTransport) -> None:
        """At once."""
        self.ended(transport)
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()

    def ended(self, transport: asyncio.BaseTransport) -> None:
        """It is gone."""
        self._asked_at.pop(transport, None)
        self._body_awaited_at.pop(transport, None)
        self._answering.discard(transport)


def waiting_for_body(request: web.Request) -> AbstractContextManager[None]:
    """Around the wait for the rest of a small body. Where no guard is, nothing."""
    waits = request.get(_WAITS)
    return nullcontext() if waits is None else waits()


class _Guarded(asyncio.Protocol):
    """One connection; what aiohttp has to know of it is passed on."""

    def __init__(self, guard: Guard, inner: asyncio.Protocol) -> None:
        self._guard = guard
        self._inner = inner
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._inner.connection_made(transport)
        self._guard.begins(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._guard.ended(self._transport)
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
