"""Lists of leads, newest first, page by page: which ones, and what is shown of each. Reads only.

A page goes on below the number of the last lead of the page before, so it costs the same however far it is, and leads
that arrive or move meanwhile neither shift nor repeat anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from router.store.statements import Connection, Row, load

_SQL = load("lead_lists")

NO_LEAD = (1 << 63) - 1
"""Above the number of every lead."""

# So many are sorted at once; of more the list is walked from the newest on, until the page is full.
_FEW = 20_000
# Leads of transactions that ran beside each other have numbers in another order than times, and clocks go wrong.
_DISORDER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Span:
    """The leads below number `below`, from `floor` on, that match these; None = any."""

    below: int
    floor: int
    limit: int
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def arguments(self) -> dict[str, Any]:
        names = ("below", "floor", "limit", "source", "since", "until")
        return {name: getattr(self, name) for name in names}


async def begin(conn: Connection) -> None:
    """Prepares this transaction for lists."""
    await _SQL.steady_plans.execute(conn)


async def numbers_of(
    conn: Connection, tenant_id: int, since: datetime | None, until: datetime | None
) -> tuple[int, int]:
    """(floor, below) of the numbers that leads accepted in that time can have.

    Numbers grow with time, up to an hour of disorder; where a clock was wrong by more, see `lane reset-clock`.
    """
    floor = 0 if since is None else await _first_since(conn, tenant_id, since - _DISORDER)
    below = None if until is None else await _first_since(conn, tenant_id, until + _DISORDER)
    return (NO_LEAD if floor is None else floor), (NO_LEAD if below is None else below)


async def _first_since(conn: Connection, tenant_id: int, at: datetime) -> int | None:
    number: int | None = await _SQL.first_since.value(conn, tenant_id=tenant_id, at=at)
    return number


async def leads_of(conn: Connection, tenant_id: int, state: str | None, span: Span) -> list[int]:
    """Numbers of the newest leads in a state (None = in any), newest first."""
    if span.source is not None and await _is_small(conn, tenant_id, span.source):
        rows = await _SQL.of_source.fetch(conn, tenant_id=tenant_id, state=state, **span.arguments())
    elif state is None:
        rows = await _SQL.of_all.fetch(conn, tenant_id=tenant_id, **span.arguments())
    else:
        statement = getattr(_SQL, f"of_{state}")
        rows = await statement.fetch(conn, tenant_id=tenant_id, **span.arguments())
    return [row[0] for row in rows]


async def leads_of_rep(conn: Connection, tenant_id: int, rep_no: int, span: Span) -> list[int]:
    """Numbers of the newest leads that a rep has now."""
    return await _of_few(conn, tenant_id, span, rep_no=rep_no)


async def parked_for(conn: Connection, tenant_id: int, reason: str, span: Span) -> list[int]:
    """Numbers of the newest leads that are parked for a reason."""
    rows = await _SQL.parked_of_reason.fetch(conn, tenant_id=tenant_id, reason=reason, **span.arguments())
    return [row[0] for row in rows]


async def waiting_under(conn: Connection, tenant_id: int, keys: Sequence[int], span: Span) -> list[int]:
    """Numbers of the newest leads that wait under these wake keys."""
    if not keys:
        return []
    size = await _SQL.keys_size.value(conn, tenant_id=tenant_id, wake_keys=keys, limit=_FEW + 1)
    if size <= _FEW:
        return await _of_few(conn, tenant_id, span, wake_keys=keys)
    rows = await _SQL.waiting_of_many.fetch(conn, tenant_id=tenant_id, wake_keys=keys, **span.arguments())
    return [row[0] for row in rows]


async def first_in_line(conn: Connection, tenant_id: int, rooms: Mapping[int, int], span: Span) -> list[int]:
    """Numbers of the newest of those leads that are the first under each wake key, as many as `rooms` says."""
    if not rooms:
        return []
    return await _of_few(conn, tenant_id, span, wake_keys=list(rooms), rooms=list(rooms.values()))


async def _of_few(
    conn: Connection,
    tenant_id: int,
    span: Span,
    *,
    rep_no: int | None = None,
    wake_keys: Sequence[int] | None = None,
    rooms: Sequence[int] | None = None,
) -> list[int]:
    which = {"tenant_id": tenant_id, "rep_no": rep_no, "wake_keys": wake_keys, "rooms": rooms}
    return [row[0] for row in await _SQL.of_few.fetch(conn, **which, **span.arguments())]


async def waiting_longest(conn: Connection, tenant_id: int, limit: int) -> list[int]:
    """Numbers of the leads that have waited longest, that first."""
    return [row[0] for row in await _SQL.waiting_longest.fetch(conn, tenant_id=tenant_id, limit=limit)]


async def waiting_size(conn: Connection, tenant_id: int, limit: int) -> int:
    """How many leads wait, counted up to a limit."""
    return int(await _SQL.waiting_size.value(conn, tenant_id=tenant_id, limit=limit))


async def wake_keys(conn: Connection, tenant_id: int) -> list[tuple[int, int | None, str | None]]:
    """(number, ruleset, text) of all that leads wait for; key 0 first, of those that were never refused."""
    rows = await _SQL.wake_keys.fetch(conn, tenant_id=tenant_id)
    return [(0, None, None), *((row[0], row[1], row[2]) for row in rows)]


async def place_in_line(conn: Connection, tenant_id: int, wake_key: int, skip: int) -> tuple[int, datetime, int] | None:
    """(rank, queued at, number) of the lead behind `skip` others under a wake key; None = there are no more."""
    row = await _SQL.place_in_line.row(conn, tenant_id=tenant_id, wake_key=wake_key, skip=skip)
    return None if row is None else (row[0], row[1], row[2])


async def lead_rows(conn: Connection, tenant_id: int, numbers: Sequence[int]) -> Sequence[Row]:
    """What is shown of these leads, newest first; columns as in the statement `rows`."""
    return await _SQL.rows.fetch(conn, tenant_id=tenant_id, lead_ids=numbers)


async def _is_small(conn: Connection, tenant_id: int, source: str) -> bool:
    size: int = await _SQL.source_size.value(conn, tenant_id=tenant_id, source=source, limit=_FEW + 1)
    return size <= _FEW
