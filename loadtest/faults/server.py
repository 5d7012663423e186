"""A PostgreSQL of our own that may be crashed, starved and put back to an older state, on a socket and on TCP."""

import asyncio
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from loadtest.ports import free_port
from ops.embedded.account import server_account
from ops.embedded.server import DATABASE, SUPERUSER, Postgres

# Small, so that it starts fast. Not synced to disk: a killed server loses nothing by that, only a power cut would.
OPTIONS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "64MB",
    "fsync": "off",
    "checkpoint_timeout": "1h",
    "track_commit_timestamp": "on",
}
_START_DEADLINE_S = 120.0


class FaultServer:
    """The server in `folder` (which every user must be able to enter); keeps its port over all restarts."""

    def __init__(self, folder: Path, options: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._options = {**OPTIONS, "port": str(free_port()), **(options or {})}
        self._log = (folder / "server.log").open("ab", buffering=0)
        self._account = server_account(folder / "data")
        self._sockets = folder / "run"
        self._sockets.mkdir(mode=0o700)
        self._account.own(self._sockets)
        self._more: Mapping[str, object] = {}
        self.pooler_port: int | None = None
        """Where a pooler before it listens; then routers come through that one."""
        self._postgres = self._made({})

    def _made(self, more: Mapping[str, str]) -> Postgres:
        return Postgres(self.folder / "data", self._sockets, self._account, self._log, {**self._options, **more})

    def url(self, database: str = DATABASE) -> str:
        """By the socket; whoever prepares and checks comes this way, past the wires that are cut."""
        return f"postgresql://{SUPERUSER}@/{database}?host={self._sockets}&port={self.port}"

    @property
    def port(self) -> int:
        return int(self._options["port"])

    def tcp_url(self, database: str = DATABASE, port: int | None = None) -> str:
        """By TCP, directly or through something that listens at `port`."""
        return f"postgresql://{SUPERUSER}@127.0.0.1:{port or self.port}/{database}"

    @property
    def usual(self) -> bool:
        """Whether it runs, and with the options that it was made with."""
        return self.running and not self._more

    async def start(self, **more: object) -> None:
        """Answers when connections are accepted. `more` are options for this time: `max_connections=30`."""
        self._more = more
        self._postgres = self._made({name: str(value) for name, value in more.items()})
        # In this thread: the kernel would stop the server when the thread that started it ends.
        process = self._postgres.launch()
        async with asyncio.timeout(_START_DEADLINE_S):
            while not self._postgres.is_ready():
                if process.poll() is not None:
                    raise RuntimeError(f"PostgreSQL ended with {process.returncode}: see {self.folder / 'server.log'}")
                await asyncio.sleep(0.01)

    async def crash(self) -> None:
        """PostgreSQL's immediate shutdown: sessions are dropped, nothing is written; recovery comes at the start."""
        await self._end(signal.SIGQUIT)

    async def stop(self) -> None:
        """The fast shutdown: sessions are ended, everything is written."""
        await self._end(signal.SIGINT)

    async def _end(self, number: signal.Signals) -> None:
        process = self._postgres.process
        if process is None or process.poll() is not None:
            return
        process.send_signal(number)
        async with asyncio.timeout(_START_DEADLINE_S):
            while process.poll() is None:
                await asyncio.sleep(0.01)

    @property
    def running(self) -> bool:
        process = self._postgres.process
        return process is not None and process.poll() is None

    async def save_base(self) -> None:
        """Copies the data of the stopped server, as the replica that is behind has it."""
        await self._copied("data", "base")

    async def restore_base(self) -> None:
        """Puts the copy in the place of the stopped server's data: all later commits are lost."""
        await self._copied("base", "data")

    async def _copied(self, source: str, target: str) -> None:
        words = ["sh", "-ec", 'rm -rf "$2"; cp -a "$1" "$2"', "sh", self.folder / source, self.folder / target]
        process = await asyncio.create_subprocess_exec(*map(str, words), stderr=subprocess.PIPE)
        _, errors = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"{source} could not be copied to {target}: {errors.decode()}")

    def folder_of_ours(self, path: Path) -> Path:
        """Makes a folder that the server may write to, for a tablespace."""
        path.mkdir(mode=0o700)
        self._account.own(path)
        return path


@asynccontextmanager
async def fault_server(folder: Path, options: Mapping[str, str] | None = None) -> AsyncIterator[FaultServer]:
    """A running server; stopped at the end, however it was left."""
    server = FaultServer(folder, options)
    try:
        await server.start()
        yield server
    finally:
        await server.crash()


@contextmanager
def reachable_folder(prefix: str) -> Iterator[Path]:
    """A temporary folder that every user can enter: root's server runs as another one."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
