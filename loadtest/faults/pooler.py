"""Debian's PgBouncer in transaction mode before a server of ours, for tests and measurements.

Its 1.18 sometimes ends itself over a cancel request (mended in 1.21). It is started again at once, as its unit file
would do, and what it said is printed.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import IO
from urllib.parse import parse_qs, urlsplit

from ops.embedded.account import server_account
from ops.embedded.server import wait_until

PROGRAM = Path("/usr/sbin/pgbouncer")
PORT = 6432


@contextmanager
def pooler(
    folder: Path, database_url: str, log: IO[bytes], port: int | None = None, **settings: object
) -> Iterator[list[int]]:
    """A running pooler before the server of `database_url`, whose user it knows; its socket is in `folder`.

    With `port` it listens there on 127.0.0.1, too. `settings` are PgBouncer's, in the place of those below.
    Gives the exit codes with which it ended by itself so far, a list that grows.
    """
    account = server_account(folder / "of-a-server")
    account.own(folder)
    parts = urlsplit(database_url)
    words = parse_qs(parts.query)
    host, of_server = words.get("host", [parts.hostname])[0], words.get("port", [parts.port])[0]
    (folder / "users").write_text('"postgres" ""\n')
    own = {
        "pool_mode": "transaction",
        "unix_socket_dir": folder,
        "listen_addr": "127.0.0.1" if port else "",
        "listen_port": port or PORT,
        "auth_type": "trust",
        "auth_file": f"{folder}/users",
        "max_client_conn": 2000,
        "default_pool_size": 40,
        "query_wait_timeout": 30,
        "server_login_retry": 1,
    }
    lines = "".join(f"{name} = {value}\n" for name, value in {**own, **settings}.items())
    (folder / "pgbouncer.ini").write_text(f"[databases]\n* = host={host} port={of_server}\n[pgbouncer]\n{lines}")
    socket = folder / f".s.PGSQL.{port or PORT}"

    def start() -> Popen[bytes]:
        running = account.spawn([PROGRAM, folder / "pgbouncer.ini"], log)
        wait_until(socket.exists, running, "pgbouncer")
        return running

    with kept_running(start, log) as ends:
        yield ends


@contextmanager
def kept_running(start: Callable[[], Popen[bytes]], log: IO[bytes]) -> Iterator[list[int]]:
    """Whenever the process that `start` gave ends, prints the last of `log` and calls `start` again.

    Gives the exit codes of those that ended, a list that grows.
    """
    ended = threading.Event()
    ends: list[int] = []
    running = start()

    def watch() -> None:
        nonlocal running
        while not ended.wait(0.05):
            if (code := running.poll()) is not None:
                ends.append(code)
                print(f"PgBouncer ended with exit code {code} and is started again\n{last_of(log)}", flush=True)
                running = start()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield ends
    finally:
        ended.set()
        watcher.join()
        running.terminate()
        running.wait()


def last_of(log: IO[bytes], size: int = 2000) -> str:
    """The last `size` bytes of a file into which others write."""
    whole = os.fstat(log.fileno()).st_size
    return os.pread(log.fileno(), size, max(0, whole - size)).decode(errors="replace")


def through(folder: str, database_url: str) -> str:
    """The URL of the same database through the pooler."""
    name = urlsplit(database_url).path.removeprefix("/")
    return f"postgresql://postgres@/{name}?host={folder}&port={PORT}"
