"""How long after a fix things were right again. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf

from loadtest.load.outcome import Assigned
from loadtest.load.samples import Outcome, Sample

SLOW_S = 1.0
"""A lead that waits longer for its rep is part of the trouble."""
PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """From when to when the faults held, seconds from the beginning of the run, as they were really done and undone."""

    began_s: float
    fixed_s: float

    def covers(self, due_s: float, done_s: float | None, allowed_s: float) -> bool:
        """Whether what was due then, and done then, may be slow or fail: during the fault, and while it recovers."""
        return due_s < self.fixed_s + allowed_s and (done_s is None or done_s >= self.began_s)


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds from the fix until nothing was wrong any more; `last` = what was wrong last. inf = it never was right."""

    seconds: float
    last: str


def recovery(trouble: Trouble, samples: Sequence[Sample], leads: Sequence[Assigned]) -> Recovery:
    """Until when things went on being wrong after the fix, without a pause of more than PAUSE_S.

    Wrong is a request that failed, from when it was due until its answer; and a lead that came before the fix, or
    waited longer than SLOW_S, until it had its rep. What is wrong again later is another matter, which the objectives
    judge; but a lead that never had a rep means that there was no recovery.
    """
    end_s, last = trouble.fixed_s, "nothing: all was right when the fault was fixed"
    for begin_s, until_s, what in sorted(_wrong(trouble, samples, leads)):
        if (begin_s <= end_s + PAUSE_S or until_s == inf) and until_s > end_s:
            end_s, last = until_s, what
    return Recovery(end_s - trouble.fixed_s, last)


def _wrong(
    trouble: Trouble, samples: Iterable[Sample], leads: Iterable[Assigned]
) -> Iterator[tuple[float, float, str]]:
    """From when to when something was wrong, and what."""
    for one in samples:
        if one.outcome is Outcome.FAILED:
            yield one.due_s, one.done_s, f"a failed request: {one.name}, status {one.status}"
    for lead in leads:
        if lead.assigned_s is None:
            yield lead.due_s, inf, f"a lead without a rep: {lead.name}"
        elif lead.due_s < trouble.fixed_s or lead.assigned_s - lead.due_s > SLOW_S:
            yield lead.due_s, lead.assigned_s, f"a lead that waited for its rep: {lead.name}"
