"""What it would take to place a waiting lead, in words, each change with the command that makes it."""

import shlex
from collections.abc import Iterator, Mapping

from ops.text.translation import N_, Say
from ops.why.change import Change, Kind, Widening
from ops.why.codes import FIELDS
from ops.why.commands import RULES_FILE, commands_of, lists_of
from ops.why.description import LeadDescription, Placing, State
from ops.why.lines import Line, Part
from ops.why.phrases import aside
from ops.why.what_it_takes import Suggestion
from router.domain.decide import Assigned
from router.domain.roster import Rep, one_rep

_OF_REP: Mapping[Kind, str] = {
    Kind.AVAILABLE: N_("{rep} becomes available"),
    Kind.PRESENT: N_("{rep} becomes present"),
    Kind.MAX_PER_DAY: N_("{rep} gets max_per_day {value} instead of {old}"),
    Kind.MAX_OPEN: N_("{rep} gets max_open {value} instead of {old}"),
    Kind.WORKING_HOURS: N_("{rep} works {minutes} min longer: {value}"),
    Kind.GROUPS: N_("{rep} joins group {value}"),
    Kind.LEAVE: N_("{rep} is back from leave (only if they are really back)"),
    Kind.WEIGHT: N_("{rep} gets weight {value} instead of 0"),
    Kind.ACTIVE: N_("{rep} becomes active (only if they work here again)"),
}
_OF_RULE: Mapping[Kind, str] = {
    Kind.WINDOW: N_("rule {rule} gets window {value}"),
    Kind.ON_NO_CANDIDATE: N_("rule {rule} gets on_no_candidate: next"),
    Kind.FALL_BACK_AFTER: N_("rule {rule} without fall_back_after, so that the lead goes on at once"),
}
_WIDER: Mapping[Widening, str] = {
    Widening.ADD: N_("rule {rule} also takes {field} {value}"),
    Widening.EXCEPT_NOT: N_("rule {rule} no longer excludes {field} {value}"),
    Widening.FROM: N_("rule {rule} takes {field} from {value}"),
    Widening.TO: N_("rule {rule} takes {field} to {value}"),
    Widening.WITHIN: N_("rule {rule} takes leads created within {value}"),
    Widening.DROP: N_("rule {rule} without its condition on {field}"),
}


def placing_lines(description: LeadDescription, say: Say, *, asked: bool = False) -> Iterator[Part]:
    """The smallest changes, the smallest first; all of them where it was `asked`."""
    placing = description.placing
    if placing is None or placing.takes.at_once is not None or _comes_first(description, say):
        if asked:
            yield Line(_nothing_to_change(description, say), gap=True)
        return
    found = placing.takes.suggestions
    if not found:
        yield from _nothing_found(placing, description, say)
        return
    yield Line(say.gettext("Any one of these changes would place it now:"), style="bold", gap=True)
    for number, suggestion in enumerate(found, start=1):
        yield from _suggestion(number, suggestion, placing, description, say)
    yield from _below(placing, description, say)
    if asked:
        yield from _untried(placing, say)
    elif placing.takes.untried:
        words = say.gettext("To look for more: lead-router why {lead} --what-would-it-take")
        yield Line("  " + words.format(lead=description.lead.lead_id))


def _comes_first(description: LeadDescription, say: Say) -> str:
    """What keeps the lead from being decided at all; empty = nothing does."""
    turn, tenant = description.turn, shlex.quote(description.lead.tenant)
    if turn is not None and turn.paused_until is not None:
        return say.gettext("The tenant is paused: lead-router resume {tenant}").format(tenant=tenant)
    if turn is not None and turn.no_ruleset:
        return say.gettext("The tenant has no ruleset: lead-router rules apply FILE --tenant {tenant}").format(
            tenant=tenant
        )
    return ""


def _nothing_to_change(description: LeadDescription, say: Say) -> str:
    place, lead = description.place, description.lead.lead_id
    if place.state is State.PARKED:
        return say.gettext(
            "A parked lead is not routed. To send it back: lead-router unpark {lead} --why REASON"
        ).format(lead=lead)
    if place.state is not State.WAITING:
        return say.gettext("The lead does not wait: nothing has to change.")
    first = _comes_first(description, say)
    given = description.placing.takes.at_once if description.placing else None
    if first or given is None:
        return first
    return say.gettext("Nothing has to change: if its turn came now, {given}.").format(
        given=_given(given, description, say)
    )


def _nothing_found(placing: Placing, description: LeadDescription, say: Say) -> Iterator[Part]:
    words = say.gettext(
        "No single change of a rep (availability, hours, caps, weight, groups) or of a rule (one condition, its "
        "window, whether it waits) would place it now. To give it to somebody: lead-router assign {lead} --to REP"
    )
    yield Line(words.format(lead=description.lead.lead_id), gap=True)
    yield from _untried(placing, say)


def _untried(placing: Placing, say: Say) -> Iterator[Part]:
    count = sum(number for _, number in placing.takes.untried)
    if count:
        words = say.ngettext(
            "{count:,} similar change was not tried", "{count:,} similar changes were not tried", count
        )
        yield Line("  " + words.format(count=count))


def _suggestion(
    number: int, suggestion: Suggestion, placing: Placing, description: LeadDescription, say: Say
) -> Iterator[Part]:
    change = suggestion.change
    words = say.gettext("{number}. {change}: {given}").format(
        number=number,
        change=change_words(change, placing, say),
        given=_given(suggestion.given, description, say),
    )
    yield Line("  " + words)
    if change.rep is not None:
        yield from (Line("     " + one) for one in commands_of(change, placing.engine, description.lead.tenant))


def change_words(change: Change, placing: Placing, say: Say) -> str:
    """What would be different."""
    engine = placing.engine
    if change.rep is not None:
        rep = engine.roster.reps[engine.roster.position[change.rep.no]]
        old = _cap_before(change, placing)
        return say.gettext(_OF_REP[change.kind]).format(
            rep=_name(rep), value=change.value, old=old, minutes=change.step
        )
    assert change.rule is not None
    field = say.gettext(FIELDS.get(change.field, change.field))
    template = _OF_RULE[change.kind] if change.widening is None else _WIDER[change.widening]
    words = say.gettext(template).format(rule=change.rule.name, field=field, value=change.value)
    return aside(words, say.gettext(", ").join(lists_of(change)), say)


def _cap_before(change: Change, placing: Placing) -> str:
    return str(int(change.value) - change.step) if change.kind in (Kind.MAX_OPEN, Kind.MAX_PER_DAY) else ""


def _given(given: Assigned, description: LeadDescription, say: Say) -> str:
    """Who gets the lead."""
    names, placing = description.names, description.placing
    assert placing is not None and given.rule_no is not None
    rule = placing.engine.rules[given.rule_no].name
    if given.group_no is None:
        return say.gettext("{rep} gets it by rule {rule}, as the customer's owner").format(
            rep=names.rep(given.rep_no), rule=rule
        )
    group = placing.engine.roster.group_names[given.group_no]
    if one_rep(group) is not None:
        return say.gettext("{rep} gets it by rule {rule}").format(rep=names.rep(given.rep_no), rule=rule)
    return say.gettext("{rep} gets it by rule {rule}, group {group}").format(
        rep=names.rep(given.rep_no), rule=rule, group=group
    )


def _below(placing: Placing, description: LeadDescription, say: Say) -> Iterator[Part]:
    """How rules are changed, and who comes first."""
    of_rule = next((one.change for one in placing.takes.suggestions if one.change.rule is not None), None)
    if of_rule is not None:
        first, last = commands_of(of_rule, placing.engine, description.lead.tenant)
        yield Line(
            "  "
            + say.gettext("To change a rule: {first}, edit {file}, then {last}").format(
                first=first, file=RULES_FILE, last=last
            )
        )
    if placing.ahead:
        words = say.ngettext(
            "{count:,} lead that waits for the same is ahead of it and would be placed first",
            "{count:,} leads that wait for the same are ahead of it and would be placed first",
            placing.ahead,
        )
        yield Line("  " + words.format(count=placing.ahead), style="yellow")


def _name(rep: Rep) -> str:
    return f"{rep.rep_id} {rep.name}".strip()
