"""`lead-router cleanup`: what is past its retention goes, at once and by hand."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import click
from opentelemetry.metrics import NoOpMeter
from rich.table import Table

from ops.cleanup.catalogue import CLEANED
from ops.cleanup.cleaner import LEASE_S, Cleaner, LeaseLost, Outcome, Result
from ops.cleanup.plan import would_remove
from ops.cli.context import EXIT_FOUND, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import current_user, filter_option, require_tenant
from ops.cli.progress import progress_of
from router.settings.model import CleanupSettings
from router.store.cleanup import give_back_lease, take_lease
from router.store.statements import Connection
from router.store.tenants import Tenant, all_tenants
from router.telemetry.instruments import Instruments

_PARTITIONS = "(partitions)"
_TURNS, _TURN_S = 20, 0.25


@click.command()
@click.option("--dry-run", is_flag=True, help="Count what would be removed; change nothing.")
@click.option("--table", "tables", metavar="T", multiple=True, type=click.Choice(CLEANED), help="Only this table.")
@filter_option("Only this tenant (default: all, and the partitions).")
@json_option
@async_command
async def cleanup(
    context: Context, dry_run: bool, tables: tuple[str, ...], tenant_name: str | None, as_json: bool
) -> int:
    """Remove what is past its retention now, beside the drain: closed leads, history and records.

    The service does so by itself, in the window of `cleanup.window`; this does not wait for it. It works slowly while
    leads wait, and stops where the drain gets slower. May be stopped at any time; run again, it does the rest.

    Exit code 1 when something old is left: the brake stopped it, or another session has rows or a partition locked.

    \b
    Example:
      lead-router cleanup --dry-run
      lead-router cleanup --table flight --tenant acme
    """
    settings = context.settings.cleanup
    async with context.connection() as conn:
        tenants = [await require_tenant(conn, tenant_name)] if tenant_name else await all_tenants(conn)
        expected = await would_remove(conn, tenants, settings, tables)
        if tenant_name:
            expected.pop("", None)
        if dry_run:
            _show({name: (rows, None) for name, rows in expected.items()}, as_json, dry_run=True)
            return 0
        results = await _clean(conn, settings, tenants, tables, expected, partitions=not tenant_name, hidden=as_json)
    _show({name: (dict(one.removed), one) for name, one in results.items()}, as_json, dry_run=False)
    left = any(one.outcome is not Outcome.DONE or one.note for one in results.values())
    return EXIT_FOUND if left else 0


async def _clean(
    conn: Connection,
    settings: CleanupSettings,
    tenants: Collection[Tenant],
    tables: Collection[str],
    expected: dict[str, dict[str, int]],
    *,
    partitions: bool,
    hidden: bool,
) -> dict[str, Result]:
    """By tenant ("" = partitions of all). Raises Found while another process cleans."""
    results, holder, done = dict[str, Result](), secrets.randbits(62), 0

    @asynccontextmanager
    async def ours() -> AsyncIterator[Connection]:
        yield conn

    with progress_of("rows", sum(sum(one.values()) for one in expected.values()), hidden=hidden) as bar:

        def seen(_table: str, rows: int) -> None:
            nonlocal done
            done += rows
            bar(done)

        cleaner = Cleaner(ours, settings, holder, current_user(), Instruments(NoOpMeter("lead_router")), seen=seen)
        try:
            await _turn(conn, holder)
            if partitions and (found := await cleaner.partitions(tables)) is not None:
                results[""] = found
            for tenant in tenants:
                results[tenant.name] = await cleaner.tenant(tenant, tables)
        except LeaseLost:
            raise Found("another process cleans up right now; lead-router status shows how far it is") from None
        finally:
            await give_back_lease(conn, holder)
    return results


async def _turn(conn: Connection, holder: int) -> None:
    """A service has the right to clean for moments, too, when it only looks. Raises LeaseLost."""
    for _ in range(_TURNS):
        if await take_lease(conn, holder, LEASE_S):
            return
        await asyncio.sleep(_TURN_S)
    raise LeaseLost


def _show(found: dict[str, tuple[dict[str, int], Result | None]], as_json: bool, *, dry_run: bool) -> None:
    if as_json:
        print_json({"dry_run": dry_run, "tenants": [_document(name, *one) for name, one in found.items()]})
        return
    out, table = console(), Table("tenant", "table", "rows", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for name, (rows, _) in found.items():
        for what, n in rows.items():
            table.add_row(name or _PARTITIONS, what, f"{n:,}")
    out.print(table if table.rows else "nothing is past its retention")
    if dry_run:
        out.print("nothing changed (--dry-run)")
    for name, (_, result) in found.items():
        if result is not None and (result.note or result.outcome is not Outcome.DONE):
            note = f": {result.note}" if result.note else ""
            out.print(f"{name or _PARTITIONS}: {result.outcome}{note}; run it again", style="yellow")


def _document(name: str, rows: dict[str, int], result: Result | None) -> dict[str, Any]:
    told: dict[str, Any] = {"tenant": name or None, "removed": rows}
    return told if result is None else {**told, "outcome": str(result.outcome), "note": result.note}
