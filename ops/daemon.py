"""Running the daemon: the router's services, under the name of this process."""

import os
import socket

from ops.roster.duty import RosterSync
from ops.roster.sources import configured_sources
from ops.stall import StallWatch
from router.app import Instance, Role, run_daemon
from router.cli.context import Context, Found
from router.exposition import Exposition
from router.service import Service, ServiceLost, StartRefused
from router.store.connections import Connections


async def run(context: Context, roles: frozenset[Role]) -> None:
    """Runs until a signal. Raises Found when a service cannot start or died too often, CannotRun without servers."""
    sources = configured_sources(context.settings) if Role.DUTIES in roles else {}

    def duties(connections: Connections, exposition: Exposition) -> list[Service]:
        if Role.DUTIES not in roles:
            return []
        watch = StallWatch(connections, context.settings.locks, exposition.instruments, instance.name)
        return [watch, *(RosterSync(connections, source, exposition.instruments) for source in sources.values())]

    instance = Instance(f"{socket.gethostname()}-{os.getpid()}", roles)
    async with context.open() as urls:
        try:
            await run_daemon(context.settings, urls.database, instance, redis_url=urls.redis, extra=duties)
        except StartRefused as error:
            raise Found(str(error)) from error
        except ServiceLost as error:
            raise Found(f"{error}; see the log") from error
