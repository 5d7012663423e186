"""`lead-router up`: everything in one process tree."""

from dataclasses import replace

import click
from msgspec import structs

from ops.cli.context import Context, Found, async_command
from ops.cli.serve import run_until_signal
from ops.console.service import keep_key
from ops.daemon.services import Role
from router.runtime.supervisor import StartRefused
from router.settings.model import Settings


@click.command()
@async_command
async def up(context: Context) -> None:
    """Run everything in one process tree until Ctrl-C, on the embedded servers (or the configured ones).

    Leads that come while the database is away are kept in journal.db in the data folder (or in journal.file). The
    console is at http://127.0.0.1:8382/ unless console.port says otherwise; the first start shows a token for it.

    \b
    Example:
      lead-router up
    """
    context = with_files(context)
    if context.settings.console.key_file is not None:
        try:
            keep_key(context.settings.console.key_file)
        except StartRefused as error:
            raise Found(str(error)) from error
    await run_until_signal(context, frozenset(Role), lambda words: click.echo(words, err=False))


def with_files(context: Context) -> Context:
    """A journal and the key of sessions in the data folder, where the settings name none: here all last as long as
    each other.
    """
    reread = context.reread
    return replace(context, settings=_with_files(context.settings), reread=reread and (lambda: _with_files(reread())))


def _with_files(settings: Settings) -> Settings:
    journal, console, folder = settings.journal, settings.console, settings.data_dir
    return structs.replace(
        settings,
        journal=structs.replace(journal, file=journal.file or folder / "journal.db"),
        console=structs.replace(console, key_file=console.key_file or folder / "console.key"),
    )
