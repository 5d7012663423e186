"""Finding the one lead that a batch dies of: after deaths of the lane's holder, or because the database refuses it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from math import isqrt

CAREFUL_FROM = 2
"""So many holders went away lately: from now on a batch's leads are named before they are taken."""

BLAMED_AFTER = 2
"""So often a lead was taken alone and its holder went away: it is parked."""

WENT_AWAY = "whoever took it, and nothing else, went away in the middle of it, twice"

_PARKED_IN_A_ROW = 3
_ALONE_UP_TO = 8


class Step(Enum):
    """What is to be done with the lane next, as its deaths and suspects stand."""

    AS_USUAL = auto()
    NAME = auto()
    """Name the batch that comes next, then take it."""
    TRY = auto()
    """Note how many of the first suspects are taken, then take these, and nothing else."""
    PARK = auto()
    """Park the first suspect."""
    LEAVE = auto()
    """Whoever named the suspects is about to take them."""


def next_step(deaths: int, suspects: Sequence[int], tries: int, *, just_named: bool) -> Step:
    """See Step; the arguments are those of the lane."""
    if suspects and just_named:
        return Step.LEAVE
    if suspects:
        return Step.PARK if tries >= BLAMED_AFTER else Step.TRY
    return Step.NAME if deaths >= CAREFUL_FROM else Step.AS_USUAL


def at_once(suspects: int) -> int:
    """How many of so many suspects are taken at once: few batches where nobody is at fault, few deaths where one is."""
    return 1 if suspects <= _ALONE_UP_TO else isqrt(suspects)


@dataclass(frozen=True, slots=True)
class Only:
    """The leads that a batch may take, and nothing else; with `blame`, they are parked for it instead of decided."""

    lead_ids: Sequence[int]
    blame: str = ""


@dataclass(slots=True)
class Narrowing:
    """Of a batch that the database refuses, each half is tried, and so on, until one lead is left: it is parked."""

    parts: list[Sequence[int]] = field(default_factory=list)
    blame: str = ""
    parked_in_a_row: int = 0

    @property
    def only(self) -> Only | None:
        """What the next batch takes; None = as usual."""
        return Only(self.parts[-1], self.blame) if self.parts else None

    def refused(self, lead_ids: Sequence[int], why: str) -> bool:
        """The database refused these leads; answers whether it goes on.

        It does not when one lead after the other is refused: then it is not the leads, and none is parked any more
        until a batch goes well.
        """
        if self.parts:
            self.parts.pop()
        if len(lead_ids) > 1:
            half = len(lead_ids) // 2
            self.parts += [lead_ids[half:], lead_ids[:half]]
            return True
        if self.blame or self.parked_in_a_row >= _PARKED_IN_A_ROW:
            self.parts.clear()
            self.blame = ""
            return False
        self.parts.append(lead_ids)
        self.blame = why
        return True

    def passed(self, leads: int) -> None:
        """The batch that was asked for went well, with so many leads (0: they are gone or locked)."""
        if self.blame:
            self.parked_in_a_row += leads
            self.blame = ""
        elif leads:
            self.parked_in_a_row = 0
        if self.parts:
            self.parts.pop()

    @property
    def over(self) -> bool:
        """Whether nothing is left to be tried or remembered."""
        return not (self.parts or self.parked_in_a_row)
