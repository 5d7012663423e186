"""Runs a command whose tests let the product reach the database through Debian's PgBouncer, in transaction mode.

Example: python -m tests.pgbouncer python -m pytest tests/postgres
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
from pathlib import Path

from loadtest.faults.pooler import pooler, through
from ops.embedded.embedded import open_embedded
from tests.debian import install

__all__ = ["POOLER", "pooler", "through"]

POOLER = "LEAD_ROUTER_TEST_POOLER_FOLDER"
"""The folder of the pooler's socket."""


def main() -> int:
    install()
    folder = Path(tempfile.mkdtemp(prefix="lead-router-pgbouncer-"))
    folder.chmod(0o755)  # root's servers run as another user
    (sockets := folder / "pooler").mkdir(mode=0o755)
    servers = asyncio.run(open_embedded(folder / "servers", {"fsync": "off"}, linger_s=0.5))
    try:
        with tempfile.TemporaryFile() as log, pooler(sockets, servers.urls.database, log):
            print(f"through PgBouncer: {' '.join(sys.argv[1:])}", flush=True)
            environment = {**os.environ, "LEAD_ROUTER_TEST_DATABASE_URL": servers.urls.database, POOLER: str(sockets)}
            return subprocess.run(sys.argv[1:], check=False, env=environment).returncode
    finally:
        servers.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
