"""`lead-router up`: everything in one process tree."""

from dataclasses import replace

import click
from msgspec import structs

from ops.cli.context import Context, async_command
from ops.cli.serve import run_until_signal
from ops.daemon.services import Role
from router.settings.model import Settings


@click.command()
@async_command
async def up(context: Context) -> None:
    """Run everything in one process tree until Ctrl-C, on the embedded servers (or the configured ones).

    Leads that come while the database is away are kept in journal.db in the data folder (or in journal.file).

    \b
    Example:
      lead-router up
    """
    await run_until_signal(with_journal(context), frozenset(Role), lambda words: click.echo(words, err=False))


def with_journal(context: Context) -> Context:
    """A journal in the data folder, where the settings name none: here both last as long as each other."""
    reread = context.reread
    return replace(
        context, settings=_with_journal(context.settings), reread=reread and (lambda: _with_journal(reread()))
    )


def _with_journal(settings: Settings) -> Settings:
    if settings.journal.file is not None:
        return settings
    file = settings.data_dir / "journal.db"
    return structs.replace(settings, journal=structs.replace(settings.journal, file=file))
