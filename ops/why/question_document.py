"""The answers to questions about a lead for machines: why not this rep, and what it would take.

Codes of no language, nothing shortened. Times are ISO 8601 in UTC.
"""

import shlex

from ops.why.change import Change
from ops.why.commands import commands_of, lists_of
from ops.why.decision_document import (
    Json,
    candidate_document,
    condition_document,
    named,
    outcome_document,
    rep_document,
    rule_document,
)
from ops.why.description import LeadDescription, Names, Placing
from router.domain.decide import Assigned
from router.domain.explain_rep import RepAtRule, RepExplanation


def about_rep(description: LeadDescription) -> Json:
    """Why the rep did or did not get the lead: `decision` is the recorded one, `now` for a lead that waits."""
    answer, names = description.rep, description.names
    assert answer is not None
    ruleset = description.record.stored.ruleset if description.record else 0
    return {
        **named(answer.rep_no, names),
        "decision": _judged(answer.then, names, ruleset) if answer.then else None,
        "now": _judged(answer.now, names, answer.ruleset_now) if answer.now else None,
    }


def _judged(judged: RepExplanation, names: Names, ruleset: int) -> Json:
    now = judged.explanation.moment.now
    deciding = judged.deciding
    # The rules of now may be others than those of the names.
    rule = {"rule": deciding.name} if deciding and isinstance(judged.explanation.decision, Assigned) else {}
    free = deciding.group.free if deciding and deciding.group and judged.is_candidate else ()
    return {
        "at": now.isoformat(),
        "verdict": judged.verdict.value,
        "candidate": judged.is_candidate,
        "outcome": outcome_document(judged.explanation.decision, names, ruleset) | rule,
        "deciding_rule": deciding.name if deciding else None,
        "rep": rep_document(judged.rep, now) if judged.rep else None,
        "groups": list(judged.groups),
        "in_line": [candidate_document(candidate, now) for candidate in free],
        "rules": [_at_rule(rule, judged) for rule in judged.rules],
        "rules_of_others": [rule_document(rule, names, now) for rule in judged.others],
    }


def _at_rule(rule: RepAtRule, judged: RepExplanation) -> Json:
    now = judged.explanation.moment.now
    return {
        "number": rule.rule_no + 1,
        "name": rule.name,
        "group": rule.group,
        "as_owner": rule.group is None,
        "reached": rule.reached,
        "offer": rule.offer.value,
        "conditions": [condition_document(condition) for condition in rule.conditions],
        "left_out": None if rule.left_out is None else [why.value for why in rule.left_out],
        "member": candidate_document(rule.candidate, now) if rule.candidate else None,
    }


def placing_document(description: LeadDescription) -> Json:
    """The single changes that would place the lead now, the smallest first; none while its tenant is paused."""
    placing, names = description.placing, description.names
    assert placing is not None
    takes, tenant = placing.takes, description.lead.tenant
    paused = description.turn is not None and description.turn.paused_until is not None
    return {
        "comes_first": {"reason": "paused", "command": f"lead-router resume {shlex.quote(tenant)}"} if paused else None,
        "at_once": _given(takes.at_once, placing, names) if takes.at_once and not paused else None,
        "changes": [
            {
                **_change(one.change, placing),
                "gets_it": _given(one.given, placing, names),
                "commands": list(commands_of(one.change, placing.engine, tenant)),
            }
            for one in (() if paused else takes.suggestions)
        ],
        "tried": takes.tried,
        "not_tried": {kind.value: count for kind, count in takes.untried},
        "leads_ahead_for_the_same": placing.ahead,
    }


def _change(change: Change, placing: Placing) -> Json:
    found: Json = {"kind": change.kind.value, "value": change.value or None}
    if change.rep is not None:
        rep = {"rep_id": change.rep.rep_id, "name": change.rep.name}
        return {**found, **rep, "by": change.step or None}
    assert change.rule_no is not None
    return {
        **found,
        "rule_number": change.rule_no + 1,
        "rule": placing.engine.rules[change.rule_no].name,
        "field": change.field,
        "widening": change.widening.value if change.widening else None,
        "lists": list(lists_of(change)),
    }


def _given(given: Assigned, placing: Placing, names: Names) -> Json:
    engine = placing.engine
    return {
        **named(given.rep_no, names),
        "rule": None if given.rule_no is None else engine.rules[given.rule_no].name,
        "group": None if given.group_no is None else engine.roster.group_names[given.group_no],
    }
