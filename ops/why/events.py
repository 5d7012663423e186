"""The lines of a lead's timeline, in words."""

from ops.why.story import Event, Happened, Story
from ops.why.words import REASONS, targets, when


def event_words(event: Event, story: Story) -> str:
    """What happened, without when."""
    batch = f" (batch {event.batch_no})" if event.batch_no is not None else ""
    if event.what is Happened.RECEIVED:
        return f"received from {story.lead.source} as {story.lead.external_id}"
    if event.what is Happened.MERGED:
        return f"merged into lead {event.into_lead_id}, which it repeats"
    if event.what is Happened.PARKED:
        reason = REASONS[event.reason] if event.reason else "no reason"
        return f"parked: {reason}" + (f", {event.detail}" if event.detail else "") + batch
    if event.what is Happened.ENDED:
        return _ended(event, story)
    if event.what is Happened.ASSIGNED:
        return f"assigned to {_rep(event, story)}{_by(event, story)}{batch}"
    waits = targets(event.targets, story.names, event.ruleset)
    again = f", again at the latest {when(event.recheck_at, story.lead.time_zone)}" if event.recheck_at else ""
    return f"nobody could take it: waits for {waits}{again}{batch}"


def _ended(event: Event, story: Story) -> str:
    who = _rep(event, story)
    return {
        "won": f"won by {who}",
        "lost": f"lost by {who}",
        "returned": f"returned by {who}; to be given to another",
        "withdrawn": f"withdrawn from {who}",
        "handed_over": f"taken from {who} by hand, for another",
    }.get(event.outcome, f"{event.outcome}, {who}")


def _by(event: Event, story: Story) -> str:
    if event.by_hand:
        return " by hand" + (f" by {event.actor}" if event.actor else "") + (f" ({event.note})" if event.note else "")
    by = ""
    if event.rule_no is not None and event.ruleset is not None:
        by = f" by rule {event.rule_name or story.names.rule(event.rule_no, event.ruleset)}"
    elif event.rule_no is not None:
        by = f" by rule number {event.rule_no + 1} of its time"
    if event.group_no is None:
        return f"{by}, as the customer's owner"
    return f"{by}, group {story.names.group(event.group_no)}"


def _rep(event: Event, story: Story) -> str:
    return "nobody" if event.rep_no is None else story.names.rep(event.rep_no)
