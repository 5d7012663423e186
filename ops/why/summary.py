"""One or two sentences that say where a lead is and why."""

from collections.abc import Iterator

from ops.text.translation import Say
from ops.why.codes import OUTCOMES, REASONS, UNSURE
from ops.why.description import Happened, Holder, LeadDescription, State, Turn
from ops.why.events import taken_over_by
from ops.why.phrases import aside, detail, duration, one_of, rule_name, soon, targets, when
from router.domain.explain_parts import GroupExplanation
from router.domain.reason import Reason
from router.domain.roster import one_rep


def summary(description: LeadDescription, say: Say) -> str:
    """Where the lead is, since when, and why. Times in the tenant's zone."""
    place = description.place
    since = when(place.since, description.lead.time_zone, say)
    if place.state is State.ASSIGNED:
        return say.gettext("Assigned to {rep} on {since}: {given}.").format(
            rep=_rep(description), since=since, given=_given(description, say)
        )
    if place.state is State.WAITING:
        return _waiting(description, say)
    if place.state is State.PARKED:
        reason = say.gettext(REASONS[place.reason]) if place.reason else say.gettext("no reason")
        return say.gettext("Parked since {since}: {reason}. Retrying cannot help: a person must look at it.").format(
            since=since, reason=aside(reason, detail(place.detail, say), say)
        )
    return _over(description, say)


def _over(description: LeadDescription, say: Say) -> str:
    """Of a lead of which nothing more is to come."""
    place = description.place
    since = when(place.since, description.lead.time_zone, say)
    if place.state is State.MERGED:
        return say.gettext("Duplicate of lead {into}; merged on {since}. See lead-router why {into}").format(
            into=place.into_lead_id, since=since
        )
    if place.state is State.CLOSED:
        outcome = say.gettext(OUTCOMES.get(place.outcome or "", place.outcome or ""))
        template = (
            say.gettext("Closed as {outcome} on {since}.")
            if place.rep_no is None
            else say.gettext("Closed as {outcome} on {since} by {rep}.")
        )
        return template.format(outcome=outcome, since=since, rep=_rep(description) if place.rep_no is not None else "")
    if place.state is State.ARCHIVED:
        return _archived(description, say)
    if place.state is State.REMOVED:
        return say.gettext(
            "Removed on {since}: import {number}, which brought it, was undone. What it said of people has been "
            "deleted."
        ).format(since=since, number=place.detail)
    return say.gettext("Internal inconsistency: the lead has no state. Run lead-router audit.")


def _archived(description: LeadDescription, say: Say) -> str:
    place = description.place
    since = when(place.since, description.lead.time_zone, say)
    if place.into_lead_id is not None:
        return say.gettext(
            "Archived on {since}: a duplicate of lead {into}, with which it was past the retention. Its facts and "
            "decisions have been deleted."
        ).format(since=since, into=place.into_lead_id)
    outcome = say.gettext(OUTCOMES.get(place.outcome or "", place.outcome or ""))
    return say.gettext(
        "Closed as {outcome}, and archived on {since}, past the retention: its facts and decisions have been deleted."
    ).format(outcome=outcome, since=since)


def _rep(description: LeadDescription) -> str:
    assert description.place.rep_no is not None
    return description.names.rep(description.place.rep_no)


def _given(description: LeadDescription, say: Say) -> str:
    place, record = description.place, description.record
    if place.rule_no is None:
        given = description.given
        if given is not None and given.what is Happened.TAKEN_OVER:
            return taken_over_by(given, say)
        by = (
            say.gettext("assigned manually by {actor}").format(actor=given.actor)
            if given and given.actor
            else say.gettext("assigned manually")
        )
        return aside(by, given.note if given else "", say)
    at_hand = record if record and record.stored.batch_no == place.batch_no else None
    if at_hand is None:
        rule = say.gettext("rule number {number} of its time").format(number=place.rule_no + 1)
    else:
        rule = say.gettext("rule {rule}").format(
            rule=rule_name(description.names, place.rule_no, at_hand.stored.ruleset, say)
        )
    if place.group_no is None:
        return say.gettext("{rule}, as the owner of the customer").format(rule=rule)
    name = description.names.group(place.group_no)
    if one_rep(name) is not None:
        return say.gettext("{rule}, which assigns to this rep").format(rule=rule)
    group = say.gettext("{rule}, group {group}").format(rule=rule, group=name)
    deciding = at_hand.trusted.deciding if at_hand and at_hand.trusted else None
    return _turn_of(group, deciding.group, say) if deciding and deciding.group else group


def _turn_of(given: str, group: GroupExplanation, say: Say) -> str:
    free, members = len(group.free), len(group.candidates)
    if free == 1:
        template = (
            say.gettext("{given}. Nobody else of the {members:,} members was available")
            if members > 1
            else say.gettext("{given}. The group has no other member")
        )
        return template.format(given=given, members=members)
    return say.gettext("{given}. {free:,} of {members:,} members were available; it was this rep's turn").format(
        given=given, free=free, members=members
    )


def _waiting(description: LeadDescription, say: Say) -> str:
    place, present, turn = description.place, description.present, description.turn
    assert turn is not None
    if turn.paused_until is not None or turn.no_ruleset or place.ready or description.busy is not None:
        return say.gettext("{state}: {why}.").format(
            state=_ready(description, say), why=turn_words(turn, description, say)
        )
    zone_name, ruleset = description.lead.time_zone, place.key_ruleset
    queued = say.gettext("Queued since {since}.").format(since=when(place.since, zone_name, say))
    if present is not None and present.old_rules:
        return say.gettext(
            "Decided under ruleset {ruleset}; the active rules decide with the next batches. {queued}"
        ).format(ruleset=ruleset, queued=queued)
    if present is not None and present.unsure is not None:
        queued = say.gettext("{first} {second}").format(first=queued, second=say.gettext(UNSURE[present.unsure]))
    if present is not None and present.room:
        return say.gettext("Was waiting for {who}, available now: the next batch tries again. {queued}").format(
            who=targets(place.targets, description.names, ruleset, say), queued=queued
        )
    reasons = present.each if present else {}
    code = f" [{present.reason}]" if present else ""
    had_it = present.had_it if present else frozenset()
    waits = targets(place.targets, description.names, ruleset, say, reasons, had_it)
    words = say.gettext("Waiting for {who}. Retried as soon as that changes.").format(who=waits + code)
    for sentence in (*_to_come(description, say), queued):
        words = say.gettext("{first} {second}").format(first=words, second=sentence)
    return words


def _to_come(description: LeadDescription, say: Say) -> Iterator[str]:
    """What time alone brings: the next chance, when the rules are tried again in any case, when it is parked."""
    zone_name, now = description.lead.time_zone, description.now
    chance, again, parks_at = description.next_chance, description.place.recheck_at, description.parks_at
    paused = description.turn is not None and description.turn.paused_until is not None
    later = chance is None or bool(chance.reps) or paused
    if chance is not None and (later or chance.at != again):
        at = soon(chance.at, now, zone_name, say)
        reps = one_of(chance.reps, say)
        template = say.gettext("Next chance: {at}: {reps}.") if reps else say.gettext("Next chance: {at}.")
        yield template.format(at=at, reps=reps)
    if again is not None and again > now and again not in (parks_at, chance.at if chance and later else None):
        yield say.gettext("The rules are tried again on {at}.").format(at=soon(again, now, zone_name, say))
    if parks_at is not None:
        yield say.gettext("Parked on {at} if it still waits then.").format(at=soon(parks_at, now, zone_name, say))


def _ready(description: LeadDescription, say: Say) -> str:
    waited = duration(description.now - description.place.since, say)
    if description.place.batch_no is None:
        return say.gettext("Waiting for {waited}, not tried yet").format(waited=waited)
    last = description.timeline[-1]
    if last.what is Happened.ENDED and last.rep_no is not None:
        outcome = say.gettext(OUTCOMES.get(last.outcome, last.outcome))
        return say.gettext("{outcome} by {rep}; waiting for reassignment for {waited}").format(
            outcome=outcome.capitalize(), rep=description.names.rep(last.rep_no), waited=waited
        )
    return say.gettext("Waiting for {waited}, to be tried again").format(waited=waited)


def turn_words(turn: Turn, description: LeadDescription, say: Say) -> str:
    """Why a lead whose turn has not come has no decision yet."""
    zone_name = description.lead.time_zone
    if turn.no_ruleset:
        return say.gettext("the tenant has no ruleset yet (lead-router rules apply FILE --tenant T)")
    if turn.paused_until is not None:
        return aside(
            say.gettext("the tenant is paused until {until}").format(until=when(turn.paused_until, zone_name, say)),
            turn.paused_why,
            say,
        )
    if description.busy is not None:
        what, holder = description.busy
        template = {
            "table": say.gettext("a table that batches write is locked by {session}"),
            "row": say.gettext("its row is locked by {session}"),
            "lane": say.gettext("the tenant's lane is locked by {session}"),
        }[what]
        return f"{template.format(session=holder_words(holder, description, say))} [{Reason.DATABASE_BUSY}]"
    before = (
        say.ngettext("{count:,} lead ahead of it", "{count:,} leads ahead of it", turn.before_it).format(
            count=turn.before_it
        )
        if turn.before_it
        else say.gettext("next in line")
    )
    if turn.last_batch_at is None:
        return say.gettext(
            "{turn}; no router has worked for this tenant yet (lead-router drain --until-idle, or serve)"
        ).format(turn=before)
    return say.gettext("{turn}; last batch of the tenant at {at}").format(
        turn=before, at=when(turn.last_batch_at, zone_name, say)
    )


def holder_words(holder: Holder, description: LeadDescription, say: Say) -> str:
    """A session that holds a lock."""
    template = (
        say.gettext("pid {pid} ({application}, user {user}, since {since})")
        if holder.since
        else say.gettext("pid {pid} ({application}, user {user})")
    )
    return template.format(
        pid=holder.pid,
        application=holder.application or say.gettext("no application name"),
        user=holder.user,
        since=when(holder.since, description.lead.time_zone, say) if holder.since else "",
    )
