"""The service that drains the journal once the database is back, and tells what it holds until then."""

from time import monotonic

from router.domain.phrases import count
from router.intake.journal import Journal, JournalRefused
from router.intake.journal_drain import ForeignJournal, KeepKeys, drain_batch, report
from router.runtime.health import Health
from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.store.connections.connections import Connections, Part
from router.store.errors import TRANSIENT_ERRORS, PostgresError, is_away, server_of
from router.store.transactions import DUTY_LOCK_TIMEOUT_S, with_lock_timeout
from router.telemetry.instruments import Instruments
from router.telemetry.logs import get_logger

log = get_logger(__name__)

LEADS_JOURNALLED, SET_ASIDE, FULL = "leads_journalled", "journal_set_aside", "journal_full"
_TOPICS = {"journal": LEADS_JOURNALLED, "journal set aside": SET_ASIDE, "journal full": FULL}
REPORT_EVERY_S = 10.0
_WORK_S = 10.0


class NotDrained(Exception):
    """Leads of some tenant could not be drained, for a reason of that tenant's."""


class JournalService(Periodic):
    """A service. `keep_keys` stores the Idempotency-Keys of leads that are drained."""

    name = "journal"
    failing = "journal not drained"
    interval_s = 1.0
    longest_wait_s = 2.0
    transient = (*TRANSIENT_ERRORS, JournalRefused, ForeignJournal, NotDrained)

    def __init__(
        self,
        journal: Journal,
        connections: Connections,
        instance: str,
        health: Health,
        instruments: Instruments,
        keep_keys: KeepKeys | None = None,
    ) -> None:
        self._journal = journal
        self._connections = connections
        self._instance = instance
        self._health = health
        self._instruments = instruments
        self._keep_keys = keep_keys
        self._reported: tuple[object, ...] | None = None
        self._reported_at = 0.0
        self._last_tenant = 0
        self._tell()

    async def once(self, life: Lifeline) -> None:
        """Reports what changed, and drains for some seconds, a batch of each tenant in turn."""
        await self._look_at_disk()
        self._tell()
        try:
            unreported = await self._report_but_for_servers()
            if self._journal.waiting:
                await self._drain(life)
                if unreported is None:
                    await self._report()
            if unreported is not None:
                raise unreported
        finally:
            self._tell()

    async def rest(self, life: Lifeline) -> None:
        """None while there is more to drain."""
        await life.pause(0 if self._journal.waiting else self.interval_s)

    async def _look_at_disk(self) -> None:
        if self._journal.trouble is not None:
            try:
                await self._journal.check_writable()
            except JournalRefused as refused:
                log.debug("the journal takes nothing", problem=str(refused))

    async def _report_but_for_servers(self) -> PostgresError | None:
        """Returns what went wrong where one of several servers (Citus) is away: the report is about all tenants, and
        those of the other servers are drained without it. Not before the database is known to be the journal's own.
        """
        try:
            await self._report()
        except PostgresError as error:
            if self._reported is None or server_of(error) is None:
                raise
            return error
        return None

    async def _report(self) -> None:
        now, journal = monotonic(), self._journal
        state = (*sorted(journal.books.items()), journal.refuses)
        if state == self._reported and now - self._reported_at < REPORT_EVERY_S:
            return
        async with self._connections.acquire(Part.INTAKE) as conn:
            await report(conn, journal, self._instance)
        self._reported, self._reported_at = state, now

    async def _drain(self, life: Lifeline) -> None:
        until, failed = monotonic() + _WORK_S, dict[int, Exception]()
        while monotonic() < until and not life.stopping and (tenant_id := self._next_tenant(failed)) is not None:
            self._last_tenant = tenant_id
            try:
                await self._drain_tenant(tenant_id)
            except Exception as error:
                # One of several servers (Citus) may have the rows of this tenant only.
                of_all = is_away(error) and server_of(error) is None
                if of_all or isinstance(error, JournalRefused):
                    raise
                failed[tenant_id] = error
            life.beat()
        for tenant_id, why in failed.items():
            raise NotDrained(f"tenant {tenant_id}: {type(why).__name__}: {why}") from why

    async def _drain_tenant(self, tenant_id: int) -> None:
        async with self._connections.acquire(Part.INTAKE) as lent:
            # What is locked is tried again soon, and others need the connection.
            conn = with_lock_timeout(lent, DUTY_LOCK_TIMEOUT_S)
            done = await drain_batch(conn, self._journal, tenant_id, self._keep_keys)
        self._instruments.journal.drained(done.accepted)
        if done.set_aside:
            log.error("the database refuses leads of the journal", tenant_id=tenant_id, leads=done.set_aside)
        if done.accepted:
            log.info("journal drained", tenant_id=tenant_id, leads=done.accepted, left=self._journal.waiting)

    def _next_tenant(self, failed: dict[int, Exception]) -> int | None:
        """The next one in turn of those whose leads wait."""
        books = self._journal.books
        waiting = sorted(one for one, of_tenant in books.items() if of_tenant.leads and one not in failed)
        return next((one for one in waiting if one > self._last_tenant), waiting[0] if waiting else None)

    def _tell(self) -> None:
        """On /readyz, as degraded."""
        journal, health = self._journal, self._health
        waiting, refuses = journal.waiting, journal.refuses
        aside = journal.leads - waiting
        accepted = count(waiting, "accepted lead waits", "accepted leads wait")
        told = {
            "journal": f"{accepted} in {journal.path} for the database" if waiting else None,
            "journal set aside": f"the database refused {count(aside, 'lead')} of {journal.path}" if aside else None,
            "journal full": f"{journal.path} takes no leads: {refuses}" if refuses else None,
        }
        for about, words in told.items():
            health.finding_codes[about] = _TOPICS[about]
            if words is None:
                health.degraded.pop(about, None)
            else:
                health.degraded[about] = words
