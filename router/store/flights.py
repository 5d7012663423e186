"""Flight records as they are stored, and what it takes to run them again."""

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from router.domain.asked import with_more
from router.domain.flight_format import Flight, decode
from router.domain.lead import Facts
from router.store.more_facts import read_more_facts
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
class Correction:
    """What people corrected of a lead: what its created_at was up to a batch, and its facts (None = those stayed)."""

    upto: int
    created_before: datetime
    facts_before: Facts | None = None


@dataclass(frozen=True, slots=True)
class RecordedFacts:
    """What arrived with some leads; `corrected` has by lead what people corrected since, in the order of batches."""

    latest: FactsOf
    corrected: Mapping[int, Sequence[Correction]]

    def at(self, batch_no: int) -> FactsOf:
        """As a batch saw them: people may have corrected them since."""
        if not self.corrected:
            return self.latest
        then = {}
        for lead_id, corrections in self.corrected.items():
            later = [one for one in corrections if batch_no <= one.upto]
            if later:
                now = self.latest[lead_id][1]
                facts = next((one.facts_before for one in later if one.facts_before), now)
                then[lead_id] = (later[0].created_before, facts._replace(more=now.more))
        return self.latest | then


async def read_facts(
    conn: Connection, tenant_id: int, leads: Sequence[int], asked: Sequence[str] = ()
) -> RecordedFacts:
    """Those of the leads that are there; with what they say now in the fields `asked` for beyond those of the pool."""
    of = {"tenant_id": tenant_id, "lead_ids": list(leads)}
    latest = {row[0]: (row[1], Facts.of(row[2:9])) for row in await _SQL.facts.fetch(conn, **of)}
    if asked:
        more = await read_more_facts(conn, tenant_id, list(latest), asked)
        latest = {no: (at, with_more(facts, more.get(no, ()))) for no, (at, facts) in latest.items()}
    corrected: defaultdict[int, list[Correction]] = defaultdict(list)
    for lead_id, upto, before, facts in await _SQL.corrections.fetch(conn, **of):
        if lead_id in latest:
            corrected[lead_id].append(Correction(upto, before, _facts(facts)))
    return RecordedFacts(latest, corrected)


def _facts(stored: Sequence[str | None] | None) -> Facts | None:
    return None if stored is None else Facts.of((stored[0] or None, *stored[1:]))
