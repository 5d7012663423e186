"""`lead-router up`: everything in one process tree."""

import click

from ops.cli.context import Context, async_command
from ops.cli.serve import run_until_signal
from ops.daemon.services import Role


@click.command()
@async_command
async def up(context: Context) -> None:
    """Run everything in one process tree until Ctrl-C, on the embedded servers (or the configured ones).

    \b
    Example:
      lead-router up
    """
    await run_until_signal(context, frozenset(Role), lambda words: click.echo(words, err=False))
