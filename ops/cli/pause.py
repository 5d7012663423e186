"""`lead-router pause` and `lead-router resume`: nothing of a tenant is routed for a while."""

from datetime import timedelta

import click

from ops.cli.context import Context, Found, async_command, console, json_option, print_json
from ops.cli.options import current_user, require_tenant, span, why_option
from router.domain.written_time import written
from router.store.errors import LockNotAvailable
from router.store.pauses import Pause
from router.store.pauses import pause as pause_tenant
from router.store.pauses import resume as resume_tenant
from router.store.tenants import Tenant


@click.command()
@click.argument("tenant_name", metavar="TENANT")
@click.option(
    "--for", "span", required=True, metavar="TIME", callback=span, help="How long from now: 90s, 30m, 4h, 2d."
)
@why_option(required=True)
@json_option
@async_command
async def pause(context: Context, tenant_name: str, span: timedelta, why: str, as_json: bool) -> None:
    """Route nothing of TENANT for a while. Leads are still accepted, and wait; assign works.

    A batch that runs is waited for, so afterwards nothing moves. A pause that is in force is replaced. It expires
    automatically.

    \b
    Example:
      lead-router pause acme --for 30m --why "CRM upgrade"
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        try:
            made, before = await pause_tenant(conn, tenant, span, current_user(), why)
        except LockNotAvailable as error:
            raise _lane_locked(tenant) from error
    if as_json:
        print_json({"tenant": tenant.name, "pause": _document(made), "replaced": _document(before)})
        return
    out = console()
    out.print(f"{tenant.name} is paused {_words(made, tenant)}")
    if before is not None:
        out.print(f"it was paused {_words(before, tenant)}")
    out.print(f"to end it sooner: lead-router resume {tenant.name}")


@click.command()
@click.argument("tenant_name", metavar="TENANT")
@why_option()
@json_option
@async_command
async def resume(context: Context, tenant_name: str, why: str, as_json: bool) -> None:
    """End the pause of TENANT: its leads are routed again at once.

    \b
    Example:
      lead-router resume acme --why "the upgrade is done"
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        try:
            before = await resume_tenant(conn, tenant, current_user(), why)
        except LockNotAvailable as error:
            raise _lane_locked(tenant) from error
    if as_json:
        print_json({"tenant": tenant.name, "resumed": before is not None, "was": _document(before)})
    elif before is None:
        console().print(f"{tenant.name} is not paused; nothing changed")
    else:
        console().print(f"{tenant.name} resumed (was paused {_words(before, tenant)})")


def _lane_locked(tenant: Tenant) -> Found:
    return Found(
        f"the lane of {tenant.name} is locked; nothing changed, try again "
        f"(lead-router status --tenant {tenant.name} shows the holder)"
    )


def _document(found: Pause | None) -> dict[str, str] | None:
    return None if found is None else {"until": found.until.isoformat(), "why": found.why}


def _words(found: Pause, tenant: Tenant) -> str:
    return f"until {written(found.until, tenant.time_zone, seconds=True)}: {found.why}"
