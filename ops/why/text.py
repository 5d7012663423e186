"""The explanation for people: where the lead is, who was nearer, the customer, the decision, the timeline."""

from collections.abc import Iterator

from rich.console import RenderableType

from ops.why.customer import customer_lines
from ops.why.events import event_words
from ops.why.languages import Words
from ops.why.nearer import nearer
from ops.why.rules import line, rules_told
from ops.why.story import Story, Told, Trouble, TroubleKind
from ops.why.summary import summary
from ops.why.words import aside, detail, load, named_by_source, targets, when
from router.domain.decide import Parked, Waiting


def renderables(story: Story, say: Words) -> Iterator[RenderableType]:
    """What to print, in order."""
    lead = story.lead
    state = say.states[story.place.state]
    yield line(say.head.format(lead=lead.lead_id, tenant=lead.tenant, state=state), style="bold")
    yield line(_facts(story, say))
    yield line(summary(story, say))
    for words in nearer(story, say):
        yield line(words)
    for number, words in enumerate(customer_lines(story, say)):
        yield line(words, gap=number == 0)
    if story.told is not None:
        yield from _decision(story, story.told, say)
    if story.later:
        yield line(say.earlier_one.format(lead=lead.lead_id), gap=True)
    if story.record_gone is not None:
        yield line(say.record_gone.format(batch=story.record_gone), gap=True)
    yield line(say.timeline.format(zone=lead.time_zone), style="bold", gap=True)
    if story.older_batch is not None:
        yield line("  " + say.earlier_more.format(lead=lead.lead_id, batch=story.older_batch))
    for event in story.timeline:
        yield line(f"  {when(event.at, lead.time_zone, say)}  {event_words(event, story, say)}")


def _facts(story: Story, say: Words) -> str:
    lead = story.lead
    known = {**lead.facts._asdict(), "priority": lead.priority or None, "customer": lead.customer_id}
    created = when(lead.created_at, lead.time_zone, say)
    facts = [say.came.format(name=named_by_source(lead.source, lead.external_id), created=created)]
    for name, value in known.items():
        if value is not None and name != "source":
            facts.append(say.fact.format(field=say.fields.get(name, name), value=value))
    return say.semicolon.join(facts)


def _decision(story: Story, told: Told, say: Words) -> Iterator[RenderableType]:
    stored = told.stored
    at = when(stored.at, story.lead.time_zone, say)
    head = say.batch.format(batch=stored.batch_no, at=at, outcome=_outcome(story, told, say))
    yield line(head, style="bold", gap=True)
    under = say.place.format(place=told.seq + 1, leads=told.leads, ruleset=stored.ruleset, roster=stored.roster)
    yield line("  " + (say.rates.format(place=under, rates=stored.rates) if stored.rates else under))
    if told.trouble is not None:
        yield line("  " + trouble_words(told.trouble, say), style="yellow")
    if told.by_hand is not None:
        rep = told.by_hand
        opened, today = load(rep.opened, rep.max_open, say), load(rep.today, rep.max_per_day, say)
        yield line("  " + say.had_before.format(rep=f"{rep.rep_id} {rep.name}", open=opened, today=today))
    if told.explanation is not None:
        yield from rules_told(story, told.explanation, say)


def trouble_words(trouble: Trouble, say: Words) -> str:
    """Why there is no explanation, or none to be trusted."""
    return {
        TroubleKind.CANNOT_RERUN: say.cannot_rerun,
        TroubleKind.REP_GONE: say.rep_gone,
        TroubleKind.OLD_ENGINE: say.old_engine,
        TroubleKind.DIFFERS: say.differs,
    }[trouble.kind].format(detail=trouble.detail)


def _outcome(story: Story, told: Told, say: Words) -> str:
    decision = told.decision
    if isinstance(decision, Parked):
        reason = say.reasons[decision.reason]
        return say.was_parked.format(reason=reason, detail=detail(decision.detail, say), code=decision.reason)
    if isinstance(decision, Waiting):
        code = told.explanation.reason if told.explanation else None
        waits = targets(decision.targets, story.names, told.stored.ruleset, say)
        return say.was_refused.format(who=waits) + (f" [{code}]" if code else "")
    flight = told.stored.flight
    template = say.was_assigned_by_hand if decision.rule_no is None else say.was_assigned
    return aside(template.format(rep=story.names.rep(decision.rep_no), actor=flight.actor), flight.note, say)
