"""The duty that looks at all tenants as the doctor does, and shows on `/metrics` how leads stand and what is found."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from time import monotonic

from ops.doctor.current import look
from ops.doctor.diagnosis import diagnose_locked
from ops.doctor.figures import counts_of, standings_of
from ops.doctor.scene import open_scene
from router.drain.presence import Presence
from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.store.connections.connections import Connections, Part
from router.store.errors import LOCK_TIMEOUTS
from router.store.groups import group_reps
from router.store.statements import Connection
from router.store.transactions import DUTY_LOCK_TIMEOUT_S, with_lock_timeout
from router.telemetry.instruments import Instruments

INTERVAL_S = 15.0
# With many leads that wait a look takes seconds: it is done less often then, but never so rarely that an alert sleeps.
_SHARE = 0.1
_LONGEST_REST_S = 60.0
_GROUPS_SHOWN = 900


class FindingsService(Periodic):
    """Each instance looks for itself: what one shows must not depend on another. `presence` makes what hears who is
    present.
    """

    name = "findings"
    failing = "cannot look for findings"

    def __init__(
        self,
        connections: Connections,
        instruments: Instruments,
        presence: Callable[[], Presence],
        interval_s: float = INTERVAL_S,
    ) -> None:
        # A look that fails over a locked table would soon fail again, and has a connection meanwhile.
        self.interval_s = self._every_s = self.longest_wait_s = interval_s
        self._connections = connections
        self._show = instruments.standing
        self._presence = presence
        self._asked = asyncio.Event()

    def look_soon(self) -> None:
        """Something was noticed whose cause people will ask for: the next look is at once."""
        self._asked.set()

    async def rest(self, life: Lifeline) -> None:
        """Between two looks."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.interval_s):
                await life.until(self._asked)

    async def once(self, life: Lifeline) -> None:
        """One look. With a table locked, who has it locked is all that is found; then it fails."""
        self._asked.clear()
        async with self._connections.acquire(Part.DUTIES) as lent:
            begin = monotonic()  # where connections were short, waiting for one is no reason to look less often
            conn = with_lock_timeout(lent, DUTY_LOCK_TIMEOUT_S)
            try:
                await self._look(conn)
            except LOCK_TIMEOUTS as error:
                locked = await diagnose_locked(conn, error, _now())
                self._show.findings(counts_of(locked.findings), None)
                raise
        self.interval_s = max(self._every_s, min((monotonic() - begin) / _SHARE, _LONGEST_REST_S))

    async def _look(self, conn: Connection) -> None:
        async with (
            aclosing(self._presence()) as presence,
            open_scene(conn, None, None, presence, _now, DUTY_LOCK_TIMEOUT_S, partly=True) as scene,
        ):
            found = await look(scene)
            # Of all tenants in one statement: what was shown stays while one cannot be asked for.
            groups = None if scene.away else await group_reps(scene.conn, scene.at, _GROUPS_SHOWN)
        self._show.tenants(standings_of(scene))
        self._show.findings(counts_of(found), scene.at.timestamp())
        if groups is not None:
            self._show.groups(groups)


def _now() -> datetime:
    return datetime.now(UTC)
