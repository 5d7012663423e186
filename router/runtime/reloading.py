"""The service that records the settings in force, and that reads them again on SIGHUP."""

import asyncio
from collections.abc import Callable
from time import time

from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.settings.model import Settings, SettingsError
from router.settings.reload import Difference, fingerprint, recorded, reload
from router.store.configuration import record_differences, record_reload
from router.store.connections.connections import Connections, Part
from router.store.statements import Connection
from router.telemetry.instruments import Instruments, ReloadResult
from router.telemetry.logs import get_logger

log = get_logger(__name__)


class ReloadingService(Periodic):
    """`read` returns the current settings, `apply` uses those that can change at run time.

    `kind` is what instances of the same configuration have in common: their roles.
    """

    name = "settings"
    failing = "settings not recorded yet"

    def __init__(
        self,
        settings: Settings,
        read: Callable[[], Settings],
        apply: Callable[[Settings], None],
        connections: Connections,
        instruments: Instruments,
        *,
        instance: str,
        kind: str,
    ) -> None:
        self._settings = self._at_start = settings
        self._read = read
        self._apply = apply
        self._connections = connections
        self._instruments = instruments
        self._instance = instance
        self._kind = kind
        self._asked = asyncio.Event()
        self._wanted = False
        self._start_recorded = False
        self._unrecorded: list[Difference] = []
        self._show_in_force()

    def ask(self) -> None:
        """Read the settings again soon; may be called at any time from the event loop."""
        self._wanted = True
        self._asked.set()

    async def once(self, life: Lifeline) -> None:
        """Reads what was asked for, and records it; while the database is away that is tried again."""
        self._asked.clear()
        if self._wanted:
            self._wanted = False
            self._reload()
        if self._unrecorded or not self._start_recorded:
            await self._record()

    async def rest(self, life: Lifeline) -> None:
        """Until somebody asks."""
        await life.until(self._asked)

    def _reload(self) -> None:
        try:
            found = reload(self._settings, self._read())
        except SettingsError as error:
            log.error("settings not read again, nothing changed", problem=str(error))
            self._instruments.settings_reloaded(ReloadResult.FAILED)
            self._instruments.settings.failed()
            return
        if found.applied:
            self._apply(found.settings)
            self._settings = found.settings
            self._unrecorded += found.applied
        for change in found.applied:
            log.info("setting changed", setting=change.name, before=change.before, after=change.after)
        for change in found.needs_restart:
            log.warning("setting needs a restart", setting=change.name, in_force=change.before, read=change.after)
        if not found.applied:
            log.info("settings read again, nothing changed")
        result = ReloadResult.CHANGED if found.applied else ReloadResult.UNCHANGED
        self._instruments.settings_reloaded(result)
        self._show_in_force()

    def _show_in_force(self) -> None:
        self._instruments.settings.in_force(fingerprint(self._settings), self._kind, time())

    async def _record(self) -> None:
        news = list(self._unrecorded)
        async with self._connections.acquire(Part.DUTIES) as conn:
            if not self._start_recorded:
                await self._record_start(conn)
                self._start_recorded = True
            await record_reload(conn, self._instance, self._kind, news)
        del self._unrecorded[: len(news)]

    async def _record_start(self, conn: Connection) -> None:
        values, defaults = recorded(self._at_start), recorded(Settings())
        for one in await record_differences(conn, self._instance, self._kind, values, defaults, "start"):
            log.info("setting differs from before", setting=one.name, before=one.before, after=one.after)
