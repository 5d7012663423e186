"""A wire to a PostgreSQL socket that can be half-open: what is sent is taken and goes nowhere, and nobody is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit

from tests.support import database_of


class Wire:
    """`url` leads through it."""

    def __init__(self, url: str, name: str) -> None:
        query = parse_qs(urlsplit(url).query)
        self._socket = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"
        self._name = name
        self._pairs: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._silent: set[int] = set()
        self._swallowed: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.swallow = 0
        """So many of the next connections are taken and never answered."""
        self.accepted = 0

    async def serve(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    @property
    def url(self) -> str:
        port = self._server.sockets[0].getsockname()[1]
        return database_of(f"postgresql://postgres@127.0.0.1:{port}/x", self._name)

    def cut_behind(self) -> None:
        """The server's ends are closed, ours stay open and silent: half-open."""
        for ours, theirs in self._pairs:
            self._silent.add(id(ours))
            theirs.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.swallow:
            self.swallow -= 1
            self._swallowed.append(writer)
            return
        back, on = await asyncio.open_unix_connection(self._socket)
        self._pairs.append((writer, on))
        for source, target in ((reader, on), (back, writer)):
            task = asyncio.create_task(self._pump(source, target, writer))
            self._tasks.add(task)

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, ours: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if id(ours) in self._silent:
                    continue
                target.write(data)
                await target.drain()
        if id(ours) not in self._silent:
            target.close()

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for pair in self._pairs:
            for writer in pair:
                writer.close()
        for writer in self._swallowed:
            writer.close()


@asynccontextmanager
async def a_wire(url: str) -> AsyncIterator[Wire]:
    """To the database of `url`, which names a socket folder."""
    wire = Wire(url, urlsplit(url).path.strip("/"))
    await wire.serve()
    try:
        yield wire
    finally:
        await wire.close()
