"""Running the daemon: the router's services, under the name of this process."""

import os
import socket

from router.app import Instance, Role, run_daemon
from router.cli.context import Context, Found
from router.service import ServiceLost


async def run(context: Context, roles: frozenset[Role]) -> None:
    """Runs until a signal. Raises Found when a service died too often, CannotRun when the servers cannot be had."""
    instance = Instance(f"{socket.gethostname()}-{os.getpid()}", roles)
    async with context.open() as urls:
        try:
            await run_daemon(context.settings, urls.database, instance)
        except ServiceLost as error:
            raise Found(f"{error}; see the log") from error
