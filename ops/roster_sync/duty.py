"""The duty that keeps a tenant's roster as the CRM has it: one service for each view, so none waits for another's."""

from ops.roster_sync.holds import holds_told, over
from ops.roster_sync.sources import Source
from ops.roster_sync.sync import Synced, sync
from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.store.connections.connections import Connections, Part
from router.store.errors import TRANSIENT_ERRORS
from router.store.tenants import TenantUnknown, tenant_named
from router.telemetry.instruments import Instruments, SyncResult
from router.telemetry.logs import get_logger

log = get_logger(__name__)


class RosterSyncService(Periodic):
    """Several instances may do it at once: one syncs, the others find it done."""

    failing = "roster not synced"
    max_silence_s = 120.0
    deadline_s = 100.0
    transient = (*TRANSIENT_ERRORS, TenantUnknown)

    def __init__(self, connections: Connections, source: Source, instruments: Instruments) -> None:
        self.name = f"roster sync {source.tenant}"
        self.interval_s = self.longest_wait_s = source.every.total_seconds()
        self._connections = connections
        self._source = source
        self._instruments = instruments
        self._first = True
        self._over: frozenset[str] = frozenset()

    async def once(self, life: Lifeline) -> None:
        """Syncs, unless another instance did."""
        source = self._source
        async with self._connections.acquire(Part.DUTIES) as conn:
            tenant = await tenant_named(conn, source.tenant)
            synced = await sync(conn, tenant, source, if_older_than=source.every)
        if synced is not None:
            self._instruments.roster_synced(source.tenant, synced.result, len(synced.warnings))
            self._tell(synced)

    def _tell(self, synced: Synced) -> None:
        """What is new, once in each process: the metrics and `status` say what lasts."""
        news = synced.news or (self._first and bool(synced.problem or synced.warnings))
        self._first = False
        tenant, view = self._source.tenant, self._source.shown
        if synced.result in (SyncResult.REFUSED, SyncResult.FAILED):
            if news:
                log.error("roster not synced", tenant=tenant, view=view, problem=synced.problem)
            return
        ended = frozenset() if synced.at is None else frozenset(hold.rep_id for hold in over(synced.held, synced.at))
        news, self._over = news or bool(ended - self._over), ended
        if news and synced.warnings:
            held = holds_told(synced.held, synced.at) if synced.at else ()
            log.warning(
                "roster not understood", tenant=tenant, view=view, warnings=list(map(str, (*synced.warnings, *held)))
            )
        elif news:
            log.info("roster understood again", tenant=tenant, view=view)
        if synced.result is SyncResult.CHANGED and synced.change is not None:
            log.info(
                "roster synced",
                tenant=tenant,
                version=synced.change.version,
                added=len(synced.change.added),
                changed=len(synced.change.changed),
            )
