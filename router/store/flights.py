"""Flight records as they are stored, and what it takes to run them again."""

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
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


FactsOf = dict[int, tuple[datetime, Facts]]
"""(created_at, facts) by lead id."""


@dataclass(frozen=True, slots=True)
class RecordedFacts:
    """What arrived with some leads; `corrected` has by lead what its created_at was up to which batch, ascending."""

    latest: FactsOf
    corrected: Mapping[int, Sequence[tuple[int, datetime]]]

    def at(self, batch_no: int) -> FactsOf:
        """As a batch saw them: people may have corrected creation times since."""
        if not self.corrected:
            return self.latest
        return self.latest | {
            lead_id: (before, self.latest[lead_id][1])
            for lead_id, times in self.corrected.items()
            if (before := next((at for upto, at in times if batch_no <= upto), None)) is not None
        }


async def read_facts(conn: Connection, tenant_id: int, leads: Sequence[int]) -> RecordedFacts:
    """Those of the leads that are there."""
    of = {"tenant_id": tenant_id, "lead_ids": list(leads)}
    latest = {row[0]: (row[1], Facts._make(row[2:9])) for row in await _SQL.facts.fetch(conn, **of)}
    corrected: defaultdict[int, list[tuple[int, datetime]]] = defaultdict(list)
    for lead_id, upto, before in await _SQL.corrections.fetch(conn, **of):
        if lead_id in latest:
            corrected[lead_id].append((upto, before))
    return RecordedFacts(latest, corrected)
