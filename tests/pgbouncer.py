"""Runs a command whose tests let the product reach the database through Debian's PgBouncer, in transaction mode.

Example: python -m tests.pgbouncer python -m pytest tests/postgres
The server behind it is the one at LEAD_ROUTER_TEST_DATABASE_URL, or else an embedded one.
Whatever else a test asks (its own connections, migrations) it asks directly: `tests/conftest.py` sees to that, and for
tests with a server of their own, `tests/faults/conftest.py`.

A single test may fail by an end of Debian's 1.18, never all that come after: it is started again at once.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtest.faults.pooler import pooler, through
from ops.embedded.embedded import open_embedded
from tests.debian import install
from tests.memory_files import keep_files_in_memory

__all__ = ["POOLER", "pooler", "through"]

SERVER = "LEAD_ROUTER_TEST_DATABASE_URL"
POOLER = "LEAD_ROUTER_TEST_POOLER_FOLDER"
"""The folder of the pooler's socket."""


def main() -> int:
    install()
    keep_files_in_memory()
    folder = Path(tempfile.mkdtemp(prefix="lead-router-pgbouncer-"))
    folder.chmod(0o755)  # root's servers run as another user
    (sockets := folder / "pooler").mkdir(mode=0o755)
    try:
        with tempfile.TemporaryFile() as log, _server(folder / "servers") as url, pooler(sockets, url, log):
            print(f"through PgBouncer: {' '.join(sys.argv[1:])}", flush=True)
            environment = {**os.environ, SERVER: url, POOLER: str(sockets)}
            return subprocess.run(sys.argv[1:], check=False, env=environment).returncode
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
