"""What is looked at while the load goes on, twice a second: processors, memory, connections, log, who waits."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from time import time
from typing import Any

import asyncpg
import psutil

from loadtest.load.stack import Stack
from router.store.errors import TRANSIENT_ERRORS
from router.store.statements import load

SQL = load("load")
EVERY_S = 0.5
_MB = float(1 << 20)
_LOCKED = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError)


@dataclass(frozen=True, slots=True)
class Look:
    """One look. `at_s` from the beginning of the run; processors in percent of one core since the look before, None =
    not seen; `generator` = its busiest process. `waiting` None = the table was locked.
    """

    at_s: float
    generator: float
    service: float | None
    postgres: float | None
    machine: float
    generator_mb: float
    service_mb: float | None
    connections: int
    service_connections: int
    waiting: int | None
    wal_mb: float

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {name: round(value, 2) if isinstance(value, float) else value for name, value in asdict(self).items()}


@dataclass
class Watch:
    """Looks until it is cancelled; `looks` has what was seen. `begin` = when the run began, seconds since 1970."""

    stack: Stack
    tenant_id: int
    locust: int
    begin: float
    looks: list[Look] = field(default_factory=list)
    _used: dict[int, float] = field(default_factory=dict)
    _wal: int | None = None
    _last: float | None = None

    async def run(self) -> None:
        """Never returns."""
        conn = await asyncpg.connect(self.stack.database, server_settings={"application_name": "load watch"})
        try:
            await conn.execute("set lock_timeout = '200ms'; set statement_timeout = '2s'")
            psutil.cpu_percent()
            while True:
                # What a fault does to a look costs this look, not the run.
                with suppress(*TRANSIENT_ERRORS):
                    await self._look(conn)
                await asyncio.sleep(EVERY_S)
        finally:
            conn.terminate()

    async def _look(self, conn: asyncpg.Connection) -> None:
        row = await SQL.server.row(conn)
        assert row is not None
        waiting: int | None = None
        with suppress(*_LOCKED):
            waiting = await SQL.waiting.value(conn, tenant_id=self.tenant_id)
        now = time()
        gone, self._last = now - (self._last or now), now
        groups = (_family([self.locust]), _alive(self.stack.service), _family(self.stack.postgres))
        generator, service, postgres = ([self._percent(one, gone) for one in group] for group in groups)
        self._wal = row["wal_bytes"] if self._wal is None else self._wal
        if not gone:
            return
        self.looks.append(
            Look(
                at_s=now - self.begin,
                generator=max(generator, default=0.0),
                service=sum(service) if service else None,
                postgres=sum(postgres) if postgres else None,
                machine=psutil.cpu_percent(),
                generator_mb=_memory(groups[0]),
                service_mb=_memory(groups[1]) if service else None,
                connections=row["connections"],
                service_connections=row["service_connections"],
                waiting=waiting,
                wal_mb=(row["wal_bytes"] - self._wal) / _MB,
            )
        )

    def _percent(self, process: psutil.Process, seconds: float) -> float:
        """Of one core, since the look before; a process that is new since then counts from its start."""
        try:
            times = process.cpu_times()
        except psutil.Error:
            return 0.0
        used = times.user + times.system
        before, self._used[process.pid] = self._used.get(process.pid, 0.0), used
        return 100 * (used - before) / seconds if seconds else 0.0


def _alive(pids: Sequence[int]) -> list[psutil.Process]:
    found = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    return found


def _family(pids: Sequence[int]) -> list[psutil.Process]:
    """The processes with their children."""
    found = _alive(pids)
    for process in list(found):
        with suppress(psutil.NoSuchProcess):
            found += process.children(recursive=True)
    return found


def _memory(processes: Sequence[psutil.Process]) -> float:
    """Resident, MB."""
    total = 0.0
    for process in processes:
        with suppress(psutil.Error):
            total += process.memory_info().rss / _MB
    return total
