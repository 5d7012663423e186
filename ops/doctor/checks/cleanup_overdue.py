"""Nothing has been cleaned up for days, so that old rows only grow."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from router.domain.worded import Worded, worded
from router.domain.worded_phrases import worded_duration
from router.store.cleanup import Run, created_at, last_runs

CODE = "cleanup_overdue"
OVERDUE = timedelta(days=3)


async def look(scene: Scene) -> Sequence[Finding]:
    runs = await last_runs(scene.conn, scene.tenant_ids)
    there_since = await created_at(scene.conn, scene.tenant_ids)
    found = []
    for tenant in scene.tenants:
        run = runs.get(tenant.tenant_id)
        since = (run and run.done_at) or there_since[tenant.tenant_id]
        if scene.at - since >= OVERDUE:
            found.append(_finding(tenant.name, since, run, scene.at))
    return found


def _finding(tenant: str, since: datetime, run: Run | None, at: datetime) -> Finding:
    row = {
        "done_at": run and run.done_at and run.done_at.isoformat(timespec="seconds"),
        "last_outcome": run and run.outcome,
        "last_note": run and run.note,
    }
    return Finding(
        CODE,
        # The service is off by default; where it ever ran, it is meant to.
        Severity.INFO if run is None else Severity.WARNING,
        of_tenant(tenant),
        _sentence(tenant, since, run, at),
        (row,),
        since,
        f"lead-router cleanup --tenant {tenant}",
    )


def _sentence(tenant: str, since: datetime, run: Run | None, at: datetime) -> Worded:
    lasts = worded_duration((at - since).total_seconds())
    if run is None or run.done_at is None:
        said = worded("{tenant} was never cleaned up in {lasts}", tenant=tenant, lasts=lasts)
    else:
        said = worded("{tenant} was last cleaned up {lasts} ago", tenant=tenant, lasts=lasts)
    if run is not None and run.outcome not in (None, "done"):
        said += worded("; the last run ended as {outcome}", outcome=run.outcome)
    return said + worded(": {why}", why=run.note) if run is not None and run.note else said
