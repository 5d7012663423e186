"""The rules of one decision for people: those that mattered, and the candidates in the order of their turn."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from ops.text.translation import Say
from ops.why.codes import COLUMNS, LEFT_OUT
from ops.why.description import LeadDescription
from ops.why.lines import Candidates, Line, Part
from ops.why.phrases import against, condition, load, numbers_against, owner, weight, when
from router.domain.explain_parts import Candidate, Explanation, GroupExplanation, LeftOut, RuleExplanation, Verdict
from router.domain.roster import one_rep

NEXT_SHOWN = 4
NAMED_PER_REASON = 3
# Up to so many rules that do not match are told one by one.
NOT_MATCHED_SHOWN = 12


def describe_rules(description: LeadDescription, record: Explanation, say: Say) -> Iterator[Part]:
    """Rules that were reached; those that do not match only by count when there are many."""
    rules = record.rules
    shown_all = sum(rule.verdict is Verdict.NOT_MATCHED for rule in rules) <= NOT_MATCHED_SHOWN
    passed = 0
    for rule in rules:
        if rule.verdict is Verdict.NOT_REACHED:
            break
        if rule.verdict is Verdict.NOT_MATCHED and not shown_all:
            passed += 1
            continue
        yield from _passed(passed, say)
        passed = 0
        words = rule_words(rule, description, record.moment.now, say)
        yield Line(
            "  " + say.gettext("{number}. {rule}: {words}").format(number=rule.rule_no + 1, rule=rule.name, words=words)
        )
        if rule.group is not None:
            yield from _group(rule.group, record.moment.now, say)
    yield from _passed(passed, say)
    unreached = sum(rule.verdict is Verdict.NOT_REACHED for rule in rules)
    if unreached:
        yield Line(
            "  "
            + say.ngettext("{count:,} more rule not reached", "{count:,} more rules not reached", unreached).format(
                count=unreached
            )
        )


def _passed(count: int, say: Say) -> Iterator[Part]:
    if count:
        yield Line(
            "  "
            + say.ngettext("… {count:,} rule does not match", "… {count:,} rules do not match", count).format(
                count=count
            )
        )


def rule_words(rule: RuleExplanation, description: LeadDescription, now: datetime, say: Say) -> str:
    """What became of the lead at this rule, at `now` (the batch's)."""
    zone_name = description.lead.time_zone
    if rule.verdict is Verdict.NOT_MATCHED:
        words = say.gettext("does not match: {condition}").format(
            condition=condition(rule.conditions[-1], zone_name, say)
        )
        if rule.look_again is None:
            return words
        return say.gettext("{words} (time may change that at {at})").format(
            words=words, at=when(rule.look_again, zone_name, say)
        )
    if rule.verdict is Verdict.FAILED:
        return say.gettext("failed: {error}").format(error=rule.error)
    held = say.gettext(", ").join(condition(part, zone_name, say) for part in rule.conditions) or say.gettext(
        "every lead"
    )
    if rule.owner is not None:
        return say.gettext("matches ({held}), {found}").format(
            held=held, found=owner(rule.owner, description.names, now, zone_name, say)
        )
    words = _found(rule, held, zone_name, say)
    if not rule.owns:
        words = say.gettext("{words}; by this rule the customer's owner does not change").format(words=words)
    return (
        say.gettext("{words}; the rule waits, so later rules were not tried").format(words=words)
        if rule.stops
        else words
    )


def _found(rule: RuleExplanation, held: str, zone_name: str, say: Say) -> str:
    if rule.verdict is Verdict.OUTSIDE_WINDOW:
        until = rule.window.until if rule.window else None
        if until is None:
            return say.gettext("matches ({held}), but its hours are over").format(held=held)
        return say.gettext("matches ({held}), but its hours are over until {until}").format(
            held=held, until=when(until, zone_name, say)
        )
    assert rule.group is not None
    if (rep := one_rep(rule.group.name)) is not None:
        template = (
            say.gettext("rep {rep} was available") if rule.group.free else say.gettext("rep {rep} was not available")
        )
        return say.gettext("matches ({held}), {found}").format(held=held, found=template.format(rep=rep))
    numbers = {"free": len(rule.group.free), "members": len(rule.group.candidates)}
    return say.gettext("matches ({held}), {found}").format(
        held=held,
        found=say.gettext("{free:,} of {members:,} members of group {group} were available").format(
            group=rule.group.name, **numbers
        ),
    )


def _group(group: GroupExplanation, now: datetime, say: Say) -> Iterator[Part]:
    free = group.free
    if free:
        columns = ("", *map(say.gettext, COLUMNS))
        yield Candidates(columns, tuple(tuple(_row(candidate, say)) for candidate in free[: NEXT_SHOWN + 1]))
        if len(free) > NEXT_SHOWN + 1:
            yield Line(
                "     "
                + say.ngettext(
                    "… {count:,} more was available", "… {count:,} more were available", len(free) - NEXT_SHOWN - 1
                ).format(count=len(free) - NEXT_SHOWN - 1)
            )
    yield from _left_out(group, now, say)


def _row(record: Candidate, say: Say) -> Iterator[str]:
    rep = record.rep
    yield say.gettext("selected") if record.place == 1 else say.gettext("{place}.").format(place=record.place)
    yield f"{rep.rep_id} {rep.name}"
    yield f"{record.credit:+.2f}"
    yield weight(record, say)
    yield load(rep.opened, rep.max_open, say)
    yield load(rep.today, rep.max_per_day, say)
    yield (
        say.gettext("ahead of its fair share")
        if record.ahead
        else say.gettext("{leads:.2f} leads").format(leads=record.due_in or 0)
    )


def _left_out(group: GroupExplanation, now: datetime, say: Say) -> Iterator[Part]:
    by_reason: dict[LeftOut, list[Candidate]] = defaultdict(list)
    for candidate in group.candidates:
        if candidate.left_out:
            by_reason[candidate.left_out[0]].append(candidate)
    for why in sorted(by_reason, key=list(LeftOut).index):
        people = by_reason[why]
        named = say.gettext(", ").join(
            f"{c.rep.rep_id} {_detail(c, now, say)}".strip() for c in people[:NAMED_PER_REASON]
        )
        if len(people) > NAMED_PER_REASON:
            named = say.gettext("{shown} and {more:,} more").format(shown=named, more=len(people) - NAMED_PER_REASON)
        yield Line(
            "     "
            + say.gettext("left out, {why}: {count:,} ({people})").format(
                why=say.gettext(LEFT_OUT[why]), count=len(people), people=named
            )
        )


def _detail(candidate: Candidate, now: datetime, say: Say) -> str:
    """The numbers behind each reason; the first reason stands in front of all who share it."""
    first, *others = candidate.left_out
    words = [numbers_against(first, candidate.rep, now, say)]
    words += [against(why, candidate.rep, now, say) for why in others]
    return say.gettext(", ").join(filter(None, words))
