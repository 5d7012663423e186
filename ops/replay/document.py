"""Replays for machines. The keys stay as they are: scripts read them."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from typing import Any

from ops.replay.records import Skipped
from ops.replay.report import (
    LeadRow,
    cap_rows,
    changes_by_kind,
    group_rows,
    lead_rows,
    parked_rows,
    rep_rows,
    rule_rows,
    waiting_rows,
)
from ops.replay.run import Replayed
from ops.replay.verify import Verified
from router.domain.worded import Worded, worded, worded_count
from router.store.replay import Span, lead_names
from router.store.statements import Connection
from router.store.tenants import Tenant

NOTES = (
    worded(
        "Recorded batches keep their time and their new leads; endings keep their time. Exact: rules, attendance by "
        "calendar, caps, shares, owners."
    ),
    worded(
        "Approximate: between batches the replay assumes that a router was running (except in pauses); presence is as "
        "last recorded; a new roster counts from the first batch decided by it; what was won, lost or returned is as "
        "recorded."
    ),
)
"""What is exact and what is not; docs/replay.md has all of it."""


def of_backlog(waited: int, backlog: int) -> Worded:
    """On so many leads that waited from the start on, and so many that wait now."""
    return worded(
        "Of a part of the time: leads that waited before it come only when the record tries them again, and not at all "
        "where that was after --until; from the start there are those not tried since: {start}. Queued before it and "
        "waiting now: {backlog}.",
        start=worded_count("{count:,} lead", "{count:,} leads", waited),
        backlog=worded_count("{count:,} lead", "{count:,} leads", backlog),
    )


def verified_document(found: Verified) -> dict[str, Any]:
    """The JSON document of --verify."""
    return {
        "ok": found.ok,
        "result": found.result,
        "batches": found.batches,
        "leads": found.leads,
        "differences": found.differing,
        "differing_batches": found.differing_batches,
        "examples": [
            {"batch": no, "lead": one.lead_id, "recorded": str(one.recorded), "again": str(one.recomputed)}
            for no, one in found.differences
        ],
        "data_differs": found.data_differs,
        "not_run": _skipped_document(found.skipped),
    }


async def document(conn: Connection, tenant: Tenant, found: Replayed, limit: int) -> dict[str, Any]:
    """The JSON document of a replay with changes; `leads` has the first `limit` that differ."""
    rows = list(islice(lead_rows(found), limit))
    names = await lead_names(conn, tenant.tenant_id, [row.lead_id for row in rows])
    kinds = changes_by_kind(found)
    return {
        "tenant": tenant.name,
        "span": None if found.span is None else _span_document(found.span),
        "own_batches": found.simulation.own_batches,
        "different_leads": kinds.total(),
        "changes": dict(kinds),
        "reps": [row.document for row in rep_rows(found)],
        "groups": [row.document for row in group_rows(found)],
        "rules": [row.document for row in rule_rows(found)],
        "caps_hit": {cap: [row.document for row in of_cap] for cap, of_cap in cap_rows(found).items()},
        "waiting_at_end": [row.document for row in waiting_rows(found)],
        "parked": [row.document for row in parked_rows(found)],
        "leads": [_lead_document(row, names.get(row.lead_id, ("", ""))) for row in rows],
        "waited_before": {"waiting_now": found.backlog, "from_the_start": found.waited_already},
        "not_run": _skipped_document(found.skipped),
        "notes": list(map(str, notes(found))),
    }


def notes(found: Replayed) -> Iterator[str]:
    """What is exact in it, and what is not."""
    yield from NOTES
    if found.span is not None and (found.span.since or found.span.until):
        yield of_backlog(found.waited_already, found.backlog)


def _span_document(span: Span) -> dict[str, Any]:
    return {
        "batches": span.batches,
        "decisions": span.leads,
        "first_batch": span.first_batch,
        "last_batch": span.last_batch,
        "first_at": span.first_at.isoformat(),
        "last_at": span.last_at.isoformat(),
    }


def _lead_document(row: LeadRow, name: tuple[str, str]) -> dict[str, Any]:
    cells = {key: cell.isoformat() if isinstance(cell, datetime) else cell for key, cell in asdict(row).items()}
    return {"source": name[0], "external_id": name[1], **cells}


def _skipped_document(skipped: Skipped) -> dict[str, Any]:
    return {
        "batches": skipped.count,
        "first": [{"batch": batch_no, "why": why} for batch_no, why in skipped.reasons],
    }
