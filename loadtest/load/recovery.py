"""How long after a fix things were right again. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from loadtest.load.outcome import Assigned
from loadtest.load.samples import Outcome, Sample

SLOW_S = 1.0
"""A lead that waits longer for its rep is part of the trouble."""


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
    """The last moment at which anything was wrong of what was under way since the fault began.

    A request that failed is wrong when it was answered; a lead that came before the fix, or waited longer than SLOW_S,
    until it had its rep.
    """
    moments = [(0.0, "nothing: all was right when the fault was fixed")]
    for sample in samples:
        if sample.done_s >= trouble.began_s and sample.outcome is Outcome.FAILED:
            moments.append(
                (sample.done_s - trouble.fixed_s, f"a failed request: {sample.name}, status {sample.status}")
            )
    for lead in leads:
        if lead.assigned_s is None:
            moments.append((inf, f"a lead without a rep: {lead.name}"))
        elif lead.assigned_s < trouble.began_s:
            continue
        elif lead.due_s < trouble.fixed_s or lead.assigned_s - lead.due_s > SLOW_S:
            moments.append((lead.assigned_s - trouble.fixed_s, f"a lead that waited for its rep: {lead.name}"))
    return Recovery(*max(moments))
