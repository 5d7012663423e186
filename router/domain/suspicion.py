"""Finding the one lead that a batch dies of: after deaths of the lane's holder, or because the database refuses it."""

from dataclasses import dataclass

ALONE_FROM = 2
"""So many holders in a row went away in the middle of a batch: from now on leads are taken one by one."""

NOTED_FROM = 3
"""The last of them had taken a single lead: from now on the next one is named before it is taken."""

BLAMED_FROM = 4
"""One more went away over the named lead: that lead is parked."""

_PARKED_IN_A_ROW = 3


def survived(alone: int, leads: int) -> tuple[int, int]:
    """What is left of (deaths, leads to be taken one by one) after a batch of `leads` went well.

    Nothing when the suspects are through, or none is left; else a death over one of the others counts as the first
    over a single lead.
    """
    left = max(0, alone - leads) if leads else 0
    return (ALONE_FROM, left) if left else (0, 0)


@dataclass(frozen=True, slots=True)
class Blamed:
    """A lead that is to be parked, and what for."""

    lead_id: int
    detail: str


@dataclass(slots=True)
class Narrowing:
    """Of a batch that the database refuses, half is tried, until one lead is left: that one is parked.

    `most` is how many leads the next batch may have (None = as many as usual); `blamed` the lead that it parks.
    """

    most: int | None = None
    blamed: Blamed | None = None
    parked_in_a_row: int = 0

    def refused(self, lead_ids: list[int], detail: str) -> bool:
        """The database refused these leads; answers whether narrowing goes on.

        It does not when one lead after the other is refused: then it is not the leads.
        """
        if len(lead_ids) > 1:
            self.most, self.blamed = len(lead_ids) // 2, None
            return True
        if self.blamed is not None or self.parked_in_a_row >= _PARKED_IN_A_ROW:
            self.most, self.blamed, self.parked_in_a_row = None, None, 0
            return False
        self.most, self.blamed = 1, Blamed(lead_ids[0], detail)
        return True

    def passed(self, leads: int, usual: int) -> None:
        """A batch went well: the next one may have twice as many leads."""
        if self.blamed is not None:
            self.parked_in_a_row += 1
            self.blamed = None
        elif leads:
            self.parked_in_a_row = 0
            if self.most is not None:
                self.most = self.most * 2 if self.most * 2 < usual else None
        else:
            self.most = None
