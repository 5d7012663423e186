"""PgBouncer's console: what it says of its pools, where it lets us look. It knows simple queries only, which asyncpg
does not read; so asyncpg connects, with TLS and password, and the answers are read here.
"""

import asyncio
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

from router.settings.model import ConnectionSettings
from router.store.connections.connect import Session

Rows = Sequence[Mapping[str, str | None]]
DEADLINE_S = 1.5
_HEAD = struct.Struct("!ci")


class NoConsole(Exception):
    """There is none, or it does not let us look; the message says why, without a password."""


def console_of(database_url: str, settings: ConnectionSettings) -> tuple[str, str]:
    """The URL of the console, if a pooler answers at this URL of a database, and what it calls the database."""
    # urlunsplit drops the empty host of a URL that names a socket folder.
    scheme, host, path, query, fragment = urlsplit(database_url)
    console = settings.pooler_console_url or urlunsplit((scheme, host, "/pgbouncer", query, fragment))
    return console, unquote(path.removeprefix("/"))


async def ask_console(url: str, questions: Sequence[str]) -> list[Rows]:
    """The rows of each question (`show pools`), by the names of their columns. Raises NoConsole, in time."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            session = await asyncpg.connect(url, connection_class=Session, statement_cache_size=0)
            try:
                return [await _ask(session, question) for question in questions]
            finally:
                session.terminate()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, ValueError) as error:
        raise NoConsole(f"{type(error).__name__}: {error}".rstrip(": ")) from error


async def _ask(session: Session, question: str) -> Rows:
    transport: asyncio.Transport = session._transport  # type: ignore[attr-defined]
    reading = transport.get_protocol()
    answer = _Answer(asyncio.get_running_loop().create_future())
    transport.set_protocol(answer)
    try:
        words = question.encode() + b"\0"
        transport.write(_HEAD.pack(b"Q", 4 + len(words)) + words)
        return await answer.done
    finally:
        transport.set_protocol(reading)


@dataclass
class _Answer(asyncio.Protocol):
    """Reads the answer to one simple query."""

    done: "asyncio.Future[Rows]"
    _data: bytearray = field(default_factory=bytearray)
    _columns: list[str] = field(default_factory=list)
    _rows: list[Mapping[str, str | None]] = field(default_factory=list)
    _refusal: str | None = None

    def data_received(self, data: bytes) -> None:
        self._data += data
        while len(self._data) >= _HEAD.size:
            kind, size = _HEAD.unpack_from(self._data)
            if len(self._data) <= size:
                return
            body = bytes(self._data[_HEAD.size : 1 + size])
            del self._data[: 1 + size]
            self._read(kind, body)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the console closed the connection"))

    def _read(self, kind: bytes, body: bytes) -> None:
        if kind == b"T":
            self._columns = _names(body)
        elif kind == b"D":
            self._rows.append(dict(zip(self._columns, _values(body), strict=False)))
        elif kind == b"E":
            fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
            self._refusal = fields.get(b"M", "refused")
        elif kind == b"Z" and not self.done.done():
            if self._refusal is None:
                self.done.set_result(self._rows)
            else:
                self.done.set_exception(ConnectionError(self._refusal))


def _names(body: bytes) -> list[str]:
    names, at = list[str](), 2
    for _ in range(struct.unpack_from("!h", body)[0]):
        end = body.index(b"\0", at)
        names.append(body[at:end].decode(errors="replace"))
        at = end + 19
    return names


def _values(body: bytes) -> list[str | None]:
    values, at = list[str | None](), 2
    for _ in range(struct.unpack_from("!h", body)[0]):
        (size,) = struct.unpack_from("!i", body, at)
        at += 4
        values.append(None if size < 0 else body[at : at + size].decode(errors="replace"))
        at += max(0, size)
    return values
