"""Leads by filter, newest first, page by page: where each is, who has it, what it waits for."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from heapq import merge
from itertools import islice

import msgspec

from ops.listing.cursor import read_cursor, write_cursor
from ops.listing.lead_filter import LeadFilter, State
from ops.listing.lead_row import LeadRow, lead_row
from ops.waiting.judge import hold_of, judge_keys
from ops.waiting.waiting import READY, WaitsFor
from router.domain.phrases import suggestion
from router.domain.targets import read_targets
from router.domain.text import fold
from router.domain.worded import worded
from router.drain.presence import Presence
from router.store import lead_lists as store
from router.store.engines import Engines
from router.store.groups import group_names
from router.store.lead_lists import Span
from router.store.roster import rep_number
from router.store.statements import Connection, Row
from router.store.waiting import TenantNow, tenant_now

MOST_IN_A_PAGE = 10_000
WAITING_COUNTED = 10_000

Key = tuple[int, int | None, str | None]
Find = Callable[[Span], Awaitable[list[int]]]


class GroupUnknown(LookupError):
    """The tenant has no group of this name; the message suggests one."""

    def __str__(self) -> str:
        return str(self.args[0])


class Page(msgspec.Struct, frozen=True):
    """Leads as of a moment (UTC), newest first; `next` is the cursor of the page after, None = this is the last."""

    as_of: datetime
    leads: tuple[LeadRow, ...]
    next: str | None


async def list_leads(
    conn: Connection,
    presence: Presence,
    tenant_id: int,
    asked: LeadFilter,
    *,
    after: str | None = None,
    limit: int = 100,
    engines: Engines | None = None,
) -> Page:
    """One page of the tenant's leads that match, at most `limit` (up to MOST_IN_A_PAGE), in one snapshot.

    `after` is a former page's `next`; `engines` keeps what was read, for those who ask again.
    Raises FiltersConflict, CursorInvalid, RepUnknown, GroupUnknown.
    """
    states, below = asked.states(), store.NO_LEAD if after is None else read_cursor(after)
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        await store.begin(conn)
        now = await tenant_now(conn, tenant_id)
        judge = _Judge(conn, presence, now, engines or Engines(1))
        find = await _finder(conn, judge, asked, states)
        floor, ceiling = await store.numbers_of(conn, tenant_id, asked.since, asked.until)
        span = Span(min(below, ceiling), floor, limit + 1, asked.source, asked.since, asked.until)
        found = await _collected(judge, find, span, asked.reason)
    more = len(found) > limit
    shown = tuple(found[:limit])
    return Page(now.now, shown, write_cursor(shown[-1].lead_id) if more else None)


async def leads_numbered(
    conn: Connection, presence: Presence, tenant_id: int, numbers: Sequence[int], engines: Engines | None = None
) -> Page:
    """These leads of the tenant, newest first, as `list_leads` shows them; numbers that it does not have are left
    out.
    """
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        await store.begin(conn)
        now = await tenant_now(conn, tenant_id)
        judge = _Judge(conn, presence, now, engines or Engines(1))
        return Page(now.now, tuple(await judge.rows(numbers)), None)


async def list_oldest(
    conn: Connection, presence: Presence, tenant_id: int, limit: int, engines: Engines | None = None
) -> tuple[Page, int]:
    """The leads of the tenant that have waited longest, that first, in one snapshot, as `list_leads` shows them.

    And how many wait, counted up to WAITING_COUNTED.
    """
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        await store.begin(conn)
        now = await tenant_now(conn, tenant_id)
        judge = _Judge(conn, presence, now, engines or Engines(1))
        numbers = await store.waiting_longest(conn, tenant_id, limit)
        rows = {row.lead_id: row for row in await judge.rows(numbers)}
        waiting = await store.waiting_size(conn, tenant_id, WAITING_COUNTED)
    return Page(now.now, tuple(rows[number] for number in numbers), None), waiting


class _Judge:
    """Why the leads of wake keys wait, each key judged once."""

    def __init__(self, conn: Connection, presence: Presence, tenant: TenantNow, engines: Engines) -> None:
        self.conn = conn
        self.tenant = tenant
        self._presence = presence
        self._engines = engines
        self._judged: dict[int, WaitsFor | None] = {}
        self._ends: dict[int, tuple[int, datetime, int] | None] = {}

    async def keys(self, keys: Iterable[Key]) -> dict[int, WaitsFor | None]:
        """By number; None = the next batch looks at them."""
        unknown = {key[0]: key for key in keys if key[0] not in self._judged}
        if unknown:
            found = await judge_keys(self.conn, self._presence, self.tenant, list(unknown.values()), self._engines)
            self._judged.update(found)
        return self._judged

    async def rows(self, numbers: Sequence[int]) -> list[LeadRow]:
        """What is shown of these leads."""
        rows = await store.lead_rows(self.conn, self.tenant.tenant_id, numbers)
        waiting = [row for row in rows if row["wake_key"] is not None]
        judged = await self.keys((row["wake_key"], row["ruleset"], row["targets"]) for row in waiting)
        return [lead_row(row, await self._why(row, judged), self.tenant.now) for row in rows]

    async def _why(self, row: Row, judged: dict[int, WaitsFor | None]) -> WaitsFor | None:
        """That of its key, unless there is room for it: as many of a key as there is room for wait for the batch."""
        why = None if row["wake_key"] is None else judged[row["wake_key"]]
        if why is None or not why.room:
            return why
        end = await self._end_of_room(row["wake_key"], why.room)
        return None if end is None or (row["rank"], row["queued_at"], row["lead_id"]) < end else why

    async def _end_of_room(self, key: int, room: int) -> tuple[int, datetime, int] | None:
        if key not in self._ends:
            self._ends[key] = await store.place_in_line(self.conn, self.tenant.tenant_id, key, room)
        return self._ends[key]


async def _collected(judge: _Judge, find: Find, span: Span, reason: str | None) -> list[LeadRow]:
    """At most `span.limit` rows. A key that has room for a part of its leads has leads of two reasons."""
    found: list[LeadRow] = []
    while True:
        numbers = await find(span)
        found += [row for row in await judge.rows(numbers) if reason in (None, row.reason)]
        if len(numbers) < span.limit or len(found) >= span.limit:
            return found[: span.limit]
        span = replace(span, below=numbers[-1])


async def _finder(conn: Connection, judge: _Judge, asked: LeadFilter, states: tuple[State, ...]) -> Find:
    """What finds the numbers of the next leads, from as many lists as there are states to look into."""
    tenant_id = judge.tenant.tenant_id
    if asked.rep is not None:
        rep_no = await rep_number(conn, tenant_id, asked.rep)
        return lambda span: store.leads_of_rep(conn, tenant_id, rep_no, span)
    finds = [one for state in states or (None,) for one in await _finds_in(conn, judge, asked, state)]
    return finds[0] if len(finds) == 1 else _merged(finds)


def _merged(finds: Sequence[Find]) -> Find:
    """One list of several that have no lead in common."""

    async def find(span: Span) -> list[int]:
        return list(islice(merge(*[await one(span) for one in finds], reverse=True), span.limit))

    return find


async def _finds_in(conn: Connection, judge: _Judge, asked: LeadFilter, state: State | None) -> list[Find]:
    tenant_id, reason = judge.tenant.tenant_id, asked.reason
    if state is State.PARKED and reason is not None:
        return [lambda span: store.parked_for(conn, tenant_id, reason, span)]
    if state is State.WAITING and (reason is not None or asked.group is not None):
        under = await _under(conn, judge, reason, asked.group)
        if under is not None:
            keys, rooms = under
            return [
                lambda span: store.waiting_under(conn, tenant_id, keys, span),
                lambda span: store.first_in_line(conn, tenant_id, rooms, span),
            ]
    return [lambda span: store.leads_of(conn, tenant_id, state, span)]


async def _under(
    conn: Connection, judge: _Judge, reason: str | None, group: str | None
) -> tuple[list[int], dict[int, int]] | None:
    """The wake keys of such leads, and the room of those of which only the first in line are meant; None = any."""
    tenant_id = judge.tenant.tenant_id
    keys = await store.wake_keys(conn, tenant_id)
    if group is not None:
        number = await group_number(conn, tenant_id, group)
        keys = [key for key in keys if key[2] is not None and number in read_targets(key[2]).groups]
    hold = hold_of(judge.tenant)
    if hold is not None and reason is not None and group is None:
        return None if reason == hold.reason else ([], {})
    judged = await judge.keys(keys) if reason is not None else {}
    if reason == READY:
        whys = {key[0]: judged[key[0]] for key in keys}
        return [no for no, why in whys.items() if why is None], {
            no: why.room for no, why in whys.items() if why and why.room
        }
    return [key[0] for key in keys if reason is None or _is_for(judged[key[0]], reason)], {}


def _is_for(why: WaitsFor | None, reason: str) -> bool:
    return why is not None and why.reason == reason


async def group_number(conn: Connection, tenant_id: int, name: str) -> int:
    """The number of a group, whatever the case of its name. Raises GroupUnknown."""
    names = await group_names(conn, tenant_id)
    for number, known in names.items():
        if fold(known) == fold(name):
            return number
    near = suggestion(name, names.values())
    said = worded("there is no group {group!r}", group=name)
    raise GroupUnknown(said + worded("; did you mean {group!r}?", group=near) if near else said)
