"""Reading recorded batches so that they can be decided again, and saying of each that cannot be why."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

from ops.replay.variants import Variants
from router.domain.decide import Decision
from router.domain.engine import ENGINE_VERSION, Engine
from router.domain.flight import decisions_of, lead_ids
from router.domain.flight_format import Flight, decode
from router.domain.lead import Facts
from router.rules.file import RulesError
from router.store.flights import FactsOf, read_facts
from router.store.replay import RawBatch, Span, portions
from router.store.statements import Connection

# Facts of so many leads are in memory at once.
_LEADS_AT_ONCE = 4_000
_PROBLEMS_KEPT = 100

Progress = Callable[[int], None]


def silent(leads: int) -> None:
    """Progress for those who do not want it."""


@dataclass(slots=True)
class Skipped:
    """Batches that could not be run again: how many, and the first of them with the reason."""

    count: int = 0
    reasons: list[tuple[int, str]] = field(default_factory=list)

    def add(self, batch_no: int, why: str, count: int = 1) -> None:
        self.count += count
        if len(self.reasons) < _PROBLEMS_KEPT:
            self.reasons.append((batch_no, why))


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """A record that can be run again; `recorded` is the engine that decided it, `engine` the changed one."""

    raw: RawBatch
    flight: Flight
    decisions: list[Decision]
    facts: FactsOf
    recorded: Engine
    engine: Engine


async def read_batches(
    conn: Connection, span: Span, variants: Variants, skipped: Skipped, progress: Progress
) -> AsyncIterator[ReadBatch]:
    """The batches of a span in their order; notes in `skipped` those that are gone or cannot be run again.

    `progress` is called with the leads of each batch after it was worked on.
    """
    expected = span.first_batch
    asked = await variants.asked(conn, span)
    known: dict[Facts, Facts] = {}
    async for portion in portions(conn, span, _LEADS_AT_ONCE):
        flights = [_decoded(raw, skipped) for raw in portion]
        ids = [lead_id for flight in flights if flight is not None for lead_id in lead_ids(flight)]
        facts = await read_facts(conn, span.tenant_id, ids, asked)
        facts = replace(facts, latest=_shared(facts.latest, known))
        for raw, flight in zip(portion, flights, strict=True):
            _note_gap(expected, raw.batch_no, skipped)
            expected = raw.batch_no + 1
            if flight is not None and (
                batch := await _read(conn, raw, flight, facts.at(raw.batch_no), variants, skipped)
            ):
                yield batch
            progress(raw.leads)


def _decoded(raw: RawBatch, skipped: Skipped) -> Flight | None:
    try:
        flight = decode(raw.inputs)
        lead_ids(flight)
    except Exception as error:  # whatever a damaged record does is told, and the others are run
        skipped.add(raw.batch_no, f"the record cannot be read: {type(error).__name__}: {error}")
        return None
    if flight.engine != ENGINE_VERSION:
        skipped.add(
            raw.batch_no, f"decided by engine version {flight.engine}; this release has version {ENGINE_VERSION}"
        )
        return None
    return flight


async def _read(
    conn: Connection, raw: RawBatch, flight: Flight, facts: FactsOf, variants: Variants, skipped: Skipped
) -> ReadBatch | None:
    try:
        recorded, engine = await variants.get(conn, raw.versions)
    except (LookupError, RulesError) as error:
        skipped.add(raw.batch_no, str(error))
        return None
    missing = next((lead_id for lead_id in lead_ids(flight) if lead_id not in facts), None)
    if missing is not None:
        skipped.add(raw.batch_no, f"the facts of lead {missing} are gone")
        return None
    try:
        decisions = decisions_of(flight)
    except (LookupError, ValueError) as error:
        skipped.add(raw.batch_no, f"the record cannot be read: {type(error).__name__}: {error}")
        return None
    return ReadBatch(raw, flight, decisions, facts, recorded, engine)


def _note_gap(expected: int, found: int, skipped: Skipped) -> None:
    missing = found - expected
    if missing > 0:
        which = f"batch {expected}" if missing == 1 else f"batches {expected} to {found - 1}"
        skipped.add(expected, f"{which}: the record is gone", missing)


def _shared(facts: FactsOf, known: dict[Facts, Facts]) -> FactsOf:
    """Equal facts as one object: many leads say the same, and those that wait are kept."""
    if len(known) > 50_000:
        known.clear()
    return {lead_id: (at, known.setdefault(fact, fact)) for lead_id, (at, fact) in facts.items()}
