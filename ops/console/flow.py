"""Arrivals and assignments by the minute. Minutes that are over are remembered: a look costs only the last ones."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from router.domain.flight_format import decode
from router.store import lead_lists
from router.store.flow import arrivals
from router.store.statements import Connection
from router.store.status import last_batches

MINUTES = 60
TENANTS = 10
"""Of more tenants than this, no picture is made of all together."""

_MINUTE = timedelta(minutes=1)
# A transaction may be so late with what it counted for a minute.
_SETTLED = timedelta(minutes=3)
_LEADS, _BATCHES = 200_000, 400
_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute (its start, UTC); None = not known, as more happened since than is looked at."""

    at: datetime
    arrived: int | None
    assigned: int | None


@dataclass(slots=True)
class _Known:
    """What is remembered of a tenant; `reached` = up to there minutes are final."""

    reached: datetime | None = None
    minutes: dict[datetime, Minute] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Flow:
    """One per process."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}

    async def look(self, conn: Connection, tenant_id: int, now: datetime) -> list[Minute]:
        """The last MINUTES before `now` (UTC), the oldest first; the last one is still under way."""
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        known = self._known.setdefault(tenant_id, _Known())
        first = _start(now) - (MINUTES - 1) * _MINUTE
        async with known.turn:
            since = first if known.reached is None or known.reached < first else known.reached
            known.minutes.update(await _read(conn, tenant_id, since, now))
            known.minutes = {at: one for at, one in known.minutes.items() if at >= first}
            known.reached = max(first, _start(now - _SETTLED))
            return [known.minutes.get(at) or Minute(at, 0, 0) for at in _minutes(first, now)]


def summed(parts: list[list[Minute]]) -> list[Minute]:
    """Several tenants together, minute by minute."""
    return [
        Minute(ones[0].at, _sum([one.arrived for one in ones]), _sum([one.assigned for one in ones]))
        for ones in zip(*parts, strict=True)
    ]


def _sum(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


async def _read(conn: Connection, tenant_id: int, since: datetime, now: datetime) -> Mapping[datetime, Minute]:
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        await lead_lists.begin(conn)
        floor, _ = await lead_lists.numbers_of(conn, tenant_id, since, None)
        rows = await arrivals(conn, tenant_id, floor, since, _LEADS)
        batches = await last_batches(conn, [tenant_id], since, _BATCHES)
    came = {row["minute"].astimezone(UTC): row["leads"] for row in rows}
    came_from = since if sum(came.values()) < _LEADS else min(row["first"] for row in rows)
    given: Counter[datetime] = Counter()
    for _, at, inputs in batches:
        given[_start(at)] += sum(1 for rep_no in decode(inputs).rep_numbers if rep_no > 0)
    given_from = since if len(batches) < _BATCHES else batches[-1][1]
    return {
        at: Minute(at, came.get(at, 0) if at >= came_from else None, given[at] if at >= given_from else None)
        for at in _minutes(since, now)
    }


def _start(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)


def _minutes(since: datetime, until: datetime) -> list[datetime]:
    begin, found = _start(since), []
    while begin <= until:
        found.append(begin)
        begin += _MINUTE
    return found
