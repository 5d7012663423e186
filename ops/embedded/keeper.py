"""The process that keeps the embedded servers while a command uses them: `python -m ops.embedded.keeper`.

It holds `keeper.lock` from its birth (the command that starts it hands the locked file over), the servers are
its children and die with it, and it leaves when nobody has held `users.lock` for a while. While it leaves it
holds `users.lock` alone, so a command that arrives at that moment waits, and then starts the next keeper.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ops.embedded.account import Account, EmbeddedError, server_account, shared_folder
from ops.embedded.server import Postgres, Valkey

LOOK_S = 0.25
SOCKET_FOLDER_BYTES = 90  # a socket's path has at most 107 bytes, and `/.s.PGSQL.5432` belongs to it
LOG_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Order:
    """What the starting command wants. The servers stay `linger_s` seconds after the last user left."""

    data_dir: Path
    lock_fd: int
    linger_s: float
    options: Mapping[str, str]


def database_folder(data_dir: Path) -> tuple[Path, Account]:
    """Where PostgreSQL's data is, within reach, and who runs the servers. Raises EmbeddedError."""
    folder = data_dir / "postgres"
    if folder.is_symlink() and not folder.exists():
        folder.unlink()
    account = server_account(folder)
    if folder.exists() or account.reaches(data_dir):
        return folder.resolve(), account
    place = shared_folder(_short_name(data_dir)) / "postgres"
    folder.symlink_to(place)
    return place, server_account(place)


def socket_folder(data_dir: Path, account: Account) -> Path:
    """An empty folder for the sockets that only the servers' user can enter. Raises EmbeddedError."""
    name = f"lead-router-{account.uid}-{_short_name(data_dir)}"
    for folder in (data_dir / "run", Path(tempfile.gettempdir()) / name, Path("/tmp") / name):
        plain = re.fullmatch(r"[A-Za-z0-9/._-]+", str(folder)) is not None
        if plain and len(str(folder)) <= SOCKET_FOLDER_BYTES and account.reaches(folder.parent):
            break
    else:
        raise EmbeddedError(f"no folder with a short path for the servers' sockets: {folder}")
    if folder.is_symlink() or (folder.exists() and folder.stat().st_uid not in (account.uid, os.geteuid())):
        raise EmbeddedError(f"{folder} is not ours: somebody else put it there; remove it")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    account.own(folder)
    return folder


def _short_name(data_dir: Path) -> str:
    return hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]


def _sole_use(data: Path) -> int:
    """A copied data folder links to the same data: two keepers would stop each other's servers for ever."""
    fd = os.open(data.with_name("data.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise EmbeddedError(f"{data} is in use through another data folder") from None
    return fd


class Keeper:
    """Starts the servers, starts them again when they die, stops them when nobody is left."""

    def __init__(self, order: Order, log: IO[bytes]) -> None:
        self.order = order
        data, account = database_folder(order.data_dir)
        self.data_fd = _sole_use(data)
        self.sockets = socket_folder(order.data_dir, account)
        self.database = Postgres(data, self.sockets, account, log, order.options)
        self.redis = Valkey(self.sockets, account, log)
        self.users_path = order.data_dir / "users.lock"
        self.users_fd = os.open(self.users_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.stir = threading.Event()
        self.told_to_leave = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._leave)
        signal.signal(signal.SIGCHLD, lambda *_: self.stir.set())

    def _leave(self, *_: object) -> None:
        self.told_to_leave = True
        self.stir.set()

    def keep(self) -> None:
        """Runs until told to leave or nobody is left."""
        try:
            self.database.start()
            self.redis.start()
            announce(self.order.data_dir, {"database": self.database.url, "redis": self.redis.url})
            idle_since = time.monotonic()
            while not self.told_to_leave and not self._data_dir_is_gone():
                idle_since = idle_since if self._is_idle() else time.monotonic()
                if time.monotonic() - idle_since >= self.order.linger_s and self._become_sole_user():
                    break
                self._revive()
                self.stir.wait(LOOK_S)
                self.stir.clear()
        finally:
            (self.order.data_dir / "ready.json").unlink(missing_ok=True)
            self.redis.stop()
            self.database.stop()
            shutil.rmtree(self.sockets, ignore_errors=True)

    def _revive(self) -> None:
        for server in (self.database, self.redis):
            if server.process and server.process.poll() is not None:
                print(f"{type(server).__name__} died with code {server.process.returncode}; starting it again")
                server.start()

    def _become_sole_user(self) -> bool:
        try:
            fcntl.flock(self.users_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False

    def _is_idle(self) -> bool:
        idle = self._become_sole_user()
        fcntl.flock(self.users_fd, fcntl.LOCK_UN)
        return idle

    def _data_dir_is_gone(self) -> bool:
        try:
            return self.users_path.stat().st_ino != os.fstat(self.users_fd).st_ino
        except FileNotFoundError:
            return True


def announce(data_dir: Path, message: Mapping[str, str]) -> None:
    """Tells the waiting commands the servers' URLs, or the `error`; appears whole or not at all."""
    fresh = data_dir / "ready.json.new"
    # The URLs are a superuser's.
    fresh.touch(mode=0o600)
    fresh.chmod(0o600)
    fresh.write_text(json.dumps(message))
    fresh.rename(data_dir / "ready.json")


def main() -> int:
    order = Order(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), json.loads(sys.argv[4]))
    os.set_inheritable(order.lock_fd, False)
    os.umask(0o022)  # copies of programs must be readable for the servers' user
    path = order.data_dir / "servers.log"
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.rename(path.with_suffix(".log.1"))
    path.touch(mode=0o600)
    path.chmod(0o600)
    with path.open("ab", buffering=0) as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        try:
            Keeper(order, log).keep()
        except (EmbeddedError, OSError) as error:
            print(f"lead-router: {error}")
            announce(order.data_dir, {"error": f"{error} (see {path})"})
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
