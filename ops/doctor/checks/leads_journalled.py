"""Accepted leads are in the journals of instances, and not in the database yet."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from router.domain.phrases import count, duration
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
    sentence = (
        f"{count(leads, 'accepted lead')} {'is' if leads == 1 else 'are'} in {_journals(held)}, not in the database"
    )
    if silent:
        since = max((scene.at - one.file.seen_at).total_seconds() for one in silent if one.file.seen_at)
        first = silent[0].file
        sentence += f"; {first.instance} on {first.host} has not reported for {duration(since)}: nobody drains it"
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


def _journals(held: Sequence[Holding]) -> str:
    return f"the journal of {held[0].file.instance}" if len(held) == 1 else f"{len(held)} journals"


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
