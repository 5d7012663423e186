"""The explanation for people: where the lead is, who was nearer, the customer, the decision, the timeline."""

from collections.abc import Iterator

from ops.text.states import STATES
from ops.text.translation import Say
from ops.why.codes import FIELDS, REASONS
from ops.why.customer import customer_lines
from ops.why.description import DecisionRecord, Happened, LeadDescription, Trouble, TroubleKind
from ops.why.events import event_words, taken_over
from ops.why.lines import TIMELINE, Line, Part
from ops.why.phrases import aside, detail, load, named_by_source, targets, when
from ops.why.placing_text import placing_lines
from ops.why.rep_text import rep_lines
from ops.why.rules import describe_rules
from ops.why.runner_up import runner_up
from ops.why.summary import summary
from router.domain.decide import Parked, Waiting
from router.domain.lead import FACT_FIELDS


def describe(description: LeadDescription, say: Say, *, asked: bool = False) -> Iterator[Part]:
    """The parts of the explanation, in order; of a question about a rep, or (`asked`) what it would take, only that."""
    lead = description.lead
    state = say.gettext(STATES[description.place.state])
    yield Line(
        say.gettext("Lead {lead} of {tenant}: {state} (times in {zone})").format(
            lead=lead.lead_id, tenant=lead.tenant, state=state, zone=lead.time_zone
        ),
        style="bold",
    )
    yield Line(_facts(description, say))
    yield Line(summary(description, say))
    if description.rep is not None or asked:
        if description.record is not None and description.record.trouble is not None and description.rep is not None:
            yield Line(trouble_words(description.record.trouble, say), style="yellow")
        yield from rep_lines(description, say)
        yield from placing_lines(description, say, asked=True) if asked else ()
        return
    yield from placing_lines(description, say)
    for words in runner_up(description, say):
        yield Line(words)
    for number, words in enumerate(customer_lines(description, say)):
        yield Line(words, gap=number == 0)
    if description.record is not None:
        yield from _decision(description, description.record, say)
    if description.later:
        yield Line(
            say.gettext("This is an earlier decision. For the latest: lead-router why {lead}").format(
                lead=lead.lead_id
            ),
            gap=True,
        )
    if description.record_gone is not None:
        yield Line(
            say.gettext(
                "The flight record of batch {batch} has been deleted (retention); earlier history is unavailable."
            ).format(batch=description.record_gone),
            gap=True,
        )
    yield Line(say.gettext("Timeline"), style="bold", gap=True, kind=TIMELINE)
    if description.older_batch is not None:
        yield Line(
            "  "
            + say.gettext("earlier decisions: lead-router why {lead} --batch {batch}").format(
                lead=lead.lead_id, batch=description.older_batch
            )
        )
    for event in description.timeline:
        yield Line(f"  {when(event.at, lead.time_zone, say)}  {event_words(event, description, say)}")


def _facts(description: LeadDescription, say: Say) -> str:
    lead = description.lead
    known = {
        "name": lead.name,
        "company": lead.company,
        **dict(zip(FACT_FIELDS, lead.facts.plain, strict=True)),
        "priority": lead.priority or None,
        "customer": lead.customer_id,
    }
    created = when(lead.created_at, lead.time_zone, say)
    facts = [
        say.gettext("{name}, created {created}").format(
            name=named_by_source(lead.source, lead.external_id), created=created
        )
    ]
    for name, value in known.items():
        if value is not None and name != "source":
            facts.append(say.gettext("{field} {value}").format(field=say.gettext(FIELDS.get(name, name)), value=value))
    return say.gettext("; ").join(facts)


def _decision(description: LeadDescription, record: DecisionRecord, say: Say) -> Iterator[Part]:
    stored = record.stored
    at = when(stored.at, description.lead.time_zone, say)
    head = say.gettext("Batch {batch} at {at}: {outcome}").format(
        batch=stored.batch_no, at=at, outcome=_outcome(description, record, say)
    )
    yield Line(head, style="bold", gap=True)
    under = say.gettext("lead {place:,} of {leads:,}; ruleset {ruleset}, roster {roster}").format(
        place=record.seq + 1, leads=record.leads, ruleset=stored.ruleset, roster=stored.roster
    )
    yield Line(
        "  "
        + (
            say.gettext("{place}, close rates {rates}").format(place=under, rates=stored.rates)
            if stored.rates
            else under
        )
    )
    if record.trouble is not None:
        yield Line("  " + trouble_words(record.trouble, say), style="yellow")
    if record.by_hand is not None:
        rep = record.by_hand
        opened, today = load(rep.opened, rep.max_open, say), load(rep.today, rep.max_per_day, say)
        yield Line(
            "  "
            + say.gettext("{rep} had open {open}, today {today} before it").format(
                rep=f"{rep.rep_id} {rep.name}", open=opened, today=today
            )
        )
    if record.explanation is not None:
        yield from describe_rules(description, record.explanation, say)


def trouble_words(trouble: Trouble, say: Say) -> str:
    """Why there is no explanation, or none to be trusted."""
    return {
        TroubleKind.CANNOT_RERUN: say.gettext("the record cannot be run again: {detail}"),
        TroubleKind.REP_GONE: say.gettext("rep {detail} is not in the roster of that time"),
        TroubleKind.OLD_ENGINE: say.gettext("engine version {detail} decided this; this release does not explain it"),
        TroubleKind.DIFFERS: say.gettext("the record does not give this decision again; see lead-router audit"),
    }[trouble.kind].format(detail=trouble.detail)


def _outcome(description: LeadDescription, record: DecisionRecord, say: Say) -> str:
    decision = record.decision
    if isinstance(decision, Parked):
        reason = say.gettext(REASONS[decision.reason])
        return say.gettext("parked, {reason} ({detail}) [{code}]").format(
            reason=reason, detail=detail(decision.detail, say), code=decision.reason
        )
    if isinstance(decision, Waiting):
        code = record.explanation.reason if record.explanation else None
        waits = targets(decision.targets, description.names, record.stored.ruleset, say)
        return say.gettext("nobody could take it; waiting for {who}").format(who=waits) + (f" [{code}]" if code else "")
    flight = record.stored.flight
    of_batch = (event for event in description.timeline if event.batch_no == record.stored.batch_no)
    if taken := next((event for event in of_batch if event.what is Happened.TAKEN_OVER), None):
        return taken_over(taken, description, say)
    template = (
        say.gettext("assigned to {rep} manually by {actor}")
        if decision.rule_no is None
        else say.gettext("assigned to {rep}")
    )
    return aside(template.format(rep=description.names.rep(decision.rep_no), actor=flight.actor), flight.note, say)
