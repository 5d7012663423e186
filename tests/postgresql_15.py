"""Runs a command with LEAD_ROUTER_TEST_DATABASE_URL set to a fresh server of Debian's postgresql-15.

Example: python -m tests.postgresql_15 python -m pytest tests/postgres
Installs the packages with apt-get when they are missing; the server lives in a temporary folder, without TCP.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ops.embedded.account import Account, server_account
from ops.embedded.server import wait_until
from tests.debian import install
from tests.memory_files import keep_files_in_memory

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
PACKAGE = "postgresql-15"


@contextmanager
def server(folder: Path, log: IO[bytes]) -> Iterator[str]:
    """A running server in `folder`; answers a superuser's URL."""
    data, sockets = folder / "data", folder / "run"
    account = server_account(data)
    for path in (data, sockets):
        path.mkdir(mode=0o700)
        account.own(path)
    initdb: list[str | Path] = [PROGRAMS / "initdb", "-D", data, "--username=postgres", "--auth=trust"]
    _run(account, [*initdb, "--encoding=UTF8", "--locale=C", "--no-sync"], log)
    options = {"listen_addresses": "", "port": "5432", "unix_socket_directories": str(sockets)}
    options |= {"fsync": "off", "max_connections": "500", "timezone": "UTC", "shared_buffers": "256MB"}
    arguments = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
    postgres = account.spawn([PROGRAMS / "postgres", "-D", data, *arguments], log, death_signal=signal.SIGINT)
    try:
        wait_until((sockets / ".s.PGSQL.5432").exists, postgres, PACKAGE)
        ready: list[str | Path] = [PROGRAMS / "pg_isready", "--quiet", "--host", sockets]
        wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, postgres, PACKAGE)
        yield f"postgresql://postgres@/postgres?host={sockets}&port=5432"
    finally:
        postgres.send_signal(signal.SIGINT)
        postgres.wait()


def _run(account: Account, command: list[str | Path], log: IO[bytes]) -> None:
    if account.spawn(command, log).wait() != 0:
        log.seek(0)
        sys.exit(f"{command[0]} failed: {log.read().decode(errors='replace')}")


def main() -> int:
    install()
    keep_files_in_memory()
    folder = Path(tempfile.mkdtemp(prefix="lead-router-15-"))
    folder.chmod(0o755)  # root's server runs as another user
    try:
        with tempfile.TemporaryFile() as log, server(folder, log) as url:
            print(f"on PostgreSQL 15: {' '.join(sys.argv[1:])}", flush=True)
            environment = {**os.environ, "LEAD_ROUTER_TEST_DATABASE_URL": url}
            return subprocess.run(sys.argv[1:], check=False, env=environment).returncode
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
