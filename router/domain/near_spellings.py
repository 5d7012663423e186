"""Values that may have been meant by one that no lead had, as far as looking for them is affordable."""

from collections.abc import Sequence

from router.domain.budget import Budget, OverBudget
from router.domain.phrases import suggestion

STEPS = 40_000_000
"""A value of usual length is looked for in some five seconds of a processor among a hundred thousand others."""
# Among more the nearest is hardly the one that was meant.
_OTHERS = 5_000
_CUTOFF = 0.75


class NearSpellings:
    """For the values of one ruleset. `stopped` = looking for more would take too long: from then on none is found."""

    def __init__(self, steps: int = STEPS) -> None:
        self._budget = Budget(steps)
        self.stopped = False

    def of(self, value: str, others: Sequence[str]) -> str | None:
        """The nearest of the others; None = none is near, or they are too many."""
        if self.stopped or len(others) > _OTHERS:
            return None
        try:
            # Letters are counted, and of those that have the same ones the order is compared.
            self._budget.spend(4 * sum(map(len, others)) + len(others) * (4 * len(value) + len(value) ** 2 // 8))
        except OverBudget:
            self.stopped = True
            return None
        return suggestion(value, others, cutoff=_CUTOFF)
