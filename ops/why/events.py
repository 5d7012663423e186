"""The lines of a lead's timeline, in words."""

from ops.why.languages import Words
from ops.why.story import Event, Happened, Story
from ops.why.words import aside, detail, rule_name, targets, when


def event_words(event: Event, story: Story, say: Words) -> str:
    """What happened, without when."""
    if event.what is Happened.RECEIVED:
        received = say.received if story.lead.source else say.received_without
        return received.format(source=story.lead.source, external_id=story.lead.external_id)
    if event.what is Happened.MERGED:
        return say.merged_into.format(into=event.into_lead_id)
    if event.what is Happened.SENT_BACK:
        return aside(say.event_sent_back_by.format(actor=event.actor), event.note, say)
    if event.what is Happened.PARKED and event.actor:
        return aside(say.event_parked_by.format(actor=event.actor), event.note, say)
    if event.what is Happened.ENDED:
        return say.ended.get(event.outcome, f"{event.outcome}, {{rep}}").format(rep=_rep(event, story, say))
    words = _decided(event, story, say)
    return words if event.batch_no is None else say.event_batch.format(words=words, batch=event.batch_no)


def _decided(event: Event, story: Story, say: Words) -> str:
    if event.what is Happened.PARKED:
        reason = say.reasons[event.reason] if event.reason else say.no_reason
        return say.event_parked.format(reason=aside(reason, detail(event.detail, say), say))
    if event.what is Happened.ASSIGNED:
        return say.event_assigned.format(rep=_rep(event, story, say), by=_by(event, story, say))
    words = say.event_refused.format(who=targets(event.targets, story.names, event.ruleset, say))
    if event.recheck_at is None:
        return words
    return say.event_again.format(words=words, at=when(event.recheck_at, story.lead.time_zone, say))


def _by(event: Event, story: Story, say: Words) -> str:
    if event.by_hand:
        by = say.event_by_hand_of.format(actor=event.actor) if event.actor else say.event_by_hand
        return aside(by, event.note, say)
    by = ""
    if event.rule_no is not None and event.ruleset is not None:
        name = event.rule_name or rule_name(story.names, event.rule_no, event.ruleset, say)
        by = say.event_rule.format(rule=name)
    elif event.rule_no is not None:
        by = say.event_rule_number.format(number=event.rule_no + 1)
    if event.group_no is None:
        return say.event_owner.format(by=by)
    return say.event_group.format(by=by, group=story.names.group(event.group_no))


def _rep(event: Event, story: Story, say: Words) -> str:
    return say.nobody if event.rep_no is None else story.names.rep(event.rep_no)
