"""Running flight records again: from the recorded inputs to the decisions, and whether they are those recorded."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from router.domain.decide import Assigned, Decision, Inputs, Parked, decide
from router.domain.engine import ENGINE_VERSION, Engine
from router.domain.flight import decisions_of, inputs_of, lead_ids
from router.domain.reason import Reason
from router.drain.overlap import data_versions
from router.rules.file import RulesError
from router.store.engines import Engines
from router.store.flights import StoredFlight, read_facts, read_flight
from router.store.statements import Connection

HAND, IMPORT = "hand", "import"
BY_HAND = (HAND, IMPORT)
"""Kinds of batches that no rule decided: what a person gave, and what a CRM had given before."""


class FlightGone(LookupError):
    """There is no flight record of that batch (any more)."""

    def __str__(self) -> str:
        return str(self.args[0])


class CannotRerun(Exception):
    """Something that the record rests on is gone or unreadable; the message says what."""


class Difference(NamedTuple):
    """A lead about which the record and this run disagree. For a batch by hand `recomputed` says what forbade it."""

    lead_id: int
    recorded: Decision
    recomputed: Decision


@dataclass(frozen=True, slots=True)
class Rerun:
    """One batch run again.

    `not_compared` says why nothing was decided again ("" = it was): then there are no recomputed decisions and no
    differences. `data_differs` names the time zone and holiday data of then and now where they are not the same:
    `recheck_at` of leads stamped in the future may rest on them, nothing else does.
    """

    stored: StoredFlight
    engine: Engine
    inputs: Inputs
    recorded: Sequence[Decision]
    recomputed: Sequence[Decision]
    differences: Sequence[Difference]
    not_compared: str = ""
    data_differs: str = ""

    @property
    def same(self) -> bool:
        """Whether the batch was decided again, with the same decisions."""
        return not self.differences and not self.not_compared


async def rerun(conn: Connection, engines: Engines, tenant_id: int, batch_no: int) -> Rerun:
    """Runs a batch again and compares. Changes nothing.

    Raises FlightGone without a record, CannotRerun when the leads or the versions that it names cannot be read.
    """
    stored = await read_flight(conn, tenant_id, batch_no)
    if stored is None:
        raise FlightGone(f"tenant {tenant_id} has no flight record of batch {batch_no}")
    engine, inputs = await recorded_inputs(conn, engines, tenant_id, stored)
    recorded = decisions_of(stored.flight)
    now, then = data_versions(engine), stored.flight.calendar
    data_differs = "" if now == then else f"decided with {then}; this release has {now}"
    if stored.flight.engine != ENGINE_VERSION:
        why = f"decided by engine version {stored.flight.engine}; this release has version {ENGINE_VERSION}"
        return Rerun(stored, engine, inputs, recorded, (), (), why, data_differs)
    recomputed = decided_again(engine, inputs, recorded, stored.kind)
    differences = [
        Difference(*triple)
        for triple in zip(lead_ids(stored.flight), recorded, recomputed, strict=True)
        if triple[1] != triple[2]
    ]
    return Rerun(stored, engine, inputs, recorded, recomputed, differences, "", data_differs)


async def recorded_inputs(
    conn: Connection, engines: Engines, tenant_id: int, stored: StoredFlight
) -> tuple[Engine, Inputs]:
    """The engine and the inputs that a batch was decided with. Raises CannotRerun."""
    try:
        engine = await engines.get(conn, tenant_id, (stored.ruleset, stored.roster, stored.rates))
    except (LookupError, RulesError) as error:
        raise CannotRerun(f"batch {stored.batch_no}: {error}") from error
    facts = await read_facts(conn, tenant_id, lead_ids(stored.flight))
    try:
        return engine, inputs_of(stored.flight, engine, facts.at(stored.batch_no))
    except KeyError as error:
        raise CannotRerun(f"batch {stored.batch_no}: the facts of lead {error} are gone") from error


def decided_again(engine: Engine, inputs: Inputs, recorded: Sequence[Decision], kind: str) -> list[Decision]:
    """The decisions that the inputs give. Nobody decides by hand again: there the rep must have had room; what a CRM
    had done before is kept as it is.
    """
    if kind == IMPORT:
        return list(recorded)
    if kind != HAND:
        return decide(engine, inputs).decisions
    given = Counter[int]()
    again = []
    for decision in recorded:
        rep_no = decision.rep_no if isinstance(decision, Assigned) else 0
        again.append(by_hand_again(engine, inputs, decision, given[rep_no]))
        given[rep_no] += 1
    return again


def by_hand_again(engine: Engine, inputs: Inputs, decision: Decision, given: int) -> Decision:
    """The decision itself, when a person was free to make it after `given` others for the rep; else why not."""
    position = engine.roster.position.get(decision.rep_no) if isinstance(decision, Assigned) else None
    if position is None:
        return Parked(Reason.INTERNAL_ERROR, "given to nobody who was in the roster")
    opened, today = int(inputs.open_counts[position]) + given, int(inputs.today_counts[position]) + given
    if opened >= engine.max_open[position]:
        return Parked(Reason.ALL_AT_OPEN_CAP, f"{opened} open leads, of {engine.max_open[position]}")
    if today >= engine.max_per_day[position]:
        return Parked(Reason.ALL_AT_DAILY_CAP, f"{today} leads today, of {engine.max_per_day[position]}")
    return decision
