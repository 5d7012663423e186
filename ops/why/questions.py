"""Questions about one lead beside where it is: why not this rep, and as what it would come to its turn now."""

from collections.abc import Iterator
from datetime import datetime

from ops.why.change import Now
from ops.why.description import DecisionRecord, LeadRow, Place, Placing, RepAnswer, State
from ops.why.records import explain_rep_then
from router.domain.decide import Assigned
from router.domain.explain_rep import explain_rep
from router.domain.lead import PoolLead


def pool_lead(record: LeadRow, place: Place, now: datetime) -> PoolLead:
    """The lead as a row of the pool: as it waits, else as though it came to its turn `now`."""
    waits = place.state is State.WAITING
    return PoolLead(
        lead_id=record.lead_id,
        rank=place.rank if waits else -record.priority,
        queued_at=place.since if waits else now,
        created_at=record.created_at,
        facts=record.facts,
        customer_id=record.customer_id,
        excluded=place.excluded,
    )


def rep_answer(rep_no: int, lead: LeadRow, record: DecisionRecord | None, state: Now | None) -> RepAnswer:
    """Why the rep did or did not get the lead in the recorded decision, and would or would not now."""
    then = None if record is None else explain_rep_then(record, lead.lead_id, rep_no)
    now = None if state is None else explain_rep(state.engine, state.inputs, lead.lead_id, rep_no)
    return RepAnswer(rep_no, then, now, state.engine.ruleset.version if state else 0)


def reps_of(rep: RepAnswer | None, placing: Placing | None) -> Iterator[int]:
    """The reps (numbers) that the answers name."""
    for judged in (rep.then, rep.now) if rep else ():
        decision = judged.explanation.decision if judged else None
        if isinstance(decision, Assigned):
            yield decision.rep_no
        for rule in judged.others if judged else ():
            if rule.owner and rule.owner.rep_no is not None:
                yield rule.owner.rep_no
    if rep is not None:
        yield rep.rep_no
    if placing is not None:
        given = [suggestion.given for suggestion in placing.takes.suggestions]
        yield from (one.rep_no for one in (*given, placing.takes.at_once) if one is not None)
