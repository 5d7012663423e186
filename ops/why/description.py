"""What is told about one lead: values, from which the text and the JSON document are made."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from ops.waiting.present import JudgedKey
from ops.why.what_it_takes import WhatItTakes
from router.domain.chance import Chance, or_tried_again
from router.domain.decide import Decision, Inputs
from router.domain.engine import Engine
from router.domain.explain_parts import Explanation, RepState
from router.domain.explain_rep import RepExplanation
from router.domain.lead import Facts
from router.domain.reason import Reason
from router.drain.replay import IMPORT
from router.store.blocking.judge import Limits
from router.store.flights import StoredFlight

_OURS_LONG = timedelta(seconds=Limits().own_s)


class State(StrEnum):
    """Where a lead is."""

    WAITING = "waiting"
    ASSIGNED = "assigned"
    PARKED = "parked"
    MERGED = "merged"
    CLOSED = "closed"
    ARCHIVED = "archived"
    REMOVED = "removed"
    NOWHERE = "nowhere"


class Happened(StrEnum):
    """What can happen to a lead."""

    RECEIVED = "received"
    MERGED = "merged"
    REFUSED = "refused"
    ASSIGNED = "assigned"
    TAKEN_OVER = "taken_over"
    ENDED = "ended"
    PARKED = "parked"
    SENT_BACK = "sent_back"
    UNMERGED = "unmerged"
    CORRECTED = "corrected"


@dataclass(frozen=True, slots=True)
class LeadRow:
    """The lead as it arrived, with name and company, without phone and e-mail. All times here and below are aware."""

    tenant_id: int
    tenant: str
    time_zone: str
    lead_id: int
    source: str
    external_id: str
    created_at: datetime
    received_at: datetime
    priority: int
    customer_id: int | None
    facts: Facts
    name: str | None = None
    company: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where the lead is since when; what the row of its state says. `batch_no` decided about it last.

    Waiting: `ready` = it waits for its turn, not for anybody; else `targets` under `key_ruleset`, and `recheck_at`.
    `rank` is minus the priority. Removed: `detail` is the number of the import that was undone.
    """

    state: State
    since: datetime
    batch_no: int | None = None
    ready: bool = False
    targets: str = ""
    key_ruleset: int | None = None
    rank: int = 0
    recheck_at: datetime | None = None
    excluded: tuple[int, ...] = ()
    rep_no: int | None = None
    rule_no: int | None = None
    group_no: int | None = None
    reason: Reason | None = None
    detail: str = ""
    into_lead_id: int | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """A session that has a row or a table locked, since when; `ours` = a router or a command of ours."""

    pid: int
    application: str
    user: str
    since: datetime | None
    query: str
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """Why a ready lead has no decision yet. `before_it` is counted up to a limit; `last_batch_at` None = never."""

    no_ruleset: bool
    paused_until: datetime | None
    paused_why: str
    lane_held_by: Holder | None
    row_held_by: Holder | None
    before_it: int
    last_batch_at: datetime | None
    table_held_by: Holder | None = None

    def busy(self, now: datetime) -> tuple[str, Holder] | None:
        """What is locked (table, row or lane), and who keeps the lead from being taken by that. Our own routers hold
        rows and lanes all the time, for moments.
        """
        held = {"table": self.table_held_by, "row": self.row_held_by, "lane": self.lane_held_by}
        for what, holder in held.items():
            if holder is not None and (not holder.ours or holder.since is None or now - holder.since >= _OURS_LONG):
                return what, holder
        return None


class TroubleKind(StrEnum):
    """Why a decision cannot be explained, or not be trusted."""

    CANNOT_RERUN = "cannot_rerun"
    REP_GONE = "rep_gone"
    OLD_ENGINE = "old_engine"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class Trouble:
    """`detail`: what went wrong, the number of the rep, the version of the engine; nothing for DIFFERS."""

    kind: TroubleKind
    detail: str = ""


@dataclass(frozen=True, slots=True)
class EarlierLead:
    """Another lead of the customer, created before: where it is, who had it last, since when, how that ended."""

    lead_id: int
    source: str
    external_id: str
    created_at: datetime
    state: State
    rep_no: int | None = None
    assigned_at: datetime | None = None
    outcome: str | None = None
    ended_at: datetime | None = None
    into_lead_id: int | None = None


@dataclass(frozen=True, slots=True)
class CustomerSummary:
    """The customer as of now: the owner, the latest of the leads created before this one, and how many there are.

    `leads` is counted up to a limit.
    """

    customer_id: int
    owner_no: int | None
    earlier: tuple[EarlierLead, ...]
    leads: int


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One decision about the lead, as recorded, and its explanation.

    Without `explanation` no rule made it (then `by_hand` is the rep just before; `taken_over` = it was taken over from
    the CRM, not made by hand), or `trouble` says why it cannot be explained. `trouble` beside an explanation: the
    record does not give the recorded decision again.
    """

    stored: StoredFlight
    seq: int
    leads: int
    decision: Decision
    engine: Engine | None
    inputs: Inputs | None = None
    explanation: Explanation | None = None
    by_hand: RepState | None = None
    trouble: Trouble | None = None

    @property
    def taken_over(self) -> bool:
        """Whether the CRM had given the lead, and its assignment was taken over."""
        return self.stored.kind == IMPORT

    @property
    def trusted(self) -> Explanation | None:
        """The explanation, where it gives the recorded decision again: only then do its numbers say why."""
        return None if self.trouble is not None else self.explanation

    @property
    def explanation_differs(self) -> bool:
        """Whether the record does not give the recorded decision again."""
        return self.explanation is not None and self.trouble is not None


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the timeline. Numbers are of reps, groups, rules and leads; `targets` what a refusal waits for.
    `created` = its creation time before and after a correction; `parks` = should it still wait at `recheck_at`, it is
    parked then.
    """

    at: datetime
    what: Happened
    batch_no: int | None = None
    rep_no: int | None = None
    rule_no: int | None = None
    group_no: int | None = None
    rule_name: str | None = None
    ruleset: int | None = None
    by_hand: bool = False
    actor: str = ""
    note: str = ""
    targets: str = ""
    recheck_at: datetime | None = None
    parks: bool = False
    reason: Reason | None = None
    detail: str = ""
    outcome: str = ""
    into_lead_id: int | None = None
    created: tuple[datetime, datetime] | None = None


@dataclass(frozen=True, slots=True)
class Names:
    """What numbers stand for: (rep id, name) of reps, names of groups, names of the rules of one `ruleset`."""

    reps: dict[int, tuple[str, str]] = field(default_factory=dict)
    groups: dict[int, str] = field(default_factory=dict)
    rules: tuple[str, ...] = ()
    ruleset: int | None = None

    def rep(self, rep_no: int) -> str:
        """Id and name."""
        rep_id, name = self.reps.get(rep_no, (f"number {rep_no}", ""))
        return f"{rep_id} {name}".strip()

    def group(self, group_no: int) -> str:
        return self.groups.get(group_no, f"number {group_no}")

    def rule(self, rule_no: int, ruleset: int | None) -> str:
        """The rule's name; of another ruleset only its number, from 1 as people count."""
        if ruleset == self.ruleset and rule_no < len(self.rules):
            return self.rules[rule_no]
        return f"number {rule_no + 1} of ruleset {ruleset}"


@dataclass(frozen=True, slots=True)
class RepAnswer:
    """Why one rep did or did not get the lead: in the recorded decision, and now for a lead that waits.

    `then` None = no decision that can be explained; `now` (under `ruleset_now`) None = the lead does not wait, or there
    are no rules.
    """

    rep_no: int
    then: RepExplanation | None
    now: RepExplanation | None
    ruleset_now: int = 0


@dataclass(frozen=True, slots=True)
class Placing:
    """What would place the waiting lead now. `ahead` leads wait for the same and come first, counted up to a limit.

    `engine` is that of now.
    """

    takes: WhatItTakes
    engine: Engine
    ahead: int


@dataclass(frozen=True, slots=True)
class LeadDescription:
    """All that is told about a lead, as of `now`.

    `record` is the decision explained, None when there was none or when the record of batch `record_gone` is gone.
    `older_batch` is the first of the earlier decisions that were not followed any more; `later` = an earlier
    decision was asked for, and what was decided after it is not told. `rep` where it was asked for;
    `placing` where changes were sought.
    """

    now: datetime
    lead: LeadRow
    place: Place
    names: Names
    timeline: tuple[Event, ...]
    record: DecisionRecord | None = None
    turn: Turn | None = None
    present: JudgedKey | None = None
    customer: CustomerSummary | None = None
    rep: RepAnswer | None = None
    placing: Placing | None = None
    record_gone: int | None = None
    older_batch: int | None = None
    later: bool = False

    @property
    def given(self) -> Event | None:
        """How the assignment that the lead has now was made, where no rule made it."""
        made = (Happened.ASSIGNED, Happened.TAKEN_OVER)
        of_batch = (event for event in self.timeline if event.batch_no == self.place.batch_no)
        return next((event for event in of_batch if event.what in made), None)

    @property
    def next_chance(self) -> Chance | None:
        """When time alone lets somebody take the waiting lead; None = it does not, or the next batch looks at it.

        Without reps = the rules are tried again then, or a pause is over.
        """
        turn, present = self.turn, self.present
        if turn is not None and turn.paused_until is not None:
            return Chance(turn.paused_until)
        if turn is None or present is None or present.room or present.old_rules:
            return None
        return or_tried_again(present.chance, self.place.recheck_at, self.parks_at, self.now)

    @property
    def parks_at(self) -> datetime | None:
        """When the waiting lead is parked, should nobody have taken it by then; None = it does not wait for anybody."""
        if self.present is None or self.present.patience is None:
            return None
        return min(self.place.since, self.now) + self.present.patience

    @property
    def busy(self) -> tuple[str, Holder] | None:
        """What is locked, and by whom, where nothing else keeps the lead from being taken now."""
        turn, present = self.turn, self.present
        if turn is None or turn.no_ruleset or turn.paused_until is not None:
            return None
        wanted = self.place.ready or (present is not None and (present.room or present.old_rules))
        return turn.busy(self.now) if wanted else None
