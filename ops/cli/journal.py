"""`lead-router journal`: leads that were accepted while the database was away, in a file on this host."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from msgspec import structs
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from ops.cli.context import EXIT_FOUND, CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import current_user, why_option
from ops.cli.screen import Screen
from router.domain.phrases import count
from router.domain.written_time import written, written_or_dash
from router.intake.journal import Journal, JournalRefused, JournalUnusable, open_journal
from router.intake.journal_drain import ForeignJournal, drain_batch, report
from router.intake.journal_reading import (
    JournalContents,
    JournalEntry,
    read_contents,
    read_entries,
    read_entry,
)
from router.store.journal import give_up_journal
from router.store.statements import Connection

_file_option = click.option(
    "--file", type=click.Path(path_type=Path), metavar="FILE", help="Another journal than that of the settings."
)


@click.command("list")
@_file_option
@click.option("--set-aside", is_flag=True, help="Only leads that the database refused.")
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="So many leads at most.")
@json_option
@async_command
async def list_(context: Context, file: Path | None, set_aside: bool, limit: int, as_json: bool) -> None:
    """Show what is in the journal: leads by tenant, and the first of them. Works without the database.

    \b
    Example:
      lead-router journal list --set-aside
    """
    path = _path(context, file)
    try:
        contents, entries = read_contents(path), read_entries(path, limit, set_aside=set_aside)
    except JournalUnusable as error:
        raise CannotRun(str(error)) from error
    if as_json:
        print_json({**_document(contents), "entries": [_entry_document(one) for one in entries]})
    else:
        _show(console(), contents, entries)


@click.command()
@click.argument("number", type=int)
@_file_option
@json_option
@async_command
async def show(context: Context, number: int, file: Path | None, as_json: bool) -> None:
    """Show all that one lead of the journal says: NUMBER as in the list. Works without the database.

    \b
    Example:
      lead-router journal show 4711
    """
    path = _path(context, file)
    try:
        entry = read_entry(path, number)
    except JournalUnusable as error:
        raise CannotRun(str(error)) from error
    if entry is None:
        raise Found(
            f"there is no lead {number} in {path} (any more): it may be in the database; lead-router journal list"
        )
    facts = None if entry.lead is None else {**entry.lead._asdict(), "malformed": sorted(entry.lead.malformed)}
    if as_json:
        print_json({**_entry_document(entry), "lead": facts})
        return
    for name, value in {**_entry_document(entry), **(facts or {})}.items():
        if value not in (None, "", []):
            console().print(f"{name}: {', '.join(value) if isinstance(value, list) else value}", highlight=False)


@click.command()
@_file_option
@click.option("--set-aside", is_flag=True, help="Also those that the database refused: try them again.")
@click.option("--adopt", is_flag=True, help="The database took the place of the one for which the journal was filled.")
@json_option
@async_command
async def drain(context: Context, file: Path | None, set_aside: bool, adopt: bool, as_json: bool) -> int:
    """Move the leads of a journal that no process uses into the database. A running daemon does it by itself.

    Ctrl-C is safe: run it again, and it does the rest. Exit code 1 = the database refuses some, which stay in the file.

    \b
    Example:
      lead-router journal drain
      lead-router journal drain --file /srv/dead-host/journal.db
    """
    path = _path(context, file)
    if not path.exists():
        raise CannotRun(f"there is no journal {path}; --file names another one")
    async with context.connection() as conn:
        try:
            async with open_journal(structs.replace(context.settings.journal, file=path)) as journal:
                assert journal is not None
                await report(conn, journal, current_user(), adopt=adopt)
                if set_aside:
                    for tenant_id in journal.books:
                        await journal.try_again(tenant_id)
                with _shown(journal.waiting, hidden=as_json) as progress:
                    drained = await _drain(conn, journal, progress)
                await report(conn, journal, current_user())
                left = journal.leads
        except (JournalUnusable, ForeignJournal) as error:
            raise CannotRun(str(error)) from error
        except JournalRefused as error:
            raise Found(f"{error}; what was drained is in the database, run it again") from error
    if as_json:
        print_json({"file": str(path), "drained": drained, "set_aside": left})
    else:
        console().print(f"{count(drained, 'lead')} drained from {path}")
        if left:
            console().print(f"{count(left, 'lead')} set aside: lead-router journal list --set-aside")
    return EXIT_FOUND if left else 0


@click.command()
@click.argument("journal_id", metavar="JOURNAL", type=int)
@why_option(required=True)
@json_option
@async_command
async def forget(context: Context, journal_id: int, why: str, as_json: bool) -> None:
    """Give up the leads of JOURNAL (its number, see doctor), whose file is lost for good. Recorded.

    They count as accepted no more. A file that turns up later can still be drained.

    \b
    Example:
      lead-router journal forget 3141592653589793238 --why "disk of web-3 destroyed"
    """
    async with context.connection() as conn:
        lost = await give_up_journal(conn, journal_id, current_user(), why)
    if not lost:
        raise Found(
            f"the database knows of no leads in a journal {journal_id}; lead-router doctor --only leads_journalled"
        )
    if as_json:
        print_json({"journal": journal_id, "given_up": sum(lost.values())})
    else:
        console().print(f"{count(sum(lost.values()), 'lead')} of journal {journal_id} given up")


async def _drain(conn: Connection, journal: Journal, progress: Callable[[int], None]) -> int:
    """A batch of each tenant in turn."""
    drained = 0
    while waiting := [tenant_id for tenant_id, books in journal.books.items() if books.leads]:
        for tenant_id in sorted(waiting):
            done = await drain_batch(conn, journal, tenant_id)
            drained += done.accepted
            progress(drained)
    return drained


class _shown:  # noqa: N801 - used as a function
    """How far the drain is, on stderr."""

    def __init__(self, total: int, *, hidden: bool) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        screen = Screen(stderr=True)
        self._bar = Progress(*columns, console=screen, transient=True, disable=hidden or not screen.is_terminal)
        self._task = self._bar.add_task("leads drained", total=total)

    def __enter__(self) -> Callable[[int], None]:
        self._bar.start()
        return lambda done: self._bar.update(self._task, completed=done)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def _path(context: Context, file: Path | None) -> Path:
    """That of `--file`, of the settings, or of `up`."""
    settings = context.settings
    return file or settings.journal.file or settings.data_dir / "journal.db"


def _show(out: Console, contents: JournalContents, entries: list[JournalEntry]) -> None:
    used = "no process uses it" if contents.holder is None else f"used by process {contents.holder or '(unknown)'}"
    size = f"{contents.bytes / (1 << 20):.1f} MB"
    out.print(
        f"{contents.path}: {count(contents.waiting, 'lead')} waiting, {contents.set_aside:,} set aside, {size}, {used}",
        soft_wrap=True,
    )
    tenants = Table("tenant number", "waiting", "set aside", "oldest", "taken in all", box=None, pad_edge=False)
    for tenant_id, books in sorted(contents.tenants.items()):
        oldest = contents.oldest_at.get(tenant_id)
        since = written_or_dash(oldest, seconds=True)
        tenants.add_row(str(tenant_id), f"{books.leads:,}", f"{books.set_aside:,}", since, f"{books.taken:,}")
    if contents.tenants:
        out.print(tenants)
    if entries:
        out.print(_entries_table(entries))


def _entries_table(entries: list[JournalEntry]) -> Table:
    table = Table(
        "number", "tenant number", "source", "external id", "arrived", "refused because", box=None, pad_edge=False
    )
    for one in entries:
        arrived = written(one.arrived_at, seconds=True)
        table.add_row(str(one.sequence), str(one.tenant_id), one.source, one.external_id, arrived, one.reason or "")
    return table


def _document(contents: JournalContents) -> dict[str, Any]:
    return {
        "file": str(contents.path),
        "journal": contents.journal_id,
        "used_by": contents.holder,
        "bytes": contents.bytes,
        "waiting": contents.waiting,
        "set_aside": contents.set_aside,
        "tenants": [
            {
                "tenant_id": tenant_id,
                "waiting": books.leads,
                "set_aside": books.set_aside,
                "taken": books.taken,
                "oldest_at": contents.oldest_at.get(tenant_id),
            }
            for tenant_id, books in sorted(contents.tenants.items())
        ],
    }


def _entry_document(entry: JournalEntry) -> dict[str, Any]:
    return {
        "number": entry.sequence,
        "tenant_id": entry.tenant_id,
        "source": entry.source,
        "external_id": entry.external_id,
        "arrived_at": entry.arrived_at,
        "refused_at": entry.refused_at,
        "reason": entry.reason,
    }
