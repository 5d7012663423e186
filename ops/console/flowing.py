"""Whether leads flow, as the first page says it: within a minute or two of a stall, not after five. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from ops.console.flow import Minute

LATELY = 2
"""Of so many minutes it is looked whether anything was assigned: the one that is under way, and those before."""


class Flowing(StrEnum):
    """`PARTLY`: some leads stand still while others are assigned."""

    NO_ROUTER = "no_router"
    NO = "no"
    PARTLY = "partly"
    NOTHING_WAITS = "nothing_waits"
    YES = "yes"


def flowing(*, routers: int, waiting: int, per_minute: float, held_back: int, lately: int | None) -> Flowing:
    """`per_minute` = assigned over several minutes, `held_back` = leads that something critical keeps, `lately` =
    assigned in the last minutes (None = not known).
    """
    if not routers:
        return Flowing.NO_ROUTER
    if not waiting:
        return Flowing.NOTHING_WAITS
    if not per_minute or (held_back and lately == 0):
        return Flowing.NO
    return Flowing.PARTLY if held_back else Flowing.YES


def held_back(findings: Iterable[Mapping[str, Any]]) -> int:
    """Leads that stand still for what is critical: of findings that may be about the same leads the one with most."""
    return max((one["held_back"] for one in findings if one["severity"] == "critical"), default=0)


def last_assigned(minutes: Sequence[Minute] | None) -> datetime | None:
    """The minute (UTC) of the last assignment that is known of; None = none is."""
    return next((one.at for one in reversed(minutes or ()) if one.assigned), None)


def assigned_lately(minutes: Sequence[Minute] | None) -> int | None:
    """In the last LATELY minutes; None = not known."""
    known = [one.assigned for one in (minutes or ())[-LATELY:]]
    return sum(one for one in known if one is not None) if known and None not in known else None
