"""Who was nearer: why this rep of those who were free, who would have been next, and who was owed more but not free."""

from collections.abc import Iterator
from datetime import datetime

from ops.text.translation import Say
from ops.why.description import LeadDescription, State
from ops.why.phrases import against
from router.domain.explain_parts import Candidate, GroupExplanation, LeftOut, RepState

# Turns are compared in about the millionth part of a lead; then the place in the roster decides.
_EQUAL = 1e-6
# Who is in the group by name only is not owed anything.
_NEVER_FREE = (LeftOut.INACTIVE, LeftOut.WEIGHT_ZERO)


def runner_up(description: LeadDescription, say: Say) -> Iterator[str]:
    """Some sentences for a lead that somebody of a group got; else nothing."""
    record = description.record
    explanation = record.trusted if record else None
    given = description.place.state in (State.ASSIGNED, State.CLOSED)
    here = given and record is not None and record.stored.batch_no == description.place.batch_no
    deciding = explanation.deciding if explanation and here else None
    if explanation is not None and deciding is not None and deciding.group is not None:
        yield from _sentences(deciding.group, explanation.moment.now, say)


def owed_more(group: GroupExplanation) -> Candidate | None:
    """The member who was owed most, where that is more than who got the lead, and could not get it."""
    if not group.free:
        return None
    others = [c for c in group.candidates if c.left_out and not set(c.left_out) & set(_NEVER_FREE)]
    most = max(others, key=lambda candidate: candidate.credit, default=None)
    return most if most is not None and most.credit > group.free[0].credit else None


def _sentences(group: GroupExplanation, now: datetime, say: Say) -> Iterator[str]:
    if len(group.free) > 1:
        for template, candidate in zip(
            (
                say.gettext("{rep} was next in line: {due} (credit {credit:+.2f})."),
                say.gettext("After that: {rep}, {due} (credit {credit:+.2f})."),
            ),
            group.free[:2],
            strict=True,
        ):
            yield template.format(rep=_name(candidate.rep), due=due(candidate, say), credit=candidate.credit)
        if equally_near(*group.free[:2]):
            yield tie(say)
    missed = owed_more(group)
    if missed is not None:
        why = say.gettext(", ").join(against(why, missed.rep, now, say) for why in missed.left_out)
        yield say.gettext("Had a higher credit, but was not available: {rep} (credit {credit:+.2f}; {why}).").format(
            rep=_name(missed.rep), credit=missed.credit, why=why
        )


def tie(say: Say) -> str:
    """What decides between reps who are equally near."""
    return say.gettext("Tie: the one listed first in the roster gets it.")


def equally_near(first: Candidate, second: Candidate) -> bool:
    """Whether neither of them was ahead of its share, and both were due at the same time."""
    in_turn = not first.ahead and not second.ahead and first.due_in is not None and second.due_in is not None
    return in_turn and abs((first.due_in or 0) - (second.due_in or 0)) < _EQUAL


def due(candidate: Candidate, say: Say) -> str:
    """How near the rep's turn was."""
    return (
        say.gettext("already ahead of its fair share")
        if candidate.ahead
        else say.gettext("due in {leads:.2f} leads of the group").format(leads=candidate.due_in or 0)
    )


def _name(rep: RepState) -> str:
    return f"{rep.rep_id} {rep.name}".strip()
