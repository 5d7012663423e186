"""What becomes of an assignment that a CRM made before: against where the lead is here, and who has its customer. Pure.

A file may be run again, in whole or after it was cut off: what went on here since then stands.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

OVER = ("closed", "archived")
FREE = ("waiting", "parked")


class Here(NamedTuple):
    """Where a stored lead is: its state, the rep (number) who has it, the outcome of a closed one, and the reps who
    had it before.
    """

    state: str
    rep_no: int | None = None
    outcome: str | None = None
    had_by: Collection[int] = ()


class Verdict(StrEnum):
    """What is to be done with a row."""

    NEW = "new"
    TAKE = "take"
    """The lead is here, and nobody has had it."""
    ALREADY = "already"
    MOVED_ON = "moved_on"
    """It was taken over before, and returned, handed over or ended here since."""
    OTHER_REP = "other_rep"
    OTHER_OUTCOME = "other_outcome"
    OPEN_HERE = "open_here"
    MERGED = "merged"
    NOWHERE = "nowhere"


def judge(rep_no: int, outcome: str | None, here: Here | None) -> Verdict:
    """Of a row that gives the lead to a rep (number), open (None) or ended as `outcome`; `here` None = it is new."""
    if here is None:
        return Verdict.NEW
    if here.state in OVER:
        return _ended_here(outcome, here)
    if here.state == "assigned":
        return _assigned_here(rep_no, outcome, here)
    if here.state in FREE:
        return Verdict.MOVED_ON if here.had_by else Verdict.TAKE
    return Verdict.MERGED if here.state == "merged" else Verdict.NOWHERE


def _ended_here(outcome: str | None, here: Here) -> Verdict:
    if outcome is None:
        return Verdict.MOVED_ON
    return Verdict.ALREADY if here.outcome == outcome else Verdict.OTHER_OUTCOME


def _assigned_here(rep_no: int, outcome: str | None, here: Here) -> Verdict:
    if here.rep_no == rep_no:
        return Verdict.ALREADY if outcome is None else Verdict.OPEN_HERE
    return Verdict.MOVED_ON if rep_no in here.had_by else Verdict.OTHER_REP


class Known(NamedTuple):
    """A customer before: the owner (rep number), and the rep of the latest assignment of its leads, with when (UTC)."""

    owner: int | None = None
    last_rep: int | None = None
    last_at: datetime | None = None


def new_owner(known: Known, given: Iterable[tuple[datetime, int]]) -> int | None:
    """Who owns a customer once it was given so, each (when, rep number); None = it stays as it is.

    The owner is the rep of the latest assignment; one who was made owner in another way keeps the customer.
    """
    at, rep_no = max(given)
    if known.owner is None:
        return rep_no
    is_later = known.last_at is None or at > known.last_at
    return rep_no if known.owner == known.last_rep and is_later and rep_no != known.owner else None
