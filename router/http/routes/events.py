"""The feed of events for whoever polls: each page says where to go on."""

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from router.domain.access import Permission
from router.http.operations import Answer, Call, Operation
from router.http.problems import FieldProblem, Kind, Refused
from router.outbox.cursor import Cursor, CursorError, CursorTooOld, parse_cursor
from router.outbox.event import EventType
from router.outbox.feed import Page, RuleNames, newest, oldest, read_events
from router.store.connections.connections import Part
from router.store.statements import Connection

LONGEST_WAIT_S = 20
_LOOK_EVERY_S = 0.5


class EventsQuery(msgspec.Struct, frozen=True):
    """Which events."""

    after: Annotated[
        str, Meta(max_length=40, description="`cursor` of the page before; oldest, newest, or 0 for the first ever")
    ]
    limit: Annotated[int, Meta(ge=1, le=5000)] = 1000
    type: Annotated[str, Meta(max_length=500, description="Only these types, such as lead.assigned,lead.ended")] = ""
    lead_id: Annotated[int, Meta(ge=1, le=2**53 - 1)] | None = None
    wait_s: Annotated[int, Meta(ge=0, le=LONGEST_WAIT_S, description="Wait for an event for so long")] = 0


class EventDocument(msgspec.Struct, frozen=True):
    """One event. `id` is the same however often it is read or delivered."""

    id: str
    type: str
    timestamp: str
    data: dict[str, Any]
    cursor: str


class EventsDocument(msgspec.Struct, frozen=True):
    """Events in order, and the cursor to go on from; `more` = there may be some at once."""

    events: list[EventDocument]
    cursor: str
    more: bool


def operations() -> list[Operation]:
    """Reading the feed. Names of rules are kept, since rulesets never change."""
    names = RuleNames()

    async def read(call: Call) -> Answer:
        return Answer(_document(await _waited(call, call.query, names)))

    return [
        Operation(
            id="list_events",
            method="GET",
            path="/v1/events",
            summary="What became of leads, in order, from a cursor on",
            description=(
                "Nothing ever appears before a cursor that was returned. A cursor is good for as long as events are "
                "kept; an older one is refused with 410, never answered with a gap."
            ),
            handler=read,
            answers={200: EventsDocument},
            permission=Permission.READ,
            tag="events",
            query=EventsQuery,
        )
    ]


async def _waited(call: Call, query: EventsQuery, names: RuleNames) -> Page:
    """The next page, when there is one or the wait is over. No connection is kept meanwhile."""
    types = _types(query.type)
    until, after = monotonic() + query.wait_s, query.after
    while True:
        async with call.connection(Part.CONSOLE) as conn:
            page = await _read(conn, call.tenant.tenant_id, after, query, types, names)
        left_s = until - monotonic()
        if page.events or left_s <= 0:
            return page
        after = str(page.cursor)
        await asyncio.sleep(min(left_s, _LOOK_EVERY_S))


async def _read(
    conn: Connection, tenant_id: int, after: str, query: EventsQuery, types: Sequence[str] | None, names: RuleNames
) -> Page:
    try:
        cursor = await _cursor(conn, tenant_id, after)
        return await read_events(
            conn, tenant_id, cursor, types=types, lead_id=query.lead_id, limit=query.limit, names=names
        )
    except CursorTooOld as error:
        raise Refused(Kind.GONE, str(error)) from None
    except CursorError as error:
        raise Refused(Kind.INVALID, str(error), [FieldProblem("?after", str(error))]) from None


async def _cursor(conn: Connection, tenant_id: int, text: str) -> Cursor:
    if text in ("oldest", "newest"):
        return await (oldest if text == "oldest" else newest)(conn, tenant_id)
    return parse_cursor(text)


def _types(text: str) -> list[str] | None:
    if not text:
        return None
    wanted = text.split(",")
    known = [one.value for one in EventType]
    if unknown := [one for one in wanted if one not in known]:
        reason = f"there is no type {unknown[0][:40]!r}; there are {', '.join(known)}"
        raise Refused(Kind.INVALID, reason, [FieldProblem("?type", reason)])
    return wanted


def _document(page: Page) -> EventsDocument:
    return EventsDocument(
        [msgspec.convert(e.document(), EventDocument) for e in page.events], str(page.cursor), page.more
    )
