"""`lead-router leads imports` and `leads undo-import`: what was imported, and taking it back."""

import asyncio
from collections.abc import Iterator

import click
from rich.table import Table

from ops.cli.context import EXIT_FOUND, CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import current_user, import_tenant_option, require_tenant, tenant_option, why_option
from ops.documents.imports import import_document, undone_document
from router.domain.phrases import count
from router.domain.text import visible
from router.domain.written_time import written
from router.manual.merge_customers import CannotMerge
from router.manual.undo_import import UndoImport, Undone
from router.store.errors import LOCK_TIMEOUTS
from router.store.imports import FREE, Import, ImportUnknown, import_numbered, imports_of
from router.store.statements import Connection
from router.store.tenants import all_tenants

SHOWN = 10


@click.command()
@tenant_option
@click.option("--most", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many to show.")
@json_option
@async_command
async def imports(context: Context, tenant_name: str | None, most: int, as_json: bool) -> None:
    """List imports of files, the youngest first: who, when, which file, and what it brought.

    \b
    Example:
      lead-router leads imports --tenant acme
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        found = await imports_of(conn, tenant.tenant_id, most)
    if as_json:
        print_json({"tenant": tenant.name, "imports": [import_document(one) for one in found]})
        return
    if not found:
        console().print(f"tenant {tenant.name} has no imports")
        return
    table = Table(
        "import", "began", "by", "file", "rows", "new", "merged", "rejected", "removed", box=None, pad_edge=False
    )
    for one in found:
        rows = f"{one.rows:,}" if one.ended_at else "not finished"
        numbers = (f"{one.new:,}", f"{one.merged:,}", f"{one.rejected:,}", f"{one.removed:,}")
        when = written(one.began_at, tenant.time_zone)
        table.add_row(str(one.import_no), when, visible(one.actor), visible(one.file), rows, *numbers)
    console().print(table)


@click.command("undo-import")
@click.argument("number", type=click.IntRange(1, 2**63 - 1), metavar="IMPORT")
@import_tenant_option
@click.option("--dry-run", is_flag=True, help="Count what would be removed, and change nothing.")
@why_option()
@json_option
@async_command
async def undo_import(
    context: Context, number: int, tenant_name: str | None, dry_run: bool, why: str, as_json: bool
) -> int:
    """Take back import IMPORT: remove its leads that no one has worked on, and name the rest.

    Removed are leads that wait, are parked or merged, and that no rep ever had. What they say of people is deleted,
    also what customers were known by only through them; they stay in the sums as `removed`. The same file can be
    imported again, with another mapping: then its leads are new ones. Leads of other imports that were merged into one
    of these wait by themselves. Recorded among the changes.

    Exit code 1 when leads stay: run it again for those that were locked.

    \b
    Example:
      lead-router leads imports --tenant acme
      lead-router leads undo-import 17 --dry-run
      lead-router leads undo-import 17 --why "wrong mapping"
    """
    async with context.connection() as conn:
        try:
            tenant_id, what = await import_numbered(conn, number)
        except ImportUnknown as error:
            raise CannotRun(str(error)) from error
        tenant = await _owner(conn, tenant_id, what, tenant_name)
        work = UndoImport(conn, tenant_id, what, current_user(), why)
        report = _Report(what, tenant, work.done, dry_run)
        try:
            await work.run(lambda: None, dry_run=dry_run)
        except CannotMerge as error:
            raise Found(str(error)) from error
        except LOCK_TIMEOUTS as error:
            raise Found(f"{report.so_far()}; then customers were locked by another session: run it again") from error
        except asyncio.CancelledError:
            click.echo(f"{report.so_far()}; stopped before the end, run it again", err=True)
            raise
    report.tell(as_json=as_json)
    return EXIT_FOUND if work.done.stays or work.done.locked else 0


async def _owner(conn: Connection, tenant_id: int, what: Import, name: str | None) -> str:
    """The name of the tenant whose import it is. Raises CannotRun where another one was named."""
    named = None if name is None else await require_tenant(conn, name)
    if named is not None and named.tenant_id == tenant_id:
        return named.name
    owner = next(tenant.name for tenant in await all_tenants(conn) if tenant.tenant_id == tenant_id)
    if named is not None:
        raise CannotRun(
            f"import {what.import_no} is of tenant {owner}, not of {named.name}; nothing was changed "
            f"(lead-router leads imports --tenant {named.name} lists those of {named.name})"
        )
    return owner


class _Report:
    """What was removed, or would be, for people and machines."""

    def __init__(self, what: Import, tenant: str, done: Undone, dry_run: bool) -> None:
        self.what = what
        self.tenant = tenant
        self.done = done
        self.dry_run = dry_run

    def so_far(self) -> str:
        """How many leads are removed by now."""
        verb = "would be removed" if self.dry_run else "removed"
        parts = ", ".join(f"{self.done.removed[state]:,} {state}" for state in FREE if self.done.removed[state])
        return f"import {self.what.import_no} of tenant {self.tenant}: {count(self.done.total, 'lead')} {verb}" + (
            f" ({parts})" if parts else ""
        )

    def tell(self, *, as_json: bool) -> None:
        if as_json:
            print_json({"tenant": self.tenant, **undone_document(self.what, self.done, dry_run=self.dry_run)})
            return
        for line in self._lines():
            console().print(line)

    def _lines(self) -> Iterator[str]:
        done = self.done
        yield f"{self.so_far()}; file {visible(self.what.file)}"
        left = sum(done.stays.values()) + done.locked
        if left:
            stays = count(left, "lead stays", "leads stay")
            yield f"{stays}: a rep has or had them, or another session has them locked"
        for one in done.named[:SHOWN]:
            who = (
                f" to {visible(one.rep_id)}"
                if one.rep_id
                else ", returned by a rep"
                if one.state in FREE and one.worked_on
                else ""
            )
            name = f"{visible(one.source)} {visible(one.external_id)}".strip()
            yield f"  lead {one.lead_id} ({name}): {one.state}{who}" + (", locked" if one.is_free else "")
        if left > SHOWN:
            yield f"  … and {left - SHOWN:,} more; --json has the first {len(done.named)}"
        if self.dry_run:
            yield "nothing changed (--dry-run)"
