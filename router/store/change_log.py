"""What was changed lately, whoever did it and wherever it is kept: for people who ask what was different before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from router.store.statements import Connection, load
from router.telemetry.masking import mask_statement

_SQL = load("change_log")


@dataclass(frozen=True, slots=True)
class Entry:
    """One change; `tenant_id` 0 = of the service as a whole, `at` aware. Otherwise as `changes.Change`."""

    tenant_id: int
    at: datetime
    actor: str
    action: str
    subject: str
    before: str
    after: str
    why: str


async def read_changes(
    conn: Connection, tenant_ids: Sequence[int], since: datetime, until: datetime, limit: int
) -> list[Entry]:
    """Those of some tenants (0 = of the service), from `since` to `until`, the latest `limit` of them, latest first.

    Passwords are masked, also in what people wrote.
    """
    rows = await _SQL.changes.fetch(conn, tenant_ids=tenant_ids, since=since, until=until, limit=limit)
    return [Entry(row[0], row[1], *(mask_statement(word or "") for word in tuple(row)[2:])) for row in rows]
