"""The duty that keeps the connections honest: whether the server has enough for all instances, and whether the
wires of those that are lent still lead somewhere.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from time import monotonic

from router.runtime.health import Health
from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.store.connections.connect import Session, short_name
from router.store.connections.connections import Connections, Part
from router.store.connections.server_capacity import (
    ServerCapacity,
    dead_backends,
    read_server_capacity,
    unanswered,
)
from router.store.server_settings import ServerSettings, read_server_settings
from router.store.statements import Connection
from router.telemetry.instruments import Instruments
from router.telemetry.logs import get_logger

log = get_logger(__name__)

_COMPARE_EVERY_S = 30.0
_COMPARE_SCARCE_EVERY_S = 5.0
_LONG_S = 3.0
# Whoever drains works in memory only for moments: a server that waits that long for the next statement never got it.
# Duties may wait for others meanwhile, and hints are waited for.
_SILENT_S: dict[Part, float | None] = {
    Part.DRAIN: 4.0,
    Part.CONSOLE: 4.0,
    Part.INTAKE: 30.0,
    Part.DUTIES: 30.0,
    Part.HINTS: None,
    # A replay decides thousands of leads between two statements.
    Part.JOBS: None,
}
# Behind a pooler it is known who waits for an answer; one that takes longer than this may be lost.
_UNANSWERED_S = 4.0
# The wire of the one who looks may be dead too.
_ANSWER_DEADLINE_S = 3.0
TOPIC = "connections"

Recorder = Callable[[Connection, ServerSettings], Awaitable[None]]


class ConnectionsService(Periodic):
    """A service. `record` is given the server's settings when they are not as this process saw them last."""

    name = "connections"
    failing = "connections not compared"
    interval_s = 2.0
    longest_wait_s = 2.0

    def __init__(
        self, connections: Connections, instance: str, health: Health, instruments: Instruments, record: Recorder
    ) -> None:
        self._connections = connections
        self._instance = short_name(instance)
        self._health = health
        self._instruments = instruments
        self._record = record
        self._compared_at: float | None = None
        self._excess: str | None = None
        self._recorded: Mapping[str, str] | None = None

    async def once(self, life: Lifeline) -> None:
        """Looks every 2 s, and compares every 30 s, or every 5 s while connections are scarce."""
        self._connections.stock.end_resting()
        try:
            await self._look()
        except TimeoutError:
            # What rests over the same wire is as dead: the next look gets a connection that is opened for it.
            self._connections.stock.end_resting(0)
            raise
        finally:
            self._tell()

    async def _look(self) -> None:
        connections = self._connections
        now = monotonic()
        long = {
            session
            for session, lending in connections.lent.items()
            if now - lending.since > _LONG_S and not session.is_closed()
        }
        due = self._due(now)
        if not (long or due):
            return
        async with connections.acquire(Part.DUTIES) as conn, asyncio.timeout(_ANSWER_DEADLINE_S):
            if due:
                await self._compare(conn)
            if long:
                for session in {*await self._gone(conn, long), *await self._unanswered(conn, long)}:
                    # A task that waits for an answer over this wire would wait until its own deadline.
                    holder = str(connections.lent.get(session))
                    log.warning("connection leads nowhere", process=session.get_server_pid(), holder=holder)
                    session.terminate()

    async def _gone(self, conn: Connection, long: set[Session]) -> list[Session]:
        """Those whose process is gone, or waits for a statement that never came."""
        lent = self._connections.lent
        known = {one.get_server_pid(): one for one in long if one in lent and not one.is_closed()}
        silent_for = {pid: _SILENT_S[lent[session].part] for pid, session in known.items()}
        return [known[pid] for pid in await dead_backends(conn, silent_for)]

    async def _unanswered(self, conn: Connection, long: set[Session]) -> list[Session]:
        """Those behind a pooler that wait for an answer for which the server does nothing."""
        now = monotonic()
        asked = {session: at for session in long if (at := session.asked_at) is not None and now - at > _UNANSWERED_S}
        if not asked:
            return []
        lost = await unanswered(conn, asked)
        # It may have been answered meanwhile, and asked something else.
        return [session for session in lost if session.asked_at == asked[session] and not session.is_closed()]

    def _due(self, now: float) -> bool:
        at = self._compared_at
        if at is None or at < self._connections.stock.returned_at:
            return True
        scarce = self._connections.limit < self._connections.settings.maximum
        return now - at >= (_COMPARE_SCARCE_EVERY_S if scarce else _COMPARE_EVERY_S)

    async def _compare(self, conn: Connection) -> None:
        maximum = self._connections.settings.maximum
        room = await read_server_capacity(conn, self._instance, maximum)
        self._compared_at = monotonic()
        self._connections.stock.cap(room.fair(maximum), room.free)
        self._instruments.connections_of_all(room.wanted, room.allowed)
        self._hear(room)
        seen = await read_server_settings(conn)
        seen = replace(seen, values={**seen.values, **room.settings()})
        settings = seen.after(self._recorded or {})
        if settings != self._recorded:
            await self._record(conn, seen)
            self._recorded = settings

    def _hear(self, room: ServerCapacity) -> None:
        excess = room.excess()
        before, self._excess = self._excess, None if excess is None else str(excess)
        self._tell()
        if self._excess is not None and before is None:
            log.warning("more connections than the server has", problem=self._excess)
        elif self._excess is None and before is not None:
            log.info("the server has connections for all instances again", wanted=room.wanted, allowed=room.allowed)

    def _tell(self) -> None:
        trouble = self._connections.stock.trouble
        told = self._excess
        if told is None and trouble is not None:
            told = f"the server gives no more than {self._connections.limit} connections: {type(trouble).__name__}"
        if told is None:
            self._health.degraded.pop(TOPIC, None)
        else:
            self._health.degraded[TOPIC] = told
