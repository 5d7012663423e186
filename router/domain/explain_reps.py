"""Explaining reps: in which state they were, what kept them from a lead, and whose turn it was."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from router.domain.attendance import Attendance
from router.domain.eligibility import Eligibility
from router.domain.engine import NO_CAP, Engine
from router.domain.explain_parts import Candidate, GroupExplanation, LeftOut, RepState
from router.domain.lead import PoolLead
from router.domain.share import NEVER, ONE_LEAD

Int64 = NDArray[np.int64]


class _Share(NamedTuple):
    """The part of a Candidate that says what the rep deserves, in its order."""

    credit: float
    base: int
    factors: dict[str, int]
    weight: int


def rep_state(
    engine: Engine, attendance: NDArray[np.int8], open_counts: Int64, today_counts: Int64, position: int
) -> RepState:
    """One rep; the arrays are in roster order."""
    rep = engine.roster.reps[position]
    return RepState(
        position=position,
        rep_no=rep.no,
        rep_id=rep.rep_id,
        name=rep.name,
        time_zone=rep.time_zone,
        attendance=Attendance(int(attendance[position])),
        opened=int(open_counts[position]),
        max_open=_cap(engine.max_open[position]),
        today=int(today_counts[position]),
        max_per_day=_cap(engine.max_per_day[position]),
        holidays=engine.ruleset.calendar.country if rep.holidays is None else rep.holidays,
    )


def standing_state(eligibility: Eligibility, position: int) -> RepState:
    """One rep at this point of a batch."""
    return rep_state(
        eligibility.engine, eligibility.attendance, eligibility.open_counts, eligibility.today_counts, position
    )


def left_out(rep: RepState, excluded: tuple[int, ...], weight: int | None) -> tuple[LeftOut, ...]:
    """All that keeps a rep from a lead, what lasts first: hours end, but who gave a lead back never gets it again.

    `weight` None: it does not matter, as for the owner of a customer.
    """
    found = []
    if rep.attendance is Attendance.INACTIVE:
        found.append(LeftOut.INACTIVE)
    if weight == 0:
        found.append(LeftOut.WEIGHT_ZERO)
    if rep.rep_no in excluded:
        found.append(LeftOut.HAD_IT_BEFORE)
    if rep.attendance not in (Attendance.ON_DUTY, Attendance.INACTIVE):
        found.append(LeftOut[rep.attendance.name])
    if rep.max_per_day is not None and rep.today >= rep.max_per_day:
        found.append(LeftOut.AT_DAILY_CAP)
    if rep.max_open is not None and rep.opened >= rep.max_open:
        found.append(LeftOut.AT_OPEN_CAP)
    return tuple(found)


def explain_group(eligibility: Eligibility, group_no: int, lead: PoolLead) -> GroupExplanation:
    """Every member of a group as the lead meets it at this point of a batch."""
    weigher = eligibility.engine.weigher
    turns = _turns(eligibility, group_no, lead)
    group = eligibility.group(group_no)
    kind = weigher.kind_of(lead.facts)
    members = zip(
        group.members.tolist(),
        group.credits[group.slots].tolist(),
        weigher.weights_of(kind, group.members).tolist(),
        strict=True,
    )
    free: dict[int, Candidate] = {}
    others: list[Candidate] = []
    for position, credit, weight in members:
        rep = standing_state(eligibility, position)
        base = int(weigher.base[position])
        share = _Share(credit / ONE_LEAD, base, weigher.factors(kind, position), weight)
        turn = turns.get(position)
        if turn is None:
            others.append(Candidate(rep, left_out(rep, lead.excluded, base), *share))
        else:
            free[turn[0]] = Candidate(rep, (), *share, *turn)
    in_turn = [free[place] for place in sorted(free)]
    return GroupExplanation(group_no, eligibility.engine.roster.group_names[group_no], (*in_turn, *others))


def _turns(eligibility: Eligibility, group_no: int, lead: PoolLead) -> dict[int, tuple[int, float, bool]]:
    """(place from 1, leads until one is deserved, whether ahead of the share) by the position of who could get it."""
    contest = eligibility.entrants(group_no, lead.excluded)
    if not len(contest.positions):
        return {}
    kind = eligibility.engine.weigher.kind_of(lead.facts)
    stake, credits, deadlines = contest.stake(kind), contest.credits, contest.deadlines(kind)
    turns = {}
    # Equal deadlines go by the lower number, as in `choose`.
    for place, i in enumerate(np.argsort(deadlines, kind="stable").tolist(), start=1):
        missing = ONE_LEAD - int(credits[i])
        due_in = missing * stake.total / (int(stake.weights[i]) * ONE_LEAD)
        turns[int(contest.positions[i])] = (place, due_in, bool(deadlines[i] == NEVER))
    return turns


def _cap(cap: np.int64) -> int | None:
    return None if cap >= NO_CAP else int(cap)
