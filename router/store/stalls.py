"""Stalls as they are stored, and the counts from which they are judged."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from router.store.hour_counts import Reached
from router.store.sentence_parts import read_sentence, written_parts
from router.store.statements import Connection, Row, load

_SQL = load("stalls")


@dataclass(frozen=True, slots=True)
class WatchedTenant:
    """A tenant as far as the watch has to know before it looks; times UTC, None = never.

    `ruleset` 0 = it has no rules yet; `waits` = leads wait; `last_lead` = the lead that came in last, at
    `last_received_at`; `reached` = how far it is counted, None = not at all.
    """

    tenant_id: int
    name: str
    time_zone: str
    ruleset: int
    batch_no: int
    last_batch_at: datetime | None
    paused: bool
    now: datetime
    waits: bool
    last_lead: int | None
    last_received_at: datetime | None
    reached: Reached | None


@dataclass(frozen=True, slots=True)
class StoredStall:
    """A stall; times UTC, `ended_at` None = it goes on. `leads` = the most that were held back in a look."""

    tenant_id: int
    id: int
    topic: str
    kind: str
    subject: str
    began_at: datetime
    seen_at: datetime
    ended_at: datetime | None
    leads: int
    oldest: datetime | None
    reasons: Mapping[str, int]
    sentence: str


@dataclass(frozen=True, slots=True)
class SeenStall:
    """What is written of a stall; as `StoredStall`."""

    topic: str
    kind: str
    subject: str
    leads: int
    oldest: datetime | None
    reasons: Mapping[str, int]
    sentence: str


async def watched_tenants(conn: Connection, among: Sequence[int] | None = None) -> list[WatchedTenant]:
    """All tenants, or `among` these, by number."""
    if among is None:
        return [_watched(dict(row)) for row in await _SQL.tenants.fetch(conn)]
    return [_watched(dict(row)) for row in await _SQL.tenants_among.fetch(conn, tenant_ids=list(among))]


def _watched(row: dict[str, Any]) -> WatchedTenant:
    lead_id, batch_no, trends = row.pop("reached_lead"), row.pop("reached_batch"), row.pop("trends")
    return WatchedTenant(**row, reached=None if trends is None else Reached(lead_id, batch_no, json.loads(trends)))


async def last_arrivals(conn: Connection, tenant_id: int, limit: int) -> Sequence[Row]:
    """Rows of (received_at, wake_key, parked, merged), the latest lead first."""
    return await _SQL.arrivals.fetch(conn, tenant_id=tenant_id, limit=limit)


async def parked_since(
    conn: Connection, tenant_ids: Sequence[int], since: datetime, limit: int
) -> dict[int, dict[str, int]]:
    """By tenant and reason how many leads were parked since then; each tenant's are counted up to `limit`."""
    found: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for tenant_id, reason, leads in await _SQL.parked_since.fetch(
        conn, tenant_ids=list(tenant_ids), since=since, limit=limit
    ):
        found[tenant_id][reason] = leads
    return dict(found)


async def open_stalls(conn: Connection, among: Sequence[int] | None = None) -> list[StoredStall]:
    """Those of all tenants, or `among` these, that go on."""
    if among is None:
        return [_stored(row) for row in await _SQL.open_ones.fetch(conn)]
    return [_stored(row) for row in await _SQL.open_among.fetch(conn, tenant_ids=list(among))]


async def begin_stall(conn: Connection, tenant_id: int, began_at: datetime, seen: SeenStall) -> int | None:
    """Writes a new one; returns its number, None when another instance has written it already."""
    number: int | None = await _SQL.begin.value(
        conn, tenant_id=tenant_id, began_at=began_at, topic=seen.topic, subject=_text(seen.subject), **_written(seen)
    )
    return number


async def continue_stall(conn: Connection, stored: StoredStall, seen: SeenStall) -> None:
    """Writes how it looks now."""
    await _SQL.go_on.row(conn, tenant_id=stored.tenant_id, id=stored.id, **_written(seen))


async def end_stall(conn: Connection, tenant_id: int, number: int) -> tuple[int, float] | None:
    """Ends it; returns (leads, seconds that it lasted), None when another instance has ended it already."""
    row = await _SQL.finish.row(conn, tenant_id=tenant_id, id=number)
    return None if row is None else (row["leads"], row["lasted_s"])


async def forget_stalls(conn: Connection, kept: timedelta) -> None:
    """Deletes those that ended longer ago than `kept`."""
    await _SQL.forget.execute(conn, kept=kept)


def _stored(row: Row) -> StoredStall:
    values = dict(row)
    sentence = read_sentence(values["sentence"], values.pop("parts"))
    return StoredStall(**{**values, "reasons": json.loads(values["reasons"]), "sentence": sentence})


def _written(seen: SeenStall) -> dict[str, object]:
    return {
        "kind": seen.kind,
        "leads": seen.leads,
        "oldest": seen.oldest,
        "reasons": json.dumps(dict(seen.reasons)),
        "sentence": _text(seen.sentence),
        "parts": written_parts(seen.sentence),
    }


def _text(words: str) -> str:
    return words.replace("\x00", "")
