"""Retrying the leads of several tenants, and the report of it for machines."""

from collections.abc import Callable, Sequence
from typing import Any

from ops.waiting.retry import Ask, Done, Plan, Retry
from router.store.errors import LOCK_TIMEOUTS
from router.store.tenants import Tenant


class RetryReport:
    """What would be, or was done, over tenants; `troubles` are those with a lane that stayed locked."""

    def __init__(self, tenants: Sequence[Tenant], plans: Sequence[Plan], dry_run: bool) -> None:
        self.tenants = tenants
        self.plans = plans
        self.dry_run = dry_run
        self.done: dict[int, Done] = {}
        self.troubles: list[Tenant] = []
        self.stopped = False

    def total(self, what: str) -> int:
        """The sum of one count of `Done`."""
        return sum(int(getattr(done, what)) for done in self.done.values())

    def document(self) -> dict[str, Any]:
        """For machines. The keys stay as they are: scripts read them."""
        return {
            "dry_run": self.dry_run,
            "sent_back": self.total("sent_back"),
            "looked_at_again": self.total("looked_at_again"),
            "locked": self.total("locked"),
            "stopped": self.stopped,
            "lanes_locked": [tenant.name for tenant in self.troubles],
            "tenants": [self._of(plan) for plan in self.plans],
        }

    def _of(self, plan: Plan) -> dict[str, Any]:
        done = self.done.get(plan.tenant.tenant_id, Done())
        return {
            "tenant": plan.tenant.name,
            "parked": plan.parked,
            "waiting": plan.waiting,
            "left_parked": plan.left,
            "held_by": plan.held,
            "expected": plan.expected.document(),
            "sent_back": done.sent_back,
            "looked_at_again": done.looked_at_again,
            "locked": done.locked,
        }


async def retry_all(
    work: Retry, report: RetryReport, ask: Ask, actor: str, why: str, progress: Callable[[int], None]
) -> None:
    """Does it tenant by tenant. A lane that stays locked keeps back its tenant only. `progress` gets the leads seen."""
    for plan in report.plans:
        done = report.done.setdefault(plan.tenant.tenant_id, Done())
        before = sum(one.seen for one in report.done.values())
        try:
            await work.run(plan, ask, actor, why, done, lambda: progress(before + done.seen))  # noqa: B023
        except LOCK_TIMEOUTS:
            report.troubles.append(plan.tenant)
