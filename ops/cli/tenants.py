"""`lead-router tenants`: add and list."""

from dataclasses import asdict

import click
from rich.table import Table

from ops.cli.context import CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import current_user, require_tenant, why_option
from router.domain.written_time import written
from router.store import tenants as store
from router.store.events import feed_state, switch


@click.command()
@click.argument("name")
@click.option("--time-zone", required=True, metavar="ZONE", help="IANA name of the zone of its business day.")
@json_option
@async_command
async def add(context: Context, name: str, time_zone: str, as_json: bool) -> None:
    """Create the tenant NAME. Doing it twice is fine.

    \b
    Example:
      lead-router tenants add acme --time-zone Asia/Shanghai
    """
    async with context.creating_connection() as conn:
        try:
            tenant = await store.add(conn, name, time_zone)
        except store.TenantExists as error:
            raise Found(str(error)) from error
        except store.TenantError as error:
            raise CannotRun(str(error)) from error
    if as_json:
        print_json(asdict(tenant))
    else:
        console().print(f"tenant {tenant.name} (number {tenant.tenant_id}) in {tenant.time_zone}")


@click.command("list")
@json_option
@async_command
async def list_(context: Context, as_json: bool) -> None:
    """List all tenants with the versions in force.

    \b
    Example:
      lead-router tenants list --json
    """
    async with context.connection() as conn:
        found = await store.all_tenants(conn)
    if as_json:
        print_json([asdict(tenant) for tenant in found])
        return
    table = Table("tenant", "time zone", "roster", "ruleset", box=None, pad_edge=False)
    for tenant in found:
        table.add_row(tenant.name, tenant.time_zone, str(tenant.roster or "-"), str(tenant.ruleset or "-"))
    console().print(table if found else "no tenant yet; lead-router tenants add NAME --time-zone ZONE")


@click.command()
@click.argument("name")
@click.option("--on/--off", "enabled", default=None, help="Write events from now on, or no more (default: show which).")
@why_option()
@json_option
@async_command
async def events(context: Context, name: str, enabled: bool | None, why: str, as_json: bool) -> None:
    """Switch the writing of events of the tenant NAME on or off.

    It is on from the start, for all that change leads: routers, commands, the API. What happens while it is off never
    becomes an event. Without --on or --off it is only shown.

    \b
    Example:
      lead-router tenants events acme --off --why "no CRM beside it"
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, name)
        if enabled is None:
            since = (await feed_state(conn, tenant.tenant_id)).events_since
        else:
            since = await switch(conn, tenant.tenant_id, enabled=enabled, actor=current_user(), why=why)
    if as_json:
        print_json({"tenant": name, "events": since is not None, "since": since and since.isoformat()})
    else:
        console().print(f"events of {name}: " + (f"on since {written(since, tenant.time_zone)}" if since else "off"))
