"""The composition root: the services of a daemon, by the roles that it plays."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property, partial
from random import Random
from typing import TYPE_CHECKING

from ops.api.docs_page import STYLE, docs_page
from ops.api.means import Means
from ops.api.running import Jobs
from ops.blocking.blocking_watch import BlockingWatchService
from ops.cleanup.service import CleanupService
from ops.daemon.first_token import FirstTokenService
from ops.doctor.findings_service import FindingsService
from ops.doctor.mute_watch import MutesService
from ops.embedded.urls import Urls
from ops.maintenance.watch import MaintenanceWatchService
from ops.notify.channels import Channel
from ops.notify.look import NotifyLookService
from ops.notify.service import NotifyService
from ops.roster_sync.duty import RosterSyncService
from ops.roster_sync.sources import Source
from ops.stalls.service import StallsService
from router.domain.clocks import ClockDisputed, ClockWatch
from router.domain.reason import Reason
from router.drain.close_rates import CloseRatesService
from router.drain.drain import Drain
from router.drain.held_back_service import HeldBackService
from router.drain.hints import HintsService, Wakeups
from router.drain.presence import Presence
from router.drain.presence_service import PresenceService
from router.drain.redis_hints import HintsSender, HintsSenderService, RedisHintsService
from router.drain.request import BatchRequest
from router.drain.scheduler import DrainService
from router.http.api import ApiService, ExposureService, TokenUsesService
from router.http.expired_keys import ExpiredKeysService
from router.http.guard import reserve_descriptors
from router.http.html_page import HtmlPage
from router.http.known_before import KnownBefore, KnownBeforeService, path_beside, read_known, remember
from router.http.listener import Listener
from router.http.openapi import openapi
from router.http.probes import Check, Probes
from router.http.rate_sharing import RateSharingService
from router.http.source_book import SourceNotesService
from router.intake.journal import Journal
from router.intake.journal_keeper import JournalKeeper, keep_keys
from router.outbox.events_service import EventsService
from router.outbox.webhooks_service import WebhooksService
from router.runtime.connections_watch import ConnectionsService
from router.runtime.database_gate import AfterDatabase, AfterFirstLook, DatabaseGate
from router.runtime.health import Health
from router.runtime.journal_service import LEADS_JOURNALLED, JournalService
from router.runtime.memory import MemoryService
from router.runtime.reloading import ReloadingService
from router.runtime.service_manager import ServiceManager, ServiceManagerService
from router.runtime.supervisor import Service
from router.runtime.upkeep_watch import UpkeepService
from router.settings.model import Settings
from router.store.blocking.blocked import LanesBlocked, check_lanes
from router.store.configuration import record_differences
from router.store.connections.connections import Connections, Part
from router.store.errors import is_away
from router.store.lane import LaneLimits
from router.store.processes import OwnProcess
from router.store.server_settings import ServerSettings
from router.store.statements import Connection
from router.telemetry.exposition import Exposition
from router.telemetry.log_format import configure_logs
from router.telemetry.logs import get_logger
from router.telemetry.masking import mask_passwords

if TYPE_CHECKING:
    from ops.console.service import ConsoleService

log = get_logger(__name__)


class Role(StrEnum):
    """What a daemon does."""

    DRAIN = "drain"
    API = "api"
    CONSOLE = "console"
    DUTIES = "duties"


@dataclass
class Services:
    """Builds them. `schema` returns when the database has the schema that is needed, and `reread` reads the settings
    once more; `settings` are those of the start, `sources` the views that rosters are synced from. `say` shows
    the first token to a person (None = none is made), `journal` is where leads go while the database is away, `sender`
    passes hints on to where NOTIFY does not arrive, `channels` are those that are notified, `manager` is systemd.
    """

    settings: Settings
    urls: Urls
    roles: frozenset[Role]
    instance: str
    connections: Connections
    health: Health
    exposition: Exposition
    schema: Callable[[], Awaitable[None]]
    reread: Callable[[], Settings]
    sources: Sequence[Source] = ()
    say: Callable[[str], None] | None = None
    journal: Journal | None = None
    sender: HintsSender | None = None
    channels: Sequence[Channel] = ()
    manager: ServiceManager | None = None
    jobs: Jobs = field(default_factory=Jobs)
    reloading: ReloadingService = field(init=False)
    process: OwnProcess = field(init=False)
    _drain: DrainService | None = None

    def build(self) -> list[Service]:
        """In the order of their start: the listener at once, the API once the database was looked for, the others once
        it has its schema.
        """
        self.process = OwnProcess(self.instance)
        instruments = self.exposition.instruments
        gate = DatabaseGate(self.schema)
        self.connections.shut = lambda: gate.shut
        routing = self._routing() if Role.DRAIN in self.roles else []
        self.reloading = ReloadingService(
            self.settings,
            self.reread,
            self.apply,
            self.connections,
            instruments,
            instance=self.instance,
            kind=",".join(sorted(self.roles)),
        )
        record = partial(record_server_settings, self.instance)
        watch = ConnectionsService(self.connections, self.instance, self.health, instruments, record)
        behind: list[Service] = [watch, self.reloading, self._mutes(), *routing]
        if self.sender is not None:
            behind.append(HintsSenderService(self.sender, instruments))
        if Role.DUTIES in self.roles:
            behind += self._duties()
        known = self._known_before()
        checks = self._checks(gate, known)
        at_once: list[Service] = [MemoryService()]
        if Role.API in self.roles:
            api = self._api(checks, gate, known)
            at_once.append(AfterFirstLook(gate, api))
            behind += self._around(api)
        if Role.CONSOLE in self.roles:
            from ops.console.service import ConsoleTokenUsesService  # noqa: PLC0415 - as in _console

            console = self._console()
            at_once.append(AfterFirstLook(gate, console))
            behind.append(ConsoleTokenUsesService(console.access, self.connections))
        listener = self._listener(checks)
        after = (AfterDatabase(gate, service) for service in behind)
        return [listener, gate, *at_once, *after, *self._managed(listener, gate)]

    def _managed(self, listener: Listener, gate: DatabaseGate) -> list[Service]:
        def status() -> str:
            if gate.shut:
                return gate.shut
            worse = self.health.worse()
            return f"degraded: {', '.join(sorted(worse))}" if worse else "working"

        return [] if self.manager is None else [ServiceManagerService(self.manager, listener.started, status)]

    def _known_before(self) -> KnownBefore:
        if self.journal is None:
            return KnownBefore()
        return read_known(path_beside(self.journal.path), datetime.now(UTC))

    def _checks(self, gate: DatabaseGate, known: KnownBefore) -> dict[str, Check]:
        checks: dict[str, Check] = {"schema": gate.check, "database": self.connections.check}
        if Role.DRAIN in self.roles:
            checks["lanes"] = partial(lanes_can_be_worked, self.connections)
            checks["clocks"] = partial(clocks_agree, self.process.clocks)
        if self.journal is not None and Role.API in self.roles:
            # Without a token that was known before, a process that begins now can take no lead.
            for name in ("database", "lanes", *(("schema",) if known.tokens else ())):
                if name in checks:
                    checks[name] = partial(or_journalled, name, checks[name], self.journal, self.health)
        return checks

    def _listener(self, checks: dict[str, Check]) -> Listener:
        places = reserve_descriptors(self.settings.connections.maximum)
        return Listener(self.settings.listen, self.health, checks, self.exposition, max_connections=places)

    def _api(self, checks: dict[str, Check], gate: DatabaseGate, known: KnownBefore) -> ApiService:
        from ops.api.operations import api_operations  # noqa: PLC0415 - who only routes need not read them all

        settings = self.settings.api
        probes = Probes(self.health, checks, self.settings.listen)
        places = reserve_descriptors(self.settings.connections.maximum, settings.clients)
        api = ApiService(
            settings,
            self.connections,
            api_operations(self._means, self.jobs),
            probes,
            max_connections=places,
            instruments=self.exposition.instruments,
            journal=JournalKeeper(self.journal) if self.journal else None,
            database_seen=gate.opened.is_set,
            pages=(HtmlPage("/docs", made_docs_page, STYLE),),
        )
        remember(api.memory, known, datetime.now(UTC))
        return api

    @cached_property
    def _means(self) -> Means:
        return Means(self.urls.redis, BatchRequest(ready=self.settings.drain.batch_leads), self.settings.webhooks)

    def _console(self) -> "ConsoleService":
        from ops.api.operations import api_operations  # noqa: PLC0415 - as above
        from ops.console.service import ConsoleService  # noqa: PLC0415 - nor its pages

        settings = self.settings.console
        return ConsoleService(
            settings,
            self.connections,
            api_operations(self._means, self.jobs),
            self._means,
            self.jobs,
            max_connections=reserve_descriptors(self.settings.connections.maximum, settings.clients),
            say=self.say,
        )

    def _around(self, api: ApiService) -> list[Service]:
        first = FirstTokenService(api, self.connections, self.say, self.instance) if self.say else None
        sharing = (
            RateSharingService(api.limits, self.urls.redis, self.exposition.instruments) if self.urls.redis else None
        )
        notes = SourceNotesService(api.leads.book, self.connections)
        others = (TokenUsesService(api.access, self.connections), ExpiredKeysService(self.connections), sharing, first)
        kept = (
            KnownBeforeService(path_beside(self.journal.path), api.memory, self.connections) if self.journal else None
        )
        services = (*others, self._journal_service(), kept)
        return [ExposureService(api), notes, *(one for one in services if one is not None)]

    def _journal_service(self) -> JournalService | None:
        if self.journal is None:
            return None
        instruments = self.exposition.instruments
        return JournalService(
            self.journal, self.connections, self.instance, self.health, instruments, keep_keys=keep_keys
        )

    def _routing(self) -> list[Service]:
        instruments = self.exposition.instruments
        presence = Presence(self.urls.redis, instruments=instruments)
        wakeups = Wakeups()
        drain = Drain(
            self.connections,
            token=lambda: secrets.randbits(63),
            instruments=instruments,
            request=BatchRequest(ready=self.settings.drain.batch_leads),
            limits=LaneLimits(tcp_user_ms=self.settings.connections.tcp_user_timeout_ms),
            presence=presence,
            process=self.process,
        )
        self._drain = DrainService(
            drain,
            wakeups,
            jitter=Random().random,
            poll_interval_s=self.settings.drain.poll_interval_s,
            concurrency=self.settings.drain.concurrency,
        )
        listener = HintsService(self.connections, wakeups)
        services: list[Service] = [
            listener,
            PresenceService(presence, wakeups.hint),
            HeldBackService(drain),
            self._drain,
        ]
        if self.sender is not None and self.urls.redis is not None:
            services.insert(1, RedisHintsService(self.urls.redis, wakeups, lambda: listener.listens, instruments))
        return services

    def _presence_once(self) -> Presence:
        return Presence(self.urls.redis, once=True)

    def _mutes(self) -> MutesService:
        ends = Role.DUTIES in self.roles
        return MutesService(self.connections, self.health, self.instance, self._presence_once, ends=ends)

    def _duties(self) -> list[Service]:
        instruments = self.exposition.instruments
        blocking = BlockingWatchService(self.connections, self.settings.locks, instruments, self.instance)
        findings = FindingsService(
            self.connections, instruments, self._presence_once, self.settings.metrics.look_every_s
        )
        stalls = StallsService(
            self.connections,
            self.settings.stalls,
            self.health,
            instruments,
            self._presence_once,
            self.instance,
            findings.look_soon,
        )
        rosters = [RosterSyncService(self.connections, source, instruments) for source in self.sources]
        events = EventsService(self.connections, self.settings.events, instruments)
        me = secrets.randbits(62)
        webhooks = WebhooksService(self.connections, self.settings.webhooks, instruments, me, Random().random)
        turns = MaintenanceWatchService(self.connections, instruments)
        upkeep = UpkeepService(self.connections, instruments.upkeep)
        cleanup = CleanupService(
            self.connections, self.settings.cleanup, instruments, secrets.randbits(62), self.instance
        )
        rates = CloseRatesService(self.connections)
        watches = [blocking, stalls, findings]
        return [rates, *watches, events, webhooks, turns, upkeep, cleanup, *self._notify(me), *rosters]

    def _notify(self, me: int) -> list[Service]:
        if not self.channels:
            return []
        settings, instruments = self.settings.notify, self.exposition.instruments
        look = NotifyLookService(
            self.connections, settings, self.channels, instruments, self._presence_once, new_message_id
        )
        send = NotifyService(
            self.connections, settings, self.channels, instruments, me, Random().random, new_message_id
        )
        return [look, send]

    def apply(self, settings: Settings) -> None:
        """Uses what can be used at once: `configuration.AT_RUN_TIME`."""
        configure_logs(settings.log.level, settings.log.format, self.instance)
        self.connections.resize(settings.connections)
        if self._drain is not None:
            self._drain.drain.request = BatchRequest(ready=settings.drain.batch_leads)
            self._drain.concurrency = settings.drain.concurrency
            self._drain.poll_interval_s = settings.drain.poll_interval_s


def made_docs_page() -> str:
    """The description of all operations, for people."""
    from ops.api.operations import API_VERSION, api_operations  # noqa: PLC0415 - as in Services

    return docs_page(openapi(api_operations(), API_VERSION))


def new_message_id() -> str:
    """What receivers recognise a message of the notifier by."""
    return f"ntf_{secrets.token_hex(10)}"


async def lanes_can_be_worked(connections: Connections, deadline_s: float) -> None:
    """A readiness check. Raises LanesBlocked with the session that has a table locked that batches write."""
    async with connections.acquire(Part.DUTIES, deadline_s) as conn:
        await check_lanes(conn, deadline_s)


async def or_journalled(about: str, check: Check, journal: Journal, health: Health, deadline_s: float) -> None:
    """A readiness check: while leads that cannot be stored are journalled, work is still to be sent here. `about` is
    what is checked, and where `health` has it meanwhile.
    """
    try:
        async with asyncio.timeout(deadline_s * 0.9):
            await check(deadline_s * 0.9)
    except Exception as error:
        if journal.refuses or not (is_away(error) or isinstance(error, LanesBlocked)):
            health.degraded.pop(about, None)
            raise
        away = is_away(error)
        what = "the database is away, leads are journalled"
        if not away:
            what = "a table is locked, so nothing is routed; leads that cannot be stored are journalled"
        health.degraded[about] = f"{what}: {mask_passwords(str(error))}"
        health.finding_codes[about] = LEADS_JOURNALLED if away else str(Reason.DATABASE_BUSY)
    else:
        health.degraded.pop(about, None)


async def clocks_agree(clocks: ClockWatch, _deadline_s: float) -> None:
    """A readiness check. Raises ClockDisputed while nothing is routed, as nobody knows what time it is."""
    if clocks.disputed:
        raise ClockDisputed(clocks.problem or "")


async def record_server_settings(instance: str, conn: Connection, seen: ServerSettings) -> None:
    """Records what of the server's settings is not as it was recorded last, by any instance."""
    for change in await record_differences(
        conn, instance, "server", seen.values, {}, "seen by this instance", is_known=seen.is_known
    ):
        # At a first start nothing is known from before, and each of them would be a line.
        if change.before:
            log.info(
                "server setting differs from before", setting=change.name, before=change.before, after=change.after
            )
