"""`lead-router webhooks`: where events are delivered to."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import click

from ops.cli.context import CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import current_user, require_tenant, span, tenant_option, why_option
from router.domain.phrases import count, duration
from router.outbox.cursor import Cursor, CursorError, CursorTooOld, parse_cursor
from router.outbox.event import Event, EventType, event_id, event_key
from router.outbox.feed import newest, oldest, read_events
from router.outbox.signing import SECRET_BYTES, new_secret, secret_key
from router.store import webhooks as store
from router.store.leads import database_clock
from router.store.statements import Connection
from router.store.tenants import all_tenants
from router.store.webhooks import Webhook, WebhookUnknown, shown_url

MAX_AGAIN = 100_000
_number = click.argument("number", type=click.IntRange(min=1, max=(1 << 63) - 1), metavar="WEBHOOK")
_types = click.option(
    "--type", "types", multiple=True, metavar="TYPE", type=click.Choice(list(EventType)), help="Only this; repeatable."
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
    tenant_name: str,
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
    from router.outbox.addresses import check_url  # noqa: PLC0415 - what HTTP needs is heavy

    try:
        check_url(url, allow_private=allow_private)
        given = None if secret_file is None else secret_file.read().strip()
        secret = given or new_secret(secrets.token_bytes(SECRET_BYTES))
        secret_key(secret)
    except (ValueError, OSError) as error:
        raise CannotRun(str(error)) from error
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        cursor = await _cursor(conn, tenant.tenant_id, after)
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
    shown = None if given else secret
    if as_json:
        print_json({"webhook": number, "tenant": tenant.name, "url": shown_url(url), "secret": shown})
        return
    console().print(f"webhook {number} of {tenant.name}: {shown_url(url)}")
    if shown:
        console().print(f"secret (shown this once): {shown}")


async def _cursor(conn: Connection, tenant_id: int, text: str) -> Cursor:
    """Where to begin. Raises CannotRun, and Found where events after it are gone."""
    if text in ("oldest", "newest"):
        return await (oldest if text == "oldest" else newest)(conn, tenant_id)
    try:
        cursor = parse_cursor(text)
        await read_events(conn, tenant_id, cursor, limit=1)
    except CursorTooOld as error:
        raise Found(str(error)) from error
    except CursorError as error:
        raise CannotRun(str(error)) from error
    return cursor


@click.command("list")
@click.option("--tenant", "tenant_name", metavar="T", help="Of this tenant (default: of all).")
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


def document(one: Webhook, tenant: str, now: datetime) -> dict[str, Any]:
    """For machines; never a secret."""
    behind_s = None if one.behind_since is None else round((now - one.behind_since).total_seconds(), 3)
    return {
        "webhook": one.webhook_no,
        "tenant": tenant,
        "url": shown_url(one.url),
        "types": one.types,
        "state": _state(one),
        "enabled": one.enabled,
        "disabled_why": one.disabled_why,
        "cursor": str(Cursor(one.position, one.place)),
        "behind_s": behind_s,
        "delivered": one.delivered,
        "delivered_at": one.delivered_at and one.delivered_at.isoformat(),
        "failures": one.failures,
        "failing_since": one.failing_since and one.failing_since.isoformat(),
        "last_error": one.last_error,
        "waiting": one.waiting,
        "dead": one.dead,
        "missed_upto": one.missed_upto,
        "secrets": one.secrets,
        "allow_private": one.allow_private,
        "note": one.note,
    }


def _state(one: Webhook) -> str:
    if not one.enabled:
        return "disabled"
    return "failing" if one.failing_since is not None else "works"


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
            _state(one) if one.enabled else f"disabled: {one.disabled_why}",
            f"{one.delivered:,}",
            behind,
            f"{one.waiting:,}",
            f"{one.dead:,}",
            (one.last_error or "") if one.failing_since is not None else "",
        )
    out.print(table)


@click.command()
@_number
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
    context: Context, *, number: int, tenant_name: str, overlap: timedelta, why: str, as_json: bool
) -> None:
    """Sign with a new secret, and print it; earlier ones sign beside it for a while.

    \b
    Example:
      lead-router webhooks rotate 1 --tenant acme --overlap 2d
    """
    secret = new_secret(secrets.token_bytes(SECRET_BYTES))
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        with _found():
            until = await store.rotate(conn, tenant.tenant_id, number, secret, overlap, current_user(), why)
    if as_json:
        print_json({"webhook": number, "secret": secret, "earlier_secrets_until": until.isoformat()})
    else:
        console().print(f"new secret (shown this once): {secret}")
        console().print(f"earlier secrets sign until {until:%Y-%m-%d %H:%M} UTC")


@click.command()
@_number
@tenant_option
@why_option()
@json_option
@async_command
async def disable(context: Context, *, number: int, tenant_name: str, why: str, as_json: bool) -> None:
    """Deliver nothing more to a webhook, until it is enabled.

    \b
    Example:
      lead-router webhooks disable 1 --tenant acme --why "CRM is being moved"
    """
    await _switch(context, number, tenant_name, why, None, enabled=False, as_json=as_json)


@click.command()
@_number
@tenant_option
@click.option("--after", metavar="CURSOR", help="Go on after this cursor, or newest (default: where it stopped).")
@why_option()
@json_option
@async_command
async def enable(
    context: Context, *, number: int, tenant_name: str, after: str | None, why: str, as_json: bool
) -> None:
    """Deliver to a webhook again: what happened meanwhile first.

    \b
    Example:
      lead-router webhooks enable 1 --tenant acme
    """
    await _switch(context, number, tenant_name, why, after, enabled=True, as_json=as_json)


async def _switch(
    context: Context, number: int, tenant_name: str, why: str, after: str | None, *, enabled: bool, as_json: bool
) -> None:
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        cursor = None if after is None else await _cursor(conn, tenant.tenant_id, after)
        with _found():
            await store.switch(conn, tenant.tenant_id, number, current_user(), why, enabled=enabled, after=cursor)
            one = await store.webhook_numbered(conn, tenant.tenant_id, number)
        now = await database_clock(conn)
    if as_json:
        print_json(document(one, tenant.name, now))
    else:
        console().print(f"webhook {number} of {tenant.name} is {'enabled' if enabled else 'disabled'}")


@click.command()
@_number
@tenant_option
@why_option()
@json_option
@async_command
async def remove(context: Context, *, number: int, tenant_name: str, why: str, as_json: bool) -> None:
    """Remove a webhook, its secrets, and what waits for it.

    \b
    Example:
      lead-router webhooks remove 1 --tenant acme
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        with _found():
            await store.remove(conn, tenant.tenant_id, number, current_user(), why)
    if as_json:
        print_json({"webhook": number, "removed": True})
    else:
        console().print(f"webhook {number} of {tenant.name} was removed")


@click.command()
@_number
@tenant_option
@json_option
@async_command
async def test(context: Context, *, number: int, tenant_name: str, as_json: bool) -> int:
    """Send one event of the type webhook.test to a webhook, now, and show the answer.

    It is signed as every event; its data are empty. Exit code 1 = it was not taken.

    \b
    Example:
      lead-router webhooks test 1 --tenant acme
    """
    from router.outbox.sender import Sender, utc_now  # noqa: PLC0415 - HTTP is heavy

    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        with _found():
            one = await store.webhook_numbered(conn, tenant.tenant_id, number)
        keys = [secret_key(secret) for secret in await store.secrets_of(conn, tenant.tenant_id, number)]
        now = await database_clock(conn)
    event = Event(f"evt_test_{secrets.token_hex(8)}", "webhook.test", now, 0, Cursor(0, 0), {})
    settings = context.settings.webhooks
    sender = Sender(settings.timeout_s, allow_private=settings.allow_private_addresses)
    try:
        answer = await sender.send(one.url, event, keys, utc_now, allow_private=one.allow_private)
    finally:
        await sender.close()
    if as_json:
        print_json({"webhook": number, "ok": answer.error is None, "error": answer.error, "id": event.id})
    else:
        console().print(f"webhook {number}: " + ("the event was taken" if answer.error is None else answer.error))
    return int(answer.error is not None)


@click.command()
@_number
@tenant_option
@click.option("--id", "ids", multiple=True, metavar="EVENT", help="This event (evt_1042_17); repeatable.")
@click.option("--dead", "all_dead", is_flag=True, help="All events that were given up.")
@click.option("--after", metavar="CURSOR", help="All events of the webhook's types after this cursor, or oldest …")
@click.option("--until", "last", metavar="CURSOR", help="… up to this one (default: up to the last).")
@why_option()
@json_option
@async_command
async def redeliver(
    context: Context,
    *,
    number: int,
    tenant_name: str,
    ids: Sequence[str],
    all_dead: bool,
    after: str | None,
    last: str | None,
    why: str,
    as_json: bool,
) -> None:
    """Deliver events to a webhook again: single ones, dead ones, or a range; with the ids that they had.

    At most 100,000 at a time; for more go back with `webhooks enable --after CURSOR`.

    \b
    Example:
      lead-router webhooks redeliver 1 --tenant acme --dead
      lead-router webhooks redeliver 1 --tenant acme --after 1042-0 --until 2000-0
    """
    if (bool(ids), all_dead, after is not None).count(True) != 1:
        raise CannotRun("say which events: --id, --dead or --after, one of them")
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        with _found():
            one = await store.webhook_numbered(conn, tenant.tenant_id, number)
            keys = None if all_dead else _keys(ids)
            if after is not None:
                keys = await _range(conn, one, await _cursor(conn, tenant.tenant_id, after), last)
            found = await store.deliver_again(conn, tenant.tenant_id, number, keys, current_user(), why)
    if ids and found < len(set(ids)):
        raise Found(f"{found} of {len(set(ids))} events will be delivered again; the others are unknown or removed")
    if as_json:
        print_json({"webhook": number, "events": found})
    else:
        console().print(f"webhook {number}: {count(found, 'event')} will be delivered again")


def _keys(ids: Sequence[str]) -> list[tuple[int, int]]:
    try:
        return [event_key(one) for one in ids]
    except ValueError as error:
        raise CannotRun(str(error)) from error


async def _range(conn: Connection, one: Webhook, cursor: Cursor, last: str | None) -> list[tuple[int, int]]:
    try:
        end = await newest(conn, one.tenant_id) if last is None else parse_cursor(last)
    except CursorError as error:
        raise CannotRun(str(error)) from error
    keys: list[tuple[int, int]] = []
    while True:
        page = await read_events(conn, one.tenant_id, cursor, types=one.types, limit=2000)
        keys += [event.key for event in page.events if event.cursor <= end]
        cursor = page.cursor
        if len(keys) > MAX_AGAIN:
            raise CannotRun(
                f"more than {MAX_AGAIN:,} events; choose a shorter range, or webhooks enable --after CURSOR"
            )
        if not page.more or cursor > end:
            return keys


@click.command()
@_number
@tenant_option
@click.option("--limit", type=click.IntRange(min=1, max=10_000), default=100, show_default=True, help="The latest N.")
@json_option
@async_command
async def dead(context: Context, *, number: int, tenant_name: str, limit: int, as_json: bool) -> int:
    """List events that were given up, with the last error; the latest first.

    Exit code 1 = there are some.

    \b
    Example:
      lead-router webhooks dead 1 --tenant acme
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        with _found():
            await store.webhook_numbered(conn, tenant.tenant_id, number)
        rows = await store.dead_of(conn, tenant.tenant_id, number, limit)
    found = [
        {
            "id": event_id(row["event_no"], row["place"]),
            "lead_id": row["lead_id"],
            "attempts": row["attempts"],
            "error": row["error"],
            "since": row["since"].isoformat(),
        }
        for row in rows
    ]
    if as_json:
        print_json({"webhook": number, "dead": found})
    elif not found:
        console().print(f"webhook {number} has no dead events")
    else:
        for one in found:
            console().print(f"{one['id']} lead {one['lead_id']}: {count(one['attempts'], 'attempt')}, {one['error']}")
    return int(bool(found))


@contextmanager
def _found() -> Iterator[None]:
    """Raises CannotRun for a webhook that does not exist."""
    try:
        yield
    except WebhookUnknown as error:
        raise CannotRun(str(error)) from error
