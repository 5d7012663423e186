"""A PostgreSQL of a test's own, that can be stopped, killed and started again with other settings."""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.embedded_account import server_account
from ops.embedded_server import Postgres


class OwnServer:
    """Not synced to disk: no test cuts the power."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._account = server_account(folder / "postgres")
        self._account.own(folder)
        self._log = (folder / "log").open("ab")
        self._postgres = self._with({})

    def _with(self, options: dict[str, str]) -> Postgres:
        usual = {"fsync": "off", "shared_buffers": "32MB", "max_connections": "30"}
        return Postgres(self._folder / "postgres", self._folder, self._account, self._log, usual | options)

    @property
    def url(self) -> str:
        """A superuser's."""
        return self._postgres.url

    def url_of(self, role: str) -> str:
        return self.url.replace("postgres@", f"{role}@")

    def start(self, **options: str) -> None:
        """Answers when connections are accepted; `options` are settings of the server."""
        self._postgres = self._with(options)
        self._postgres.start()

    def crash(self) -> None:
        """Immediate shutdown: all sessions are cut, the log is read back at the next start."""
        process = self._postgres.process
        assert process
        process.send_signal(signal.SIGQUIT)
        process.wait(60)

    def close(self) -> None:
        self._postgres.stop()
        self._log.close()


@contextmanager
def own_server(**options: str) -> Iterator[OwnServer]:
    """Running; its data is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="lead-router-own-"))
    folder.chmod(0o755)
    server = OwnServer(folder)
    try:
        server.start(**options)
        yield server
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)
