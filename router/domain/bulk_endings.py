"""Whether a row of a file ends an assignment: against where the lead is now. Pure.

A file may be run again, in whole or after it was cut off: what a row says and is so already, is no mistake.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

RETURNED = "returned"
OUTCOMES = ("won", "lost", RETURNED)
_OVER = ("closed", "archived")
_CLOCKS_APART = timedelta(minutes=1)
"""Others' clocks, and times without seconds, may be that far before ours: then it ended when it began."""


class Asked(NamedTuple):
    """What a row says: the outcome; the rep (number) who had the lead, and when it ended (UTC), where it says so."""

    outcome: str
    rep_no: int | None = None
    ended_at: datetime | None = None


class Standing(NamedTuple):
    """Where a lead is: its state; of an assigned one the rep and since when (UTC); of a closed one the outcome.

    `returned_by` = numbers of the reps who have returned it, ever; `had_by` = of those who had it before.
    """

    state: str
    rep_no: int | None = None
    assigned_at: datetime | None = None
    outcome: str | None = None
    returned_by: Collection[int] = ()
    had_by: Collection[int] = ()


class Verdict(StrEnum):
    """What is to be done with a row."""

    END = "end"
    ALREADY = "already"
    RETURNED_BEFORE = "returned_before"
    """Somebody returned the lead before, and it is with a rep again: the row does not say which of the two it means."""
    OTHER_OUTCOME = "other_outcome"
    OTHER_REP = "other_rep"
    BEFORE_ASSIGNED = "before_assigned"
    NOT_ASSIGNED = "not_assigned"


def judge(asked: Asked, standing: Standing) -> Verdict:
    """Once a row is done, the same row is ALREADY or RETURNED_BEFORE, whatever batches did since."""
    returned = asked.outcome == RETURNED and _has_returned(asked, standing)
    if standing.state in _OVER:
        return Verdict.ALREADY if returned or standing.outcome == asked.outcome else Verdict.OTHER_OUTCOME
    if standing.state != "assigned":
        return Verdict.ALREADY if returned else Verdict.NOT_ASSIGNED
    if asked.rep_no is not None and asked.rep_no != standing.rep_no:
        return Verdict.ALREADY if returned else Verdict.OTHER_REP
    return _of_assigned(asked, standing, returned=returned)


def _of_assigned(asked: Asked, standing: Standing, *, returned: bool) -> Verdict:
    if asked.ended_at is None or standing.assigned_at is None:
        return Verdict.RETURNED_BEFORE if returned and asked.ended_at is None else Verdict.END
    if returned and asked.ended_at < standing.assigned_at:
        return Verdict.ALREADY
    return Verdict.BEFORE_ASSIGNED if asked.ended_at < standing.assigned_at - _CLOCKS_APART else Verdict.END


def _has_returned(asked: Asked, standing: Standing) -> bool:
    return asked.rep_no in standing.returned_by if asked.rep_no is not None else bool(standing.returned_by)
