"""The explanation for people: rules that mattered, candidates in the order of their turn, the timeline."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ops.why.events import event_words
from ops.why.story import Story, Told
from ops.why.summary import summary
from ops.why.words import LEFT_OUT, REASONS, against, condition, load, owner, targets, weight, when
from router.domain.decide import Parked, Waiting
from router.domain.explain_parts import Candidate, Explanation, GroupStory, LeftOut, RuleStory, Verdict
from router.domain.text import visible

NEXT_SHOWN = 4
NAMED_PER_REASON = 3
# Up to so many rules that do not match are told one by one.
NOT_MATCHED_SHOWN = 12


def renderables(story: Story) -> Iterator[RenderableType]:
    """What to print, in order."""
    lead = story.lead
    yield _line(f"Lead {lead.lead_id} of {lead.tenant}: {story.place.state}", style="bold")
    yield _line(_facts(story))
    yield _line(summary(story))
    if story.told is not None:
        yield from _decision(story, story.told)
    if story.later:
        yield _line(f"An earlier decision; the latest: lead-router why {lead.lead_id}", gap=True)
    if story.record_gone is not None:
        gone = f"The flight record of batch {story.record_gone} is gone (retention)"
        yield _line(f"{gone}: what went before is not known.", gap=True)
    yield _line(f"Timeline (times in {lead.time_zone})", style="bold", gap=True)
    if story.older_batch is not None:
        yield _line(f"  earlier decisions: lead-router why {lead.lead_id} --batch {story.older_batch}")
    for event in story.timeline:
        yield _line(f"  {when(event.at, lead.time_zone)}  {event_words(event, story)}")


def _line(words: str, style: str = "", *, gap: bool = False) -> Text:
    """One line, whatever the lead's texts hold; `gap` = an empty one before it."""
    return Text(("\n" if gap else "") + visible(words), style=style)


def _facts(story: Story) -> str:
    lead = story.lead
    facts = [
        f"{name} {value}" for name, value in lead.facts._asdict().items() if value is not None and name != "source"
    ]
    if lead.priority:
        facts.append(f"priority {lead.priority}")
    if lead.customer_id is not None:
        facts.append(f"customer {lead.customer_id}")
    came = f"{lead.source}/{lead.external_id}, created {when(lead.created_at, lead.time_zone)}"
    return "; ".join([came, *facts])


def _decision(story: Story, told: Told) -> Iterator[RenderableType]:
    stored, zone_name = told.stored, story.lead.time_zone
    head = f"Batch {stored.batch_no} at {when(stored.at, zone_name)}: {_outcome(story, told)}"
    yield _line(head, style="bold", gap=True)
    under = f"lead {told.seq + 1:,} of {told.leads:,}; ruleset {stored.ruleset}, roster {stored.roster}"
    yield _line(f"  {under}" + (f", close rates {stored.rates}" if stored.rates else ""))
    if told.trouble:
        yield _line(f"  {told.trouble}", style="yellow")
    if told.by_hand is not None:
        rep = told.by_hand
        loads = f"open {load(rep.opened, rep.max_open)}, today {load(rep.today, rep.max_per_day)}"
        yield _line(f"  {rep.rep_id} {rep.name} had {loads} before it")
    if told.explanation is not None:
        yield from rules_told(story, told.explanation)


def _outcome(story: Story, told: Told) -> str:
    decision = told.decision
    if isinstance(decision, Parked):
        return f"parked, {REASONS[decision.reason]} ({decision.detail}) [{decision.reason}]"
    if isinstance(decision, Waiting):
        reason = told.explanation.reason if told.explanation else None
        waits = f"waits for {targets(decision.targets, story.names, told.stored.ruleset)}"
        return f"nobody could take it, {waits}" + (f" [{reason}]" if reason else "")
    flight = told.stored.flight
    by_hand = f" by hand by {flight.actor}" if decision.rule_no is None else ""
    note = f" ({flight.note})" if flight.note else ""
    return f"assigned to {story.names.rep(decision.rep_no)}{by_hand}{note}"


def rules_told(story: Story, told: Explanation) -> Iterator[RenderableType]:
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
        yield from _passed(passed)
        passed = 0
        yield _line(f"  {rule.rule_no + 1}. {rule.name}: {rule_words(rule, story, told.moment.now)}")
        if rule.group is not None:
            yield from _group(rule.group, told.moment.now)
    yield from _passed(passed)
    unreached = sum(rule.verdict is Verdict.NOT_REACHED for rule in rules)
    if unreached:
        yield _line(f"  {unreached:,} more {'rules' if unreached > 1 else 'rule'} not reached")


def _passed(count: int) -> Iterator[Text]:
    if count:
        yield _line(f"  … {count:,} {'rules do' if count > 1 else 'rule does'} not match")


def rule_words(rule: RuleStory, story: Story, now: datetime) -> str:
    """What became of the lead at this rule, at `now` (the batch's)."""
    zone_name = story.lead.time_zone
    if rule.verdict is Verdict.NOT_MATCHED:
        again = f" (time may change that at {when(rule.look_again, zone_name)})" if rule.look_again else ""
        return f"no, {condition(rule.conditions[-1], zone_name)}{again}"
    if rule.verdict is Verdict.FAILED:
        return f"failed, {rule.error}"
    held = ", ".join(condition(part, zone_name) for part in rule.conditions) or "every lead"
    stops = "; the rule says wait, so the rules after it were not tried" if rule.stops and not rule.owner else ""
    if rule.verdict is Verdict.OUTSIDE_WINDOW:
        until = rule.window.until if rule.window else None
        opens = f" until {when(until, zone_name)}" if until else ""
        return f"matches ({held}), but its hours are over{opens}{stops}"
    if rule.owner is not None:
        return f"matches ({held}), {owner(rule.owner, story.names, now, zone_name)}"
    assert rule.group is not None
    free = f"{len(rule.group.free):,} of {len(rule.group.candidates):,} of group {rule.group.name} were free"
    return f"matches ({held}), {free}{stops}"


def _group(group: GroupStory, now: datetime) -> Iterator[RenderableType]:
    free = group.free
    if free:
        table = Table.grid(padding=(0, 2))
        table.add_row("", *("rep", "credit", "weight", "open", "today", "due in"), style="dim")
        for candidate in free[: NEXT_SHOWN + 1]:
            table.add_row(*_row(candidate))
        yield Padding(table, (0, 0, 0, 5), expand=False)
        if len(free) > NEXT_SHOWN + 1:
            yield _line(f"     … {len(free) - NEXT_SHOWN - 1:,} more were free")
    yield from _left_out(group, now)


def _row(told: Candidate) -> Iterator[RenderableType]:
    rep = told.rep
    yield "won" if told.place == 1 else f"{told.place}."
    yield _line(f"{rep.rep_id} {rep.name}")
    yield f"{told.credit:+.2f}"
    yield weight(told)
    yield load(rep.opened, rep.max_open)
    yield load(rep.today, rep.max_per_day)
    yield "had more than the share" if told.ahead else f"{told.due_in or 0:.2f} leads"


def _left_out(group: GroupStory, now: datetime) -> Iterator[Text]:
    by_reason: dict[LeftOut, list[Candidate]] = defaultdict(list)
    for candidate in group.candidates:
        if candidate.left_out:
            by_reason[candidate.left_out[0]].append(candidate)
    for why in sorted(by_reason, key=list(LeftOut).index):
        people = by_reason[why]
        named = [f"{c.rep.rep_id} {_detail(c, now)}".strip() for c in people[:NAMED_PER_REASON]]
        more = f" and {len(people) - NAMED_PER_REASON:,} more" if len(people) > NAMED_PER_REASON else ""
        yield _line(f"     left out, {LEFT_OUT[why]}: {len(people):,} ({', '.join(named)}{more})")


def _detail(candidate: Candidate, now: datetime) -> str:
    """The numbers behind each reason; the first reason stands in front of all who share it."""
    first, *others = candidate.left_out
    words = [against(first, candidate.rep, now).removeprefix(LEFT_OUT[first])]
    return ", ".join(word.strip(" ()") for word in [*words, *(against(why, candidate.rep, now) for why in others)])
