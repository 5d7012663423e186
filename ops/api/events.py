"""The feed of events for whoever polls: each page says where to go on."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ops.api.fields import Moment, check_year
from ops.api.ids import EVENT, not_there
from ops.api.personal import seen_by, words_for
from router.domain.access import Permission
from router.domain.worded import said_by
from router.http.operations import Answer, Call, Operation
from router.http.problems import FieldProblem, Kind, Refused
from router.outbox.cursor import Cursor, CursorError, CursorTooOld, parse_cursor
from router.outbox.event import Event, EventType, event_key
from router.outbox.feed import Page, RuleNames, begin_after, begin_since, latest_events, read_events, read_named
from router.store.connections.connections import Part
from router.store.statements import Connection

LONGEST_WAIT_S = 20
MOST_WAITS_OF_A_TOKEN = 10
MOST_WAITS = 100
_LONGEST_SAID = 200
_LOOK_EVERY_S = 0.5


class EventsQuery(msgspec.Struct, frozen=True):
    """Which events."""

    after: (
        Annotated[
            str,
            Meta(
                max_length=40,
                description="`cursor` of the page before; oldest, newest, or 0 for the first ever",
                examples=["oldest"],
            ),
        ]
        | None
    ) = None
    since: Annotated[
        Moment | None,
        Meta(description="Instead of `after`: begin with what happened since then (a time with its offset from UTC)"),
    ] = None
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


class LatestQuery(msgspec.Struct, frozen=True):
    """Which part of the feed, from its end backwards."""

    before: Annotated[str, Meta(max_length=40, description="`next` of the page before")] | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class LatestEvents(msgspec.Struct, frozen=True):
    """Events, the last one first; `next` null = there are none before."""

    events: list[EventDocument]
    next: str | None


class Waits:
    """Who waits for an event keeps a place of the listener, which is for leads, too."""

    def __init__(self) -> None:
        self._of: Counter[tuple[int, str]] = Counter()

    @asynccontextmanager
    async def taken(self, call: Call) -> AsyncIterator[None]:
        """One request of a token more; those that do not wait are not counted. Raises Refused."""
        token = (call.token.tenant_id, call.token.token_id)
        if call.query.wait_s == 0:
            yield
            return
        if self._of[token] >= MOST_WAITS_OF_A_TOKEN or self._of.total() >= MOST_WAITS:
            headers = {"Retry-After": "1"}
            raise Refused(Kind.TOO_MANY, "so many wait for events already: ask without wait_s", headers=headers)
        self._of[token] += 1
        try:
            yield
        finally:
            self._of[token] -= 1
            self._of += Counter()


def operations() -> list[Operation]:
    """Reading the feed. Names of rules are kept, since rulesets never change."""
    names, waits = RuleNames(), Waits()

    async def read(call: Call) -> Answer:
        async with waits.taken(call):
            page = await _waited(call, call.query, names)
        return Answer(_document(call, page))

    return [
        Operation(
            id="list_latest_events",
            method="GET",
            path="/v1/events:latest",
            summary="The last events, for people: the last one first, page by page backwards",
            description="For a program that follows the feed there is list_events: only that one never leaves a gap.",
            handler=partial(_latest, names),
            answers={200: LatestEvents},
            permission=Permission.READ,
            tag="events",
            query=LatestQuery,
        ),
        Operation(
            id="get_event",
            method="GET",
            path="/v1/events/{event}",
            summary="One event by its id, as it is delivered",
            handler=partial(_get, names),
            answers={200: EventDocument},
            permission=Permission.READ,
            tag="events",
        ),
        Operation(
            id="list_events",
            method="GET",
            path="/v1/events",
            summary="What became of leads, in order, from a cursor on",
            description=(
                "Either `after` or `since` is needed. Nothing ever appears before a cursor that was returned. A cursor "
                "is good for as long as events are kept; an older one is refused with 410, never answered with a gap; "
                "so is `since`, where events of then are gone."
            ),
            handler=read,
            answers={200: EventsDocument},
            permission=Permission.READ,
            tag="events",
            query=EventsQuery,
        ),
    ]


async def _latest(names: RuleNames, call: Call) -> Answer:
    query: LatestQuery = call.query
    try:
        before = None if query.before is None else parse_cursor(query.before)
    except CursorError as error:
        raise Refused(Kind.INVALID, said_by(error), [FieldProblem("?before", said_by(error))]) from None
    async with call.connection() as conn:
        found = await latest_events(conn, call.tenant.tenant_id, before, query.limit + 1, names)
    shown = found[: query.limit]
    following = str(shown[-1].cursor) if len(found) > query.limit else None
    return Answer(LatestEvents([_event(call, one) for one in shown], following))


async def _get(names: RuleNames, call: Call) -> Answer:
    text = call.path["event"]
    try:
        key = event_key(text)
    except ValueError as error:
        raise not_there(EVENT, text[:40], words_for(call, _short(said_by(error)))) from None
    async with call.connection() as conn:
        exists = key[0] < 2**63 and key[1] < 2**31
        found = await read_named(conn, call.tenant.tenant_id, [key], names) if exists else []
    if not found or found[0].lead_id is None:
        raise not_there(EVENT, text)
    return Answer(_event(call, found[0]))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_SAID else str(text)[:_LONGEST_SAID]


def _event(call: Call, event: Event) -> EventDocument:
    return msgspec.convert(seen_by(call, event.document()), EventDocument)


async def _waited(call: Call, query: EventsQuery, names: RuleNames) -> Page:
    """The next page, when there is one or the wait is over. No connection is kept meanwhile."""
    types = _types(query.type)
    until, after = monotonic() + query.wait_s, _begin_given(query)
    while True:
        async with call.connection(Part.CONSOLE) as conn:
            if after is None:
                after = str(await _since(call, conn, query))
            page = await _read(conn, call.tenant.tenant_id, after, query, types, names)
        left_s = until - monotonic()
        if page.events or left_s <= 0:
            return page
        after = str(page.cursor)
        await asyncio.sleep(min(left_s, _LOOK_EVERY_S))


def _begin_given(query: EventsQuery) -> str | None:
    """The cursor to begin after; None = it is `since`. Raises Refused."""
    if (query.after is None) == (query.since is None):
        reason = "one of after (a cursor; oldest or newest to begin with) and since (a time) is needed"
        raise Refused(Kind.INVALID, reason, [FieldProblem("?after", reason)])
    return query.after


async def _since(call: Call, conn: Connection, query: EventsQuery) -> Cursor:
    """Raises Refused."""
    at = check_year("?since", query.since)
    assert at is not None
    cursor, gone = await begin_since(conn, call.tenant.tenant_id, at)
    if gone is not None:
        until = gone.isoformat(timespec="seconds")
        raise Refused(
            Kind.GONE,
            f"events up to {until} were removed (events.retention_days): ask for a later time, or for after=oldest, "
            "all that are left. What is missing is in the leads themselves: read their state anew",
        )
    return cursor


async def _read(
    conn: Connection, tenant_id: int, after: str, query: EventsQuery, types: Sequence[str] | None, names: RuleNames
) -> Page:
    try:
        cursor = await begin_after(conn, tenant_id, after)
        return await read_events(
            conn, tenant_id, cursor, types=types, lead_id=query.lead_id, limit=query.limit, names=names
        )
    except CursorTooOld as error:
        raise Refused(Kind.GONE, str(error)) from None
    except CursorError as error:
        raise Refused(Kind.INVALID, str(error), [FieldProblem("?after", str(error))]) from None


def _types(text: str) -> list[str] | None:
    if not text:
        return None
    wanted = text.split(",")
    known = [one.value for one in EventType]
    if unknown := [one for one in wanted if one not in known]:
        reason = f"there is no type {unknown[0][:40]!r}; there are {', '.join(known)}"
        raise Refused(Kind.INVALID, reason, [FieldProblem("?type", reason)])
    return wanted


def _document(call: Call, page: Page) -> EventsDocument:
    return EventsDocument(
        [_event(call, event) for event in page.events],
        str(page.cursor),
        page.more,
    )
