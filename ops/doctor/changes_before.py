"""What was changed in the hour before a trouble began: often its cause."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ops.doctor.finding import Finding
from ops.doctor.look import Checked
from ops.doctor.scene import Scene
from router.domain.written_time import written
from router.store.change_log import Entry, read_changes
from router.store.changes import SERVICE
from router.store.configuration import ACTION as CONFIGURE
from router.store.configuration import FIRST_LOOK
from router.store.errors import TRANSIENT_ERRORS

BEFORE = timedelta(hours=1)
CITED = 3
_LIMIT_S = 1.0
# Of a span: more of them are no lead to a cause.
_READ = 500

Span = tuple[datetime, datetime]


async def with_changes(scene: Scene, results: Sequence[Checked]) -> list[Checked]:
    """The same results, whose findings that say since when cite the last CITED changes of the hour before.

    Without them where the record cannot be read in time: a finding is worth more than what may explain it.
    """
    spans = merged(finding.since for one in results for finding in one.findings)
    found: list[Entry] = []
    try:
        async with scene.conn.transaction(), asyncio.timeout(_LIMIT_S):
            for since, until in spans:
                found += await read_changes(scene.conn, [SERVICE, *scene.tenant_ids], since, until, _READ)
    except (TimeoutError, *TRANSIENT_ERRORS):
        return list(results)
    tenants = {tenant.name: tenant.tenant_id for tenant in scene.tenants}
    return [replace(one, findings=tuple(cited(finding, found, tenants) for finding in one.findings)) for one in results]


def merged(moments: Iterable[datetime | None]) -> list[Span]:
    """The hours before these moments, as spans that do not touch, the earliest first."""
    spans: list[Span] = []
    for moment in sorted(moment for moment in moments if moment is not None):
        if spans and moment - BEFORE <= spans[-1][1]:
            spans[-1] = spans[-1][0], moment
        else:
            spans.append((moment - BEFORE, moment))
    return spans


def cited(finding: Finding, entries: Sequence[Entry], tenants: Mapping[str, int]) -> Finding:
    """The finding with the changes of the hour before, of the service and of its tenant, the last one first.

    `tenants` = numbers by name. A finding that does not say since when is left as it is.
    """
    if finding.since is None:
        return finding
    of_tenant = tenants.get(finding.subject.name) if finding.subject.kind == "tenant" else None
    near = [
        entry
        for entry in entries
        if entry.tenant_id in (SERVICE, of_tenant)
        and finding.since - BEFORE <= entry.at <= finding.since
        and not is_first_look(entry)
    ]
    near.sort(key=lambda entry: entry.at, reverse=True)
    return replace(finding, changes=tuple(map(_row, near[:CITED])))


def is_first_look(entry: Entry) -> bool:
    """Whether a setting was only seen for the first time: the service's first start is no change of anything."""
    return entry.action == CONFIGURE and entry.why == FIRST_LOOK


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "at": entry.at.isoformat(timespec="seconds"),
        "by": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "before": entry.before,
        "after": entry.after,
        "why": entry.why,
    }


def in_words(change: Mapping[str, Any]) -> str:
    """One of a finding's `changes`, for people."""
    what = ": ".join(filter(None, [change["action"], change["subject"]]))
    became = f", {change['before'] or '-'} → {change['after'] or '-'}" if change["before"] or change["after"] else ""
    by = f" by {change['by']}" if change["by"] else ""
    why = f" ({change['why']})" if change["why"] else ""
    return f"{written(datetime.fromisoformat(change['at']), seconds=True)}{by}: {what}{became}{why}"
