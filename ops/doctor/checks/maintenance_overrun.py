"""A script had a turn to clean, and went on after its deadline or never gave the turn back."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from ops.doctor.finding import Finding, NotApplicable, Severity, Subject
from ops.doctor.scene import Scene
from router.domain.worded import Worded, worded, worded_count
from router.domain.worded_phrases import worded_duration
from router.store.changes import SERVICE
from router.store.maintenance import LATE, Run, runs, sessions_of

CODE = "maintenance_overrun"
_LOOKED_BACK = timedelta(days=1)


async def look(scene: Scene) -> Sequence[Finding]:
    since = scene.at - _LOOKED_BACK
    found = await runs(scene.conn, [SERVICE, *scene.tenant_ids], since)
    if not found:
        raise NotApplicable(worded("no script asked for a turn in the last 24 h"))
    names = {tenant.tenant_id: tenant.name for tenant in scene.tenants}
    overdue = [one for one in found if one.late > LATE or (one.overran_at is not None and one.overran_at >= since)]
    return [await _finding(scene, one, names.get(one.tenant_id, "all tenants")) for one in overdue]


async def _finding(scene: Scene, run: Run, tenant: str) -> Finding:
    sessions, at_work = await sessions_of(scene.conn, run)
    command = "lead-router maintenance list" + ("" if run.tenant_id == SERVICE else f" --tenant {tenant}")
    subject = Subject("maintenance", f"{tenant}/{run.name}")
    since = run.until if run.late > LATE else run.overran_at
    of = worded("all tenants") if run.tenant_id == SERVICE else tenant
    sentence = _sentence(run, sessions, {"tenant": of, "name": run.name, "role": run.role})
    return Finding(CODE, Severity.WARNING, subject, sentence, (_row(run, sessions, at_work),), since, command)


def _sentence(run: Run, sessions: int, who: Mapping[str, str]) -> Worded:
    if run.late <= LATE:
        return worded_count(
            "{tenant}: {name} (role {role}) gave {count:,} turn back late, by up to {late}",
            "{tenant}: {name} (role {role}) gave {count:,} turns back late, by up to {late}",
            run.overruns,
            late=worded_duration(run.overrun_s),
            **who,
        )
    said = worded(
        "{tenant}: {name} (role {role}) has not given its turn back, {late} after its end",
        late=worded_duration(run.late.total_seconds()),
        **who,
    )
    if not sessions:
        return said + worded("; no session of it is left")
    return said + worded_count(
        "; {count:,} session of it still there", "; {count:,} sessions of it still there", sessions
    )


def _row(run: Run, sessions: int, at_work: int) -> dict[str, Any]:
    return {
        "turn_at": None if run.turn_at is None else run.turn_at.isoformat(timespec="seconds"),
        "until": None if run.until is None else run.until.isoformat(timespec="seconds"),
        "removed": run.removed,
        "overruns": run.overruns,
        "sessions": sessions,
        "at_work": at_work,
    }
