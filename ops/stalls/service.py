"""The duty that notices what stands still: looks at every tenant, writes when a stall begins and ends, and says so."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from time import monotonic

from ops.stalls.book import Book
from ops.stalls.counting import NewlyCounted
from ops.stalls.limits import Limits
from ops.stalls.observe import PARKED_WINDOW
from ops.stalls.tenant_watch import Scene, TenantWatch
from router.drain.presence import Presence
from router.runtime.health import Health
from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.settings.model import StallSettings
from router.store.blocking.blocked import NOT_BLOCKED, blocked_now
from router.store.connections.connections import Connections, Part
from router.store.errors import TRANSIENT_ERRORS, InterfaceError, NoConnection
from router.store.parts import of_all
from router.store.stalls import StoredStall, WatchedTenant, open_stalls, parked_since, watched_tenants
from router.store.statements import Connection
from router.store.transactions import DUTY_LOCK_TIMEOUT_S, with_lock_timeout
from router.telemetry.instruments import Instruments

_PARKED_COUNTED = 10_000
_KEPT_EVERY_S = 3600.0
# Looking must cost little: with many tenants it is done less often, but often enough to notice within a minute or so.
_LONGEST_SHARE = 0.1
_LONGEST_REST_S = 20.0
# Before whoever runs this gives up: what takes so long is a trouble to be told.
_LOOK_LIMIT_S = 40.0
_AWAY_WITHIN_S = 10.0


def limits_of(settings: StallSettings) -> Limits:
    """The limits that the settings give."""
    return Limits(
        after=timedelta(seconds=settings.after_s),
        oldest_after=timedelta(seconds=settings.oldest_after_s),
        assigned_share=settings.assigned_share,
        minimum_leads=settings.minimum_leads,
    )


class StallsService(Periodic):
    """Each instance with the role `duties` looks; what one has written, the others go on with. `presence` makes what
    hears who is present; `noticed` is called when a stall is new.
    """

    name = "stalls"
    failing = "cannot look for stalls"
    longest_wait_s = 2.0

    def __init__(
        self,
        connections: Connections,
        settings: StallSettings,
        health: Health,
        instruments: Instruments,
        presence: Callable[[], Presence],
        instance: str,
        noticed: Callable[[], None] = lambda: None,
    ) -> None:
        self.interval_s = settings.look_every_s
        self._every_s = settings.look_every_s
        self._limits = limits_of(settings)
        self._connections = connections
        self._presence = presence
        self._book = Book(instance, health, instruments, noticed)
        self._counted = instruments.counted
        self._watch = TenantWatch(self._limits, self._report)
        self._failed_since: float | None = None
        self._forgot_at: float | None = None
        self._waited_s = 0.0

    async def begin(self) -> None:
        """What was seen before a crash of this service counts no more."""
        self._watch = TenantWatch(self._limits, self._report)

    async def once(self, life: Lifeline) -> None:
        """Looks at all tenants. Not being able to is a stall, too, when it lasts."""
        begin, self._waited_s = monotonic(), 0.0
        try:
            async with asyncio.timeout(_LOOK_LIMIT_S):
                complete = await self._look()
        except (*TRANSIENT_ERRORS, TimeoutError) as error:
            self._could_not_look(begin, error)
            raise
        self._failed_since = None
        # What was locked says nothing of the work, nor does a wait for a connection: it is looked at again soon.
        worked_s = monotonic() - begin - self._waited_s
        rest_s = min(worked_s / _LONGEST_SHARE, _LONGEST_REST_S) if complete else 0.0
        self.interval_s = max(self._every_s, rest_s)

    def _report(self, tenant: str, new: NewlyCounted) -> None:
        self._counted.counted(tenant, new.arrived, new.assigned, new.fell_through)

    def _could_not_look(self, at: float, error: BaseException) -> None:
        self._failed_since = at if self._failed_since is None else self._failed_since
        blind_s = monotonic() - self._failed_since
        if blind_s >= self._limits.after.total_seconds():
            self._book.blind(blind_s, f"{type(error).__name__}: {error}")

    async def _look(self) -> bool:
        """Whether every tenant could be looked at. Gives the connection back after each: where there are few, others
        wait for it.
        """
        async with aclosing(self._presence()) as presence:
            async with self._lent() as conn:
                tenants, away = await _watched(conn)
                self._book.servers_away(away)
                scene = await _open_scene(conn, presence, tenants)
            errors = [await self._look_at(scene, tenant) for tenant in tenants]
        if errors and all(errors) and isinstance(errors[-1], TRANSIENT_ERRORS):
            # Not what one tenant has stored: the database lets us look at none.
            raise errors[-1]
        # Both are about all tenants.
        if not away:
            async with self._lent() as conn:
                if tenants:
                    await self._book.sees_again(conn, tenants[0].now)
                await self._forget(conn)
        self._book.show()
        return not (away or any(errors))

    async def _look_at(self, scene: Scene, tenant: WatchedTenant) -> Exception | None:
        """Returns what went wrong, if anything: what is stored or locked of one tenant stops the looks at no other."""
        try:
            async with self._lent() as conn:
                seen = await self._watch.look(conn, scene, tenant)
                await self._book.write(conn, tenant, seen.lasting, seen.judged)
        except (NoConnection, OSError, InterfaceError):
            raise
        except Exception as error:
            self._book.unseen(tenant.name, f"{type(error).__name__}: {error}")
            return error
        return None

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[Connection]:
        begin = monotonic()
        async with self._connections.acquire(Part.DUTIES) as lent:
            self._waited_s += monotonic() - begin
            yield with_lock_timeout(lent, DUTY_LOCK_TIMEOUT_S)

    async def _forget(self, conn: Connection) -> None:
        if self._forgot_at is None or monotonic() - self._forgot_at > _KEPT_EVERY_S:
            await self._book.forget(conn)
            self._forgot_at = monotonic()


async def _watched(conn: Connection) -> tuple[list[WatchedTenant], dict[str, str]]:
    """All tenants; while servers that have rows of some do not answer (Citus), the others, and what was said of each of
    these servers.
    """
    watched = await of_all(conn, watched_tenants, _AWAY_WITHIN_S)
    return watched.found, {one.server: one.problem for one in watched.away.values()}


async def _open_scene(conn: Connection, presence: Presence, tenants: Sequence[WatchedTenant]) -> Scene:
    if not tenants:
        return Scene(presence)
    opened: defaultdict[int, list[StoredStall]] = defaultdict(list)
    ids, since = [tenant.tenant_id for tenant in tenants], tenants[0].now - PARKED_WINDOW
    for stall in await open_stalls(conn, ids):
        opened[stall.tenant_id].append(stall)
    parked = await parked_since(conn, ids, since, _PARKED_COUNTED)
    waits = any(tenant.waits for tenant in tenants)
    return Scene(presence, await blocked_now(conn) if waits else NOT_BLOCKED, parked, opened)
