"""The service that looks after events: gives them places, measures how far webhooks are behind, removes old ones."""

from datetime import datetime, timedelta

from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.settings.model import EventSettings
from router.store.connections.connections import Connections, Part
from router.store.events import Feed, feeds, place_new, remove_old
from router.store.leads import database_clock
from router.store.parts import of_all
from router.store.statements import Connection
from router.store.webhooks import Webhook, remove_dead, webhooks_of
from router.telemetry.instruments import Instruments

INTERVAL_S = 10.0
_REMOVED_AT_ONCE = 500
_AWAY_WITHIN_S = 5.0
_CLEANUP_EVERY = timedelta(minutes=10)


class EventsService(Periodic):
    """Removing old events is done in small batches, of which each is a transaction."""

    name = "events"
    failing = "cannot look after events"

    def __init__(
        self,
        connections: Connections,
        settings: EventSettings,
        instruments: Instruments,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self.interval_s = interval_s
        self._connections = connections
        self._retention = timedelta(days=settings.retention_days)
        self._instruments = instruments
        self._cleaned_at: datetime | None = None

    async def once(self, life: Lifeline) -> None:
        """One look at all tenants."""
        async with self._connections.acquire(Part.DUTIES) as conn:
            # While one of several servers (Citus) is away, the feeds of its tenants wait.
            found = (await of_all(conn, feeds, _AWAY_WITHIN_S)).found
            now = await database_clock(conn)
            for feed in found:
                if feed.unplaced_since is not None:
                    await self._place(conn, life, feed)
            await self._measure(conn, found, now)
            if self._cleaned_at is None or now - self._cleaned_at >= _CLEANUP_EVERY:
                for feed in found:
                    await self._remove(conn, life, feed, now - self._retention)
                self._cleaned_at = now

    async def _place(self, conn: Connection, life: Lifeline, feed: Feed) -> None:
        while not life.stopping and await place_new(conn, feed.tenant_id):
            life.beat()

    async def _remove(self, conn: Connection, life: Lifeline, feed: Feed, before: datetime) -> None:
        while not life.stopping and await remove_old(conn, feed.tenant_id, before, _REMOVED_AT_ONCE):
            life.beat()
        while not life.stopping and await remove_dead(conn, feed.tenant_id, _REMOVED_AT_ONCE):
            life.beat()

    async def _measure(self, conn: Connection, found: list[Feed], now: datetime) -> None:
        webhooks = await webhooks_of(conn, [feed.tenant_id for feed in found])
        names = {feed.tenant_id: feed.tenant for feed in found}
        for tenant_id in {one.tenant_id for one in webhooks}:
            own = [one for one in webhooks if one.tenant_id == tenant_id]
            failing = sum(one.fails for one in own)
            self._instruments.events_behind(names[tenant_id], max(lag_s(one, now) for one in own), failing)


def lag_s(webhook: Webhook, now: datetime) -> float:
    """Seconds by which an endpoint is behind; one that is disabled is not."""
    if webhook.behind_since is None or not webhook.enabled:
        return 0.0
    return max(0.0, (now - webhook.behind_since).total_seconds())
