"""A client that posts so many leads a second, whether or not the earlier ones are answered, and costs little itself.

On a machine with two processors the client takes its time from those whom it measures: this one writes prepared bytes
and reads no more of an answer than its status and its length. A wait counts from when the post was due, so that a
client or a service that falls behind is not spared the posts that queue up (G. Tene, "How NOT to measure latency",
2015: coordinated omission).
"""

import asyncio
import re
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from time import perf_counter, time

from loadtest.bench.posts import CONNECTIONS, Address, external_id, numbered, request_template
from loadtest.bench.stage import NotClean

_MARGIN_S = 30.0
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Post:
    """One post: its lead's external id, when it was due (seconds since 1970) and how long after that it was answered
    (seconds).
    """

    external_id: str
    at: float
    seconds: float


@dataclass(slots=True)
class _Due:
    number: int
    at: float


class _Wire(asyncio.Protocol):
    """One connection, which carries one post at a time."""

    def __init__(self, client: "_Client") -> None:
        self._client = client
        self._heard = b""
        self.due: _Due | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, due: _Due) -> None:
        self.due = due
        self._transport.write(numbered(self._client.template, due.number).encode())

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, end, body = self._heard.partition(_HEAD_END)
        if not end:
            return
        length = _LENGTH.search(head + b"\r\n")
        if length is not None and len(body) < int(length[1]):
            return
        self._heard = b""
        if not head.startswith(b"HTTP/1.1 202"):
            self._client.fail(f"a post was answered with {head[9:12].decode()}: {body[:300]!r}")
        else:
            self._client.answered(self)

    def connection_lost(self, error: Exception | None) -> None:
        if self.due is not None:
            self._client.fail(f"a connection broke off: {error}")

    def close(self) -> None:
        self.due = None
        self._transport.close()


class _Client:
    """Posts that are due go out over whichever connection is free, else as soon as one is."""

    def __init__(self, template: str, posts: int) -> None:
        self.template = template
        self.done: list[Post] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._posts = posts
        self._free: deque[_Wire] = deque()
        self._queue: deque[_Due] = deque()
        self._since_1970 = time() - perf_counter()

    def add(self, wire: _Wire) -> None:
        self._free.append(wire)

    def post(self, due: _Due) -> None:
        if self._free:
            self._free.popleft().send(due)
        else:
            self._queue.append(due)

    def answered(self, wire: _Wire) -> None:
        due, wire.due = wire.due, None
        assert due is not None
        self.done.append(Post(external_id(due.number), due.at + self._since_1970, perf_counter() - due.at))
        if self._queue:
            wire.send(self._queue.popleft())
        else:
            self._free.append(wire)
        if len(self.done) == self._posts and not self.ended.done():
            self.ended.set_result(None)

    def fail(self, problem: str) -> None:
        if not self.ended.done():
            self.ended.set_exception(NotClean(problem))


async def paced(address: Address, first: int, rate: float, seconds: float) -> list[Post]:
    """Posts `rate` leads a second for so many seconds, numbered from `first`, over 64 connections at most. Raises
    NotClean unless all were taken.
    """
    posts = int(rate * seconds)
    client = _Client(request_template(address), posts)
    loop = asyncio.get_running_loop()
    with ExitStack() as ends:
        for _ in range(CONNECTIONS):
            _, wire = await loop.create_connection(lambda: _Wire(client), "127.0.0.1", address.port)
            ends.callback(wire.close)
            client.add(wire)
        begin = perf_counter()
        for turn in range(posts):
            at = begin + turn / rate
            if (ahead := at - perf_counter()) > 0:
                await asyncio.sleep(ahead)
            elif turn % CONNECTIONS == 0:
                # Behind its own pace: answers are read all the same.
                await asyncio.sleep(0)
            if client.ended.done():
                break
            client.post(_Due(first + turn, at))
        async with asyncio.timeout(_MARGIN_S):
            await client.ended
    return client.done
