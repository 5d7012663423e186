"""`lead-router maintenance list`: who has a turn to clean, who waits for one, and what was removed."""

from datetime import UTC, datetime, timedelta

import click

from ops.cli.context import Context, async_command, console, json_option, print_json
from ops.cli.options import filter_option, require_tenant, since
from ops.maintenance.present import document, line
from router.store.changes import SERVICE
from router.store.maintenance import Run, runs
from router.store.statements import Connection
from router.store.tenants import all_tenants


@click.command("list")
@filter_option("Only what concerns this tenant (default: all).")
@click.option(
    "--since",
    "since_",
    default="24h",
    show_default=True,
    metavar="TIME",
    callback=since,
    help="From when on: a time, or how long ago.",
)
@json_option
@async_command
async def list_(context: Context, tenant_name: str | None, since_: datetime | timedelta, as_json: bool) -> None:
    """Show who has a turn to clean, who waits for one, and what was removed.

    \b
    Example:
      lead-router maintenance list --tenant acme --since 7d
    """
    async with context.connection() as conn:
        names, found = await _read(conn, tenant_name, since_)
    if as_json:
        print_json({"runs": [document(run, names) for run in found]})
        return
    out = console()
    for run in found:
        out.print(line(run, names))
    if not found:
        out.print("no script asked for a turn in this time")


async def _read(
    conn: Connection, tenant_name: str | None, since_: datetime | timedelta
) -> tuple[dict[int, str], list[Run]]:
    tenants = [await require_tenant(conn, tenant_name)] if tenant_name else await all_tenants(conn)
    names = {tenant.tenant_id: tenant.name for tenant in tenants}
    begin = datetime.now(UTC) - since_ if isinstance(since_, timedelta) else since_
    return names, await runs(conn, [SERVICE, *names], begin)
