"""`lead-router webhooks add|list|test`: where events are delivered to."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from ops.cli.context import CannotRun, Context, async_command, console, json_option, print_json, tell
from ops.cli.options import current_user, filter_option, require_tenant, tenant_option
from ops.cli.webhooks_shared import begin_cursor, number_argument, webhook_known
from ops.documents.webhooks import document, state_of
from router.domain.phrases import duration
from router.outbox.event import TYPES
from router.outbox.signing import SECRET_BYTES, new_secret, secret_key
from router.store import webhooks as store
from router.store.leads import database_clock
from router.store.tenants import all_tenants
from router.store.webhooks import Webhook, shown_url

_types = click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    type=click.Choice(TYPES),
    help="Only this; repeatable.",
)


@click.command()
@click.argument("url")
@tenant_option
@_types
@click.option(
    "--after",
    default="newest",
    show_default=True,
    metavar="CURSOR",
    help="Deliver what happens after this cursor; or newest, or oldest: all that is kept.",
)
@click.option("--allow-private", is_flag=True, help="The URL may lead to a private address, or to this host.")
@click.option("--secret-file", type=click.File("r"), help="A file with the secret, - = stdin (default: a new secret).")
@click.option("--note", default="", help="What it is for.")
@json_option
@async_command
async def add(
    context: Context,
    *,
    url: str,
    tenant_name: str | None,
    types: Sequence[str],
    after: str,
    allow_private: bool,
    secret_file: Any,
    note: str,
    as_json: bool,
) -> None:
    """Have events delivered to URL, and print the secret that they are signed with.

    The secret is shown this once, and only where it is a new one; Standard Webhooks libraries take it as it is.
    A URL that begins with http:// is not encrypted on its way.

    \b
    Example:
      lead-router webhooks add https://crm.example.com/hooks/leads --tenant acme --type lead.assigned
    """
    warning = await _looked_up(context, url, allow_private=allow_private)
    try:
        given = None if secret_file is None else secret_file.read().strip()
        if given == "":
            raise CannotRun(f"--secret-file {secret_file.name} is empty; leave the option out for a new secret")
        secret = given or new_secret(secrets.token_bytes(SECRET_BYTES))
        secret_key(secret)
    except (ValueError, OSError) as error:
        raise CannotRun(str(error)) from error
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        cursor = await begin_cursor(conn, tenant.tenant_id, after)
        number = await store.add(
            conn,
            tenant.tenant_id,
            url,
            list(types) or None,
            secret,
            cursor,
            allow_private=allow_private,
            note=note,
            actor=current_user(),
        )
    if warning:
        tell(f"warning: {warning}")
    shown = None if given else secret
    if as_json:
        print_json(
            {"webhook": number, "tenant": tenant.name, "url": shown_url(url), "secret": shown, "warning": warning}
        )
        return
    console().print(f"webhook {number} of {tenant.name}: {shown_url(url)}")
    if shown:
        console().print(f"secret (shown this once): {shown}")


async def _looked_up(context: Context, url: str, *, allow_private: bool) -> str | None:
    """What is to be said of the URL, if anything. Raises CannotRun where events could not be delivered to it."""
    from router.outbox.addresses import PrivateAddress, check_endpoint  # noqa: PLC0415 - what HTTP needs is heavy
    from router.outbox.names import Names  # noqa: PLC0415 - as above

    anywhere = allow_private or context.settings.webhooks.private_addresses == "allowed"
    try:
        return await check_endpoint(url, Names(), allow_private=anywhere)
    except PrivateAddress as error:
        led = f" ({error.address})" if error.address else ""
        raise CannotRun(
            f"{error.what}{led}; nothing was added. If it is meant, add it with --allow-private, or allow them to all "
            "webhooks: webhooks.private_addresses"
        ) from error
    except ValueError as error:
        raise CannotRun(f"{error}; nothing was added") from error


@click.command("list")
@filter_option("Of this tenant (default: of all).")
@json_option
@async_command
async def list_(context: Context, *, tenant_name: str | None, as_json: bool) -> int:
    """List webhooks, and how each fares.

    Exit code 1 = one of them fails, has dead events, or has missed some.

    \b
    Example:
      lead-router webhooks list --tenant acme
    """
    async with context.connection() as conn:
        tenants = [await require_tenant(conn, tenant_name)] if tenant_name else await all_tenants(conn)
        found = await store.webhooks_of(conn, [tenant.tenant_id for tenant in tenants])
        now = await database_clock(conn)
    names = {tenant.tenant_id: tenant.name for tenant in tenants}
    if as_json:
        print_json([document(one, names[one.tenant_id], now) for one in found])
    else:
        _print(found, names, now)
    return int(any(one.fails or one.dead or one.missed_upto for one in found))


def _print(found: Sequence[Webhook], names: dict[int, str], now: datetime) -> None:
    from rich.table import Table  # noqa: PLC0415 - `--json` needs none

    out = console()
    if not found:
        out.print("no webhooks; lead-router webhooks add URL --tenant T")
        return
    table = Table(box=None, pad_edge=False)
    for title in (
        "webhook",
        "tenant",
        "url",
        "events",
        "state",
        "delivered",
        "behind",
        "waiting",
        "dead",
        "last error",
    ):
        table.add_column(title, overflow="fold")
    for one in found:
        behind = "-" if one.behind_since is None else duration(max(0.0, (now - one.behind_since).total_seconds()))
        table.add_row(
            str(one.webhook_no),
            names[one.tenant_id],
            shown_url(one.url),
            ", ".join(one.types or ["all"]),
            state_of(one) if one.enabled else f"disabled: {one.disabled_why}",
            f"{one.delivered:,}",
            behind,
            f"{one.waiting:,}",
            f"{one.dead:,}",
            (one.last_error or "") if one.failing_since is not None else "",
        )
    out.print(table)


@click.command()
@number_argument
@tenant_option
@json_option
@async_command
async def test(context: Context, *, number: int, tenant_name: str | None, as_json: bool) -> int:
    """Send one event of the type webhook.test to a webhook, now, and show the answer.

    It is signed as every event; its data are empty. Exit code 1 = it was not taken.

    \b
    Example:
      lead-router webhooks test 1 --tenant acme
    """
    from router.outbox.trial import prepare_trial, send_trial  # noqa: PLC0415 - HTTP is heavy

    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        with webhook_known():
            trial = await prepare_trial(conn, tenant.tenant_id, number)
    error = await send_trial(trial, context.settings.webhooks)
    if as_json:
        print_json({"webhook": number, "ok": error is None, "error": error, "id": trial.event.id})
    else:
        console().print(f"webhook {number}: {error or 'the event was taken'}")
    return int(error is not None)
