"""Runs pytest so that the product reaches the database through Debian's PgBouncer, in transaction mode.

Example: python -m tests.pgbouncer python -m pytest tests/postgres
The server behind it is the one at LEAD_ROUTER_TEST_DATABASE_URL, or else an embedded one.
Whatever else a test asks (its own connections, migrations) it asks directly: `tests/conftest.py` sees to that, and for
tests with a server of their own, `tests/faults/conftest.py`.

Debian's 1.18 may end itself over a cancel request. It is started again at once, so few tests fail by it, and these are
run once more: what failed by itself fails again.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from loadtest.faults.pooler import pooler, through
from ops.embedded.embedded import open_embedded
from tests.debian import install
from tests.memory_files import keep_files_in_memory

__all__ = ["POOLER", "pooler", "through"]

SERVER = "LEAD_ROUTER_TEST_DATABASE_URL"
POOLER = "LEAD_ROUTER_TEST_POOLER_FOLDER"
"""The folder of the pooler's socket."""
_ONLY_FAILED = ("--last-failed", "--last-failed-no-failures=none")


def main() -> int:
    install()
    keep_files_in_memory()
    folder = Path(tempfile.mkdtemp(prefix="lead-router-pgbouncer-"))
    folder.chmod(0o755)  # root's servers run as another user
    (sockets := folder / "pooler").mkdir(mode=0o755)
    try:
        with tempfile.TemporaryFile() as log, _server(folder / "servers") as url:
            environment = {**os.environ, SERVER: url, POOLER: str(sockets)}

            def run(*added: str) -> int:
                command = [*sys.argv[1:], *added]
                print(f"through PgBouncer: {' '.join(command)}", flush=True)
                return subprocess.run(command, check=False, env=environment).returncode

            with pooler(sockets, url, log) as ends:
                return without_its_ends(run, ends)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def without_its_ends(run: Callable[..., int], ends: Sequence[int]) -> int:
    """The exit code of pytest, whose failed tests run again, twice at most, when `ends` has grown meanwhile.

    `run` starts pytest with the options given to it and answers its exit code.
    """
    code = 0
    for options in ((), _ONLY_FAILED, _ONLY_FAILED):
        before = len(ends)
        code = run(*options)
        if code != pytest.ExitCode.TESTS_FAILED or len(ends) == before:
            break
    return code


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """A superuser's URL of the server behind the pooler."""
    if given := os.environ.get(SERVER):
        yield given
        return
    servers = asyncio.run(open_embedded(folder, {"fsync": "off"}, linger_s=0.5))
    try:
        yield servers.urls.database
    finally:
        servers.close()


if __name__ == "__main__":
    sys.exit(main())
