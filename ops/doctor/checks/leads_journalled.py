"""Accepted leads are in the journals of instances, and not in the database yet."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from router.domain.worded import Worded, worded, worded_count
from router.domain.worded_phrases import worded_duration
from router.store.journal import Holding, holdings

CODE = "leads_journalled"
SILENT_FOR = timedelta(seconds=60)
"""An instance that has not reported for so long does not drain its journal."""


async def look(scene: Scene) -> Sequence[Finding]:
    names = {tenant.tenant_id: tenant.name for tenant in scene.tenants}
    held = [one for one in await holdings(scene.conn, scene.tenant_ids) if one.leads]
    by_tenant = groupby(held, key=lambda one: one.tenant_id)
    return [_finding(scene, names[tenant_id], list(found)) for tenant_id, found in by_tenant]


def _finding(scene: Scene, tenant: str, held: Sequence[Holding]) -> Finding:
    leads = sum(one.leads for one in held)
    silent = [one for one in held if _is_silent(scene, one)]
    sentence = worded_count(
        "{count:,} accepted lead is in {journals}, not in the database",
        "{count:,} accepted leads are in {journals}, not in the database",
        leads,
        journals=_journals(held),
    )
    if silent:
        since = max((scene.at - one.file.seen_at).total_seconds() for one in silent if one.file.seen_at)
        first = silent[0].file
        sentence += worded(
            "; {instance} on {host} has not reported for {lasts}: nobody drains it",
            instance=first.instance,
            host=first.host,
            lasts=worded_duration(since),
        )
    return Finding(
        CODE,
        Severity.CRITICAL if silent else Severity.WARNING,
        of_tenant(tenant),
        sentence,
        tuple(_row(one) for one in held[:10]),
        command="lead-router journal drain" if silent else "lead-router journal list",
        held_back=leads,
        oldest=min((one.oldest_at for one in held if one.oldest_at), default=None),
    )


def _is_silent(scene: Scene, one: Holding) -> bool:
    return one.file.seen_at is not None and scene.at - one.file.seen_at > SILENT_FOR


def _journals(held: Sequence[Holding]) -> Worded:
    if len(held) == 1:
        return worded("the journal of {instance}", instance=held[0].file.instance)
    return worded("{number} journals", number=len(held))


def _row(one: Holding) -> dict[str, object]:
    file = one.file
    return {
        "journal": file.journal_id,
        "instance": file.instance,
        "host": file.host,
        "file": file.file,
        "leads": one.leads,
        "oldest_at": None if one.oldest_at is None else one.oldest_at.isoformat(),
        "reported_at": None if file.seen_at is None else file.seen_at.isoformat(),
    }
