"""The database refuses leads that a journal took: they are kept there, and nobody routes them."""

from collections.abc import Sequence

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from router.domain.worded import worded_count
from router.store.journal import Holding, holdings

CODE = "journal_set_aside"


async def look(scene: Scene) -> Sequence[Finding]:
    names = {tenant.tenant_id: tenant.name for tenant in scene.tenants}
    held = [one for one in await holdings(scene.conn, scene.tenant_ids) if one.set_aside]
    return [_finding(names[one.tenant_id], one) for one in held]


def _finding(tenant: str, one: Holding) -> Finding:
    sentence = worded_count(
        "the database refused {count:,} accepted lead, kept in the journal of {instance} on {host}; the last one: "
        "{why}",
        "the database refused {count:,} accepted leads, kept in the journal of {instance} on {host}; the last one: "
        "{why}",
        one.set_aside,
        instance=one.file.instance,
        host=one.file.host,
        why=one.reason,
    )
    evidence = {"journal": one.file.journal_id, "file": one.file.file, "leads": one.set_aside, "reason": one.reason}
    return Finding(
        CODE,
        Severity.WARNING,
        of_tenant(tenant),
        sentence,
        (evidence,),
        command="lead-router journal list --set-aside",
        held_back=one.set_aside,
    )
