"""A tenant, reps or sources have a zone that is probably not the one that is meant: Etc/GMT+8 is reversed; EST."""

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from router.domain.worded import Worded, worded, worded_count
from router.domain.worded_phrases import worded_list
from router.domain.zone_meant import doubt
from router.rules.problems import InvalidFile
from router.store.sources import sources_with_zones
from router.store.status import zones_of_reps

CODE = "zones_doubtful"
_SHOWN = 10
_COMMANDS = {
    "tenant": "lead-router tenants list",
    "reps": "lead-router reps list --tenant {tenant}",
    "source": "lead-router sources list --tenant {tenant}",
}


async def look(scene: Scene) -> Sequence[Finding]:
    reps = await zones_of_reps(scene.conn, scene.tenant_ids)
    sources = [(key, zone, [name]) for key, name, zone in await _zones_of_sources(scene)]
    found = []
    for tenant in scene.tenants:
        key = tenant.tenant_id
        doubts = [_Doubt("tenant", tenant.time_zone, ())] if doubt(tenant.time_zone) else []
        doubts += [_Doubt("reps", zone, named) for of, zone, named in reps if of == key and doubt(zone)]
        doubts += [_Doubt("source", zone, named) for of, zone, named in sources if of == key and doubt(zone)]
        if doubts:
            found.append(_finding(tenant.name, doubts))
    return found


class _Doubt(NamedTuple):
    """A zone, and whose it is: `named` are the reps, or the source."""

    of: str
    zone: str
    named: Sequence[str]


async def _zones_of_sources(scene: Scene) -> list[tuple[int, str, str]]:
    """Tenant, source and zone of the sources whose mapping has one; those that cannot be read have none."""
    found = []
    for source in await sources_with_zones(scene.conn, scene.tenant_ids):
        with suppress(InvalidFile):
            if zone := source.parsed().mapping.time_zone:
                found.append((source.tenant_id, source.name, zone))
    return found


def _finding(tenant: str, doubts: Sequence[_Doubt]) -> Finding:
    of, zone, named = doubts[0]
    sentence = worded("time zone of {whose}: {why}", whose=_whose(of, named), why=doubt(zone))
    if len(doubts) > 1:
        sentence += worded_count(", and {count:,} more zone", ", and {count:,} more zones", len(doubts) - 1)
    evidence = tuple(
        {
            "time_zone": one.zone,
            "of": one.of,
            "reps": list(one.named[:_SHOWN]) if one.of == "reps" else [],
            "source": one.named[0] if one.of == "source" else None,
            "why": str(doubt(one.zone)),
        }
        for one in doubts
    )
    return Finding(
        CODE,
        Severity.WARNING,
        of_tenant(tenant),
        sentence,
        evidence[:_SHOWN],
        command=_COMMANDS[of].format(tenant=tenant),
    )


def _whose(of: str, named: Sequence[str]) -> Worded:
    if of == "tenant":
        return worded("the tenant")
    names = worded_list(named)
    if of == "source":
        return worded("source {names}", names=names)
    return worded_count("{count:,} active rep ({reps})", "{count:,} active reps ({reps})", len(named), reps=names)
