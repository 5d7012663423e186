"""The processes that route leads: each gives signs of life, and notices when one of the others has died.

A process that died in the middle of a batch may have died of a lead (`router/drain/quarantine.py`). A transaction that
was rolled back says nothing of the kind: sessions are ended, locks time out, changes are refused.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from secrets import randbits
from time import monotonic

from router.domain import clocks
from router.domain.clocks import JUMP, ClockWatch, Reading
from router.store.errors import TRANSIENT_ERRORS, server_of
from router.store.statements import Connection, load
from router.store.transactions import with_lock_timeout
from router.telemetry.logs import get_logger

log = get_logger(__name__)

BEAT_EVERY_S = 2.0
SILENT_FOR_S = 15.0
"""Whoever has given no sign of life for so long counts as dead, or at least as not routing."""
_LOCK_TIMEOUT_S = 0.2
_REST_S = 10.0

_SQL = load("processes")


@dataclass
class OwnProcess:
    """This process among those that route, or a part of it in a test. `clock` is monotonic, in seconds, `host_clock`
    what this host takes the time for; `clocks` = whether it agrees with the database.
    """

    instance: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")
    process_id: int = field(default_factory=lambda: randbits(62))
    host: str = field(default_factory=lambda: host_of_processes())  # noqa: PLW0108 - defined below
    pid: int = field(default_factory=os.getpid)
    version: str = field(default_factory=lambda: own_version())  # noqa: PLW0108 - defined below
    clock: Callable[[], float] = monotonic
    host_clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    clocks: ClockWatch = field(default_factory=ClockWatch)
    _told: str | None = None
    _tried_at: float | None = None
    _beats_since: float | None = None
    _beaten_at: float | None = None
    _ended: bool = False
    _giving: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def beat(self, conn: Connection) -> None:
        """Gives a sign of life when one is due, and marks others that are dead. Never raises for the database's sake:
        a sign that could not be given is given next time.

        Every batch waits for the first one: a crash before the process is registered would not be noticed.
        """
        if self._ended or (self._giving.locked() and self._beaten_at is not None):
            return
        async with self._giving:
            now = self.clock()
            if self._tried_at is not None and now - self._tried_at < BEAT_EVERY_S:
                return
            self._tried_at = now
            try:
                await self._beat(with_lock_timeout(conn, _LOCK_TIMEOUT_S), now)
            except TRANSIENT_ERRORS as error:
                self._beats_since = None
                if server_of(error) is not None:
                    # It is written on all servers (Citus), and one is away: where the wire is dead that takes seconds.
                    self._tried_at = self.clock() + _REST_S - BEAT_EVERY_S
                log.debug("no sign of life given", error=f"{type(error).__name__}: {error}")

    def read_clocks(self, database: datetime, began_s: float, *, confirmed: bool = False) -> None:
        """Compares the clocks, after an answer with the database's to what was asked at `began_s` (see `clock`)."""
        now_s = self.clock()
        self.clocks.read(Reading(database, self.host_clock(), now_s, now_s - began_s), confirmed=confirmed)
        told, self._told = self._told, self._trouble()
        if self._told != told:
            if self._told is None:
                log.info("the clocks of this host and of the database agree again")
            else:
                log.warning("clocks differ", problem=self.clocks.problem)

    def _trouble(self) -> str | None:
        if self.clocks.problem is None:
            return None
        return "disputed" if self.clocks.disputed else "host"

    async def end(self, conn: Connection) -> None:
        """Says that it stops as it should; no sign of life after that. Raises what the database raises."""
        self._ended = True
        await _SQL.end.execute(with_lock_timeout(conn, _LOCK_TIMEOUT_S), process_id=self.process_id)

    async def _beat(self, conn: Connection, now: float) -> None:
        async with conn.transaction():
            row = await _SQL.beat.row(
                conn,
                process_id=self.process_id,
                instance=self.instance,
                host=self.host,
                pid=self.pid,
                version=self.version,
                host_now=self.host_clock(),
                recent_s=SILENT_FOR_S,
                jump_s=JUMP.total_seconds(),
            )
            assert row is not None
            self.read_clocks(row["clock"], now, confirmed=row["confirmed"])
            if self.clocks.disputed != row["clock_disputed"]:
                await _SQL.say_disputed.execute(conn, process_id=self.process_id, disputed=self.clocks.disputed)
            rows = await _SQL.on_host.fetch(conn, name=self.host.split()[0], process_id=self.process_id)
            gone = [row["process_id"] for row in rows if self._is_gone(row["host"], row["pid"])]
            # While the database was away there were no signs of life: the first one back must not take others for dead.
            if self._beaten_at is None or now - self._beaten_at > 3 * BEAT_EVERY_S:
                self._beats_since = None
            steady = self._beats_since is not None and now - self._beats_since > SILENT_FOR_S
            await _SQL.not_from_the_future.execute(conn)
            await _SQL.mark_dead.execute(conn, gone=gone, silent_for_s=SILENT_FOR_S if steady else None)
            if self._beats_since is None:
                await _SQL.forget.execute(conn)
        self._beaten_at = now
        if self._beats_since is None:
            self._beats_since = now

    def _is_gone(self, host: str, pid: int) -> bool:
        """Whether a process of a host of our name is no more.

        Another container of this name with the same process number: this one was started in its place.
        """
        return not is_alive(pid) if host == self.host else pid == self.pid


def own_version() -> str:
    """Of this program."""
    from importlib.metadata import version  # noqa: PLC0415 - slow to read, and most commands route nothing

    return version("lead-router")


def is_alive(pid: int) -> bool:
    """Whether this host has a process of that number that still runs."""
    try:
        os.kill(pid, 0)
        # A zombie: it has ended, and its parent has not collected it yet.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's, or there is no /proc
        return True


def host_of_processes() -> str:
    """What is the same for two processes only if one can see whether the other lives: host, boot and container."""
    parts = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            parts.append(str(Path(path).readlink() if path.endswith("pid") else Path(path).read_text().strip()))
        except OSError:
            parts.append("-")
    return " ".join(parts)


async def count_living(conn: Connection) -> int:
    """How many processes route leads now."""
    count: int = await _SQL.living.value(conn, silent_for_s=SILENT_FOR_S)
    return count


@dataclass(frozen=True, slots=True)
class ProcessClock:
    """Of a process that routes leads: by how many seconds its host's clock is ahead of the database's, and whether it
    stands still for that.
    """

    instance: str
    ahead_s: float
    disputed: bool


async def arrival_time(conn: Connection, tenant_id: int, database: datetime, host: datetime) -> datetime | None:
    """When a lead comes that comes now, by two clocks; None = by the database's, as always."""
    if host - database <= JUMP:
        return None
    believed: bool = await _SQL.confirmed.value(
        conn,
        tenant_id=tenant_id,
        recent_s=SILENT_FOR_S,
        confirmed_s=clocks.CONFIRMED_FOR.total_seconds(),
    )
    return clocks.arrival_time(database, host, believed=believed)


async def clocks_of_processes(conn: Connection) -> list[ProcessClock]:
    """Of all that route leads now."""
    rows = await _SQL.clocks.fetch(conn, silent_for_s=SILENT_FOR_S)
    return [ProcessClock(row["instance"], row["host_ahead_s"], row["clock_disputed"]) for row in rows]


async def versions_of_processes(conn: Connection) -> dict[str, str]:
    """By instance, of all that route leads now; "" = of a release that did not say."""
    return {row[0]: row[1] for row in await _SQL.versions.fetch(conn, silent_for_s=SILENT_FOR_S)}


async def known_processes(conn: Connection, limit: int = 1000) -> list[dict[str, object]]:
    """What is recorded of each process that routes leads or did in the last week, by the names of the columns."""
    return [dict(row) for row in await _SQL.known.fetch(conn, limit=limit)]
