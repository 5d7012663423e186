"""Finding the one lead that stops a lane: its holders crash over it, or the database refuses it.

docs/decisions/0016-a-lead-that-kills.md
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

CAREFUL_FROM = 2
"""So many holders crashed within ten minutes: leads are taken one at a time, each noted before."""

BLAMED_AFTER = 2
"""So many holders crashed while a lead was noted: it is parked."""

BLAMED_ANYWAY = 5
"""The same, while processes also die elsewhere."""

CRASHED = "every router that took this lead, and nothing else, crashed in the middle of it, again and again"

_PARKED_IN_A_ROW = 3
# Leads that came between the crash and its being judged may be at fault, too: small batches are no measure of those.
_CAREFUL_LEAST = 5_000
_REST_LEAST = 1_000


def careful_leads(batch_leads: int) -> int:
    """So many leads come one at a time after a crash of a lane whose batches take so many ready ones: more than twice.

    Every second one is of those that were ready when a holder crashed, every eighth one that waits, so that no stream
    of more urgent ones keeps the lead at fault from its turn.
    """
    return max(_CAREFUL_LEAST, batch_leads * 5 // 2)


def careful_rest(batch_leads: int) -> int:
    """So many, once no lead is ready that was then: only one that waited can be at fault."""
    return max(_REST_LEAST, batch_leads // 2)


class Step(Enum):
    """What is to be done with a lane next, by what it notes."""

    AS_USUAL = auto()
    NOTE = auto()
    """Note the lead that comes next, commit, then take it."""
    TAKE = auto()
    """Take the noted lead, and nothing else."""
    PARK = auto()
    """Park the noted lead."""


def next_step(careful: int, noted_lead: int | None, noted_crashes: int, deaths: int = 0) -> Step:
    """See Step; the arguments are those of the lane, and `deaths` of processes within ten minutes, whatever they did.

    Where processes die without the lead as well, it takes more to blame it.
    """
    if not careful:
        return Step.AS_USUAL
    if noted_lead is None:
        return Step.NOTE
    elsewhere = deaths - noted_crashes > CAREFUL_FROM
    return Step.PARK if noted_crashes >= (BLAMED_ANYWAY if elsewhere else BLAMED_AFTER) else Step.TAKE


@dataclass(slots=True)
class Bisection:
    """Of a batch that the database refuses, each half is tried, and so on, until one lead is left: it is parked.

    `parked_for` = why the part that comes next is parked instead of decided, "" = it is decided.
    """

    parts: list[Sequence[int]] = field(default_factory=list)
    parked_for: str = ""
    parked_in_a_row: int = 0

    @property
    def lead_ids(self) -> Sequence[int] | None:
        """What the next batch takes; None = as usual."""
        return self.parts[-1] if self.parts else None

    def refused(self, lead_ids: Sequence[int], why: str) -> bool:
        """The database refused these leads; returns whether to go on.

        Not when one lead after the other is refused: then it is not the leads, and none is parked any more until a
        batch goes well.
        """
        if self.parts:
            self.parts.pop()
        if len(lead_ids) > 1:
            half = len(lead_ids) // 2
            self.parts += [lead_ids[half:], lead_ids[:half]]
            return True
        if self.parked_for or self.parked_in_a_row >= _PARKED_IN_A_ROW:
            self.parts.clear()
            self.parked_for = ""
            return False
        self.parts.append(lead_ids)
        self.parked_for = why
        return True

    def passed(self, leads: int) -> None:
        """The batch that was asked for went well, with so many leads (0: they are gone or locked)."""
        if self.parked_for:
            self.parked_in_a_row += leads
            self.parked_for = ""
        elif leads:
            self.parked_in_a_row = 0
        if self.parts:
            self.parts.pop()
