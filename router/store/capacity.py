"""What capacity is worked out from: leads by hour, what batches took, and the places that reps have."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from router.store.statements import Connection, load

_SQL = load("capacity")
# Looked at of each tenant: the batches of some busy minutes.
_BATCHES = 500


async def counted_hours(
    conn: Connection, tenant_ids: Sequence[int], since: datetime
) -> list[tuple[int, datetime, int]]:
    """Tenant, hour (its start, UTC) and leads received in it, as far as they were counted."""
    rows = await _SQL.hours.fetch(conn, tenant_ids=list(tenant_ids), since=since)
    return [(row["tenant_id"], row["hour"], row["leads"]) for row in rows]


async def back_to_back(
    conn: Connection, tenant_ids: Sequence[int], minimum: int, longest_s: float
) -> list[tuple[int, float]]:
    """Leads and seconds of recent batches of at least `minimum` leads that another followed within `longest_s`."""
    rows = await _SQL.back_to_back.fetch(
        conn, tenant_ids=list(tenant_ids), of_each=_BATCHES, minimum=minimum, longest_s=longest_s
    )
    return [(row["leads"], row["took"]) for row in rows]


async def places_of_reps(conn: Connection, caps: Mapping[int, int | None]) -> dict[int, tuple[int, int | None]]:
    """By tenant: active reps in groups, and the leads that they may get in a day (None = some have no cap).

    `caps` = what holds for reps without a cap of their own, by tenant.
    """
    rows = await _SQL.places.fetch(conn, tenant_ids=list(caps), caps=list(caps.values()))
    return {row["tenant_id"]: (row["reps"], row["places"]) for row in rows}
