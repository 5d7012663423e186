"""The embedded PostgreSQL and Valkey: one pair of servers per data folder, shared by all its commands.

Each command holds a shared lock on `users.lock`, which the kernel releases however the command ends. The
servers are children of a keeper (ops.embedded.keeper), which leaves when no command is left.
"""

import asyncio
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from ops.embedded.account import EmbeddedError
from ops.embedded.server import START_DEADLINE_S, postgres_major
from ops.embedded.urls import Urls

__all__ = ["Embedded", "EmbeddedError", "embedded", "open_embedded", "stopped"]

LINGER_S = 2.0
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Embedded:
    """A hold on running servers; they stay until `close`, or until this process ends."""

    urls: Urls
    users_fd: int

    def close(self) -> None:
        os.close(self.users_fd)


@asynccontextmanager
async def embedded(
    data_dir: Path, options: Mapping[str, str] | None = None, linger_s: float = LINGER_S
) -> AsyncIterator[Urls]:
    """The servers of `data_dir`, started if need be; `options` are for PostgreSQL. Raises EmbeddedError."""
    servers = await open_embedded(data_dir, options, linger_s)
    try:
        yield servers.urls
    finally:
        servers.close()


async def open_embedded(
    data_dir: Path, options: Mapping[str, str] | None = None, linger_s: float = LINGER_S
) -> Embedded:
    """As `embedded`, for callers that close by themselves."""
    folder = _prepare(data_dir)
    _refuse_other_version(folder / "postgres" / "PG_VERSION")
    users_fd = await _lock(folder / "users.lock", fcntl.LOCK_SH)
    try:
        # One command at a time looks for a keeper or starts one.
        start_fd = await _lock(folder / "start.lock", fcntl.LOCK_EX)
        try:
            urls = await _find_or_start(folder, options or {}, linger_s)
        finally:
            os.close(start_fd)
    except BaseException:
        os.close(users_fd)
        raise
    return Embedded(urls, users_fd)


async def stopped(data_dir: Path) -> None:
    """Answers when nothing keeps servers for `data_dir` any more."""
    os.close(await _lock(_prepare(data_dir) / "keeper.lock", fcntl.LOCK_SH))


def _prepare(data_dir: Path) -> Path:
    folder = Path(os.path.abspath(data_dir))  # noqa: PTH100 - a symlink in the path stays one
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedError(
            f"{folder} cannot be used as data folder: {error.strerror}; --data-dir names another"
        ) from error
    return folder


def _refuse_other_version(written: Path) -> None:
    major = written.read_text().strip() if os.access(written, os.R_OK) else ""
    if major and major != str(postgres_major()):
        raise EmbeddedError(
            f"{written.parent} holds data of PostgreSQL {major}, but this version brings {postgres_major()}: "
            f"move the data with pg_dump and pg_restore, or choose another --data-dir"
        )


async def _find_or_start(folder: Path, options: Mapping[str, str], linger_s: float) -> Urls:
    ready = folder / "ready.json"
    started: subprocess.Popen[bytes] | None = None
    try:
        async with asyncio.timeout(START_DEADLINE_S):
            while True:
                lock_fd = _try_lock(folder / "keeper.lock", fcntl.LOCK_EX)
                if lock_fd is not None:
                    with os.fdopen(lock_fd):
                        _raise_failure(ready, started)
                        ready.unlink(missing_ok=True)
                        started = _start_keeper(folder, lock_fd, options, linger_s)
                elif ready.exists():
                    message = json.loads(ready.read_text())
                    if "error" not in message and await _accepts(message["database"]):
                        return Urls(message["database"], message["redis"])
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        raise EmbeddedError(
            f"the servers did not start within {START_DEADLINE_S:g} s: see {folder / 'servers.log'}"
        ) from error


async def _accepts(url: str) -> bool:
    """False while the server starts again, or goes because its keeper was killed a moment ago."""
    try:
        await (await asyncpg.connect(url)).close()
    except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
        return False
    return True


def _raise_failure(ready: Path, started: subprocess.Popen[bytes] | None) -> None:
    """The keeper that we started is gone: says why."""
    if started is None:
        return
    code = started.wait()
    message = json.loads(ready.read_text()) if ready.exists() else {}
    reason = message.get("error", f"the keeper ended with code {code}: see {ready.with_name('servers.log')}")
    raise EmbeddedError(f"the embedded servers did not start: {reason}")


def _start_keeper(folder: Path, lock_fd: int, options: Mapping[str, str], linger_s: float) -> subprocess.Popen[bytes]:
    python_path = filter(None, [os.environ.get("PYTHONPATH")])
    # In a session of its own, so that Ctrl-C in the terminal reaches the commands only.
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "ops.embedded.keeper",
            folder,
            str(lock_fd),
            str(linger_s),
            json.dumps(dict(options)),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *python_path])},
        pass_fds=[lock_fd],
        start_new_session=True,
    )


def _try_lock(path: Path, how: int) -> int | None:
    """An open descriptor that holds the lock, or None if somebody else does. Closing it releases the lock."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EmbeddedError(f"{path} cannot be opened: {error.strerror}; who owns that folder?") from error
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


async def _lock(path: Path, how: int) -> int:
    # Polled, because a thread that waits in flock could not be cancelled by Ctrl-C.
    while (fd := _try_lock(path, how)) is None:
        await asyncio.sleep(POLL_S)
    return fd
