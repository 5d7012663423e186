"""Which leads a list shows: what can be asked for, and what cannot be combined. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import reduce

import msgspec

from ops.waiting.waiting import READY
from router.domain.reason import Reason
from router.domain.worded import Worded, worded
from router.domain.worded_phrases import in_a_row
from router.domain.worded_states import worded_state
from router.domain.written_time import written


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
        meant = {name: states for name, states in _meant(self) if states is not None}
        found = [state for state in State if all(state in states for states in meant.values())]
        if not found:
            raise FiltersConflict(_conflict(meant))
        return tuple(found) if meant else ()


def _check(asked: LeadFilter) -> None:
    for name in ("rep", "group", "source"):
        text = getattr(asked, name) or ""
        if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise FiltersConflict(
                worded("{name} {value} has characters that no name has", name=name, value=ascii(text[:80]))
            )
    if asked.reason == Reason.DATABASE_BUSY:
        raise FiltersConflict(
            worded(
                "reason {reason} is a state of the whole lane, not of single leads; lead-router blockers shows who has "
                "rows locked",
                reason=asked.reason,
            )
        )
    if asked.reason is not None and asked.reason not in REASONS:
        raise FiltersConflict(
            worded("unknown reason {reason!r}; there are {names}", reason=asked.reason, names=", ".join(REASONS))
        )
    if asked.since is not None and asked.until is not None and asked.since >= asked.until:
        raise FiltersConflict(
            worded(
                "since ({since}) must be before until ({until})",
                since=written(asked.since),
                until=written(asked.until),
            )
        )


def _meant(asked: LeadFilter) -> Iterator[tuple[str, tuple[State, ...] | None]]:
    """What each part of a filter says of the state of its leads; None = nothing."""
    state = worded("state {state}", state=worded_state(asked.state or ""))
    yield state, None if asked.state is None else (asked.state,)
    yield worded("rep"), None if asked.rep is None else (State.ASSIGNED,)
    yield worded("group"), None if asked.group is None else (State.WAITING,)
    reason = worded("reason {reason}", reason=asked.reason or "")
    yield reason, None if asked.reason is None else _states_of(asked.reason)


def _states_of(reason: str) -> tuple[State, ...]:
    if reason == READY:
        return (State.WAITING,)
    return (State.PARKED,) if reason in _PARKED_ONLY else (State.WAITING, State.PARKED)


def _conflict(meant: Mapping[str, tuple[State, ...]]) -> Worded:
    only = [worded("{part}: only {states} leads", part=name, states=_either(states)) for name, states in meant.items()]
    parts = reduce(lambda before, name: worded("{parts} and {part}", parts=before, part=name), meant)
    return worded("{parts} cannot be combined ({reasons})", parts=parts, reasons=in_a_row(only))


def _either(states: Sequence[State]) -> str:
    names = map(worded_state, states)
    return reduce(lambda before, name: worded("{names} or {name}", names=before, name=name), names)
