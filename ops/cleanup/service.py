"""The duty that cleans up: each tenant once in each opening of the window, partitions whenever they need it."""

from collections.abc import Awaitable
from datetime import datetime, timedelta
from time import monotonic

from ops.cleanup.cleaner import Cleaner, LeaseLost, Outcome, Result
from router.domain.time_window import TimeWindow, open_window, parse_window
from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.settings.model import CleanupSettings, SettingsError
from router.store.cleanup import Run, give_back_lease, last_runs
from router.store.connections.connections import Connections, Part
from router.store.errors import Trouble, trouble_of
from router.store.leads import database_clock
from router.store.tenants import Tenant, all_tenants
from router.telemetry.instruments import Instruments
from router.telemetry.logs import get_logger

log = get_logger(__name__)
_AGAIN = timedelta(hours=6)
"""Without a window: so long after it came to its end, a tenant is cleaned again."""
_OF_ALL = (Trouble.UNREACHABLE, Trouble.SERVER, Trouble.DENIED)
_AFTER_BRAKE = timedelta(minutes=15)


def window_of(settings: CleanupSettings) -> TimeWindow | None:
    """Raises SettingsError."""
    try:
        return parse_window(settings.window)
    except ValueError as error:
        raise SettingsError(f"cleanup.window: {error}") from error


def is_due(now: datetime, opened: datetime | None, last: Run | None) -> bool:
    """Whether a tenant is to be cleaned; `opened` = when its window did (UTC; None = it is always open)."""
    if last is None:
        return True
    if last.outcome == Outcome.BRAKE and last.ended_at is not None and now - last.ended_at < _AFTER_BRAKE:
        return False
    if last.outcome != Outcome.DONE or last.ended_at is None:
        return True
    return now - last.ended_at >= _AGAIN if opened is None else last.began_at < opened


class CleanupService(Periodic):
    """Any number of instances: a lease in the database lets one of them clean. A crash leaves nothing half done."""

    name = "cleanup"
    failing = "cannot clean up"
    deadline_s = None

    def __init__(
        self, connections: Connections, settings: CleanupSettings, instruments: Instruments, holder: int, instance: str
    ) -> None:
        self.interval_s = settings.look_every_s
        self._connections = connections
        self._settings = settings
        self._window = window_of(settings)
        self._instruments = instruments
        self._holder = holder
        self._instance = instance

    async def once(self, life: Lifeline) -> None:
        """One look at all tenants; returns at once while another instance cleans."""
        if self._settings.service == "off":
            return
        cleaner = self._cleaner(life)
        try:
            await self._alone("partitions not cleaned up", cleaner.partitions())
            async with self._connections.acquire(Part.DUTIES) as conn:
                tenants = await all_tenants(conn)
            for tenant in tenants:
                if life.stopping:
                    break
                await self._clean(cleaner, tenant)
                life.beat()
        except LeaseLost:
            return
        async with self._connections.acquire(Part.DUTIES) as conn:
            await give_back_lease(conn, self._holder)

    def _cleaner(self, life: Lifeline) -> Cleaner:
        return Cleaner(
            lambda: self._connections.acquire(Part.DUTIES),
            self._settings,
            self._holder,
            self._instance,
            self._instruments,
            pause=life.pause,
            stopping=lambda: life.stopping,
            seen=lambda _table, _rows: self.works(life),
            beat=life.beat,
        )

    async def _alone(self, event: str, work: Awaitable[Result | None], **where: str) -> Result | None:
        """None where it failed over what is stored there: that keeps nothing else from being cleaned. Raises LeaseLost,
        and what is the trouble of all: the server or the wire to it.
        """
        try:
            return await work
        except LeaseLost:
            raise
        except Exception as error:
            if trouble_of(error) in _OF_ALL:
                raise
            log.error(event, **where, exc_info=error)
            return None

    async def _clean(self, cleaner: Cleaner, tenant: Tenant) -> None:
        async with self._connections.acquire(Part.DUTIES) as conn:
            now = await database_clock(conn)
            runs = await last_runs(conn, [tenant.tenant_id])
        opening = open_window(self._window, now, tenant.time_zone) if self._window else None
        if self._window is not None and opening is None:
            return
        if not is_due(now, opening and opening[0], runs.get(tenant.tenant_id)):
            return
        work = cleaner.tenant(tenant, closed=_Closing(opening and opening[1] - now))
        result = await self._alone("tenant not cleaned up", work, tenant=tenant.name)
        if result is not None and (result.removed or result.outcome is not Outcome.DONE):
            log.info(
                "cleaned up",
                tenant=tenant.name,
                outcome=str(result.outcome),
                removed=dict(result.removed),
                note=result.note,
            )


class _Closing:
    """Whether a window has closed, by this process's own clock, which nobody sets."""

    def __init__(self, after: timedelta | None) -> None:
        self._until = None if after is None else monotonic() + after.total_seconds()

    def __call__(self) -> bool:
        return self._until is not None and monotonic() >= self._until
