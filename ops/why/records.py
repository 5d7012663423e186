"""A lead in flight records: the decision to explain, and the chain of those before it."""

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from ops.why.description import DecisionRecord, Event, Happened, Trouble, TroubleKind
from router.domain.decide import Assigned, Decision, Parked, Waiting
from router.domain.engine import ENGINE_VERSION, Engine
from router.domain.explain import agrees, explain
from router.domain.explain_rep import RepExplanation, explain_rep
from router.domain.explain_reps import rep_state
from router.domain.flight import decision_at, decisions_of, unpack
from router.domain.flight_format import Flight, instant
from router.domain.ruleset import Ruleset
from router.domain.targets import read_targets
from router.drain.replay import BY_HAND, HAND, IMPORT, CannotRerun, recorded_inputs
from router.store.assignments import FoundLead
from router.store.engines import Engines
from router.store.flights import StoredFlight, read_flight
from router.store.statements import Connection

FOLLOWED = 20
"""So many decisions about a lead are followed back; a record takes about a millisecond."""


@dataclass(frozen=True, slots=True)
class Link:
    """The lead's place in one record, and the batch that decided about it before."""

    stored: StoredFlight
    seq: int
    decision: Decision
    before: int | None


@dataclass(frozen=True, slots=True)
class Chain:
    """Decisions about a lead, the latest first. `gone`: a batch whose record is gone; `older`: not followed."""

    links: tuple[Link, ...]
    gone: int | None
    older: int | None


async def follow(conn: Connection, lead: FoundLead, batch_no: int | None) -> Chain:
    """From a batch back to the first, at most FOLLOWED of them."""
    links: list[Link] = []
    while batch_no is not None and len(links) < FOLLOWED:
        link = await read_link(conn, lead, batch_no)
        if link is None:
            return Chain(tuple(links), batch_no, None)
        links.append(link)
        batch_no = link.before
    return Chain(tuple(links), None, batch_no)


async def read_link(conn: Connection, lead: FoundLead, batch_no: int) -> Link | None:
    """The lead in one batch's record; None when the record is gone. Raises LookupError when it was not in it."""
    stored = await read_flight(conn, lead.tenant_id, batch_no)
    if stored is None:
        return None
    places = np.flatnonzero(unpack(stored.flight.lead_ids) == lead.lead_id)
    if not len(places):
        raise LookupError(f"lead {lead.lead_id} was not in batch {batch_no}")
    seq = int(places[0])
    before = int(unpack(stored.flight.last_batches)[seq])
    return Link(stored, seq, decision_at(stored.flight, seq), before or None)


async def tell(conn: Connection, engines: Engines, lead: FoundLead, link: Link) -> DecisionRecord:
    """Explains one decision, from the record alone."""
    stored, seq = link.stored, link.seq
    record = DecisionRecord(stored, seq, _count(stored.flight), link.decision, None)
    try:
        engine, inputs = await recorded_inputs(conn, engines, lead.tenant_id, stored)
    except CannotRerun as error:
        return replace(record, trouble=Trouble(TroubleKind.CANNOT_RERUN, str(error)))
    record = replace(record, engine=engine, inputs=inputs)
    if stored.kind in BY_HAND:
        assert isinstance(link.decision, Assigned)
        position = engine.roster.position.get(link.decision.rep_no)
        if position is None:
            return replace(record, trouble=Trouble(TroubleKind.REP_GONE, str(link.decision.rep_no)))
        return replace(
            record, by_hand=rep_state(engine, inputs.attendance, inputs.open_counts, inputs.today_counts, position)
        )
    if stored.flight.engine != ENGINE_VERSION:
        return replace(record, trouble=Trouble(TroubleKind.OLD_ENGINE, str(stored.flight.engine)))
    explanation = explain(engine, inputs, lead.lead_id, decisions_of(stored.flight))
    same = explanation.decision == link.decision and agrees(explanation)
    return replace(record, explanation=explanation, trouble=None if same else Trouble(TroubleKind.DIFFERS))


def explain_rep_then(record: DecisionRecord, lead_id: int, rep_no: int) -> RepExplanation | None:
    """Why a rep did or did not get the lead in this decision; None where the decision cannot be explained."""
    if record.explanation is None or record.engine is None or record.inputs is None:
        return None
    flight = record.stored.flight
    known = bool(np.isin(rep_no, unpack(flight.reps)))
    return explain_rep(record.engine, record.inputs, lead_id, rep_no, decisions_of(flight), state_known=known)


def event_of(link: Link, engine: Engine | None = None, assigned_at: datetime | None = None) -> Event:
    """One decision as a line of the timeline; `engine`: one of its ruleset, where it is at hand.

    `assigned_at` = since when the rep had the lead: with what a CRM had assigned that is long before the batch.
    """
    stored, decision = link.stored, link.decision
    event = Event(stored.at, Happened.REFUSED, stored.batch_no, ruleset=stored.ruleset)
    if isinstance(decision, Waiting):
        parks = engine is not None and decision.recheck_at == _parks_at(link, decision, engine.ruleset)
        return replace(event, targets=decision.targets, recheck_at=decision.recheck_at, parks=parks)
    if isinstance(decision, Parked):
        return replace(event, what=Happened.PARKED, reason=decision.reason, detail=decision.detail)
    if stored.kind == IMPORT:
        taken_over = replace(event, at=assigned_at or stored.at, what=Happened.TAKEN_OVER, rep_no=decision.rep_no)
        return replace(taken_over, actor=stored.flight.actor, note=stored.flight.note)
    rule_no = decision.rule_no
    return replace(
        event,
        what=Happened.ASSIGNED,
        rep_no=decision.rep_no,
        rule_no=rule_no,
        group_no=decision.group_no,
        rule_name=None if engine is None or rule_no is None else engine.rules[rule_no].name,
        by_hand=stored.kind == HAND,
        actor=stored.flight.actor,
        note=stored.flight.note,
    )


def _parks_at(link: Link, decision: Waiting, ruleset: Ruleset) -> datetime:
    """When the lead is parked, should nobody have taken it by then."""
    flight = link.stored.flight
    since = min(int(unpack(flight.queued)[link.seq]), flight.now)
    return instant(since) + ruleset.patience(matched=bool(read_targets(decision.targets).order))


def _count(flight: Flight) -> int:
    return len(flight.lead_ids) // 8
