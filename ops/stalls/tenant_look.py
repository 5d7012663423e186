"""What the stall watch sees of one tenant at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from ops.waiting.waiting import Waiting


class Fate(Enum):
    """Where a lead is that came in: with a rep (or it was), stuck for a reason, or parked for one."""

    PLACED = "placed"
    STUCK = "stuck"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A lead that came in at `at` (UTC). Leads that wait as planned, for a batch, or were merged are none of these."""

    at: datetime
    fate: Fate
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TenantLook:
    """One tenant at `now`; all times UTC. `arrivals` are the last leads that came in, the latest first.

    `assigned_at` = the last time that a batch assigned anything, None = none ever did. `parked` = leads parked since
    `parked_since`, by reason. `stuck_from` = since when leads have been stuck for a reason, as far as the watch has
    seen it begin: what waited as planned before that was nobody's trouble.
    """

    now: datetime
    waiting: Waiting
    paused: bool = False
    last_batch_at: datetime | None = None
    assigned_at: datetime | None = None
    arrivals: tuple[Arrival, ...] = ()
    parked: Mapping[str, int] = field(default_factory=dict)
    parked_since: datetime | None = None
    stuck_from: Mapping[str, datetime] = field(default_factory=dict)
