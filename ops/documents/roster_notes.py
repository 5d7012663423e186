"""What whoever changed a roster should know: leads that stay with reps who went away, and reps who now work always."""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from router.domain.phrases import count, listed
from router.domain.roster_change import RepRecord, RosterChange
from router.domain.ruleset import Ruleset
from router.domain.text import fold
from router.rules.problems import InvalidFile
from router.store.rep_leads import open_leads
from router.store.roster import current_rep, current_reps
from router.store.rulesets import load_ruleset
from router.store.statements import Connection
from router.store.tenants import Tenant

_NAMED = 10
# So many reps are read one by one; for more all are read at once.
_ONE_BY_ONE = 3


@dataclass(frozen=True, slots=True)
class RosterNotes:
    """`open_left` = open leads of reps who went away, by id; `always` = reps in another zone whom no hours limit."""

    tenant: Tenant
    open_left: Mapping[str, int] = field(default_factory=dict)
    always: tuple[RepRecord, ...] = ()

    def document(self) -> dict[str, Any]:
        """For machines."""
        left = [
            {"rep_id": rep_id, "open_leads": leads, "command": self.handover(rep_id)}
            for rep_id, leads in self.open_left.items()
        ]
        return {"open_leads_left": left, "always_on_duty": [rep.rep_id for rep in self.always]}

    def lines(self, *, dry_run: bool = False) -> Iterable[str]:
        """For people."""
        for rep_id, leads in list(self.open_left.items())[:_NAMED]:
            verb = "would keep" if dry_run else "keeps"
            yield (
                f"rep {rep_id} {verb} {count(leads, 'open lead')}; to hand them over: "
                f"{self.handover(rep_id)} (or --to REP)"
            )
        if len(self.open_left) > _NAMED:
            rest = len(self.open_left) - _NAMED
            yield f"… and {count(rest, 'more rep keeps', 'more reps keep')} open leads (--json shows all)"
        zones: dict[str, list[str]] = {}
        for rep in self.always:
            zones.setdefault(rep.values["time_zone"], []).append(rep.rep_id)
        for zone_name, reps in zones.items():
            yield (
                f"warning: no working hours for {count(len(reps), 'rep')} in {zone_name} ({listed(reps)}), so on duty "
                f"always, day and night; to set them: lead-router reps set {shlex.quote(reps[0])} "
                f"--tenant {shlex.quote(self.tenant.name)} --working-hours 'mon-fri 09:00-18:00'"
            )

    def handover(self, rep_id: str) -> str:
        """The command that hands over the rep's leads."""
        return f"lead-router handover --from={shlex.quote(rep_id)} --tenant {shlex.quote(self.tenant.name)} --by-rules"


async def roster_notes(conn: Connection, tenant: Tenant, change: RosterChange) -> RosterNotes:
    """Reads them after the change, or of one that was only planned; then new reps are not known yet."""
    left = await open_leads(conn, tenant.tenant_id, change.went_away)
    return RosterNotes(tenant, dict(sorted(left.items())), await _always(conn, tenant, change))


async def _always(conn: Connection, tenant: Tenant, change: RosterChange) -> tuple[RepRecord, ...]:
    moved = (one.rep_id for one in change.changed if not one.fields.keys().isdisjoint({"time_zone", "working_hours"}))
    ids = {*change.added, *moved}
    if not ids or change.version == change.previous:
        return ()
    ruleset = await _rules(conn, tenant)
    if ruleset is None or ruleset.calendar.working_hours is not None:
        return ()
    if len(ids) <= _ONE_BY_ONE:
        records = [await current_rep(conn, tenant.tenant_id, rep_id) for rep_id in sorted(ids)]
    else:
        records = [rep for rep in await current_reps(conn, tenant.tenant_id) if rep.rep_id in ids]
    with_hours = {fold(one.group) for one in ruleset.groups if one.working_hours is not None}
    return tuple(
        rep
        for rep in records
        if works_always(rep, tenant.time_zone) and with_hours.isdisjoint(map(fold, rep.values["groups"]))
    )


def works_always(rep: RepRecord, time_zone: str) -> bool:
    """Whether an active rep outside the tenant's zone has no hours of its own: at night there, it is day here."""
    values = rep.values
    return bool(values["active"]) and not values["working_hours"] and values["time_zone"] != time_zone


async def _rules(conn: Connection, tenant: Tenant) -> Ruleset | None:
    """Those in force; none at all before the first. None = they cannot be read, which others report."""
    if not tenant.ruleset:
        return Ruleset(0, (), tenant.time_zone)
    try:
        return await load_ruleset(conn, tenant.tenant_id, tenant.ruleset)
    except InvalidFile:
        return None
