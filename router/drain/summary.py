"""One line a minute of what was routed, so that a log that says nothing means that nothing was."""

from collections import Counter

from router.domain.reason import Reason
from router.drain.outcome import Drained
from router.telemetry.logs import get_logger

log = get_logger(__name__)

EVERY_S = 60.0
_REASONS = 5


class Summary:
    """Adds up batches; `tell` writes the line once a minute, when something was decided. Times: monotonic seconds."""

    def __init__(self, now_s: float) -> None:
        self._since_s = now_s
        self._done = Drained()
        self._tenants: set[int] = set()

    def add(self, tenant_id: int, done: Drained) -> None:
        """What a batch of a tenant did."""
        if done.leads:
            self._done = self._done + done
            self._tenants.add(tenant_id)

    def tell(self, now_s: float, *, last: bool = False) -> None:
        """Writes the line if it is due; `last` = it is due whatever the time."""
        if not last and now_s - self._since_s < EVERY_S:
            return
        if done := self._done.leads:
            log.info(
                "routed",
                leads=done,
                assigned=self._done.assigned,
                waiting=_by_reason(self._done.refused),
                parked=_by_reason(self._done.parked),
                tenants=len(self._tenants),
                seconds=round(now_s - self._since_s),
            )
        self._since_s, self._done, self._tenants = now_s, Drained(), set()


def _by_reason(counted: Counter[Reason]) -> dict[str, int]:
    """The most frequent ones."""
    return {str(reason): leads for reason, leads in counted.most_common(_REASONS)}
