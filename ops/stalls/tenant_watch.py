"""What the watch makes of one tenant: counts what is new, looks, judges, and remembers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from ops.stalls.book import Lasting
from ops.stalls.counting import Report, RuleBook, RuleNames, by_hour, count_new, last_assigned, read_trends
from ops.stalls.judge import judge
from ops.stalls.limits import Limits
from ops.stalls.observe import observe
from ops.stalls.stall import Key, Stall, Topic
from ops.stalls.usual import SILENCE, hours_between, intake_stopped, rule_stalls, same_hours
from ops.stalls.watched import Watched
from router.drain.presence import Presence
from router.store import hour_counts
from router.store.blocking.blocked import NOT_BLOCKED, Blocked
from router.store.engines import Engines
from router.store.hour_counts import RECEIVED, Reached
from router.store.stalls import StoredStall, WatchedTenant
from router.store.statements import Connection

_ENGINES_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Scene:
    """What is the same for all tenants of a look. By tenant number, `parked` = lately parked leads by reason, `opened`
    = stalls that go on.
    """

    presence: Presence
    blocked: Blocked = NOT_BLOCKED
    parked: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    opened: Mapping[int, Sequence[StoredStall]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """Stalls that last, and those of the open ones that could be judged: if they are not among these, they are over."""

    lasting: Sequence[Lasting]
    judged: Sequence[StoredStall]


class TenantWatch:
    """Remembers from look to look, of all tenants. `report` is given what was counted."""

    def __init__(self, limits: Limits, report: Report = lambda _, __: None) -> None:
        self._limits = limits
        self._report = report
        self._watched = Watched()
        self._rules = RuleBook()
        self._engines = Engines(_ENGINES_KEPT)

    async def look(self, conn: Connection, scene: Scene, tenant: WatchedTenant) -> Seen:
        """Raises what the database raises, and whatever is wrong with what is stored of the tenant."""
        stored = scene.opened.get(tenant.tenant_id, ())
        opened = {(Topic(one.topic), one.subject): one.began_at for one in stored}
        reached = await count_new(conn, tenant, self._rules, self._report)
        found, topics, off = list[Stall](), {Topic.WAITING, Topic.OLDEST}, frozenset[str]()
        if tenant.paused:
            self._watched.stuck_from(tenant.tenant_id, (), tenant.now)
        else:
            found = await self._standing(conn, scene, tenant, reached, opened)
            unusual, judged, off = await self._unusual(conn, tenant, reached, opened)
            found, topics = found + unusual, topics | judged | {Topic.PARKED}
        lasting = self._watched.lasting(tenant.tenant_id, found, tenant.now, self._limits.after, opened)
        judgeable = [one for one in stored if not (Topic(one.topic) is Topic.RULE and one.subject in off)]
        return Seen(lasting, [one for one in judgeable if Topic(one.topic) in topics])

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
        parked, look = scene.parked.get(tenant.tenant_id, {}), None
        if tenant.waits or parked:
            look = await observe(conn, scene.presence, tenant, scene.blocked, parked, assigned_at, self._engines)
        reasons = [part.reason for part in look.waiting.reasons if part.stuck] if look else []
        stuck_from = self._watched.stuck_from(tenant.tenant_id, reasons, tenant.now)
        if look is None:
            return []
        begun = self._watched.begun(tenant.tenant_id, opened)
        return judge(replace(look, stuck_from=stuck_from), self._limits, begun, frozenset(topic for topic, _ in opened))

    async def _unusual(
        self, conn: Connection, tenant: WatchedTenant, reached: Reached | None, opened: Mapping[Key, datetime]
    ) -> tuple[list[Stall], set[Topic], frozenset[str]]:
        """What differs from the same hour of other weeks, which topics could be judged, and which rules could not.

        On a holiday of their reps rules are not; and that no leads come is over with the next lead, not with the hours
        of work.
        """
        if reached is None or tenant.ruleset == 0:
            return [], set(), frozenset()
        book = await self._rules.names(conn, tenant.tenant_id, tenant.ruleset)
        found, judged = list[Stall](), set[Topic]()
        off = book.on_holiday(book.names, tenant.now, tenant.time_zone)
        if working := [name for name in book.names if name not in off]:
            found += rule_stalls(read_trends(reached.trends), working, book.catch_all)
            judged.add(Topic.RULE)
        stopped, last_at = await _intake(conn, tenant, book), tenant.last_received_at
        began = opened.get((Topic.INTAKE, ""))
        if stopped or began is None or (last_at is not None and last_at >= began):
            judged.add(Topic.INTAKE)
        return [*found, stopped] if stopped else found, judged, off


async def _intake(conn: Connection, tenant: WatchedTenant, book: RuleNames) -> Stall | None:
    last_at = tenant.last_received_at
    if last_at is None or tenant.now - last_at < SILENCE:
        return None
    hours = {same for hour in hours_between(last_at, tenant.now) for same in same_hours(hour, tenant.time_zone)}
    _, minutes = by_hour(await hour_counts.counts_of(conn, tenant.tenant_id, hours), RECEIVED)
    return intake_stopped(tenant.now, last_at, tenant.time_zone, minutes, book.is_holiday)
