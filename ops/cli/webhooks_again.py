"""`lead-router webhooks dead|redeliver`: what a webhook did not take."""

from collections.abc import Iterator, Sequence

import click

from ops.cli.context import CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import current_user, require_tenant, tenant_option, why_option
from ops.cli.webhooks_shared import begin_cursor, number_argument, webhook_known
from ops.documents.webhooks import dead_document
from router.domain.phrases import count
from router.outbox.again import TooManyAgain, events_between
from router.outbox.cursor import Cursor, CursorError
from router.outbox.event import event_key
from router.store import webhooks as store
from router.store.statements import Connection
from router.store.webhooks import Redelivery, Webhook


@click.command()
@number_argument
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
    tenant_name: str | None,
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
        with webhook_known():
            one = await store.webhook_numbered(conn, tenant.tenant_id, number)
            keys = None if all_dead else _keys(ids)
            if after is not None:
                keys = await _range(conn, one, await begin_cursor(conn, tenant.tenant_id, after), last)
            found = await store.deliver_again(conn, tenant.tenant_id, number, keys, current_user(), why)
    if as_json:
        print_json({"webhook": number, "events": found.events, "gone": found.gone, "unknown": found.unknown})
    else:
        console().print(f"webhook {number}: {count(found.events, 'event')} will be delivered again")
    if problems := list(_problems(found)):
        raise Found("; ".join(problems))


def _problems(found: Redelivery) -> Iterator[str]:
    if found.gone:
        yield (
            f"{count(found.gone, 'event')} cannot be delivered again: older than events.retention_days, and removed; "
            "read the state of the leads instead (lead-router leads list)"
        )
    if found.unknown:
        yield f"{count(found.unknown, 'event')} of these ids never existed"


def _keys(ids: Sequence[str]) -> list[tuple[int, int]]:
    try:
        return [event_key(one) for one in ids]
    except ValueError as error:
        raise CannotRun(str(error)) from error


async def _range(conn: Connection, one: Webhook, cursor: Cursor, last: str | None) -> list[tuple[int, int]]:
    try:
        return await events_between(conn, one, cursor, last)
    except TooManyAgain as error:
        raise CannotRun(f"{error}: webhooks enable --after CURSOR") from error
    except CursorError as error:
        raise CannotRun(str(error)) from error


@click.command()
@number_argument
@tenant_option
@click.option("--limit", type=click.IntRange(min=1, max=10_000), default=100, show_default=True, help="The latest N.")
@json_option
@async_command
async def dead(context: Context, *, number: int, tenant_name: str | None, limit: int, as_json: bool) -> int:
    """List events that were given up, with the last error; the latest first.

    Exit code 1 = there are some.

    \b
    Example:
      lead-router webhooks dead 1 --tenant acme
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        with webhook_known():
            total = (await store.webhook_numbered(conn, tenant.tenant_id, number)).dead
        rows = await store.dead_of(conn, tenant.tenant_id, number, limit)
    found = [dead_document(row) for row in rows]
    if as_json:
        print_json({"webhook": number, "total": total, "dead": found})
    elif not found:
        console().print(f"webhook {number} has no dead events")
    else:
        latest = f"; the latest {len(found):,}" if total > len(found) else ""
        console().print(f"webhook {number}: {count(total, 'dead event')}{latest}:")
        for one in found:
            console().print(f"{one['id']} lead {one['lead_id']}: {count(one['attempts'], 'attempt')}, {one['error']}")
    return int(bool(found))
