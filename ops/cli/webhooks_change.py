"""`lead-router webhooks rotate|disable|enable|remove`: changing one."""

import secrets
from datetime import timedelta

import click

from ops.cli.context import Context, async_command, console, json_option, print_json
from ops.cli.options import current_user, require_tenant, span, tenant_option, why_option
from ops.cli.webhooks_shared import begin_cursor, number_argument, webhook_known
from ops.documents.webhooks import document
from router.domain.written_time import written
from router.outbox.signing import SECRET_BYTES, new_secret
from router.store import webhooks as store
from router.store.leads import database_clock


@click.command()
@number_argument
@tenant_option
@click.option(
    "--overlap",
    default="24h",
    show_default=True,
    callback=span,
    metavar="SPAN",
    help="So long the secrets until now sign beside the new one.",
)
@why_option()
@json_option
@async_command
async def rotate(
    context: Context, *, number: int, tenant_name: str | None, overlap: timedelta, why: str, as_json: bool
) -> None:
    """Sign with a new secret, and print it; earlier ones sign beside it for a while.

    \b
    Example:
      lead-router webhooks rotate 1 --tenant acme --overlap 2d
    """
    secret = new_secret(secrets.token_bytes(SECRET_BYTES))
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        with webhook_known():
            until = await store.rotate(conn, tenant.tenant_id, number, secret, overlap, current_user(), why)
    if as_json:
        print_json({"webhook": number, "secret": secret, "earlier_secrets_until": until.isoformat()})
    else:
        console().print(f"new secret (shown this once): {secret}")
        console().print(f"earlier secrets sign until {written(until)}")


@click.command()
@number_argument
@tenant_option
@why_option()
@json_option
@async_command
async def disable(context: Context, *, number: int, tenant_name: str | None, why: str, as_json: bool) -> None:
    """Deliver nothing more to a webhook, until it is enabled.

    \b
    Example:
      lead-router webhooks disable 1 --tenant acme --why "CRM is being moved"
    """
    await _switch(context, number, tenant_name, why, None, enabled=False, as_json=as_json)


@click.command()
@number_argument
@tenant_option
@click.option("--after", metavar="CURSOR", help="Go on after this cursor, or newest (default: where it stopped).")
@why_option()
@json_option
@async_command
async def enable(
    context: Context, *, number: int, tenant_name: str | None, after: str | None, why: str, as_json: bool
) -> None:
    """Deliver to a webhook again: what happened meanwhile first.

    \b
    Example:
      lead-router webhooks enable 1 --tenant acme
    """
    await _switch(context, number, tenant_name, why, after, enabled=True, as_json=as_json)


async def _switch(
    context: Context, number: int, tenant_name: str | None, why: str, after: str | None, *, enabled: bool, as_json: bool
) -> None:
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        cursor = None if after is None else await begin_cursor(conn, tenant.tenant_id, after)
        with webhook_known():
            await store.switch(conn, tenant.tenant_id, number, current_user(), why, enabled=enabled, after=cursor)
            one = await store.webhook_numbered(conn, tenant.tenant_id, number)
        now = await database_clock(conn)
    if as_json:
        print_json(document(one, tenant.name, now))
    else:
        console().print(f"webhook {number} of {tenant.name} is {'enabled' if enabled else 'disabled'}")


@click.command()
@number_argument
@tenant_option
@why_option()
@json_option
@async_command
async def remove(context: Context, *, number: int, tenant_name: str | None, why: str, as_json: bool) -> None:
    """Remove a webhook, its secrets, and what waits for it.

    \b
    Example:
      lead-router webhooks remove 1 --tenant acme
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        with webhook_known():
            await store.remove(conn, tenant.tenant_id, number, current_user(), why)
    if as_json:
        print_json({"webhook": number, "removed": True})
    else:
        console().print(f"webhook {number} of {tenant.name} was removed")
