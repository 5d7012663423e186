"""`lead-router serve`: the daemon against configured servers."""

import click

from ops.cli.context import CannotRun, Context, async_command
from ops.daemon.app import Role
from ops.daemon.daemon import run


@click.command()
@click.option(
    "--role",
    "roles",
    default="drain,duties",
    show_default=True,
    metavar="ROLES",
    help="What this process does, comma-separated: drain, duties.",
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
        raise CannotRun("no database is configured: set LEAD_ROUTER_DATABASE_URL, or use `lead-router up`")
    await run(context, read_roles(roles))


def read_roles(text: str) -> frozenset[Role]:
    """Raises CannotRun for a role that there is not."""
    try:
        return frozenset(Role(part.strip()) for part in text.split(","))
    except ValueError:
        raise CannotRun(f"--role {text!r}: there are {', '.join(Role)}") from None
