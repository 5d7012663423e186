"""The rules of one decision for people: those that mattered, and the candidates in the order of their turn."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ops.why.languages import Words
from ops.why.story import Story
from ops.why.words import against, condition, counted, load, numbers_against, owner, weight, when
from router.domain.explain_parts import Candidate, Explanation, GroupStory, LeftOut, RuleStory, Verdict
from router.domain.text import visible

NEXT_SHOWN = 4
NAMED_PER_REASON = 3
# Up to so many rules that do not match are told one by one.
NOT_MATCHED_SHOWN = 12


def line(words: str, style: str = "", *, gap: bool = False) -> Text:
    """One line, whatever the lead's texts hold; `gap` = an empty one before it."""
    return Text(("\n" if gap else "") + visible(words), style=style)


def rules_told(story: Story, told: Explanation, say: Words) -> Iterator[RenderableType]:
    """Rules that were reached; those that do not match only by count when there are many."""
    rules = told.rules
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
        words = rule_words(rule, story, told.moment.now, say)
        yield line("  " + say.rule_line.format(number=rule.rule_no + 1, rule=rule.name, words=words))
        if rule.group is not None:
            yield from _group(rule.group, told.moment.now, say)
    yield from _passed(passed, say)
    unreached = sum(rule.verdict is Verdict.NOT_REACHED for rule in rules)
    if unreached:
        yield line("  " + counted(say.not_reached, unreached))


def _passed(count: int, say: Words) -> Iterator[Text]:
    if count:
        yield line("  " + counted(say.pass_over, count))


def rule_words(rule: RuleStory, story: Story, now: datetime, say: Words) -> str:
    """What became of the lead at this rule, at `now` (the batch's)."""
    zone_name = story.lead.time_zone
    if rule.verdict is Verdict.NOT_MATCHED:
        words = say.not_matched.format(condition=condition(rule.conditions[-1], zone_name, say))
        if rule.look_again is None:
            return words
        return say.time_may_change.format(words=words, at=when(rule.look_again, zone_name, say))
    if rule.verdict is Verdict.FAILED:
        return say.failed.format(error=rule.error)
    held = say.comma.join(condition(part, zone_name, say) for part in rule.conditions) or say.every_lead
    if rule.owner is not None:
        return say.matches.format(held=held, found=owner(rule.owner, story.names, now, zone_name, say))
    words = _found(rule, held, zone_name, say)
    return say.stops.format(words=words) if rule.stops else words


def _found(rule: RuleStory, held: str, zone_name: str, say: Words) -> str:
    if rule.verdict is Verdict.OUTSIDE_WINDOW:
        until = rule.window.until if rule.window else None
        if until is None:
            return say.hours_over.format(held=held)
        return say.hours_over_until.format(held=held, until=when(until, zone_name, say))
    assert rule.group is not None
    numbers = {"free": len(rule.group.free), "members": len(rule.group.candidates)}
    return say.matches.format(held=held, found=say.free_of_group.format(group=rule.group.name, **numbers))


def _group(group: GroupStory, now: datetime, say: Words) -> Iterator[RenderableType]:
    free = group.free
    if free:
        table = Table.grid(padding=(0, 2))
        table.add_row("", *say.columns, style="dim")
        for candidate in free[: NEXT_SHOWN + 1]:
            table.add_row(*_row(candidate, say))
        yield Padding(table, (0, 0, 0, 5), expand=False)
        if len(free) > NEXT_SHOWN + 1:
            yield line("     " + counted(say.more_free, len(free) - NEXT_SHOWN - 1))
    yield from _left_out(group, now, say)


def _row(told: Candidate, say: Words) -> Iterator[RenderableType]:
    rep = told.rep
    yield say.won if told.place == 1 else say.nth.format(place=told.place)
    yield line(f"{rep.rep_id} {rep.name}")
    yield f"{told.credit:+.2f}"
    yield weight(told, say)
    yield load(rep.opened, rep.max_open, say)
    yield load(rep.today, rep.max_per_day, say)
    yield say.had_more if told.ahead else say.due_in.format(leads=told.due_in or 0)


def _left_out(group: GroupStory, now: datetime, say: Words) -> Iterator[Text]:
    by_reason: dict[LeftOut, list[Candidate]] = defaultdict(list)
    for candidate in group.candidates:
        if candidate.left_out:
            by_reason[candidate.left_out[0]].append(candidate)
    for why in sorted(by_reason, key=list(LeftOut).index):
        people = by_reason[why]
        named = say.comma.join(f"{c.rep.rep_id} {_detail(c, now, say)}".strip() for c in people[:NAMED_PER_REASON])
        if len(people) > NAMED_PER_REASON:
            named = say.and_more.format(shown=named, more=len(people) - NAMED_PER_REASON)
        yield line("     " + say.without.format(why=say.left_out[why], count=len(people), people=named))


def _detail(candidate: Candidate, now: datetime, say: Words) -> str:
    """The numbers behind each reason; the first reason stands in front of all who share it."""
    first, *others = candidate.left_out
    words = [numbers_against(first, candidate.rep, now, say)]
    words += [against(why, candidate.rep, now, say) for why in others]
    return say.comma.join(filter(None, words))
