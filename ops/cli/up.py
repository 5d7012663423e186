"""`lead-router up`: everything in one process tree."""

import click

from ops.cli.context import Context, async_command
from ops.daemon.app import Role
from ops.daemon.daemon import run


@click.command()
@async_command
async def up(context: Context) -> None:
    """Run everything in one process tree until Ctrl-C, on the embedded servers (or the configured ones).

    \b
    Example:
      lead-router up
    """
    await run(context, frozenset(Role))
