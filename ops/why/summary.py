"""One or two sentences that say where a lead is and why."""

from datetime import timedelta

from ops.why.story import Happened, Holder, State, Story, Turn
from ops.why.words import REASONS, targets, when
from router.domain.decide import readable
from router.domain.explain_parts import GroupStory

# Shorter than this, a lock is a batch at work.
_NOTED_LOCK = timedelta(seconds=1)


def summary(story: Story) -> str:
    """Where the lead is, since when, and why. Times in the tenant's zone."""
    since = when(story.place.since, story.lead.time_zone)
    if story.place.state is State.ASSIGNED:
        return f"{_rep(story)} has it since {since}: {_given(story)}."
    if story.place.state is State.WAITING:
        return _waiting(story)
    if story.place.state is State.PARKED:
        reason = REASONS[story.place.reason] if story.place.reason else "no reason"
        detail = f" ({story.place.detail})" if story.place.detail else ""
        return f"Parked since {since}: {reason}{detail}. Trying again cannot help: a person must look."
    if story.place.state is State.MERGED:
        into = story.place.into_lead_id
        return f"An exact repeat of lead {into}, into which it was merged at {since}: lead-router why {into}"
    if story.place.state is State.CLOSED:
        by = f" by {_rep(story)}" if story.place.rep_no is not None else ""
        return f"Closed as {story.place.outcome} at {since}{by}."
    return "It is in no state, which must never be: run lead-router audit."


def _rep(story: Story) -> str:
    assert story.place.rep_no is not None
    return story.names.rep(story.place.rep_no)


def _given(story: Story) -> str:
    place, told = story.place, story.told
    if place.rule_no is None:
        given = next((e for e in story.timeline if e.batch_no == place.batch_no and e.what is Happened.ASSIGNED), None)
        by = f"{given.actor} gave it by hand" if given and given.actor else "given by hand"
        return by + (f" ({given.note})" if given and given.note else "")
    at_hand = told if told and told.stored.batch_no == place.batch_no else None
    ruleset = at_hand.stored.ruleset if at_hand else None
    rule = f"by rule {story.names.rule(place.rule_no, ruleset)}"
    if at_hand is None and ruleset is None:
        rule = f"by rule number {place.rule_no + 1} of its time"
    if place.group_no is None:
        return f"{rule}, as the owner of the customer"
    group = f"{rule} it went to group {story.names.group(place.group_no)}"
    deciding = at_hand.explanation.deciding if at_hand and at_hand.explanation else None
    return group + (_turn_of(deciding.group) if deciding and deciding.group else "")


def _turn_of(group: GroupStory) -> str:
    free, members = len(group.free), len(group.candidates)
    if free == 1:
        return f", where nobody else of {members} was free" if members > 1 else ", which has nobody else"
    return f", and of the {free} who were free (of {members}) it was this one's turn"


def _waiting(story: Story) -> str:
    place, present, turn = story.place, story.present, story.turn
    assert turn is not None
    if turn.paused_until is not None or turn.no_ruleset or place.ready:
        return f"{_ready(story)}: {turn_words(turn, story)}."
    zone_name = story.lead.time_zone
    queued = f"Queued since {when(place.since, zone_name)}"
    if present is not None and present.old_rules:
        return (
            f"Refused under ruleset {place.key_ruleset}; the rules now in force decide with the next batches. {queued}."
        )
    if present is not None and present.room:
        who = targets(place.targets, story.names, place.key_ruleset)
        return f"Waited for {who}, who has room now: the next batch tries again. {queued}."
    reasons = present.each if present else {}
    code = f" [{present.reason}]" if present else ""
    waits = f"Waits for {targets(place.targets, story.names, place.key_ruleset, reasons)}{code}"
    latest = when(place.recheck_at, zone_name) if place.recheck_at else "the end of its time"
    return f"{waits}. Tried again when that changes, at the latest {latest}. {queued}."


def _ready(story: Story) -> str:
    waited = readable(story.now - story.place.since)
    if story.place.batch_no is None:
        return f"Waits for {waited}, never tried"
    last = story.timeline[-1]
    if last.what is Happened.ENDED and last.rep_no is not None:
        ended = f"{last.outcome.capitalize()} by {story.names.rep(last.rep_no)}"
        return f"{ended}; waits for {waited} to be given to another"
    return f"Waits for {waited}, to be looked at again"


def turn_words(turn: Turn, story: Story) -> str:
    """Why a lead whose turn has not come has no decision yet."""
    if turn.no_ruleset:
        return "the tenant has no ruleset yet (lead-router rules apply FILE --tenant T)"
    if turn.paused_until is not None:
        why = f" ({turn.paused_why})" if turn.paused_why else ""
        return f"the tenant is paused until {when(turn.paused_until, story.lead.time_zone)}{why}"
    for holder, what in ((turn.row_held_by, "its row"), (turn.lane_held_by, "the tenant's lane")):
        if holder is not None and _long(holder, story):
            return f"{what} is locked by {holder_words(holder, story)}"
    before = f"{turn.before_it:,} leads come before it" if turn.before_it else "it is the next in turn"
    if turn.last_batch_at is None:
        return f"{before}; no router has drained this tenant yet (lead-router drain --until-idle, or serve)"
    return f"{before}; the tenant was last drained at {when(turn.last_batch_at, story.lead.time_zone)}"


def holder_words(holder: Holder, story: Story) -> str:
    """A session that holds a lock."""
    since = f", since {when(holder.since, story.lead.time_zone)}" if holder.since else ""
    return f"pid {holder.pid} ({holder.application or 'no application name'}, user {holder.user}{since})"


def _long(holder: Holder, story: Story) -> bool:
    return holder.since is None or story.now - holder.since >= _NOTED_LOCK
