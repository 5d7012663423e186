"""A replay with changes: reads the records and what ended between them, in one snapshot that writes nothing."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from ops.replay.loads import Loads
from ops.replay.records import Progress, ReadBatch, Skipped, read_batches, silent
from ops.replay.simulation import EndedAssignment, RecordedBatch, Simulation, TakenOver
from ops.replay.tally import Verdict, Waits
from ops.replay.variants import Changes, Variants
from router.domain.attendance import attend
from router.domain.decide import Batch, Inputs
from router.domain.engine import Engine
from router.domain.flight import lead_ids, leads_of
from router.domain.reason import Reason
from router.drain.lane_state import moment_at
from router.drain.request import BatchRequest
from router.store.more_facts import with_more_facts
from router.store.replay import (
    Ending,
    Span,
    backlog,
    endings,
    loads_before,
    pauses,
    rep_names,
    span_of,
    taken_over,
    waited_before,
)
from router.store.statements import Connection
from router.store.tenants import Tenant

NOT_TRIED = "ready, not tried yet"


@dataclass
class Replayed:
    """What came out. `simulation` has the sums and the leads that differ; `reps` = (rep id, name) by number.

    `waiting_before` and `waiting_after` count by reason the leads that wait at the end. `backlog` are the leads
    that were queued before a span with bounds and wait now, `waited_already` those that wait from the replay's start.
    """

    span: Span | None
    simulation: Simulation
    skipped: Skipped = field(default_factory=Skipped)
    reps: dict[int, tuple[str, str]] = field(default_factory=dict)
    groups: dict[int, str] = field(default_factory=dict)
    backlog: int = 0
    waited_already: int = 0
    waiting_before: Counter[str] = field(default_factory=Counter)
    waiting_after: Counter[str] = field(default_factory=Counter)


@asynccontextmanager
async def snapshot(conn: Connection) -> AsyncIterator[None]:
    """One state of the database, for reading."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        yield


async def replay(
    conn: Connection,
    tenant: Tenant,
    changes: Changes,
    since: datetime | None = None,
    until: datetime | None = None,
    request: BatchRequest = BatchRequest(),
    progress: Progress = silent,
) -> Replayed:
    """Decides the recorded batches of a time again with the changes.

    Raises BadOverride, and ZoneDiffers for rules of another zone.
    """
    async with snapshot(conn):
        variants = Variants(tenant, changes)
        await variants.check(conn)
        span = await span_of(conn, tenant.tenant_id, since, until)
        found = Replayed(span, Simulation(request))
        if span is not None:
            found.reps = await rep_names(conn, tenant.tenant_id)
            found.backlog = await backlog(conn, span) if since or until else 0
            await _run(conn, span, variants, found, progress)
        return found


async def _run(conn: Connection, span: Span, variants: Variants, found: Replayed, progress: Progress) -> None:
    simulation = found.simulation
    simulation.pauses = await pauses(conn, span)
    first, asked = True, await variants.asked(conn, span)
    async with aclosing(endings(conn, span)) as stream:
        ending = await anext(stream, None)
        later = list[Ending]()
        async for batch in read_batches(conn, span, variants, found.skipped, progress):
            if first:
                found.waited_already = await _begin(conn, span, batch, simulation, asked)
                first = False
            simulation.next_recorded = batch.raw.at
            while ending is not None and ending.at <= batch.raw.at:
                later.append(await _with_told(conn, span, ending, asked))
                ending = await anext(stream, None)
            later = _tell_endings(simulation, batch, later)
            simulation.batch(_recorded(batch, await _taken_over(conn, span, batch)))
            found.groups |= batch.engine.roster.group_names
        for one in later:
            simulation.ended(_ended(one))
    simulation.finish(span.last_at)
    found.waiting_before, found.waiting_after = _waiting(simulation, span.last_at)


async def _with_told(conn: Connection, span: Span, ending: Ending, asked: Sequence[str]) -> Ending:
    """A lead that was returned, with all that rules ask for."""
    if ending.lead is None or not asked:
        return ending
    (lead,) = await with_more_facts(conn, span.tenant_id, [ending.lead], asked)
    return replace(ending, lead=lead)


async def _begin(conn: Connection, span: Span, batch: ReadBatch, simulation: Simulation, asked: Sequence[str]) -> int:
    """The state before the first batch: loads, for reps of whom no record tells, and leads that wait all the time.

    Returns how many leads those are.
    """
    simulation.lane.use(batch.engine, batch.raw.at)
    day = moment_at(batch.recorded, batch.raw.at).day
    begin = replace(span, first_batch=batch.raw.batch_no, first_at=batch.raw.at)
    rows = await loads_before(conn, begin, day.start)
    for loads in (simulation.recorded_loads, simulation.lane.loads):
        for rep_no, is_open, today in rows:
            loads.fit(rep_no)
            loads.open_counts[rep_no], loads.today_counts[rep_no] = is_open, today
    waited = await waited_before(conn, begin)
    leads = await with_more_facts(conn, span.tenant_id, [one.lead for one in waited], asked)
    for one, lead in zip(waited, leads, strict=True):
        simulation.waits_already(lead, one.ruleset, one.targets, one.recheck_at)
        if one.lead.customer_id is not None and one.owner is not None:
            simulation.owners.guessed[one.lead.customer_id] = one.owner
    return len(waited)


def _tell_endings(simulation: Simulation, batch: ReadBatch, endings: list[Ending]) -> list[Ending]:
    """Tells what ended before the batch; returns what came at the same moment and after it.

    That is what this batch or a later one assigned, and leads that were returned and are not in it.
    """
    later, in_batch = list[Ending](), set[int]()
    if any(one.at == batch.raw.at for one in endings):
        in_batch = set(lead_ids(batch.flight))
    for one in endings:
        returned_later = one.lead is not None and one.at == batch.raw.at and one.lead_id not in in_batch
        if one.batch_no >= batch.raw.batch_no or returned_later:
            later.append(one)
        else:
            simulation.ended(_ended(one))
    return later


def _ended(ending: Ending) -> EndedAssignment:
    return EndedAssignment(ending.at, ending.lead_id, ending.rep_no, ending.assigned_at, ending.outcome, ending.lead)


async def _taken_over(conn: Connection, span: Span, batch: ReadBatch) -> dict[int, TakenOver]:
    """What a batch took over from a CRM, by lead id."""
    if not batch.raw.imported:
        return {}
    rows = await taken_over(conn, span, batch.raw, lead_ids(batch.flight))
    return {lead_id: TakenOver(assigned_at, is_open) for lead_id, assigned_at, is_open in rows}


def _recorded(batch: ReadBatch, taken: dict[int, TakenOver]) -> RecordedBatch:
    leads = leads_of(batch.flight, batch.facts)
    raw = batch.raw
    engines = (batch.recorded, batch.engine)
    return RecordedBatch(raw.at, raw.by_hand, batch.flight, leads, batch.decisions, *engines, taken)


def _waiting(simulation: Simulation, at: datetime) -> tuple[Counter[str], Counter[str]]:
    """By reason, the leads that wait at the end in the record and in the replay."""
    last = simulation.last
    if last is None:
        return Counter(), Counter()
    before = _judge(last.recorded, simulation.recorded_loads, at)
    after = _judge(last.engine, simulation.lane.loads, at)
    judged_before = _by_reason(before, Counter(place.before for _, place in simulation.places))
    return judged_before, _by_reason(after, Counter(place.after for _, place in simulation.places))


def _judge(engine: Engine, loads: Loads, at: datetime) -> Batch:
    """A batch without leads, which tells why somebody waits."""
    hours = engine.ruleset.calendar.working_hours
    reps = engine.rep_numbers
    loads.fit(int(reps[-1]) if len(reps) else 0)
    attendance = attend(engine.roster, at, engine.holidays, hours).attendance
    opened, today = loads.open_counts[reps], loads.today_counts[reps]
    return Batch(engine, Inputs(moment_at(engine, at), (), np.array(attendance), opened, today, {}, {}))


def _by_reason(batch: Batch, verdicts: Counter[Verdict]) -> Counter[str]:
    found = Counter[str]()
    for verdict, leads in verdicts.items():
        if isinstance(verdict, Waits):
            reason: Reason | str = NOT_TRIED if verdict.targets is None else batch.reason(verdict.targets)
            found[str(reason)] += leads
    return found
