"""Reps whose availability in the source is not understood: the last known one holds for a while, or is over."""

from collections.abc import Sequence

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from ops.roster_sync.holds import holds, holds_told, over

CODE = "availability_unreadable"


async def look(scene: Scene) -> Sequence[Finding]:
    held = await holds(scene.conn, scene.tenant_ids)
    found = []
    for tenant in scene.tenants:
        of_tenant_held = held.get(tenant.tenant_id, [])
        ended = over(of_tenant_held, scene.at)
        running = [hold for hold in of_tenant_held if hold not in ended]
        for part, since in ((running, None), (ended, min((hold.until for hold in ended), default=None))):
            evidence = tuple({"rep": hold.rep_id, "until": hold.until.isoformat()} for hold in part[:10])
            for words in holds_told(part, scene.at):
                sentence = f"roster: {words}"
                command = f"lead-router reps list --tenant {tenant.name}"
                found.append(
                    Finding(CODE, Severity.WARNING, of_tenant(tenant.name), sentence, evidence, since, command)
                )
    return found
