"""How many leads reps have, and got."""

from collections.abc import Sequence
from datetime import datetime

from router.store.statements import Connection, load

_SQL = load("rep_leads")


async def open_leads(conn: Connection, tenant_id: int, rep_ids: Sequence[str]) -> dict[str, int]:
    """How many leads each of these reps (by id) has now; those who have none are not in it."""
    if not rep_ids:
        return {}
    return {row[0]: row[1] for row in await _SQL.open_leads.fetch(conn, tenant_id=tenant_id, rep_ids=rep_ids)}


async def oldest_leads(conn: Connection, tenant_id: int, rep_nos: Sequence[int]) -> dict[int, datetime]:
    """Since when each of these reps (by number) has had the oldest lead (UTC); those who have none are not in it."""
    rows = await _SQL.oldest_leads.fetch(conn, tenant_id=tenant_id, rep_nos=rep_nos)
    return {row[0]: row[1] for row in rows}


async def received_by_share(conn: Connection, tenant_id: int, since: datetime) -> dict[tuple[int, int], int]:
    """How many leads were given by groups' shares since a time (aware), by (group number, rep number).

    Reads all of the tenant's assignments.
    """
    rows = await _SQL.received.fetch(conn, tenant_id=tenant_id, since=since)
    return {(row[0], row[1]): row[2] for row in rows}
