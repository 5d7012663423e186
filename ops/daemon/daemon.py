"""Running the daemon: its services, under the name of this process, until a signal."""

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version

from ops.daemon.services import Role, Services
from ops.daemon.telemetry import open_telemetry
from ops.embedded.servers import UNREACHABLE, database_shown, ensure_schema, open_unmigrated
from ops.embedded.urls import ServersError
from ops.notify.channels import configured_channels
from ops.roster_sync.sources import configured_sources
from router.drain.redis_hints import HintsSender
from router.intake.journal import Journal, JournalUnusable, open_journal
from router.runtime.health import Health
from router.runtime.lifeline import MonotonicClock
from router.runtime.service_manager import service_manager
from router.runtime.signals import on_hangup, stop_on_signals
from router.runtime.supervisor import StartRefused, Supervisor
from router.settings.model import JournalSettings, Settings
from router.store.connections.connections import open_connections
from router.telemetry.instruments import Instruments
from router.telemetry.logs import get_logger

log = get_logger(__name__)

# Beyond the stop deadline of the supervisor, the process ends whatever still holds it.
_LAST_WORD_S = 0.8
_JOBS_S = 0.6
# The server ends a statement of the drain long before, and the watch finds dead wires: the last resort for wires that
# only seem to be alive, longer than a duty may count.
_STATEMENT_DEADLINE_S = 300.0


async def run_daemon(
    settings: Settings,
    roles: frozenset[Role],
    reread: Callable[[], Settings],
    say: Callable[[str], None] | None = None,
) -> None:
    """Runs until SIGINT or SIGTERM. A configured database that is away at the start is waited for. With `say`, a
    first token is made and shown where there is none.

    Raises ServersError without servers, InvalidFile for a file of views or channels that cannot be read, and
    ServiceLost when a service cannot start or crashed too often.
    """
    manager = service_manager(os.environ)
    instance = f"{socket.gethostname()}-{os.getpid()}"
    sources = tuple(configured_sources(settings).values()) if Role.DUTIES in roles else ()
    channels = configured_channels(settings) if Role.DUTIES in roles else ()
    health = Health(MonotonicClock().monotonic)
    database = database_shown(settings)
    # Before anything is opened: a wrong one is seen even where it does not answer.
    log.info("starting", instance=instance, database=database)
    if say is not None:
        say(f"database: {database}")
    async with open_unmigrated(settings, create=True, tell=say) as urls:
        found = False
        with suppress(*UNREACHABLE):
            await ensure_schema(settings, urls)
            found = True

        async def schema() -> None:
            if found:
                return
            try:
                await ensure_schema(settings, urls)
            except ServersError as error:
                raise StartRefused(str(error)) from error

        # Embedded servers are one process's, or at least one machine's: LISTEN works there.
        sender = HintsSender(urls.redis) if urls.redis and settings.database_url else None
        with open_telemetry(settings, instance, version("lead-router")) as exposition:
            async with (
                open_connections(
                    urls.database,
                    settings.connections,
                    exposition.instruments,
                    instance=instance,
                    statement_deadline_s=_STATEMENT_DEADLINE_S,
                    announce=sender.send if sender else None,
                ) as connections,
                _journal(settings, roles, exposition.instruments) as journal,
            ):
                services = Services(
                    settings,
                    urls,
                    roles,
                    instance,
                    connections,
                    health,
                    exposition,
                    schema,
                    reread,
                    sources,
                    say,
                    journal,
                    sender,
                    channels,
                    manager,
                )
                supervisor = Supervisor(
                    services.build(),
                    settings.supervision,
                    health,
                    instruments=exposition.instruments,
                    # A statement that was cancelled waits for the server's answer, which a dead wire never brings.
                    late=connections.stock.abandon,
                )
                give_up_s = settings.supervision.stop_deadline_s + _LAST_WORD_S
                with stop_on_signals(supervisor.stop, give_up_s), on_hangup(services.reloading.ask, supervisor.stop):
                    log.info("started", instance=instance, roles=sorted(roles))
                    try:
                        await supervisor.run()
                    finally:
                        # While there are connections, so that other instances hear of it.
                        await services.jobs.stop(_JOBS_S)
        log.info("stopped", instance=instance)


@asynccontextmanager
async def _journal(
    settings: Settings, roles: frozenset[Role], instruments: Instruments
) -> AsyncIterator[Journal | None]:
    """The journal of a process that accepts leads. Raises StartRefused when it cannot be used."""
    wanted = settings.journal if Role.API in roles else JournalSettings()
    try:
        async with open_journal(wanted, instruments) as journal:
            yield journal
    except JournalUnusable as error:
        raise StartRefused(str(error)) from error
