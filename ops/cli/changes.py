"""`lead-router changes`: what was changed lately, by whom, and why."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import click

from ops.cli.context import Context, async_command, console, json_option, print_json
from ops.cli.options import filter_option, instant, require_tenant, since
from ops.documents.changes import document
from router.domain.phrases import count
from router.domain.written_time import SERVICE_ZONE, in_column, written
from router.store.change_log import Entry, read_changes
from router.store.changes import SERVICE
from router.store.leads import database_clock
from router.store.tenants import all_tenants

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


@click.command()
@click.option("--since", "begin", metavar="TIME", callback=since, help="Since a time, or 24h ago (default: 24h).")
@click.option(
    "--around",
    metavar="TIME",
    callback=instant,
    help="What was changed in the hour before a time, and in the one after.",
)
@filter_option("Of this tenant and of the service (default: of all).")
@click.option("--limit", type=click.IntRange(min=1, max=10_000), default=200, show_default=True, help="The latest N.")
@json_option
@async_command
async def changes(
    context: Context,
    /,
    *,
    begin: datetime | timedelta | None,
    around: datetime | None,
    tenant_name: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show what was changed, by whom and why.

    Settings of the service and of the server, rules, rosters, customers, what people did to leads and tenants,
    instances that started, stopped or died (known for a week), the schema. The latest last. Passwords are never shown.

    \b
    Example:
      lead-router changes --since 24h
      lead-router changes --tenant acme --around 2026-11-28T09:40Z
    """
    if begin is not None and around is not None:
        raise click.UsageError("--since and --around: one of them at a time")
    async with context.connection() as conn:
        tenants = [await require_tenant(conn, tenant_name)] if tenant_name else await all_tenants(conn)
        now = await database_clock(conn)
        first, last = _span(now, begin, around)
        ids = [SERVICE, *(tenant.tenant_id for tenant in tenants)]
        # One more than is shown tells whether there are more.
        found = await read_changes(conn, ids, first, last, limit + 1)
    more, shown = len(found) > limit, found[:limit][::-1]
    names = {tenant.tenant_id: tenant.name for tenant in tenants}
    if as_json:
        print_json(document(shown, names, first, last, more=more))
    else:
        zone_name = tenants[0].time_zone if tenant_name else SERVICE_ZONE
        _print(shown, names, zone_name, first, last, limit if more else None)


def _span(now: datetime, begin: datetime | timedelta | None, around: datetime | None) -> tuple[datetime, datetime]:
    if around is not None:
        return around - _HOUR, around + _HOUR
    # What a wrong clock has dated ahead is shown, too.
    return (begin if isinstance(begin, datetime) else now - (begin or _DAY)), now + 100 * 365 * _DAY


def _print(
    entries: Sequence[Entry],
    names: Mapping[int, str],
    zone_name: str,
    first: datetime,
    last: datetime,
    cut_at: int | None,
) -> None:
    from rich.table import Table  # noqa: PLC0415 - `--json` needs none

    out = console()
    if not entries:
        out.print(f"nothing was changed between {written(first, zone_name)} and {written(last, zone_name)}")
        return
    table = Table(box=None, pad_edge=False)
    for title in (f"when ({zone_name})", "tenant", "who", "what", "from", "to", "why"):
        table.add_column(title, overflow="fold")
    for entry in entries:
        what = f"{entry.action}: {entry.subject}" if entry.subject else entry.action
        when = in_column(entry.at, zone_name)
        tenant = names.get(entry.tenant_id, "-")
        table.add_row(when, tenant, entry.actor or "-", what, entry.before, entry.after, entry.why)
    out.print(table)
    if cut_at is not None:
        out.print(f"the latest {count(cut_at, 'change')}; there are more: --limit, or a shorter --since")
