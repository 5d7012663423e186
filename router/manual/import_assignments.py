"""Taking over what a CRM has assigned before: leads, who has or had them, owners, loads; in parts of one transaction.

The lane is held while loads change, as with what is given by hand, and each part leaves a flight record of its own
kind: caps do not apply to what the CRM has done, and hold for what comes after it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter
from typing import Any, NamedTuple

import msgspec

from router.domain.decide import Assigned, Decision, Inputs, Outcome
from router.domain.flight import record
from router.domain.flight_format import encode
from router.domain.lead import PoolLead
from router.domain.phrases import count
from router.domain.taken_over import Here, Verdict, judge, new_owner
from router.drain.lane_state import moment_at
from router.drain.lane_transaction import lane_state
from router.drain.overlap import data_versions
from router.drain.replay import IMPORT
from router.drain.session import TenantSession
from router.intake.assigned_rows import SaidAssigned
from router.intake.bulk_file import PartDone, Refusal
from router.manual.by_hand import CannotGive, HeldLane, held_lane
from router.manual.part_retries import BRIEFLY, until_stored
from router.store import bulk_endings, pool, taken_over
from router.store import lane as lane_store
from router.store.assignments import LOCK_TIMEOUT_MS
from router.store.bulk_endings import LeadNamed
from router.store.changes import Change, record_part
from router.store.imports import ImportPart, note_part
from router.store.lane import Book, Closing, LaneLimits, Record, hold_waiting
from router.store.leads import Identity, OvertakenError, begin_accepting
from router.store.roster import rep_numbers
from router.store.statements import Connection
from router.store.taken_over import TakenOver
from router.store.transactions import limit_transaction, retried

_WHY_NOT = {
    Verdict.OTHER_OUTCOME: ("outcome", "the lead is closed here already, as {outcome}"),
    Verdict.OPEN_HERE: ("outcome", "this rep has the lead here, open: lead-router leads end FILE ends it"),
    Verdict.OTHER_REP: ("rep_id", "the lead is with another rep here: lead-router assign moves it"),
    Verdict.MERGED: ("", "the lead is merged here into an earlier one: lead-router leads unmerge sets it free"),
    Verdict.NOWHERE: ("", "the lead is in no state; run lead-router audit"),
}


@dataclass(slots=True)
class TakenOverLeads:
    """What was done, or would be: leads that are new, those that waited here; how many of both are open or closed now;
    `owners` = customers who got an owner; rows that were so `already`, or whose lead went on here since.
    """

    new: int = 0
    taken: int = 0
    open: int = 0
    closed: int = 0
    owners: int = 0
    already: int = 0
    moved_on: int = 0
    open_of: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Open leads by rep_id."""

    @property
    def total(self) -> int:
        """How many assignments."""
        return self.new + self.taken

    def counts(self) -> dict[str, Any]:
        """For machines."""
        numbers = {
            name: getattr(self, name) for name in ("new", "taken", "open", "closed", "owners", "already", "moved_on")
        }
        return {**numbers, "open_of": dict(sorted(self.open_of.items()))}


@dataclass(slots=True)
class _Judged:
    """Places of rows whose leads are new; of those whose leads wait here, with their numbers; and of the others."""

    new: list[int] = field(default_factory=list)
    take: list[tuple[int, int]] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    locked: list[int] = field(default_factory=list)
    already: int = 0
    moved_on: int = 0

    @property
    def places(self) -> list[int]:
        """Those of rows that are done, in the order in which they are."""
        return [*self.new, *(place for place, _ in self.take)]

    def add(self, place: int, lead: int | None, verdict: Verdict, here: Here | None, *, held: bool) -> None:
        """A row that was judged; `held` = the lead that waits here is locked for us."""
        if verdict is Verdict.NEW:
            self.new.append(place)
        elif verdict is Verdict.ALREADY:
            self.already += 1
        elif verdict is Verdict.MOVED_ON:
            self.moved_on += 1
        elif verdict is Verdict.TAKE and lead is not None and held:
            self.take.append((place, lead))
        elif verdict is Verdict.TAKE:
            self.locked.append(place)
        else:
            column, why = _WHY_NOT[verdict]
            outcome = "a duplicate" if here is None or here.outcome is None else here.outcome
            self.refused.append(Refusal(place, column, why.format(outcome=outcome)))


@dataclass(slots=True)
class _Result:
    """Of a part so far: rows that cannot be done, and places of those that others have locked."""

    refused: list[Refusal] = field(default_factory=list)
    locked: list[int] = field(default_factory=list)


class _Done(NamedTuple):
    judged: _Judged
    owners: int
    change: int | None
    held_s: float


@dataclass
class ImportAssignments:
    """The work of a run over a file; `token` gives fresh random numbers (63 bits), `import_no` is that of the import.

    `dry_run` = nothing is changed.
    """

    conn: Connection
    tenant_id: int
    subject: str
    actor: str
    token: Callable[[], int]
    why: str = ""
    import_no: int | None = None
    dry_run: bool = False
    limits: LaneLimits = BRIEFLY
    done: TakenOverLeads = field(default_factory=TakenOverLeads)
    _session: TenantSession = field(init=False)
    _change: int | None = None
    _seen: dict[tuple[str, str], tuple[int, SaidAssigned]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._session = TenantSession(self.tenant_id)

    async def take(self, rows: Sequence[SaidAssigned], lines: Sequence[int]) -> PartDone:
        """One part: all of it or, when it raises, nothing. Raises CannotGive where the tenant has no rules yet."""
        result = _Result()
        left = list(range(len(rows)))
        while left:
            left = await self._round(rows, lines, left, result)
        return PartDone(result.refused, sorted(result.locked))

    async def _round(
        self, rows: Sequence[SaidAssigned], lines: Sequence[int], left: Sequence[int], result: _Result
    ) -> list[int]:
        """Does the first of the rows that are left of each lead, and of the others those that are decided with it.
        Returns the places of those that are left then: what an earlier row of the lead could not do, they may.
        """
        first: dict[Identity, int] = {}
        again: list[int] = []
        for place in left:
            lead = rows[place].lead[:2]
            if lead in self._seen:
                self._repeated(place, rows[place], result)
            elif lead in first:
                again.append(place)
            else:
                first[lead] = place
        fresh = list(first.values())
        part = [rows[place] for place in fresh]
        if part:
            await self._once(part, fresh, lines, result)
        refused = {one.place: one for one in result.refused}
        locked = set(result.locked)
        rest = []
        for place in again:
            before = first[rows[place].lead[:2]]
            if before in locked:
                result.locked.append(place)
            elif before in refused and _says(rows[place]) == _says(rows[before]):
                result.refused.append(refused[before]._replace(place=place))
            else:
                rest.append(place)
        return rest

    async def _once(
        self, part: Sequence[SaidAssigned], places: Sequence[int], lines: Sequence[int], result: _Result
    ) -> None:
        try:
            done = await until_stored(lambda: _part(self.conn, self, part))
        except OvertakenError as error:
            raise CannotGive("others keep storing the same leads; run it again") from error
        self._change = done.change
        self._count(done, part)
        not_done = {*done.judged.locked, *(one.place for one in done.judged.refused)}
        for at, (row, place) in enumerate(zip(part, places, strict=True)):
            if at not in not_done:
                self._seen[row.lead[:2]] = (lines[place], row)
        result.refused.extend(one._replace(place=places[one.place]) for one in done.judged.refused)
        result.locked.extend(places[at] for at in done.judged.locked)
        # Routers have the lane for as long as this had it.
        await asyncio.sleep(done.held_s)

    def _repeated(self, place: int, row: SaidAssigned, result: _Result) -> None:
        """A row whose lead an earlier row of the file has."""
        line, before = self._seen[row.lead[:2]]
        if (before.rep_id, before.outcome) == (row.rep_id, row.outcome):
            self.done.already += 1
        else:
            result.refused.append(Refusal(place, "rep_id", f"line {line} has this lead, with something else"))

    def _count(self, done: _Done, rows: Sequence[SaidAssigned]) -> None:
        ours, judged = self.done, done.judged
        ours.new += len(judged.new)
        ours.taken += len(judged.take)
        ours.already += judged.already
        ours.moved_on += judged.moved_on
        ours.owners += done.owners
        for place in judged.places:
            if rows[place].outcome is None:
                ours.open += 1
                ours.open_of[rows[place].rep_id] += 1
            else:
                ours.closed += 1

    async def part(self, rows: Sequence[SaidAssigned]) -> _Done:
        """In a transaction of the caller's. Everybody takes keys of customers, then leads, then the lane."""
        await limit_transaction(self.conn, LOCK_TIMEOUT_MS)
        begun = await begin_accepting(self.conn, self.tenant_id, len(rows))
        await bulk_endings.begin(self.conn, self.tenant_id)
        reps = await rep_numbers(self.conn, self.tenant_id, [row.rep_id for row in rows])
        judged = await self._judged(rows, reps)
        if self.dry_run:
            return _Done(judged, 0, self._change, 0.0)
        if not judged.places:
            await self._note(rows, judged, [])
            return _Done(judged, 0, self._change, 0.0)
        new = await taken_over.store_new(self.conn, self.tenant_id, [rows[place].lead for place in judged.new], begun)
        began = perf_counter()
        owners, change = await self._give(rows, reps, judged, new)
        await self._note(rows, judged, new)
        return _Done(judged, owners, change, perf_counter() - began)

    async def _judged(self, rows: Sequence[SaidAssigned], reps: Mapping[str, int]) -> _Judged:
        conn, tenant_id = self.conn, self.tenant_id
        named = [LeadNamed(None, row.lead.source, row.lead.external_id) for row in rows]
        found = await bulk_endings.find_leads(conn, tenant_id, named)
        leads = {one for one in found if isinstance(one, int)}
        held = leads if self.dry_run else await taken_over.hold_free(conn, tenant_id, leads)
        standings = await bulk_endings.standings(conn, tenant_id, leads)
        begins = await bulk_endings.history_begins(conn) if any(row.ended_at for row in rows) else None
        judged = _Judged()
        for place, (row, found_lead) in enumerate(zip(rows, found, strict=True)):
            lead = found_lead if isinstance(found_lead, int) else None
            if row.rep_id not in reps:
                judged.refused.append(Refusal(place, "rep_id", f"there is no rep {row.rep_id!r} in the roster"))
            elif row.ended_at and begins and row.ended_at < begins:
                why = f"is before {begins.date()}: what ended then is past the retention"
                judged.refused.append(Refusal(place, "ended_at", why))
            else:
                at = None if lead is None else standings[lead]
                here = None if at is None else Here(at.state, at.rep_no, at.outcome, at.had_by)
                verdict = judge(reps[row.rep_id], row.outcome, here)
                judged.add(place, lead, verdict, here, held=lead in held)
        return judged

    async def _give(
        self, rows: Sequence[SaidAssigned], reps: Mapping[str, int], judged: _Judged, new: Sequence[PoolLead]
    ) -> tuple[int, int | None]:
        """While the lane is held; returns how many customers got an owner, and the number of the change."""
        conn, tenant_id = self.conn, self.tenant_id
        lane = await hold_waiting(conn, tenant_id, None, self.limits)
        if lane.ruleset == 0:
            raise CannotGive("the tenant has no ruleset yet: lead-router rules apply FILE --tenant T")
        state = await lane_state(conn, self._session, lane)
        held = await held_lane(conn, lane, state, clock_given=False)
        taken = await taken_over.take_free(conn, tenant_id, [lead for _, lead in judged.take])
        leads = [*new, *(taken[lead] for _, lead in judged.take)]
        given = [
            TakenOver(
                lead.lead_id,
                lead.customer_id,
                reps[row.rep_id],
                row.assigned_at,
                row.outcome,
                row.ended_at,
                row.reason or self.why,
            )
            for lead, row in zip(leads, (rows[place] for place in judged.places), strict=True)
        ]
        book, flight = self._recorded(held, leads, given)
        owners = await self._owners(given)
        await taken_over.put(conn, book, given, owners, self.actor)
        await pool.wake_leads(conn, tenant_id, held.news.leads)
        await pool.wake_customers(conn, tenant_id, owners)
        loads = state.loads_of(held.changed)
        closing = Closing(state.day, loads, {}, flight, self.token(), held.at, lane.next_wake_key)
        await lane_store.close(conn, lane, book, closing)
        after = f"{count(self.done.total + len(given), 'assignment')} taken over"
        change = Change(self.actor, "leads import-assignments", self.subject, "", after, self.why)
        return len(owners), await record_part(conn, tenant_id, change, self._change)

    def _recorded(self, held: HeldLane, leads: Sequence[PoolLead], given: Sequence[TakenOver]) -> tuple[Book, Record]:
        """Counts the assignments into the loads; returns where they are written, and their flight record."""
        state, engine = held.state, held.state.engine
        moment = moment_at(engine, held.at)
        attendance = state.on_duty(held.at).attendance
        before = Inputs(moment, leads, attendance, state.open_counts.copy(), state.today_counts.copy(), {}, {})
        positions = set()
        for one in given:
            position = engine.roster.position[one.rep_no]
            positions.add(position)
            state.open_counts[position] += one.outcome is None
            state.today_counts[position] += moment.day.start <= one.assigned_at < moment.day.end
        held.changed |= positions
        decisions: list[Decision] = [Assigned(one.rep_no, None, None) for one in given]
        loads = (state.open_counts, state.today_counts)
        outcome = Outcome(decisions, *loads, {}, {}, frozenset(), frozenset(positions))
        flight = record(engine, before, outcome, data_versions(engine))
        note = f"{self.subject}: {self.why}" if self.why else self.subject
        flight = msgspec.structs.replace(flight, actor=self.actor, note=note)
        book = Book(held.lane.tenant_id, held.lane.batch_no + 1, held.at, held.lane.ruleset)
        return book, Record(IMPORT, len(given), encode(flight))

    async def _owners(self, given: Sequence[TakenOver]) -> dict[int, int]:
        """The customers whose owner changes, with the rep's number."""
        by_customer: dict[int, list[tuple[datetime, int]]] = defaultdict(list)
        for one in given:
            if one.customer_id is not None:
                by_customer[one.customer_id].append((one.assigned_at, one.rep_no))
        known = await taken_over.customers_before(self.conn, self.tenant_id, by_customer)
        owners = {customer: new_owner(known[customer], times) for customer, times in by_customer.items()}
        return {customer: rep_no for customer, rep_no in owners.items() if rep_no is not None}

    async def _note(self, rows: Sequence[SaidAssigned], judged: _Judged, new: Sequence[PoolLead]) -> None:
        if self.import_no is None:
            return
        repeated = len(rows) - len(new) - len(judged.refused) - len(judged.locked)
        part = ImportPart([lead.lead_id for lead in new], len(new), repeated, 0, 0, 0)
        await note_part(self.conn, self.tenant_id, self.import_no, part)


def _says(row: SaidAssigned) -> tuple[object, ...]:
    """What a row says beside its lead."""
    return row.rep_id, row.outcome, row.assigned_at, row.ended_at


@retried
async def _part(conn: Connection, work: ImportAssignments, rows: Sequence[SaidAssigned]) -> _Done:
    async with conn.transaction():
        return await work.part(rows)
