"""Deciding a batch: pure, deterministic, in memory.

`decide` is a function of its arguments alone: no I/O, no clock, no randomness, no floats in what decides. A
`Batch` carries the standing of the reps and the customers' owners from one lead to the next, in the leads' order.
"""

import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from router.domain.eligibility import INACTIVE, Eligibility, GroupCredits
from router.domain.engine import Engine, Moment, created_holds, date_holds
from router.domain.lead import PoolLead
from router.domain.reason import Reason
from router.domain.ruleset import Match, Rule
from router.domain.targets import group_target, join_targets, owner_target, read_targets, reason_for, window_target

Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Assigned:
    """The rep who gets the lead; `group_no` None = as owner of the customer, `rule_no` None = by hand."""

    rep_no: int
    rule_no: int | None
    group_no: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nobody can take the lead now. `targets` names what it waits for, `recheck_at` (UTC) covers time."""

    targets: str
    recheck_at: datetime


@dataclass(frozen=True, slots=True)
class Parked:
    """Retrying cannot help; a person must look."""

    reason: Reason
    detail: str


Decision = Assigned | Waiting | Parked


@dataclass(frozen=True)
class Inputs:
    """All that the decisions of a batch rest on, beside the engine's versions.

    `attendance` (Attendance), `open_counts` and `today_counts` have one entry per rep in roster order; `owners` is the
    owning rep's number of each customer in the batch that has one. Every member of a group stands in its `credits`.
    """

    moment: Moment
    leads: Sequence[PoolLead]
    attendance: NDArray[np.int8]
    open_counts: Int64
    today_counts: Int64
    credits: Mapping[int, GroupCredits]
    owners: Mapping[int, int]

    def extended(self, leads: Sequence[PoolLead], owners: Mapping[int, int]) -> "Inputs":
        """The same batch with more leads behind it.

        What was read of a customer first, an owner or none, holds for the whole batch: so it comes out the same when
        all of it is decided at once.
        """
        known = {lead.customer_id for lead in self.leads}
        fresh = {customer: rep_no for customer, rep_no in owners.items() if customer not in known}
        return replace(self, leads=[*self.leads, *leads], owners={**self.owners, **fresh})


@dataclass
class Outcome:
    """The decisions, one per lead in the order of `Inputs.leads`, and the state after them.

    `credits` has the groups that gave leads; `owners` the customers whose owner was set or moved; `examined` the
    groups whose candidates were looked at and `asked` the owners (positions) who were; `reasons` why those wait
    who do, by the text of what they wait for, as of the batch's end.
    """

    decisions: list[Decision]
    open_counts: Int64
    today_counts: Int64
    credits: dict[int, GroupCredits]
    owners: dict[int, int]
    examined: frozenset[int]
    asked: frozenset[int]
    reasons: dict[str, Reason] = field(default_factory=dict)


@dataclass(slots=True)
class Refusal:
    """What a lead that finds nobody would wait for; grows while the rules are tried."""

    targets: list[str] = field(default_factory=list)
    recheck: datetime | None = None

    def look_again(self, at: datetime | None) -> None:
        """Time alone may change the answer at `at`."""
        self.recheck = earliest(self.recheck, at)


def earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two instants, where there are two."""
    return min(one, other) if one is not None and other is not None else one or other


class Batch:
    """The working state while a batch is decided."""

    def __init__(self, engine: Engine, inputs: Inputs) -> None:
        self.engine = engine
        self.moment = inputs.moment
        self.eligibility = Eligibility(
            engine, inputs.attendance, inputs.open_counts, inputs.today_counts, inputs.credits
        )
        self.owners = dict(inputs.owners)
        self.moved: dict[int, int] = {}

    def decide(self, leads: Iterable[PoolLead]) -> list[Decision]:
        """The next leads of the batch, in their order."""
        return [self.decide_lead(lead) for lead in leads]

    def learn(self, inputs: Inputs) -> None:
        """The batch has become longer, as `inputs` say: the owners of customers that were not in it before."""
        for customer, rep_no in inputs.owners.items():
            self.owners.setdefault(customer, rep_no)

    def decide_lead(self, lead: PoolLead) -> Decision:
        """One lead; an error in deciding about it parks it and leaves everything else untouched."""
        try:
            return self._decide(lead)
        except Exception as error:  # one bad lead never fails a batch
            return Parked(Reason.INTERNAL_ERROR, fingerprint(error))

    def _decide(self, lead: PoolLead) -> Decision:
        refusal = Refusal()
        for rule_no in self.engine.matcher.rules_for(lead.facts):
            rule = self.engine.rules[rule_no]
            holds, changes = self.conditions(rule, lead)
            refusal.look_again(changes)
            if not holds:
                continue
            if not self.window_open(rule_no, refusal):
                stops = rule.wait
            elif rule.to_owner:
                owner, stops = self.ask_owner(rule, lead, refusal)
                if owner is not None:
                    return Assigned(self.eligibility.take(self.engine.roster.position[owner]), rule_no, None)
            else:
                group_no = self.engine.group_of_rule[rule_no]
                assert group_no is not None
                rep_no = self.eligibility.choose(group_no, lead.facts, lead.excluded)
                if rep_no is not None:
                    if rule.owns:
                        self._own(lead, rep_no)
                    return Assigned(rep_no, rule_no, group_no)
                refusal.targets.append(group_target(group_no))
                stops = rule.wait
            if stops:
                break
        return self._refuse(lead, refusal)

    def follow(self, lead: PoolLead, decision: Decision) -> None:
        """Takes over a decision that was made elsewhere: loads and owners, all but the credits."""
        if isinstance(decision, Assigned):
            self.eligibility.take(self.engine.roster.position[decision.rep_no])
            if decision.group_no is not None and makes_owner(decision, self.engine.rules):
                self._own(lead, decision.rep_no)

    def owner_of(self, lead: PoolLead) -> int | None:
        """The rep (number) who has the lead's customer at this point of the batch."""
        return None if lead.customer_id is None else self.owners.get(lead.customer_id)

    def conditions(self, rule: Rule, lead: PoolLead) -> tuple[bool, datetime | None]:
        """Whether what the facts alone do not decide holds, and when time alone may change it."""
        match = rule.match
        if match.priority is not None and -lead.rank not in match.priority:
            return False, None
        if match.known_customer is not None and (self.owner_of(lead) is not None) != match.known_customer:
            return False, None
        if match.created is None and match.date is None:
            return True, None
        return self._time_conditions(match, lead)

    def _time_conditions(self, match: Match, lead: PoolLead) -> tuple[bool, datetime | None]:
        zone = self.engine.ruleset.business_time_zone
        ends: datetime | None = None
        if match.date is not None:
            holds, ends = date_holds(match.date, self.moment, zone)
            if not holds:
                return False, ends
        if match.created is None:
            return True, ends
        holds, changes = created_holds(match.created, lead.created_at, self.moment, zone)
        return holds, earliest(changes, ends) if holds else changes

    def window_open(self, rule_no: int, refusal: Refusal) -> bool:
        """Whether the rule applies at this time of day; a refusal learns when that changes."""
        window = self.moment.windows.get(rule_no)
        if window is None:
            return True
        refusal.look_again(window.until)
        if not window.open:
            refusal.targets.append(window_target(rule_no))
        return window.open

    def ask_owner(self, rule: Rule, lead: PoolLead, refusal: Refusal) -> tuple[int | None, bool]:
        """(the owner, if free; whether the lead waits here for the owner)."""
        owner = self.owner_of(lead)
        if owner is None or owner in lead.excluded:
            return None, False
        position = self.engine.roster.position.get(owner)
        if position is not None:
            self.eligibility.asked.add(position)
        if position is not None and self.eligibility.free[position]:
            return owner, False
        falls_back = lead.waits_since(self.moment.now) + (rule.fall_back_after or timedelta(0))
        gone = position is None or self.eligibility.attendance[position] == INACTIVE
        awaited = not gone and self.moment.now < falls_back
        # Whatever else takes the lead: an owner who can again, before anybody else could, gets it.
        refusal.targets.append(owner_target(owner, awaited=awaited))
        if not awaited:
            return None, False
        refusal.look_again(falls_back)
        return None, True

    def _own(self, lead: PoolLead, rep_no: int) -> None:
        if lead.customer_id is not None and self.owners.get(lead.customer_id) != rep_no:
            self.owners[lead.customer_id] = self.moved[lead.customer_id] = rep_no

    def _refuse(self, lead: PoolLead, refusal: Refusal) -> Decision:
        ruleset = self.engine.ruleset
        limit, patience = ("max_age", ruleset.max_age)
        if not refusal.targets:
            limit, patience = ("no_match_max_age", ruleset.no_match_max_age)
        expires = lead.waits_since(self.moment.now) + patience
        targets = join_targets(refusal.targets, lead.excluded)
        if self.moment.now >= expires:
            waited = readable(self.moment.now - lead.queued_at)
            return Parked(self.reason(targets), f"waited {waited}, longer than the ruleset's {limit}")
        return Waiting(targets, min(expires, refusal.recheck) if refusal.recheck else expires)

    def reason(self, targets: str) -> Reason:
        """The reason to show for a wake key's text, judged by the standing at this point."""
        return reason_for(read_targets(targets), self.eligibility.group_reason, self.eligibility.owner_reason)

    def outcome(self, decisions: list[Decision]) -> Outcome:
        """Closes the books."""
        eligibility = self.eligibility
        return Outcome(
            decisions,
            eligibility.open_counts,
            eligibility.today_counts,
            eligibility.final_credits(),
            self.moved,
            frozenset(eligibility.groups),
            frozenset(eligibility.asked),
            {text: self.reason(text) for text in sorted({d.targets for d in decisions if isinstance(d, Waiting)})},
        )


def makes_owner(decision: Assigned, rules: Sequence[Rule]) -> bool:
    """Whether the rep who gets the lead becomes the owner of its customer, as far as the rule says."""
    return decision.rule_no is None or rules[decision.rule_no].owns


def decide(engine: Engine, inputs: Inputs) -> Outcome:
    """Decides all leads in their order. Pure: equal arguments give an equal outcome in any process."""
    batch = Batch(engine, inputs)
    return batch.outcome(batch.decide(inputs.leads))


def fingerprint(error: BaseException) -> str:
    """Names an error the same way whenever it happens at the same place: type, place, short hash of the stack."""
    frames = traceback.extract_tb(error.__traceback__)
    where = ";".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.name}" for frame in frames)
    digest = blake2b(f"{type(error).__name__}|{where}".encode(), digest_size=6).hexdigest()
    return f"{type(error).__name__} in {frames[-1].name if frames else '?'} ({digest}): {error}"[:500]


def readable(waited: timedelta) -> str:
    """A duration for people, to the minute."""
    hours, rest = divmod(int(waited.total_seconds()), 3600)
    return f"{hours // 24} d {hours % 24} h" if hours >= 24 else f"{hours} h {rest // 60} min"
