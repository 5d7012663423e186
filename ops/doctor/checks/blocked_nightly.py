"""The same application blocks us at the same hour, night after night."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from ops.doctor.finding import Finding, NotApplicable, Severity, Subject
from ops.doctor.nightly import LOOKED_BACK, Nightly, nightly
from ops.doctor.scene import Scene
from router.domain.worded import worded, worded_count
from router.domain.worded_phrases import worded_duration, worded_list
from router.domain.written_time import written
from router.store.blocking.seen_blockers import SeenBlocker, seen_blockers

CODE = "blocked_nightly"


async def look(scene: Scene) -> Sequence[Finding]:
    # A transaction may have begun long before it blocked us.
    seen = await seen_blockers(scene.conn, scene.at - LOOKED_BACK - timedelta(days=1), scene.at)
    if not seen:
        raise NotApplicable(worded("the blocking watch has seen no blocking session for a week"))
    return [_finding(found) for found in nightly(seen, scene.at)]


def _finding(found: Nightly) -> Finding:
    last = found.seen[-1]
    tables = sorted({table for one in found.seen for table in one.tables})
    longest = max((one.for_s for one in found.seen if one.for_s is not None), default=None)
    sentence = worded_count(
        "{who} (role {role}) blocked us at about {time} UTC on {count:,} day of the last {looked_back}",
        "{who} (role {role}) blocked us at about {time} UTC on {count:,} days of the last {looked_back}",
        found.days,
        who=last.application or worded("a session without a name"),
        role=last.role or "?",
        time=f"{found.next_at:%H:%M}",
        looked_back=LOOKED_BACK.days,
    )
    if longest is not None:
        sentence += worded(", for up to {longest}", longest=worded_duration(longest))
    if tables:
        sentence += worded(" ({tables})", tables=worded_list(tables))
    sentence += worded("; next expected {next_at}", next_at=written(found.next_at))
    evidence = tuple(map(_row, found.seen[-10:]))
    subject = Subject("application", last.application)
    return Finding(CODE, Severity.WARNING, subject, sentence, evidence, found.seen[0].seen_at, "lead-router blockers")


def _row(one: SeenBlocker) -> dict[str, Any]:
    return {
        "seen_at": one.seen_at.isoformat(timespec="seconds"),
        "for_s": None if one.for_s is None else round(one.for_s),
        "client": one.client,
        "kind": one.kind,
        "tables": ", ".join(one.tables),
        "query": one.query,
    }
