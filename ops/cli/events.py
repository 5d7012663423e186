"""`lead-router events`: what became of leads, in order, from a cursor on."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import click

from ops.cli.context import CannotRun, Context, Found, async_command, console, json_option, print_json, tell
from ops.cli.options import named_lead, require_tenant, since, tenant_option
from router.domain.written_time import SERVICE_ZONE, written
from router.outbox.cursor import Cursor, CursorError, CursorTooOld
from router.outbox.event import TYPES, Event
from router.outbox.feed import Page, RuleNames, begin_after, begin_since, read_events
from router.store.leads import database_clock
from router.store.statements import Connection
from router.store.tenants import tenant_numbered

_POLL_S = 0.5
_AT_ONCE = 1000


@click.command()
@click.option(
    "--after",
    metavar="CURSOR",
    help="Begin after this cursor, which came with an event; or oldest (the default), or newest.",
)
@click.option(
    "--since", "begin", metavar="TIME", callback=since, help="Begin with what happened since a time, or since 2h ago."
)
@click.option("--follow", is_flag=True, help="Wait for further events, until Ctrl-C.")
@tenant_option
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    type=click.Choice(TYPES),
    help="Only this; repeatable.",
)
@click.option("--lead", "lead_text", metavar="LEAD", help="Only this lead: its number, its external id, or SOURCE/ID.")
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="At most N events (default: 100; none to follow)."
)
@json_option
@async_command
async def events(
    context: Context,
    *,
    after: str | None,
    begin: datetime | timedelta | None,
    follow: bool,
    tenant_name: str | None,
    types: Sequence[str],
    lead_text: str | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """Show what became of leads as events, in order, from a cursor on.

    With --since the first one is the first that happened then; all that follow in the order are shown.
    With --json one document with the events and the cursor to go on from; with --json and --follow one event a line.
    A cursor is good for as long as events are kept (events.retention_days); an older one is an error, exit code 1.

    \b
    Example:
      lead-router events --after oldest --type lead.assigned
      lead-router events --since 2h --lead 4711
      lead-router events --after 1042-17 --follow --json
    """
    if after is not None and begin is not None:
        raise click.UsageError("--after and --since: one of them at a time")
    async with context.connection() as conn:
        tenant_id, lead_id = await _about(conn, tenant_name, lead_text)
        try:
            cursor = await _beginning(conn, tenant_id, after or "oldest", begin)
            pages = _pages(conn, tenant_id, cursor, types or None, lead_id, _Limit(limit, follow=follow))
            if as_json and not follow:
                print_json(await _document(pages, cursor))
            else:
                tenant = await tenant_numbered(conn, tenant_id)
                zone_name = tenant.time_zone if tenant else SERVICE_ZONE
                await _show(pages, cursor, zone_name, as_json=as_json)
        except CursorTooOld as error:
            raise Found(str(error)) from error
        except CursorError as error:
            raise CannotRun(str(error)) from error


async def _beginning(conn: Connection, tenant_id: int, after: str, begin: datetime | timedelta | None) -> Cursor:
    """Says on stderr where events since then are gone. Raises CursorError."""
    if begin is None:
        return await begin_after(conn, tenant_id, after)
    at = begin if isinstance(begin, datetime) else await database_clock(conn) - begin
    cursor, gone = await begin_since(conn, tenant_id, at)
    if gone is not None:
        tell(f"warning: events up to {written(gone)} were removed (events.retention_days); this begins after them")
    return cursor


class _Limit:
    """How many events may still be shown."""

    def __init__(self, limit: int | None, *, follow: bool) -> None:
        self.follow = follow
        self.left = limit if limit is not None or follow else 100

    @property
    def at_once(self) -> int:
        return _AT_ONCE if self.left is None else min(_AT_ONCE, self.left)

    def showed(self, events: int) -> None:
        if self.left is not None:
            self.left -= events


async def _about(conn: Connection, tenant_name: str | None, lead_text: str | None) -> tuple[int, int | None]:
    """Number of the tenant, and of the lead if it is about one."""
    if lead_text is not None:
        found = await named_lead(conn, lead_text, tenant_name)
        return found.tenant_id, found.lead_id
    return (await require_tenant(conn, tenant_name)).tenant_id, None


async def _pages(
    conn: Connection, tenant_id: int, cursor: Cursor, types: Sequence[str] | None, lead_id: int | None, limit: _Limit
) -> AsyncIterator[Page]:
    """Pages until there is no more, or for ever to follow."""
    names = RuleNames()
    while limit.left is None or limit.left > 0:
        page = await read_events(
            conn, tenant_id, cursor, types=types, lead_id=lead_id, limit=limit.at_once, names=names
        )
        limit.showed(len(page.events))
        cursor = page.cursor
        yield page
        if not page.more:
            if not limit.follow:
                return
            await asyncio.sleep(_POLL_S)


async def _document(pages: AsyncIterator[Page], cursor: Cursor) -> dict[str, object]:
    found: list[Event] = []
    more = False
    async for page in pages:
        found += page.events
        cursor, more = page.cursor, page.more
    return {"events": [one.document() for one in found], "cursor": str(cursor), "more": more}


async def _show(pages: AsyncIterator[Page], cursor: Cursor, zone_name: str, *, as_json: bool) -> None:
    out, shown = console(), 0
    async for page in pages:
        cursor = page.cursor
        for one in page.events:
            line = json.dumps(one.document(), ensure_ascii=False) if as_json else _line(one, zone_name)
            sys.stdout.write(line + "\n")
        shown += len(page.events)
        sys.stdout.flush()
    if not as_json:
        out.print(f"{'' if shown else 'no event yet that matches; '}go on with: --after {cursor}")


def _line(event: Event, zone_name: str) -> str:
    """For people: when, what, which lead, and the rest of it; the cursor last."""
    data = dict(event.data)
    lead = f"lead {data.pop('lead_id')} ({data.pop('source')}/{data.pop('external_id')})"
    rest = ", ".join(f"{key.replace('_', ' ')} {_word(value)}" for key, value in data.items() if value is not None)
    return f"{written(event.at, zone_name, seconds=True)} {event.type} {lead}: {rest}  [{event.cursor}]"


def _word(value: object) -> str:
    return str(value["rep_id"]) if isinstance(value, dict) else str(value)
