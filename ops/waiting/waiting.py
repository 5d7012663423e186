"""What is known of leads that wait: by reason, in numbers and words."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from router.domain.chance import Chance, earliest_chance, or_tried_again
from router.domain.reason import Reason
from router.store.blocking.blocked import BlockedLeads

READY = "ready"
PHRASES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class WaitsFor:
    """Why the leads of one wake key wait. `room` = how many of them somebody could take now, or more than that.

    `until` = when time ends that, whatever each lead's own time is (UTC). `planned` = nobody would expect them to be
    taken now: a pause, hours, holidays, caps, a rule's window, an owner who is waited for. `group` = the first one that
    may have them, by name. `chance` = when time alone lets somebody take one; None = it does not. `patience` = a lead
    that waited for so long is parked.
    """

    reason: Reason
    words: str
    room: int = 0
    until: datetime | None = None
    planned: bool = False
    group: str | None = None
    chance: Chance | None = None
    patience: timedelta | None = None


@dataclass(frozen=True, slots=True)
class WaitingLeads:
    """The leads that wait for one reason, a `Reason` or `READY`.

    `next_recheck_at` = when time alone brings the first of them back (UTC, None = for the ready ones); `next_chance` =
    when time alone lets somebody take one of them (without reps: the rules are tried again then, or a pause is over),
    `parks_at` = when the first of them is parked, should nobody have taken it; `waits_for` says in words what for, the
    most leads first, at most PHRASES_SHOWN.
    """

    reason: str
    leads: int
    oldest_queued_at: datetime
    next_recheck_at: datetime | None
    waits_for: tuple[str, ...]
    stuck: int = 0
    stuck_since: datetime | None = None
    groups: tuple[str, ...] = ()
    next_chance: Chance | None = None
    parks_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """All leads of a tenant that wait at `now` (UTC), the most frequent reason first.

    `blocked_by` is who keeps those of `database_busy`; `again` = the ready ones that were looked at before or sent
    back: these get a share of each batch.
    """

    tenant_id: int
    now: datetime
    reasons: tuple[WaitingLeads, ...]
    blocked_by: tuple[BlockedLeads, ...] = ()
    again: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Leads by reason."""
        return {part.reason: part.leads for part in self.reasons}

    @property
    def leads(self) -> int:
        return sum(part.leads for part in self.reasons)


@dataclass(slots=True)
class Tally:
    """What is added up for one reason."""

    leads: int = 0
    oldest: datetime | None = None
    recheck: datetime | None = None
    phrases: Counter[str] = field(default_factory=Counter)
    stuck: int = 0
    stuck_since: datetime | None = None
    groups: Counter[str] = field(default_factory=Counter)
    chance: Chance | None = None
    parks_at: datetime | None = None

    def add(
        self,
        leads: int,
        oldest: datetime,
        recheck: datetime | None,
        words: str,
        *,
        planned: bool = False,
        group: str | None = None,
    ) -> None:
        if group is not None:
            self.groups[group] += leads
        self.leads += leads
        self.oldest = oldest if self.oldest is None else min(self.oldest, oldest)
        if not planned:
            self.stuck += leads
            self.stuck_since = oldest if self.stuck_since is None else min(self.stuck_since, oldest)
        if recheck is not None:
            self.recheck = recheck if self.recheck is None else min(self.recheck, recheck)
        self.phrases[words] += leads

    def wait_on(self, why: WaitsFor, oldest: datetime, recheck: datetime | None, now: datetime) -> None:
        """Adds what is to come of leads that wait for this; the first of them is tried again at `recheck`."""
        # A time that is yet to come, by a clock that was wrong, counts as now.
        parks_at = None if why.patience is None else min(oldest, now) + why.patience
        self.chance = earliest_chance((self.chance, or_tried_again(why.chance, recheck, parks_at, now)))
        if parks_at is not None:
            self.parks_at = parks_at if self.parks_at is None else min(self.parks_at, parks_at)

    def total(self, reason: str) -> WaitingLeads:
        assert self.oldest is not None
        return WaitingLeads(
            reason,
            self.leads,
            self.oldest,
            self.recheck,
            _most_first(self.phrases),
            self.stuck,
            self.stuck_since,
            _most_first(self.groups),
            self.chance,
            self.parks_at,
        )


def _most_first(counted: Counter[str]) -> tuple[str, ...]:
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return tuple(name for name, _ in ordered[:PHRASES_SHOWN])
