"""Many endings at once: which leads rows name, where these are, and ending their assignments in one statement."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from router.domain.bulk_endings import Standing
from router.store.leads import TenantRemoved
from router.store.statements import Connection, load

_SQL = load("bulk_endings")
_SOURCES = 50
"""With more sources than that, leads that are named without one are looked for by their external ids alone."""


class LeadNamed(NamedTuple):
    """How a row names a lead: by its number, or by its external id and perhaps its source (None = not given)."""

    lead_id: int | None
    source: str | None = None
    external_id: str = ""


class SeveralSources(NamedTuple):
    """A lead that is named without its source, and that several have."""

    sources: Sequence[str]


async def begin(conn: Connection, tenant_id: int) -> datetime:
    """Sets the transaction's plans; returns the time by the database's clock. Raises TenantRemoved."""
    await _SQL.steady_plans.execute(conn)
    row = await _SQL.tenant_now.row(conn, tenant_id=tenant_id)
    assert row is not None
    if not row["is_there"]:
        raise TenantRemoved(f"tenant number {tenant_id} was removed")
    now: datetime = row["now"]
    return now


async def find_leads(conn: Connection, tenant_id: int, named: Sequence[LeadNamed]) -> list[int | SeveralSources | None]:
    """The number of each lead; None = there is none."""
    numbers = sorted({one.lead_id for one in named if one.lead_id is not None})
    known = {row[0] for row in await _SQL.by_number.fetch(conn, tenant_id=tenant_id, lead_ids=numbers)}
    found: list[int | SeveralSources | None] = [one.lead_id if one.lead_id in known else None for one in named]
    places = [place for place, one in enumerate(named) if one.lead_id is None]
    by_identity = await _by_identity(conn, tenant_id, [named[place] for place in places])
    for place in places:
        there = by_identity.get((named[place].source, named[place].external_id), {})
        one_lead = next(iter(there.values()), None)
        found[place] = one_lead if len(there) < 2 else SeveralSources(sorted(there))
    return found


_Found = dict[tuple[str | None, str], dict[str, int]]


async def _by_identity(conn: Connection, tenant_id: int, named: Sequence[LeadNamed]) -> _Found:
    """By source as asked and external id: the leads, by their source."""
    found: _Found = defaultdict(dict)
    asked = {(one.source, one.external_id) for one in named}
    bare = sorted(external_id for source, external_id in asked if source is None)
    pairs: list[tuple[str, str | None, str]] = []
    pairs += [(source, source, external_id) for source, external_id in asked if source is not None]
    if bare:
        sources = [row[0] for row in await _SQL.sources.fetch(conn, tenant_id=tenant_id, limit=_SOURCES + 1)]
        if len(sources) <= _SOURCES:
            pairs += [(source, None, external_id) for external_id in bare for source in sources]
        else:
            for row in await _SQL.by_external_id.fetch(conn, tenant_id=tenant_id, external_ids=bare):
                found[None, row["external_id"]][row["source"]] = row["lead_id"]
    if pairs:
        names = {"sources": [pair[0] for pair in pairs], "external_ids": [pair[2] for pair in pairs]}
        for row in await _SQL.by_identity.fetch(conn, tenant_id=tenant_id, **names):
            _, as_asked, external_id = pairs[row["ord"] - 1]
            found[as_asked, external_id][row["source"]] = row["lead_id"]
    return found


async def hold(conn: Connection, tenant_id: int, leads: Collection[int]) -> set[int]:
    """Those of the leads that somebody has and that nobody else has locked: they are locked until the transaction
    ends.
    """
    return {row[0] for row in await _SQL.hold.fetch(conn, tenant_id=tenant_id, lead_ids=sorted(leads))}


async def standings(conn: Connection, tenant_id: int, leads: Collection[int]) -> Mapping[int, Standing]:
    """Where these leads are."""
    rows = await _SQL.standings.fetch(conn, tenant_id=tenant_id, lead_ids=sorted(leads))
    return {
        row["lead_id"]: Standing(
            row["state"], row["rep_no"], row["assigned_at"], row["outcome"], row["returned_by"], row["had_by"]
        )
        for row in rows
    }


async def history_begins(conn: Connection) -> datetime | None:
    """Before when ended assignments are past their retention and cannot be stored (None = any time can)."""
    at: datetime | None = await _SQL.history_begins.value(conn)
    return None if at is None or at.year <= 1 else at


class EndingToDo(NamedTuple):
    """An assignment that ends: `ended_at` None = now; it is stored as not before it began; `note` as it is recorded."""

    lead_id: int
    outcome: str
    ended_at: datetime | None
    note: str


async def end_many(conn: Connection, tenant_id: int, endings: Sequence[EndingToDo], actor: str, now: datetime) -> int:
    """Ends assignments that the transaction holds; returns how many."""
    if not endings:
        return 0
    await _SQL.plan_joins.execute(conn)
    ended: int = await _SQL.end_many.value(
        conn,
        tenant_id=tenant_id,
        lead_ids=[one.lead_id for one in endings],
        outcomes=[one.outcome for one in endings],
        ended_at=[one.ended_at for one in endings],
        notes=[one.note for one in endings],
        actor=actor,
        now=now,
    )
    return ended
