"""A stall: something that stands still, or goes wrong without an error."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Topic(StrEnum):
    """What a stall is about. Of each, one at a time is open in a tenant, for `rule` one per rule."""

    WAITING = "waiting"
    OLDEST = "oldest"
    PARKED = "parked"
    INTAKE = "intake"
    RULE = "rule"
    LOOK = "look"


class Kind(StrEnum):
    """How a stall shows."""

    LANE_NOT_TAKEN = "lane_not_taken"
    NOTHING_ASSIGNED = "nothing_assigned"
    SHARE_FELL = "share_fell"
    REASON_DOMINATES = "reason_dominates"
    OLDEST_WAITS = "oldest_waits"
    PARKED_GROW = "parked_grow"
    INTAKE_STOPPED = "intake_stopped"
    RULE_STOPPED = "rule_stopped"
    CATCH_ALL_TAKES_MORE = "catch_all_takes_more"
    CANNOT_LOOK = "cannot_look"


TOPICS: Mapping[Kind, Topic] = {
    Kind.LANE_NOT_TAKEN: Topic.WAITING,
    Kind.NOTHING_ASSIGNED: Topic.WAITING,
    Kind.SHARE_FELL: Topic.WAITING,
    Kind.REASON_DOMINATES: Topic.WAITING,
    Kind.OLDEST_WAITS: Topic.OLDEST,
    Kind.PARKED_GROW: Topic.PARKED,
    Kind.INTAKE_STOPPED: Topic.INTAKE,
    Kind.RULE_STOPPED: Topic.RULE,
    Kind.CATCH_ALL_TAKES_MORE: Topic.RULE,
    Kind.CANNOT_LOOK: Topic.LOOK,
}
STANDING_STILL = frozenset({Topic.WAITING, Topic.OLDEST, Topic.PARKED, Topic.LOOK})
"""Topics of stalls in which leads are not routed; in the others they are, but perhaps wrongly."""

Key = tuple[Topic, str]
"""Topic and subject: what makes two sightings the same stall."""


@dataclass(frozen=True, slots=True)
class Stall:
    """What one look saw. `leads` are held back, the oldest queued at `oldest` (UTC), by reason in `reasons`."""

    kind: Kind
    sentence: str
    leads: int = 0
    oldest: datetime | None = None
    reasons: Mapping[str, int] = field(default_factory=dict)
    subject: str = ""

    @property
    def key(self) -> Key:
        return (TOPICS[self.kind], self.subject)
