"""Facts of leads that no one has worked on, corrected by a person; what batches looked at before is kept."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from router.domain.lead_in import LeadIn
from router.store.imports import Placed, where_are
from router.store.statements import Connection, Row, load

_SQL = load("corrections")


@dataclass(frozen=True, slots=True)
class StoredLead(Placed):
    """A lead as it is stored, and where it is."""

    lead: LeadIn


async def stored(conn: Connection, tenant_id: int, leads: Sequence[int]) -> dict[int, StoredLead]:
    """The leads, by number; those that are gone are left out."""
    facts = {row["lead_id"]: row for row in await _SQL.facts.fetch(conn, tenant_id=tenant_id, lead_ids=list(leads))}
    placed = await where_are(conn, tenant_id, list(facts))
    return {one.lead_id: _stored(one, facts[one.lead_id]) for one in placed}


def _stored(placed: Placed, row: Row) -> StoredLead:
    facts: dict[str, Any] = {name: row[name] for name in LeadIn._fields[:16]}
    return StoredLead(**asdict(placed), lead=LeadIn(**facts, enquiry=row["enquiry"]))


class Corrected(NamedTuple):
    """A lead with what it says now (its `created_at` is given), and whose it is then."""

    lead_id: int
    customer_id: int | None
    lead: LeadIn

    def row(self) -> dict[str, object]:
        """By the names of the columns."""
        ours = {"lead_id": self.lead_id, "customer_id": self.customer_id, "malformed": None, "invalid": None}
        attributes = None if self.lead.attributes is None else msgspec.Raw(self.lead.attributes.encode())
        return {**self.lead._asdict(), **ours, "attributes": attributes}


async def wake_keys(conn: Connection, tenant_id: int, leads: Sequence[int]) -> set[int]:
    """What those of the leads wait for that wait."""
    return {row[0] for row in await _SQL.wake_keys.fetch(conn, tenant_id=tenant_id, lead_ids=list(leads))}


async def correct(
    conn: Connection, tenant_id: int, corrected: Sequence[Corrected], batch_no: int, change: int, wake_key: int
) -> None:
    """Writes what leads say now; the caller holds them and the lane, whose last batch is `batch_no`."""
    rows = msgspec.json.encode([one.row() for one in corrected]).decode()
    await _SQL.keep.execute(conn, tenant_id=tenant_id, batch_no=batch_no, change_id=change, rows=rows)
    await _SQL.correct_leads.execute(conn, tenant_id=tenant_id, rows=rows)
    ids = [one.lead_id for one in corrected]
    await _SQL.correct_pool.execute(conn, tenant_id=tenant_id, lead_ids=ids, wake_key=wake_key)


async def customers_changed(
    conn: Connection, tenant_id: int, now: datetime, moved: Sequence[tuple[int, int | None, int | None]]
) -> None:
    """Says of leads whose they were and are now."""
    if moved:
        ids, before, after = (list(one) for one in zip(*moved, strict=True))
        of = {"lead_ids": ids, "before": before, "after": after}
        await _SQL.customers_changed.execute(conn, tenant_id=tenant_id, moment=now, **of)


async def invalid_among(conn: Connection, tenant_id: int, leads: Sequence[int]) -> list[int]:
    """Those of the leads that are parked because nobody could work on them."""
    return [row[0] for row in await _SQL.put_right.fetch(conn, tenant_id=tenant_id, lead_ids=list(leads))]


async def park_invalid(conn: Connection, tenant_id: int, now: datetime, invalid: Sequence[tuple[int, str]]) -> None:
    """Parks leads on which nobody can work, with why; those that a person parked stay as they are."""
    if invalid:
        ids, details = (list(one) for one in zip(*invalid, strict=True))
        await _SQL.park_invalid.execute(conn, tenant_id=tenant_id, moment=now, lead_ids=ids, details=details)
