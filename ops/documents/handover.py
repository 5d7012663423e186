"""Handing over a rep's leads, and the report of it for machines."""

from collections.abc import Callable
from typing import Any

import msgspec

from router.domain.worded import parts_of, said_by, worded
from router.manual.by_hand import CannotGive
from router.manual.handover import Done, Handover
from router.manual.handover_plan import Plan, Preview
from router.store.errors import LOCK_TIMEOUTS
from router.store.roster import RepUnknown
from router.store.tenants import Tenant


class HandoverReport:
    """What would be, or was done. `stopped` = why not all of it was done."""

    def __init__(self, tenant: Tenant, plan: Plan, seen: Preview | None, *, dry_run: bool) -> None:
        self.tenant = tenant
        self.plan = plan
        self.seen = seen
        self.dry_run = dry_run
        self.done = Done()
        self.stopped = ""

    def document(self) -> dict[str, Any]:
        """For machines. The keys stay as they are: scripts read them."""
        plan, seen = self.plan, self.seen
        return {
            "tenant": self.tenant.name,
            "from": plan.from_rep,
            "to": plan.to_rep,
            "dry_run": self.dry_run,
            "leads": plan.leads,
            "to_move": 0 if plan.refusal else plan.to_move,
            "moved": len(self.done.moved),
            "passed_over": self.done.passed_over,
            "already_handed_over": plan.already,
            "elsewhere": [{"lead_id": place.lead_id, "rep_id": place.rep_id} for place in plan.elsewhere],
            "refused": str(plan.refusal) if plan.refusal else None,
            "refused_parts": parts_of(said_by(plan.refusal)) if plan.refusal else None,
            "stopped": str(self.stopped) or None,
            "stopped_parts": parts_of(self.stopped),
            "preview": None if seen is None else self._preview(seen),
        }

    @staticmethod
    def _preview(seen: Preview) -> dict[str, Any]:
        return {
            "reps": [{"rep_id": rep, "name": name, "leads": n} for (rep, name), n in seen.reps.most_common()],
            "others": [{"state": state, "reason": why, "leads": n} for (state, why), n in seen.others.most_common()],
            "presence_unknown": seen.presence_unknown,
            "paused_until": msgspec.to_builtins(seen.paused_until),
        }


async def hand_over(work: Handover, report: HandoverReport, progress: Callable[[int], None]) -> None:
    """Does what was planned; what keeps it from the rest is in the report."""
    try:
        await work.run(report.plan, report.done, progress)
    except (CannotGive, RepUnknown) as error:
        report.stopped = said_by(error)
    except LOCK_TIMEOUTS:
        report.stopped = worded("the lane is locked (lead-router blockers shows by whom)")
