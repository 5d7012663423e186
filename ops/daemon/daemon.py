"""Running the daemon: the router's services, under the name of this process."""

import os
import socket
from contextlib import suppress

from ops.blocking.stall_watch import StallWatch
from ops.cli.context import CannotRun, Context, Found
from ops.daemon.app import Instance, Role, Surroundings, run_daemon
from ops.embedded.servers import UNREACHABLE, ensure_schema, open_unmigrated
from ops.roster.duty import RosterSync
from ops.roster.sources import configured_sources
from router.runtime.supervisor import Service, ServiceLost, StartRefused
from router.store.connections.connections import Connections
from router.telemetry.exposition import Exposition


async def run(context: Context, roles: frozenset[Role]) -> None:
    """Runs until a signal. Raises Found when a service cannot start or died too often, CannotRun without servers.

    A configured database that is away at the start is waited for; one that refuses us is not.
    """
    settings = context.settings
    sources = configured_sources(settings) if Role.DUTIES in roles else {}

    def duties(connections: Connections, exposition: Exposition) -> list[Service]:
        if Role.DUTIES not in roles:
            return []
        watch = StallWatch(connections, context.settings.locks, exposition.instruments, instance.name)
        return [watch, *(RosterSync(connections, source, exposition.instruments) for source in sources.values())]

    instance = Instance(f"{socket.gethostname()}-{os.getpid()}", roles)
    async with open_unmigrated(settings) as urls:
        found = False
        with suppress(*UNREACHABLE):
            await ensure_schema(settings, urls)
            found = True

        async def schema() -> None:
            if found:
                return
            try:
                await ensure_schema(settings, urls)
            except CannotRun as error:
                raise StartRefused(str(error)) from error

        around = Surroundings(urls.database, urls.redis, schema, context.reread or (lambda: settings))
        try:
            await run_daemon(settings, around, instance, extra=duties)
        except StartRefused as error:
            raise Found(str(error)) from error
        except ServiceLost as error:
            raise Found(f"{error}; see the log") from error
