"""Which leads a list shows: what can be asked for, and what cannot be combined. Pure."""

from datetime import datetime
from enum import StrEnum

import msgspec

from ops.waiting.waiting import READY
from router.domain.reason import Reason


class State(StrEnum):
    """Where a lead can be."""

    WAITING = "waiting"
    ASSIGNED = "assigned"
    PARKED = "parked"
    MERGED = "merged"
    CLOSED = "closed"


REASONS = (READY, *(str(reason) for reason in Reason if reason is not Reason.DATABASE_BUSY))
"""What leads can be listed by: the closed list, and `ready` for what the next batch takes."""

# Waiting does not help such leads, so none waits.
_PARKED_ONLY = (Reason.LEAD_INVALID, Reason.INTERNAL_ERROR, Reason.SCREENING)


class FiltersConflict(ValueError):
    """What was asked for cannot be combined, or is not known; the message says what to leave out."""


class LeadFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What the leads must have in common; None = anything.

    `rep` is a rep's id, `group` the name of a group that a lead waits for; `since` (included) and `until` (not) are
    when the lead was accepted, aware.
    """

    state: State | None = None
    reason: str | None = None
    rep: str | None = None
    group: str | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def states(self) -> tuple[State, ...]:
        """The states to look into; () = all. Raises FiltersConflict."""
        _check(self)
        possible = _possible(self)
        if self.state is None:
            return possible
        if possible and self.state not in possible:
            raise FiltersConflict(_wrong_state(self, possible))
        return (self.state,)


def _check(asked: LeadFilter) -> None:
    if asked.rep is not None and (asked.reason is not None or asked.group is not None):
        other = "reason" if asked.reason is not None else "group"
        raise FiltersConflict(f"rep and {other} cannot be combined: a lead that a rep has waits for nothing")
    if asked.reason == Reason.DATABASE_BUSY:
        raise FiltersConflict(
            f"reason {asked.reason} is a state of the whole lane, not of single leads; lead-router blockers shows "
            "who has rows locked"
        )
    if asked.reason is not None and asked.reason not in REASONS:
        raise FiltersConflict(f"unknown reason {asked.reason!r}; there are {', '.join(REASONS)}")
    if asked.since is not None and asked.until is not None and asked.since >= asked.until:
        raise FiltersConflict(
            f"since ({asked.since:%Y-%m-%d %H:%M %Z}) must be before until ({asked.until:%Y-%m-%d %H:%M %Z})"
        )


def _possible(asked: LeadFilter) -> tuple[State, ...]:
    """The states of which leads can match; () = all."""
    if asked.rep is not None:
        return (State.ASSIGNED,)
    if asked.group is not None or asked.reason == READY:
        return (State.WAITING,)
    if asked.reason is None:
        return ()
    return (State.PARKED,) if asked.reason in _PARKED_ONLY else (State.WAITING, State.PARKED)


def _wrong_state(asked: LeadFilter, possible: tuple[State, ...]) -> str:
    name = next(n for n in ("rep", "group", "reason") if getattr(asked, n) is not None)
    only = " or ".join(possible)
    return f"{name} and state {asked.state} cannot be combined: only leads that are {only} have a {name}"
