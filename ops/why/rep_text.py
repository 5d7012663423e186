"""Why one rep did, or did not, get the lead, in words."""

from collections.abc import Iterator

from ops.text.translation import Say
from ops.why.description import LeadDescription, State
from ops.why.lines import Line, Part
from ops.why.phrases import against, condition, load, weight, when
from ops.why.runner_up import due, equally_near, tie
from router.domain.decide import Assigned
from router.domain.explain_parts import Candidate, RepState, RuleExplanation
from router.domain.explain_rep import Offer, RepAtRule, RepExplanation, RepVerdict
from router.domain.roster import one_rep

OTHERS_SHOWN = 12


def rep_lines(description: LeadDescription, say: Say) -> Iterator[Part]:
    """The recorded decision, then what would be now for a lead that waits."""
    answer = description.rep
    if answer is None:
        return
    yield Line(say.gettext("Rep {rep}").format(rep=description.names.rep(answer.rep_no)), style="bold", gap=True)
    if answer.then is None:
        yield Line(_no_decision(description, say))
    else:
        assert description.record is not None
        stored = description.record.stored
        at = when(stored.at, description.lead.time_zone, say)
        head = say.gettext("Batch {batch} at {at}: {words}")
        yield Line(head.format(batch=stored.batch_no, at=at, words=_verdict(answer.then, description, say)))
        yield from _rules(answer.then, description, say)
    if answer.now is not None:
        yield Line(say.gettext("If its turn came now: {words}").format(words=_verdict(answer.now, description, say)))
        yield from _rules(answer.now, description, say)


def _no_decision(description: LeadDescription, say: Say) -> str:
    """Why there is nothing to explain of a decision."""
    place, record, lead = description.place, description.record, description.lead.lead_id
    if place.state is State.MERGED:
        return say.gettext(
            "The lead itself was never offered to anybody; ask about lead {into}: lead-router why {into} --rep REP"
        ).format(into=place.into_lead_id)
    if record is not None and record.by_hand is not None:
        words = (
            say.gettext("The lead was taken over from the CRM, which had assigned it to {rep}: no rule was asked.")
            if record.taken_over
            else say.gettext("The lead was assigned manually to {rep}: no rule was asked.")
        )
        return words.format(rep=f"{record.by_hand.rep_id} {record.by_hand.name}".strip())
    if record is not None:
        return say.gettext("The decision of batch {batch} cannot be explained; see lead-router why {lead}").format(
            batch=record.stored.batch_no, lead=lead
        )
    if description.record_gone is not None:
        return say.gettext(
            "The flight record of batch {batch} has been deleted (retention); earlier history is unavailable."
        ).format(batch=description.record_gone)
    return say.gettext("No batch has decided about the lead yet.")


def _verdict(judged: RepExplanation, description: LeadDescription, say: Say) -> str:
    """In one sentence whether the rep was a candidate, and what came of it."""
    template = {
        RepVerdict.GOT_IT: say.gettext("selected by rule {rule}"),
        RepVerdict.CANDIDATE: say.gettext("a candidate, but {winner} was before this rep in line (rule {rule})"),
        RepVerdict.LEFT_OUT: say.gettext("not a candidate: {why}"),
        RepVerdict.NOT_REACHED: say.gettext(
            "not a candidate: rule {rule} decided before the rules that assign to this rep"
        ),
        RepVerdict.NOT_MATCHED: say.gettext("not a candidate: no rule that assigns to this rep matches the lead"),
        RepVerdict.NO_RULE: say.gettext("not a candidate: no rule assigns to this rep ({groups})"),
        RepVerdict.NOT_IN_ROSTER: say.gettext("not a candidate: not in the roster of that time"),
    }[judged.verdict]
    decision = judged.explanation.decision
    winner = description.names.rep(decision.rep_no) if isinstance(decision, Assigned) else ""
    rule = judged.deciding.name if judged.deciding else ""
    return template.format(rule=rule, winner=winner, groups=_groups(judged, say), why=_first_reasons(judged, say))


def _groups(judged: RepExplanation, say: Say) -> str:
    if not judged.groups:
        return say.gettext("in no group")
    return say.gettext("in group {groups}").format(groups=say.gettext(", ").join(judged.groups))


def _first_reasons(judged: RepExplanation, say: Say) -> str:
    """What spoke against the rep at the first rule that would have taken the lead to the rep."""
    rule = next((rule for rule in judged.rules if rule.counts), None)
    return "" if rule is None else _against(rule, judged, say)


def _against(rule: RepAtRule, judged: RepExplanation, say: Say) -> str:
    rep, now = judged.rep, judged.explanation.moment.now
    return "" if rep is None else say.gettext(", ").join(against(why, rep, now, say) for why in rule.left_out or ())


def _rules(judged: RepExplanation, description: LeadDescription, say: Say) -> Iterator[Part]:
    """The numbers of the rep, the rules that can give it the lead, and those that gave it to others."""
    if judged.rep is not None:
        yield Line("  " + _state(judged.rep, say))
    elif judged.verdict is not RepVerdict.NOT_IN_ROSTER:
        yield Line("  " + say.gettext("loads and availability not recorded: no rule that was tried asks for this rep"))
    yield from _in_line(judged, say)
    parts = [(rule.rule_no, _of_rep(rule, judged, description, say)) for rule in judged.rules]
    parts += [(rule.rule_no, _of_others(rule, description, say)) for rule in judged.others[:OTHERS_SHOWN]]
    for rule_no, words in sorted(parts):
        yield Line(
            "  "
            + say.gettext("{number}. {rule}: {words}").format(
                number=rule_no + 1, rule=_through(judged, rule_no, say), words=words
            )
        )


def _through(judged: RepExplanation, rule_no: int, say: Say) -> str:
    """The rule, and the group to which it assigns."""
    name = judged.explanation.rules[rule_no].name
    rule = next((rule for rule in judged.rules if rule.rule_no == rule_no), None)
    group = rule.group if rule is not None else None
    if rule is None:
        return name
    if group is None:
        return say.gettext("{rule}, as the owner of the customer").format(rule=name)
    return name if one_rep(group) is not None else say.gettext("{rule}, group {group}").format(rule=name, group=group)


def _state(rep: RepState, say: Say) -> str:
    return say.gettext("open {open}, today {today}").format(
        open=load(rep.opened, rep.max_open, say), today=load(rep.today, rep.max_per_day, say)
    )


def _in_line(judged: RepExplanation, say: Say) -> Iterator[Part]:
    """Whose turn it was, where the rep was a candidate of a group."""
    group = judged.deciding.group if judged.deciding else None
    if not judged.is_candidate or group is None or len(group.free) < 2:
        return
    own = next(c for c in group.free if c.rep.rep_no == judged.rep_no)
    other = group.free[1] if own.place == 1 else group.free[0]
    pair = sorted((own, other), key=lambda one: one.place or 0)
    for candidate in pair:
        yield Line("  " + _turn(candidate, len(group.free), say))
    if equally_near(*pair):
        yield Line("  " + tie(say))


def _turn(candidate: Candidate, free: int, say: Say) -> str:
    name = f"{candidate.rep.rep_id} {candidate.rep.name}".strip()
    return say.gettext(
        "{rep}: number {place:,} of {free:,} in line, {due} (credit {credit:+.2f}, weight {weight})"
    ).format(
        rep=name,
        place=candidate.place,
        free=free,
        due=due(candidate, say),
        credit=candidate.credit,
        weight=weight(candidate, say),
    )


def _of_rep(rule: RepAtRule, judged: RepExplanation, description: LeadDescription, say: Say) -> str:
    """What the rep missed at a rule that can give it the lead."""
    zone_name = description.lead.time_zone
    if rule.offer is Offer.NOT_MATCHED:
        words = say.gettext("does not match: {condition}").format(
            condition=condition(rule.conditions[-1], zone_name, say)
        )
    elif rule.offer is Offer.OUTSIDE_WINDOW:
        words = say.gettext("matches, but its hours are over")
    elif rule.offer is Offer.FAILED:
        words = say.gettext("cannot be judged for this lead")
    else:
        words = say.gettext("matches")
    if not rule.reached and judged.deciding is not None:
        later = say.gettext("{words}; not reached, since rule {rule} decided before")
        words = later.format(words=words, rule=judged.deciding.name)
    if not rule.left_out:
        return words
    return say.gettext("{words}; left out: {why}").format(words=words, why=_against(rule, judged, say))


def _of_others(rule: RuleExplanation, description: LeadDescription, say: Say) -> str:
    """A rule that the lead came to and that does not assign to the rep."""
    if rule.group is not None:
        if (rep := one_rep(rule.group.name)) is not None:
            return say.gettext("matches, but assigns to rep {rep} alone").format(rep=rep)
        return say.gettext("matches, but this rep is not a member of group {group}").format(group=rule.group.name)
    owner = rule.owner.rep_no if rule.owner else None
    if owner is None:
        return say.gettext("matches, but the customer has no owner")
    return say.gettext("matches, but the customer's owner is {rep}").format(rep=description.names.rep(owner))
