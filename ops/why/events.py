"""The lines of a lead's timeline, in words."""

from ops.text.translation import Say
from ops.why.codes import ENDED, REASONS
from ops.why.description import Event, Happened, LeadDescription
from ops.why.phrases import aside, detail, rule_name, targets, when
from router.domain.roster import one_rep


def event_words(event: Event, description: LeadDescription, say: Say) -> str:
    """What happened, without when."""
    if event.what is Happened.RECEIVED:
        received = (
            say.gettext("received from {source} as {external_id}")
            if description.lead.source
            else say.gettext("received as {external_id}, without a source")
        )
        return received.format(source=description.lead.source, external_id=description.lead.external_id)
    if event.what is Happened.MERGED:
        return say.gettext("merged into lead {into} as a duplicate").format(into=event.into_lead_id)
    if (handled := _handled(event, description, say)) is not None:
        return aside(handled, event.note, say)
    if event.what is Happened.ENDED:
        ended = say.gettext(ENDED.get(event.outcome, f"{event.outcome}, {{rep}}")).format(
            rep=_rep(event, description, say)
        )
        if event.actor:
            ended = say.gettext("{words}, entered by {actor}").format(words=ended, actor=event.actor)
        return aside(ended, event.note, say)
    if event.what is Happened.TAKEN_OVER:
        return taken_over(event, description, say)
    words = _decided(event, description, say)
    return (
        words
        if event.batch_no is None
        else say.gettext("{words} (batch {batch})").format(words=words, batch=event.batch_no)
    )


def taken_over(event: Event, description: LeadDescription, say: Say) -> str:
    """An assignment that the CRM had made: who took it over, and since when the rep had the lead."""
    return say.gettext("{taken}: {rep} had it from {at}").format(
        taken=taken_over_by(event, say),
        rep=_rep(event, description, say),
        at=when(event.at, description.lead.time_zone, say),
    )


def taken_over_by(event: Event, say: Say) -> str:
    """Who took it over, and from which file."""
    return aside(say.gettext("taken over from the CRM by {actor}").format(actor=event.actor), event.note, say)


def _handled(event: Event, description: LeadDescription, say: Say) -> str | None:
    """What a person did to the lead without giving it to anybody; None = it was something else."""
    if event.what is Happened.SENT_BACK:
        return say.gettext("sent back manually by {actor}").format(actor=event.actor)
    if event.what is Happened.UNMERGED:
        words = say.gettext("unmerged from lead {into} by {actor}: it is a lead of its own from now on")
        return words.format(into=event.into_lead_id, actor=event.actor)
    if event.what is Happened.PARKED and event.actor:
        return say.gettext("parked manually by {actor}").format(actor=event.actor)
    if event.created is None:
        if event.what is not Happened.CORRECTED:
            return None
        return say.gettext("facts corrected from a file by {actor}").format(actor=event.actor)
    before, after = (when(at, description.lead.time_zone, say) for at in event.created)
    return say.gettext("creation time corrected by {actor}, from {before} to {after}").format(
        actor=event.actor, before=before, after=after
    )


def _decided(event: Event, description: LeadDescription, say: Say) -> str:
    if event.what is Happened.PARKED:
        reason = say.gettext(REASONS[event.reason]) if event.reason else say.gettext("no reason")
        return say.gettext("parked: {reason}").format(reason=aside(reason, detail(event.detail, say), say))
    if event.what is Happened.ASSIGNED:
        return say.gettext("assigned to {rep}{by}").format(
            rep=_rep(event, description, say), by=_by(event, description, say)
        )
    words = say.gettext("nobody could take it; waiting for {who}").format(
        who=targets(event.targets, description.names, event.ruleset, say)
    )
    if event.recheck_at is None:
        return words
    template = (
        say.gettext("{words}, parked on {at} if it still waits then")
        if event.parks
        else say.gettext("{words}, retried at the latest {at}")
    )
    return template.format(words=words, at=when(event.recheck_at, description.lead.time_zone, say))


def _by(event: Event, description: LeadDescription, say: Say) -> str:
    if event.by_hand:
        by = say.gettext(" manually by {actor}").format(actor=event.actor) if event.actor else say.gettext(" manually")
        return aside(by, event.note, say)
    by = ""
    if event.rule_no is not None and event.ruleset is not None:
        name = event.rule_name or rule_name(description.names, event.rule_no, event.ruleset, say)
        by = say.gettext(" by rule {rule}").format(rule=name)
    elif event.rule_no is not None:
        by = say.gettext(" by rule number {number} of its time").format(number=event.rule_no + 1)
    if event.group_no is None:
        return say.gettext("{by}, as the customer's owner").format(by=by)
    group = description.names.group(event.group_no)
    # The rep is named already.
    return by if one_rep(group) is not None else say.gettext("{by}, group {group}").format(by=by, group=group)


def _rep(event: Event, description: LeadDescription, say: Say) -> str:
    return say.gettext("nobody") if event.rep_no is None else description.names.rep(event.rep_no)
