"""One or two sentences that say where a lead is and why."""

from ops.why.languages import Words
from ops.why.story import Happened, Holder, State, Story, Turn
from ops.why.words import aside, counted, detail, duration, rule_name, targets, when
from router.domain.explain_parts import GroupStory
from router.domain.reason import Reason


def summary(story: Story, say: Words) -> str:
    """Where the lead is, since when, and why. Times in the tenant's zone."""
    place = story.place
    since = when(place.since, story.lead.time_zone, say)
    if place.state is State.ASSIGNED:
        return say.has_it.format(rep=_rep(story), since=since, given=_given(story, say))
    if place.state is State.WAITING:
        return _waiting(story, say)
    if place.state is State.PARKED:
        reason = say.reasons[place.reason] if place.reason else say.no_reason
        return say.parked.format(since=since, reason=aside(reason, detail(place.detail, say), say))
    if place.state is State.MERGED:
        return say.merged.format(into=place.into_lead_id, since=since)
    if place.state is State.CLOSED:
        outcome = say.outcomes.get(place.outcome or "", place.outcome)
        template = say.closed if place.rep_no is None else say.closed_by
        return template.format(outcome=outcome, since=since, rep=_rep(story) if place.rep_no is not None else "")
    return say.nowhere


def _rep(story: Story) -> str:
    assert story.place.rep_no is not None
    return story.names.rep(story.place.rep_no)


def _given(story: Story, say: Words) -> str:
    place, told = story.place, story.told
    if place.rule_no is None:
        given = next((e for e in story.timeline if e.batch_no == place.batch_no and e.what is Happened.ASSIGNED), None)
        by = say.given_by.format(actor=given.actor) if given and given.actor else say.given_by_hand
        return aside(by, given.note if given else "", say)
    at_hand = told if told and told.stored.batch_no == place.batch_no else None
    if at_hand is None:
        rule = say.by_rule_number.format(number=place.rule_no + 1)
    else:
        rule = say.by_rule.format(rule=rule_name(story.names, place.rule_no, at_hand.stored.ruleset, say))
    if place.group_no is None:
        return say.as_owner.format(rule=rule)
    group = say.to_group.format(rule=rule, group=story.names.group(place.group_no))
    deciding = at_hand.explanation.deciding if at_hand and at_hand.explanation else None
    return _turn_of(group, deciding.group, say) if deciding and deciding.group else group


def _turn_of(given: str, group: GroupStory, say: Words) -> str:
    free, members = len(group.free), len(group.candidates)
    if free == 1:
        template = say.only_one_free if members > 1 else say.only_one
        return template.format(given=given, members=members)
    return say.this_ones_turn.format(given=given, free=free, members=members)


def _waiting(story: Story, say: Words) -> str:
    place, present, turn = story.place, story.present, story.turn
    assert turn is not None
    if turn.paused_until is not None or turn.no_ruleset or place.ready or story.busy is not None:
        return say.because.format(state=_ready(story, say), why=turn_words(turn, story, say))
    zone_name, ruleset = story.lead.time_zone, place.key_ruleset
    queued = say.queued.format(since=when(place.since, zone_name, say))
    if present is not None and present.old_rules:
        return say.old_rules.format(ruleset=ruleset, queued=queued)
    if present is not None and present.unsure is not None:
        queued = say.sentences.format(first=queued, second=say.unsure[present.unsure])
    if present is not None and present.room:
        return say.has_room.format(who=targets(place.targets, story.names, ruleset, say), queued=queued)
    reasons = present.each if present else {}
    code = f" [{present.reason}]" if present else ""
    waits = targets(place.targets, story.names, ruleset, say, reasons)
    latest = say.latest.format(at=when(place.recheck_at, zone_name, say)) if place.recheck_at else say.latest_end
    return say.waits.format(who=waits + code, latest=latest, queued=queued)


def _ready(story: Story, say: Words) -> str:
    waited = duration(story.now - story.place.since, say)
    if story.place.batch_no is None:
        return say.never_tried.format(waited=waited)
    last = story.timeline[-1]
    if last.what is Happened.ENDED and last.rep_no is not None:
        outcome = say.outcomes.get(last.outcome, last.outcome)
        return say.ended_ready.format(outcome=outcome.capitalize(), rep=story.names.rep(last.rep_no), waited=waited)
    return say.look_again.format(waited=waited)


def turn_words(turn: Turn, story: Story, say: Words) -> str:
    """Why a lead whose turn has not come has no decision yet."""
    zone_name = story.lead.time_zone
    if turn.no_ruleset:
        return say.no_ruleset
    if turn.paused_until is not None:
        return aside(say.paused.format(until=when(turn.paused_until, zone_name, say)), turn.paused_why, say)
    if story.busy is not None:
        what, holder = story.busy
        template = {"table": say.table_locked, "row": say.row_locked, "lane": say.lane_locked}[what]
        return f"{template.format(session=holder_words(holder, story, say))} [{Reason.DATABASE_BUSY}]"
    before = counted(say.before_it, turn.before_it) if turn.before_it else say.next_in_turn
    if turn.last_batch_at is None:
        return say.never_drained.format(turn=before)
    return say.last_drained.format(turn=before, at=when(turn.last_batch_at, zone_name, say))


def holder_words(holder: Holder, story: Story, say: Words) -> str:
    """A session that holds a lock."""
    template = say.session_since if holder.since else say.session
    return template.format(
        pid=holder.pid,
        application=holder.application or say.no_application,
        user=holder.user,
        since=when(holder.since, story.lead.time_zone, say) if holder.since else "",
    )
