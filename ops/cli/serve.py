"""`lead-router serve`: the daemon against configured servers."""

from collections.abc import Callable

import click

from ops.cli.context import CannotRun, Context, Found, async_command
from ops.daemon.daemon import run_daemon
from ops.daemon.services import Role
from ops.embedded.servers import no_database
from router.runtime.supervisor import ServiceLost, StartRefused


@click.command()
@click.option(
    "--role",
    "roles",
    default="drain,api,duties",
    show_default=True,
    metavar="ROLES",
    help="What this process does, comma-separated: drain, api, duties, console.",
)
@async_command
async def serve(context: Context, roles: str) -> None:
    """Run the daemon until SIGTERM or Ctrl-C, on the configured servers (LEAD_ROUTER_DATABASE_URL).

    Several may run at once. The first signal finishes the batch and exits with 0; a second one exits at once.

    \b
    Example:
      LEAD_ROUTER_DATABASE_URL=postgresql://router@db/router lead-router serve --role drain
    """
    if context.settings.database_url is None:
        raise CannotRun(no_database(context.settings))
    await run_until_signal(context, read_roles(roles))


async def run_until_signal(context: Context, roles: frozenset[Role], say: Callable[[str], None] | None = None) -> None:
    """Raises Found when a service cannot start or crashed too often."""
    try:
        await run_daemon(context.settings, roles, context.reread or (lambda: context.settings), say)
    except StartRefused as error:
        raise Found(str(error)) from error
    except ServiceLost as error:
        raise Found(f"{error}; see the log") from error


def read_roles(text: str) -> frozenset[Role]:
    """Raises CannotRun for an unknown role."""
    try:
        return frozenset(Role(part.strip()) for part in text.split(","))
    except ValueError:
        raise CannotRun(f"--role {text!r}: unknown role; known are {', '.join(Role)}") from None
