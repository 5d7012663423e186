"""The same external id of several sources: most often one lead whose source was edited, which would be two leads."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from router.domain.lead_in import LeadIn
from router.store.statements import Connection, load

_SQL = load("ids")
MOST_SOURCES = 1_000
_FEW = 50_000
"""Up to so many look-ups by index are faster than reading all leads of the tenant once."""


class Elsewhere(NamedTuple):
    """The lead of another source that has the id of a lead; `line` of the file, where it is known (0 = it is not)."""

    line: int
    source: str
    external_id: str
    other_source: str
    other_lead: int | None


@dataclass(slots=True)
class SameIds:
    """How many new leads have the id of a lead of another source; the first of them."""

    count: int = 0
    named: list[Elsewhere] = field(default_factory=list)


async def sources_of(conn: Connection, tenant_id: int) -> list[str]:
    """The sources that leads of the tenant came from, at most MOST_SOURCES."""
    async with conn.transaction():
        await _SQL.steady_plans.execute(conn)
        return [row[0] for row in await _SQL.sources.fetch(conn, tenant_id=tenant_id, limit=MOST_SOURCES)]


async def ids_elsewhere(
    conn: Connection, tenant_id: int, leads: Sequence[LeadIn], sources: Sequence[str]
) -> dict[int, tuple[str, int]]:
    """By place: source and number of a lead of another of these sources that has the lead's id."""
    if not leads or not sources:
        return {}
    async with conn.transaction():
        await _SQL.steady_plans.execute(conn)
        rows = await _SQL.elsewhere.fetch(
            conn,
            tenant_id=tenant_id,
            external_ids=[lead.external_id for lead in leads],
            own_sources=[lead.source for lead in leads],
            sources=list(sources),
        )
    found: dict[int, tuple[str, int]] = {}
    for row in rows:
        found.setdefault(row["ord"] - 1, (row["source"], row["lead_id"]))
    return found


async def hold_ids(conn: Connection, tenant_id: int) -> None:
    """Until the transaction ends, no other intake that asks for it looks at ids of the tenant."""
    await _SQL.hold_ids.row(conn, tenant_id=tenant_id)


async def same_ids_of_import(conn: Connection, tenant_id: int, import_no: int, limit: int) -> SameIds:
    """Leads that an import brought and whose id a lead of another source has."""
    new = int(await _SQL.brought.value(conn, tenant_id=tenant_id, import_no=import_no))
    if not new:
        return SameIds()
    sources = await sources_of(conn, tenant_id)
    if new * len(sources) > _FEW:
        rows = await _SQL.of_import.fetch(conn, tenant_id=tenant_id, import_no=import_no, limit=limit)
        named = [
            Elsewhere(0, row["source"], row["external_id"], row["other_source"], row["other_lead"]) for row in rows
        ]
        return SameIds(rows[0]["found"] if rows else 0, named)
    rows = await _SQL.leads_of.fetch(conn, tenant_id=tenant_id, import_no=import_no)
    leads = [LeadIn(row["source"], row["external_id"]) for row in rows]
    found = await ids_elsewhere(conn, tenant_id, leads, sources)
    named = [Elsewhere(0, *leads[place][:2], *found[place]) for place in sorted(found)[:limit]]
    return SameIds(len(found), named)
