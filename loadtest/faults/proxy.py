"""A TCP proxy before PostgreSQL whose wires can be cut, reset, stalled, half-opened, slowed, and cut at a COMMIT."""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

_KEEP_ALIVE_S = 40.0
_CHUNK_BYTES = 64 * 1024
_COMMIT = re.compile(rb"\bcommit\b", re.IGNORECASE)


class Wire(StrEnum):
    """What becomes of the bytes.

    `cut`: connections are closed, new ones too. `stalled`: nothing goes through, and all of it once it is mended.
    """

    OPEN = "open"
    CUT = "cut"
    STALLED = "stalled"


class Answer(StrEnum):
    """When the wire of a COMMIT is cut: as soon as it was passed on, or when the server has answered it."""

    UNKNOWN = "unknown"
    LOST = "lost"


@dataclass(eq=False, slots=True)
class _Link:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    cut_at_answer: bool = False
    half_open: bool = False

    def reset(self) -> None:
        """Both sides hear a reset, as from a peer that has gone."""
        for writer in (self.client, self.server):
            if (sock := writer.get_extra_info("socket")) is not None:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def close(self) -> None:
        self.client.close()
        self.server.close()


@dataclass
class Proxy:
    """Passes connections on to `target_port` on this machine; open with `proxy`."""

    target_port: int
    port: int = 0
    wire: Wire = Wire.OPEN
    delay_s: float = 0.0
    commits_cut: int = 0
    passed_to_client: int = 0
    """Bytes so far from the server to all clients."""
    _at_commit: Answer | None = None
    _commits_left: int = 0
    _links: set[_Link] = field(default_factory=set)
    _open: asyncio.Event = field(default_factory=asyncio.Event)

    def set_wire(self, wire: Wire) -> None:
        """From now on, for all connections."""
        self.wire = wire
        if wire is Wire.STALLED:
            self._open.clear()
        else:
            self._open.set()
        if wire is Wire.CUT:
            self._each(_Link.close)

    def slow(self, delay_s: float) -> None:
        """Each chunk waits so long, in both directions; 0 ends it."""
        self.delay_s = delay_s

    def reset(self) -> None:
        """Resets every connection that there is now."""
        self._each(_Link.reset)

    def half_open(self) -> None:
        """What is sent over the connections of now is lost for good and nobody is told; new connections work.

        The server hears of it much later, as from the kernel's keep-alive: else its sessions would be used up.
        """
        for link in self._links:
            link.half_open = True
            asyncio.get_running_loop().call_later(_KEEP_ALIVE_S, link.server.close)

    def cut_at_commit(self, answer: Answer, times: int = 1) -> None:
        """Cuts the wires of the next COMMITs, each of another connection or the same one again."""
        self._at_commit, self._commits_left = answer, times

    def _each(self, do: Callable[[_Link], None]) -> None:
        for link in list(self._links):
            do(link)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one client."""
        if self.wire is Wire.CUT:
            writer.close()
            return
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.close()
            return
        link = _Link(writer, server_writer)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_requests(reader, link))
                group.create_task(self._pass_answers(server_reader, link))
        except* OSError:
            pass
        finally:
            self._links.discard(link)
            link.close()

    async def _pass_requests(self, reader: asyncio.StreamReader, link: _Link) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            if not await self._lets_through(link):
                continue
            cut = self._commits_left > 0 and _COMMIT.search(data) is not None
            link.server.write(data)
            await link.server.drain()
            if cut:
                self._commits_left -= 1
                self.commits_cut += 1
                if self._at_commit is Answer.UNKNOWN:
                    link.reset()
                else:
                    link.cut_at_answer = True
        # Who is gone behind a half-open wire cannot say goodbye either.
        if not link.half_open:
            link.server.close()

    async def _pass_answers(self, reader: asyncio.StreamReader, link: _Link) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            if link.cut_at_answer:
                link.reset()
                return
            if await self._lets_through(link):
                link.client.write(data)
                await link.client.drain()
                self.passed_to_client += len(data)
        if not link.half_open:
            link.client.close()

    async def _lets_through(self, link: _Link) -> bool:
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        await self._open.wait()
        return not link.half_open

    def close(self) -> None:
        self._each(_Link.reset)


@asynccontextmanager
async def proxy(target_port: int) -> AsyncIterator[Proxy]:
    """A running proxy on a free port."""
    made = Proxy(target_port)
    made.set_wire(Wire.OPEN)
    server = await asyncio.start_server(made.accept, "127.0.0.1", 0, limit=_CHUNK_BYTES)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.set_wire(Wire.OPEN)
        server.close()
        made.close()
