"""Writes stalls down and reports them: a row with a beginning and an end, the log, `/readyz`, metrics."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from ops.stalls.stall import STANDING_STILL, TOPICS, Kind, Stall, Topic
from router.domain.phrases import duration
from router.domain.written_time import written
from router.runtime.health import Health
from router.store.change_log import Entry, read_changes
from router.store.changes import SERVICE
from router.store.hour_counts import forget_counts
from router.store.stalls import (
    SeenStall,
    StoredStall,
    WatchedTenant,
    begin_stall,
    continue_stall,
    end_stall,
    forget_stalls,
)
from router.store.statements import Connection
from router.telemetry.instruments import Instruments
from router.telemetry.logs import get_logger

log = get_logger(__name__)

STALLED = "stalled"
_CODES = {Topic.INTAKE: "intake_stopped", Topic.RULE: "misrouted"}
_CAUSES_BEFORE = timedelta(hours=1)
_CHANGES_SHOWN = 3
_COUNTS_KEPT = timedelta(weeks=5)
_STALLS_KEPT = timedelta(days=90)

Lasting = tuple[Stall, datetime]
"""A stall and its beginning (UTC)."""


def code_of(topic: Topic) -> str:
    """The code of the finding that the doctor has for a stall of this topic."""
    return _CODES.get(topic, STALLED)


class Book:
    """What goes on, as this instance saw it last. `instance` is its name; `noticed` is called when a stall is new."""

    def __init__(
        self, instance: str, health: Health, instruments: Instruments, noticed: Callable[[], None] = lambda: None
    ) -> None:
        self._instance = instance
        self._health = health
        self._instruments = instruments
        self._noticed = noticed
        self._open: dict[str, list[Stall]] = {}
        self._blind: tuple[float, str] | None = None
        self._shown: set[str] = set()
        self._unseen: dict[str, str] = {}
        self._missed: set[str] = set()
        self._servers: frozenset[str] = frozenset()

    def blind(self, for_s: float, problem: str) -> None:
        """For so many seconds the database could not be asked what waits."""
        text = f"for {duration(for_s)} the database could not be asked what waits: {problem}"
        if self._blind is None:
            log.error("leads may stand still", kind=Kind.CANNOT_LOOK.value, for_s=round(for_s), problem=problem)
        self._blind = (for_s, problem)
        self._open[""] = [Stall(Kind.CANNOT_LOOK, text)]
        self.show()

    def unseen(self, tenant: str, problem: str) -> None:
        """One tenant could not be looked at; what is open of it stays so. Once may be a lock in passing: it is reported
        from the second time in a row on.
        """
        about = f"stalls of {tenant}"
        if tenant in self._missed:
            if about not in self._unseen:
                log.warning("cannot look for stalls of a tenant", tenant=tenant, error=problem)
            self._unseen[about] = problem
        self._missed.add(tenant)

    def servers_away(self, problems: Mapping[str, str]) -> None:
        """Servers that have rows of tenants and do not answer: of these tenants nothing can be seen. It is reported
        from the second time in a row on.
        """
        for gone in self._servers - problems.keys():
            self._unseen.pop(_of_server(gone), None)
        for server, problem in problems.items():
            if server in self._servers:
                if _of_server(server) not in self._unseen:
                    log.warning("cannot look for stalls of the tenants of a server", server=server, error=problem)
                self._unseen[_of_server(server)] = problem
        self._servers = frozenset(problems)

    async def write(
        self, conn: Connection, tenant: WatchedTenant, stalls: Sequence[Lasting], stored: Sequence[StoredStall]
    ) -> None:
        """Begins, goes on with and ends the stalls of a tenant; `stored` are those that were open.

        Those that could not be judged now are left out of `stored`: they go on as they are.
        """
        self._unseen.pop(f"stalls of {tenant.name}", None)
        self._missed.discard(tenant.name)
        known = {(Topic(one.topic), one.subject): one for one in stored}
        for stall, began_at in stalls:
            old = known.pop(stall.key, None)
            if old is None:
                await self._begin(conn, tenant, stall, began_at)
            else:
                await self._go_on(conn, tenant, stall, old)
        for old in known.values():
            await self._end(conn, tenant.name, old)
        self._open.pop(tenant.name, None)
        if stalls:
            self._open[tenant.name] = [stall for stall, _ in stalls]

    async def sees_again(self, conn: Connection, now: datetime) -> None:
        """All tenants were looked at: what kept this instance from it is over."""
        if self._blind is None:
            return
        for_s, problem = self._blind
        seen = SeenStall(Topic.LOOK.value, Kind.CANNOT_LOOK.value, self._instance, 0, None, {}, problem)
        async with conn.transaction():
            number = await begin_stall(conn, SERVICE, now - timedelta(seconds=for_s), seen)
            if number is not None:
                await end_stall(conn, SERVICE, number)
        self._blind = None
        self._open.pop("", None)
        log.info("what waits can be asked again", lasted_s=round(for_s, 1))

    async def forget(self, conn: Connection) -> None:
        """Deletes what is too old to be asked for."""
        await forget_counts(conn, _COUNTS_KEPT)
        await forget_stalls(conn, _STALLS_KEPT)

    def show(self) -> None:
        """Sets `/readyz` and the metrics to what goes on."""
        texts = {_about(tenant, stall): stall for tenant, stalls in self._open.items() for stall in stalls}
        for gone in self._shown - texts.keys() - self._unseen.keys():
            self._health.degraded.pop(gone, None)
            self._health.finding_codes.pop(gone, None)
        for about, stall in texts.items():
            self._health.degraded[about] = str(stall.sentence)
            self._health.finding_codes[about] = code_of(TOPICS[stall.kind])
        self._health.degraded |= self._unseen
        if texts.keys() - self._shown:
            self._noticed()
        self._shown = {*texts, *self._unseen}
        by_tenant = {tenant: _by_topic(stalls) for tenant, stalls in self._open.items()}
        self._instruments.standing.stalls([topic.value for topic in Topic], by_tenant)

    async def _begin(self, conn: Connection, tenant: WatchedTenant, stall: Stall, began_at: datetime) -> None:
        if await begin_stall(conn, tenant.tenant_id, began_at, _seen(stall)) is not None:
            await self._report(conn, tenant, stall, began_at)

    async def _go_on(self, conn: Connection, tenant: WatchedTenant, stall: Stall, old: StoredStall) -> None:
        await continue_stall(conn, old, _seen(stall))
        if stall.kind != old.kind:
            log.warning("stall shows differently", tenant=tenant.name, kind=stall.kind.value, what=str(stall.sentence))

    async def _end(self, conn: Connection, tenant: str, old: StoredStall) -> None:
        ended = await end_stall(conn, old.tenant_id, old.id)
        if ended is not None:
            leads, lasted_s = ended
            log.info(
                "stall over",
                tenant=tenant,
                kind=old.kind,
                of=old.subject or None,
                lasted_s=round(lasted_s, 1),
                leads=leads,
            )

    async def _report(self, conn: Connection, tenant: WatchedTenant, stall: Stall, began_at: datetime) -> None:
        """In the log, with what was changed in the hour before."""
        topic = TOPICS[stall.kind]
        report = log.error if topic in STANDING_STILL else log.warning
        message = "leads stand still" if topic in STANDING_STILL else "leads may be routed wrongly"
        whose = [SERVICE, tenant.tenant_id]
        changes = await read_changes(conn, whose, began_at - _CAUSES_BEFORE, tenant.now, _CHANGES_SHOWN)
        report(
            message,
            tenant=tenant.name,
            kind=stall.kind.value,
            what=str(stall.sentence),
            leads=stall.leads,
            oldest=None if stall.oldest is None else stall.oldest.isoformat(),
            reasons=dict(stall.reasons),
            since=began_at.isoformat(),
            changes=[_in_short(change) for change in changes],
            code=code_of(topic),
            command=f"lead-router doctor --tenant {tenant.name}",
        )


def _of_server(server: str) -> str:
    """The name of its entry on `/readyz`."""
    return f"stalls of the tenants of {server}"


def _about(tenant: str, stall: Stall) -> str:
    """The name of its entry on `/readyz`."""
    words = ("stall", tenant, stall.kind.value, stall.subject)
    return " ".join(word for word in words if word)


def _by_topic(stalls: Sequence[Stall]) -> dict[str, tuple[int, int]]:
    """How many, and how many leads they hold up."""
    topics = {stall.key[0] for stall in stalls}
    of = {topic: [stall for stall in stalls if stall.key[0] is topic] for topic in topics}
    return {topic.value: (len(those), sum(stall.leads for stall in those)) for topic, those in of.items()}


def _seen(stall: Stall) -> SeenStall:
    topic = TOPICS[stall.kind].value
    return SeenStall(topic, stall.kind.value, stall.subject, stall.leads, stall.oldest, stall.reasons, stall.sentence)


def _in_short(change: Entry) -> str:
    words = f"{written(change.at, seconds=True)} {change.actor} {change.action} {change.subject}"
    return f"{words}: {change.before or '-'} -> {change.after or '-'}"
