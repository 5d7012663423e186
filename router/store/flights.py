"""Flight records as they are stored, and what it takes to run them again."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from router.domain.flight_format import Flight, decode
from router.domain.lead import Facts
from router.store.statements import Connection, Row, load

_SQL = load("flights")


@dataclass(frozen=True, slots=True)
class StoredFlight:
    """A flight record with the versions that it was decided under."""

    batch_no: int
    at: datetime
    ruleset: int
    roster: int
    rates: int
    kind: str
    flight: Flight


async def read_flight(conn: Connection, tenant_id: int, batch_no: int) -> StoredFlight | None:
    """The record of a batch; None when there is none (any more)."""
    row = await _SQL.flight.row(conn, tenant_id=tenant_id, batch_no=batch_no)
    if row is None:
        return None
    return _stored(row)


def _stored(row: Row) -> StoredFlight:
    return StoredFlight(
        row["batch_no"],
        row["at"],
        row["ruleset"],
        row["roster"],
        row["rates"],
        row["kind"],
        decode(row["inputs"]),
    )


def _readable(row: Row) -> StoredFlight | None:
    try:
        return _stored(row)
    except (zlib.error, msgspec.MsgspecError):
        return None


async def last_flights(
    conn: Connection, tenant_ids: Sequence[int], of_each: int, limit: int
) -> list[tuple[int, StoredFlight | None]]:
    """The last records of some tenants by tenant, the youngest first; None = one that cannot be read."""
    rows = await _SQL.last.fetch(conn, tenant_ids=tenant_ids, of_each=of_each, limit=limit)
    return [(row["tenant_id"], _readable(row)) for row in rows]


async def read_facts(conn: Connection, tenant_id: int, leads: Sequence[int]) -> dict[int, tuple[datetime, Facts]]:
    """(created_at, facts) by lead id."""
    rows = await _SQL.facts.fetch(conn, tenant_id=tenant_id, lead_ids=list(leads))
    return {row[0]: (row[1], Facts._make(row[2:9])) for row in rows}
