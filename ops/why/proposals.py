"""Which single changes might place a waiting lead, the smallest first: read off the explanation of its decision now.

These are only the ones worth trying: `what_it_takes` decides the lead again with each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import msgspec
import numpy as np

from ops.why.change import Change, Kind, Now
from ops.why.widen import change_against, going_on, longer_window, wider_rules
from router.domain.decide import Batch, Refusal
from router.domain.explain_parts import Explanation, LeftOut, RepState, RuleExplanation, Verdict
from router.domain.matching import folded
from router.domain.roster import Rep
from router.domain.ruleset import Rule

NEW_MEMBERS = 20
"""So many reps are proposed as new members of a group; one is as good as another."""

_ORDER = {kind: number for number, kind in enumerate(Kind)}
_SORT = tuple[int, int, int, int]


def proposals(now: Now, explanation: Explanation) -> list[Change]:
    """Changes that might place the lead, the smallest first; of equal ones those of reps with the fewest open leads."""
    proposer = _Proposer(now, Batch(now.engine, now.inputs))
    found = [change for rule in explanation.rules for change in proposer.of_rule(rule)]
    return sorted(found, key=proposer.order)


@dataclass
class _Proposer:
    now: Now
    batch: Batch
    seen: set[tuple[object, ...]] = field(default_factory=set)
    free_in: dict[int, bool] = field(default_factory=dict)

    def order(self, change: Change) -> _SORT:
        if change.rep is None:
            return _ORDER[change.kind], change.step, 0, change.rule_no or 0
        position = self.now.engine.roster.position[change.rep.no]
        return _ORDER[change.kind], change.step, int(self.now.inputs.open_counts[position]), position

    def of_rule(self, judged: RuleExplanation) -> Iterator[Change]:
        rule_no, lead = judged.rule_no, self.now.lead
        rule = self.now.engine.rules[rule_no]
        if judged.verdict is Verdict.FAILED:
            # Whatever the rule then says of the lead: it no longer ends there.
            yield from wider_rules(rule_no, rule, lead, self.now.inputs.moment, self.now.engine.ruleset.synonyms)
        elif judged.verdict is Verdict.NOT_MATCHED:
            wider = wider_rules(rule_no, rule, lead, self.now.inputs.moment, self.now.engine.ruleset.synonyms)
            yield from (change for change in wider if self._matches(change.rule_no, change.rule))
        elif judged.verdict is Verdict.OUTSIDE_WINDOW:
            yield longer_window(rule_no, rule, self.now.inputs.moment.now, self.now.engine.ruleset.business_time_zone)
        if judged.group is not None and judged.verdict is Verdict.NOBODY_FREE:
            for member in judged.group.candidates:
                yield from self._without(member.rep, member.left_out, member.base)
            if rule.rep is None:
                yield from islice(self._new_members(judged.group.group_no), NEW_MEMBERS)
        if judged.owner is not None and judged.owner.rep is not None and judged.verdict is not Verdict.ASSIGNED:
            yield from self._without(judged.owner.rep, judged.owner.left_out, None)
        if judged.stops:
            yield going_on(rule_no, rule)

    def _without(self, state: RepState, against: Sequence[LeftOut], weight: int | None) -> Iterator[Change]:
        """The change of a rep that has one obstacle, unless it uncovers another."""
        rep = self.now.engine.roster.reps[state.position]
        if len(against) != 1 or (against[0], rep.no) in self.seen:
            return
        self.seen.add((against[0], rep.no))
        now, default_hours = self.now.inputs.moment.now, self.now.engine.ruleset.calendar.working_hours
        change = change_against(against[0], rep, state, now, default_hours)
        if change is not None and change.rep is not None and self._on_duty(change.kind, change.rep):
            yield change

    def _on_duty(self, kind: Kind, rep: Rep) -> bool:
        now = replace(self.now, absent=self.now.absent - {rep.no}) if kind is Kind.PRESENT else self.now
        return now.attendance_of(rep) == 0

    def _new_members(self, group_no: int) -> Iterator[Change]:
        """Reps who could take the lead if they were in the group; once, however many rules name it."""
        if ("member", group_no) in self.seen:
            return
        self.seen.add(("member", group_no))
        engine, inputs, lead = self.now.engine, self.now.inputs, self.now.lead
        able = self.batch.eligibility.free & (engine.weigher.base > 0)
        able[engine.members_of(group_no)] = False
        able &= ~np.isin(engine.rep_numbers, list(lead.excluded))
        positions = np.flatnonzero(able)
        name = engine.roster.group_names[group_no]
        for position in positions[np.argsort(inputs.open_counts[positions], kind="stable")].tolist():
            # As stored: the new group's calendar may be the rep's then.
            rep = engine.given.reps[position]
            like = msgspec.structs.replace(rep, groups=rep.groups | {group_no})
            if self._on_duty(Kind.GROUPS, like):
                yield Change(Kind.GROUPS, name, rep=like)

    def _matches(self, rule_no: int | None, rule: Rule | None) -> bool:
        """Whether the lead would come to somebody by the rule: else there is nothing to try."""
        assert rule_no is not None and rule is not None
        known = folded(self.now.lead.facts)
        if not all(one.holds(known.value_of(one.reads)) for one in rule.match.facts):
            return False
        try:
            holds = self.batch.conditions(rule, self.now.lead)[0]
        except Exception:  # as `decide_lead` does: the lead would be parked
            return False
        if not holds or not self.batch.window_open(rule_no, Refusal()):
            return False
        group_no = self.now.engine.group_of_rule[rule_no]
        return group_no is None or self._somebody_free(group_no)

    def _somebody_free(self, group_no: int) -> bool:
        if group_no not in self.free_in:
            entrants = self.batch.eligibility.entrants(group_no, self.now.lead.excluded)
            self.free_in[group_no] = len(entrants.positions) > 0
        return self.free_in[group_no]
