"""The duty that notices what stands still: looks at every tenant, writes when a stall begins and ends, and says so."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic

from ops.stalls.book import Book, Lasting
from ops.stalls.counting import RuleBook, by_hour, count_new, last_assigned, read_trends
from ops.stalls.judge import judge
from ops.stalls.limits import Limits
from ops.stalls.observe import PARKED_WINDOW, observe
from ops.stalls.stall import Key, Stall, Topic
from ops.stalls.usual import hours_between, intake_stopped, rule_stalls, same_hours
from ops.stalls.watched import Watched
from router.domain.calendar import DayKind, holiday_calendar, zone
from router.drain.presence import Presence
from router.runtime.health import Health
from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.settings.model import StallSettings
from router.store import hour_counts
from router.store.blocking.blocked import NOT_BLOCKED, Blocked, blocked_now
from router.store.connections.connections import Connections, Part
from router.store.engines import Engines
from router.store.errors import TRANSIENT_ERRORS
from router.store.hour_counts import RECEIVED, Reached
from router.store.stalls import StoredStall, WatchedTenant, open_stalls, parked_since, watched_tenants
from router.store.statements import Connection
from router.store.transactions import with_lock_timeout
from router.telemetry.instruments import Instruments

_LOCK_TIMEOUT_S = 2.0
_PARKED_COUNTED = 10_000
_ENGINES_KEPT = 100
_KEPT_EVERY_S = 3600.0
# Looking must cost little: with many tenants it is done less often.
_LONGEST_SHARE = 0.1


def limits_of(settings: StallSettings) -> Limits:
    """The limits that the settings give."""
    return Limits(
        after=timedelta(seconds=settings.after_s),
        oldest_after=timedelta(seconds=settings.oldest_after_s),
        assigned_share=settings.assigned_share,
        minimum_leads=settings.minimum_leads,
    )


@dataclass(frozen=True, slots=True)
class Scene:
    """What is the same for all tenants of a look. By tenant number, `parked` = lately parked leads by reason, `opened`
    = stalls that go on.
    """

    presence: Presence
    blocked: Blocked = NOT_BLOCKED
    parked: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    opened: Mapping[int, Sequence[StoredStall]] = field(default_factory=dict)


class StallsService(Periodic):
    """Each instance with the role `duties` looks; what one has written, the others go on with."""

    name = "stalls"
    failing = "cannot look for stalls"
    longest_wait_s = 2.0

    def __init__(
        self,
        connections: Connections,
        settings: StallSettings,
        health: Health,
        instruments: Instruments,
        redis_url: str | None,
        instance: str,
    ) -> None:
        self.interval_s = settings.look_every_s
        self._every_s = settings.look_every_s
        self._limits = limits_of(settings)
        self._connections = connections
        self._redis_url = redis_url
        self._book = Book(instance, health, instruments)
        self._watched = Watched()
        self._rules = RuleBook()
        self._engines = Engines(_ENGINES_KEPT)
        self._failed_since: float | None = None
        self._forgot_at: float | None = None

    async def begin(self) -> None:
        """What was seen before a crash of this service counts no more."""
        self._watched = Watched()

    async def once(self, life: Lifeline) -> None:
        """Looks at all tenants. Not being able to is a stall, too, when it lasts."""
        begin = monotonic()
        try:
            await self._look()
        except (*TRANSIENT_ERRORS, TimeoutError) as error:
            self._could_not_look(begin, error)
            raise
        self._failed_since = None
        self.interval_s = max(self._every_s, (monotonic() - begin) / _LONGEST_SHARE)

    def _could_not_look(self, at: float, error: BaseException) -> None:
        self._failed_since = at if self._failed_since is None else self._failed_since
        blind_s = monotonic() - self._failed_since
        if blind_s >= self._limits.after.total_seconds():
            self._book.blind(blind_s, f"{type(error).__name__}: {error}")

    async def _look(self) -> None:
        """Gives the connection back after each tenant: where there are few, others wait for it."""
        async with aclosing(Presence(self._redis_url, once=True)) as presence:
            async with self._lent() as conn:
                tenants = await watched_tenants(conn)
                scene = await _open_scene(conn, presence, tenants)
            for tenant in tenants:
                async with self._lent() as conn:
                    stored = scene.opened.get(tenant.tenant_id, [])
                    await self._book.write(conn, tenant, await self._lasting(conn, scene, tenant, stored), stored)
        async with self._lent() as conn:
            if tenants:
                await self._book.sees_again(conn, tenants[0].now)
            await self._forget(conn)
        self._book.show()

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[Connection]:
        async with self._connections.acquire(Part.DUTIES) as lent:
            yield with_lock_timeout(lent, _LOCK_TIMEOUT_S)

    async def _lasting(
        self, conn: Connection, scene: Scene, tenant: WatchedTenant, stored: Sequence[StoredStall]
    ) -> list[Lasting]:
        opened = {(Topic(one.topic), one.subject): one.began_at for one in stored}
        reached = await count_new(conn, tenant, self._rules)
        found: list[Stall] = []
        if not tenant.paused:
            found = await self._standing(conn, scene, tenant, reached, opened)
            found += await self._unusual(conn, tenant, reached)
        return self._watched.lasting(tenant.tenant_id, found, tenant.now, self._limits.after, opened)

    async def _standing(
        self,
        conn: Connection,
        scene: Scene,
        tenant: WatchedTenant,
        reached: Reached | None,
        opened: Mapping[Key, datetime],
    ) -> list[Stall]:
        """What waits and should not, and what is parked."""
        assigned_at = last_assigned(reached.trends) if reached else tenant.now
        parked = scene.parked.get(tenant.tenant_id, {})
        if not (tenant.waits or parked):
            return []
        look = await observe(conn, scene.presence, tenant, scene.blocked, parked, assigned_at, self._engines)
        begun = self._watched.begun(tenant.tenant_id, opened)
        return judge(look, self._limits, begun, frozenset(topic for topic, _ in opened))

    async def _unusual(self, conn: Connection, tenant: WatchedTenant, reached: Reached | None) -> list[Stall]:
        """What differs from the same hour of other weeks: no leads, rules that match no more, or too much."""
        if reached is None or tenant.ruleset == 0:
            return []
        book = await self._rules.names(conn, tenant.tenant_id, tenant.ruleset)
        today = tenant.now.astimezone(zone(tenant.time_zone)).date()
        if holiday_calendar(book.country).kind(today) is DayKind.HOLIDAY:
            return []
        found = rule_stalls(read_trends(reached.trends), book.names, book.catch_all)
        stopped = await _intake(conn, tenant)
        return [*found, stopped] if stopped else found

    async def _forget(self, conn: Connection) -> None:
        if self._forgot_at is None or monotonic() - self._forgot_at > _KEPT_EVERY_S:
            await self._book.forget(conn)
            self._forgot_at = monotonic()


async def _open_scene(conn: Connection, presence: Presence, tenants: Sequence[WatchedTenant]) -> Scene:
    if not tenants:
        return Scene(presence)
    opened: defaultdict[int, list[StoredStall]] = defaultdict(list)
    for stall in await open_stalls(conn):
        opened[stall.tenant_id].append(stall)
    ids, since = [tenant.tenant_id for tenant in tenants], tenants[0].now - PARKED_WINDOW
    parked = await parked_since(conn, ids, since, _PARKED_COUNTED)
    waits = any(tenant.waits for tenant in tenants)
    return Scene(presence, await blocked_now(conn) if waits else NOT_BLOCKED, parked, opened)


async def _intake(conn: Connection, tenant: WatchedTenant) -> Stall | None:
    last_at = await hour_counts.last_received(conn, tenant.tenant_id)
    if last_at is None or last_at > tenant.now:
        return None
    hours = {same for hour in hours_between(last_at, tenant.now) for same in same_hours(hour, tenant.time_zone)}
    _, minutes = by_hour(await hour_counts.counts_of(conn, tenant.tenant_id, hours), RECEIVED)
    return intake_stopped(tenant.now, last_at, tenant.time_zone, minutes)
