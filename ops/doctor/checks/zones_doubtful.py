"""A tenant or reps have a zone that is probably not the one that is meant: Etc/GMT+8, whose sign is reversed; EST."""

from collections.abc import Sequence

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from router.domain.phrases import count, listed
from router.domain.zone_meant import doubt
from router.store.status import zones_of_reps

CODE = "zones_doubtful"
_SHOWN = 10


async def look(scene: Scene) -> Sequence[Finding]:
    reps = await zones_of_reps(scene.conn, scene.tenant_ids)
    found = []
    for tenant in scene.tenants:
        doubts = [(tenant.time_zone, list[str]())] if doubt(tenant.time_zone) else []
        doubts += [(zone, named) for key, zone, named in reps if key == tenant.tenant_id and doubt(zone)]
        if doubts:
            found.append(_finding(tenant.name, doubts))
    return found


def _finding(tenant: str, doubts: Sequence[tuple[str, Sequence[str]]]) -> Finding:
    zone, reps = doubts[0]
    whose = f"{count(len(reps), 'active rep')} ({listed(reps)})" if reps else "the tenant"
    more = f", and {count(len(doubts) - 1, 'more zone')}" if len(doubts) > 1 else ""
    evidence = tuple(
        {"time_zone": zone, "of": "reps" if reps else "tenant", "reps": list(reps[:_SHOWN]), "why": doubt(zone)}
        for zone, reps in doubts
    )
    return Finding(
        CODE,
        Severity.WARNING,
        of_tenant(tenant),
        f"time zone of {whose}: {doubt(zone)}{more}",
        evidence[:_SHOWN],
        command=f"lead-router reps list --tenant {tenant}" if reps else "lead-router tenants list",
    )
