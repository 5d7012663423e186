"""Reading all that is told about one lead, in one snapshot; nothing is changed and nobody waits."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from ops.waiting.present import JudgedKey, present
from ops.why.change import Now
from ops.why.customer import summarise_customer
from ops.why.description import (
    CustomerSummary,
    DecisionRecord,
    Event,
    Happened,
    Holder,
    LeadDescription,
    LeadRow,
    Names,
    Place,
    Placing,
    State,
    Turn,
)
from ops.why.present_state import state_now
from ops.why.questions import pool_lead, rep_answer, reps_of
from ops.why.records import Chain, event_of, follow, tell
from ops.why.what_it_takes import IN_ANY_CASE, what_it_takes
from router.domain.lead import FACT_FIELDS, Facts
from router.domain.reason import Reason
from router.domain.targets import read_targets
from router.domain.worded import worded
from router.drain.presence import Presence
from router.store.assignments import FoundLead, LeadUnknown
from router.store.blocking.blocked import holders_of
from router.store.blocking.judge import Session
from router.store.changes import the_lead
from router.store.engines import Engines
from router.store.parking import BY_HAND
from router.store.retry import SENT_BACK
from router.store.roster import rep_number
from router.store.statements import Connection, Row, load
from router.store.waiting import tenant_now

COUNTED = 10_000
ENDED = 50

_SQL = load("why")


async def why(
    conn: Connection,
    found: FoundLead,
    *,
    batch_no: int | None = None,
    now: datetime | None = None,
    presence: Presence | None = None,
    rep_id: str | None = None,
    most_changes: int | None = None,
    engines: Engines | None = None,
) -> LeadDescription:
    """Describes a lead as of `now` (None = the database's clock).

    `batch_no` asks for an earlier decision, `rep_id` why that rep did or did not get the lead, `most_changes` for so
    many changes that would place it (None = for a few where it was refused, 0 = for none); `presence` hears who is
    present (None = there is no Redis); `engines` keeps what was read, for those who ask again and again. Raises
    LeadUnknown, RepUnknown, and LookupError when that batch did not decide about the lead.
    """
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        rep_no = None if rep_id is None else await rep_number(conn, found.tenant_id, rep_id)
        teller = _Teller(conn, found, presence or Presence(once=True), now, engines or Engines())
        return await teller.description(batch_no, rep_no, most_changes)


class _Teller:
    """One question, inside the snapshot of `conn`."""

    def __init__(
        self, conn: Connection, found: FoundLead, presence: Presence, now: datetime | None, engines: Engines
    ) -> None:
        self._conn = conn
        self._found = found
        self._key = {"tenant_id": found.tenant_id, "lead_id": found.lead_id}
        self._presence = presence
        self._now = now
        self._engines = engines

    async def description(self, batch_no: int | None, rep_no: int | None, most_changes: int | None) -> LeadDescription:
        row = await _SQL.lead.row(self._conn, **self._key)
        lane = await _SQL.lane.row(self._conn, tenant_id=self._found.tenant_id, now=self._now)
        if row is None or lane is None:
            raise LeadUnknown(worded("there is no lead {lead}", lead=self._found.lead_id))
        history = await _SQL.history.fetch(self._conn, **self._key, limit=ENDED)
        handled = await _SQL.handled.fetch(
            self._conn, tenant_id=self._found.tenant_id, subject=the_lead(self._found.lead_id), limit=ENDED
        )
        corrected = await _SQL.corrections.fetch(self._conn, **self._key, limit=ENDED)
        place = place_of(row, history)
        chain = await follow(self._conn, self._found, batch_no or place.batch_no)
        if batch_no is not None and not chain.links:
            raise LookupError(f"there is no flight record of batch {batch_no} (any more)")
        record = await tell(self._conn, self._engines, self._found, chain.links[0]) if chain.links else None
        timeline = _timeline(row, place, history, (handled, corrected), chain, record)
        lead = lead_row(row, **self._key)
        customer = await summarise_customer(self._conn, lead)
        if most_changes is None:
            most_changes = IN_ANY_CASE if place.key_ruleset is not None and rep_no is None else 0
        state = await self._state(lane["now"], lead, place) if most_changes or rep_no is not None else None
        placed = await self._placing(state, row, place, most_changes) if state is not None and most_changes else None
        rep = None if rep_no is None else rep_answer(rep_no, lead, record, state)
        return LeadDescription(
            now=lane["now"],
            lead=lead,
            place=place,
            names=await self._names(place, timeline, record, customer, reps_of(rep, placed)),
            timeline=timeline,
            record=record,
            turn=await self._turn(row, lane, place) if place.state is State.WAITING else None,
            present=await self._present(lane["now"], place),
            customer=customer,
            rep=rep,
            placing=placed,
            record_gone=chain.gone,
            older_batch=chain.older,
            later=batch_no not in (None, place.batch_no),
        )

    async def _turn(self, row: Row, lane: Row, place: Place) -> Turn:
        before_it = 0
        if place.ready:
            before_it = await self._before_it(0, place)
        holders = await holders_of(self._conn, **self._key, lane_locker=lane["locker"])
        held = {what: None if session is None else _holder(session) for what, session in holders.items()}
        return Turn(
            no_ruleset=row["ruleset"] == 0,
            paused_until=lane["paused_until"],
            paused_why=(lane["paused_why"] or "") if lane["paused_until"] else "",
            lane_held_by=held["lane"],
            row_held_by=held["row"],
            table_held_by=held["table"],
            before_it=before_it,
            last_batch_at=lane["last_at"] if lane["batch_no"] else None,
        )

    async def _before_it(self, wake_key: int, place: Place) -> int:
        order = {"wake_key": wake_key, "rank": place.rank, "queued_at": place.since, **self._key}
        before: int = await _SQL.before_it.value(self._conn, **order, limit=COUNTED)
        return before

    async def _state(self, now: datetime, lead: LeadRow, place: Place) -> Now | None:
        """The state in which a waiting lead would be decided now; None where it does not wait, or without rules."""
        if place.state is not State.WAITING:
            return None
        tenant = await tenant_now(self._conn, lead.tenant_id, now)
        if not tenant.versions[0]:
            return None
        engine = await self._engines.get(self._conn, lead.tenant_id, tenant.versions)
        waiting = pool_lead(lead, place, tenant.now)
        return await state_now(self._conn, self._presence, (lead.tenant_id, lead.tenant), engine, waiting, tenant.now)

    async def _placing(self, state: Now, row: Row, place: Place, most: int) -> Placing:
        ahead = 0 if place.ready else await self._before_it(row["wake_key"], place)
        return Placing(what_it_takes(state, most), state.engine, ahead)

    async def _present(self, now: datetime, place: Place) -> JudgedKey | None:
        if place.key_ruleset is None:
            return None
        tenant = await tenant_now(self._conn, self._found.tenant_id, now)
        state = await present(self._conn, self._engines, self._presence, tenant)
        return state.judge_one(place.key_ruleset, place.targets)

    async def _names(
        self,
        place: Place,
        timeline: Iterable[Event],
        record: DecisionRecord | None,
        customer: CustomerSummary | None,
        others: Iterable[int],
    ) -> Names:
        wanted = {place.rep_no, *place.excluded, *_reps_in(place.targets), *others}
        for event in timeline:
            wanted |= {event.rep_no, *_reps_in(event.targets)}
        for rule in record.explanation.rules if record and record.explanation else ():
            wanted |= {rule.owner.rep_no} if rule.owner else set()
        if record and record.explanation:
            wanted |= set(record.explanation.lead.excluded)
        if customer is not None:
            wanted |= {customer.owner_no, *(earlier.rep_no for earlier in customer.earlier)}
        tenant_id = self._found.tenant_id
        reps = await _SQL.reps.fetch(self._conn, tenant_id=tenant_id, rep_nos=[no for no in wanted if no is not None])
        groups = await _SQL.groups.fetch(self._conn, tenant_id=tenant_id)
        return Names(
            {row["rep_no"]: (row["rep_id"], row["name"]) for row in reps},
            {row["group_no"]: row["name"] for row in groups},
            tuple(rule.name for rule in record.engine.rules) if record and record.engine else (),
            record.stored.ruleset if record else None,
        )


def place_of(row: Row, history: Sequence[Row]) -> Place:
    """Where the lead is, from the one row with all states and the assignments that ended (latest first)."""
    if row["in_pool"] is not None:
        ready = row["wake_key"] == 0 or row["key_ruleset"] == SENT_BACK
        return Place(
            State.WAITING,
            row["queued_at"],
            row["pool_batch_no"],
            ready=ready,
            targets=row["targets"] or "",
            key_ruleset=None if ready else row["key_ruleset"],
            rank=row["rank"],
            recheck_at=row["recheck_at"],
            excluded=tuple(row["pool_excluded"] or ()),
        )
    if row["assigned_at"] is not None:
        given = {name: row[name] for name in ("rep_no", "rule_no", "group_no")}
        return Place(State.ASSIGNED, row["assigned_at"], row["assigned_batch_no"], **given)
    if row["parked_at"] is not None:
        why_parked: dict[str, Any] = {"reason": Reason(row["reason"]), "detail": row["detail"]}
        excluded = tuple(row["parked_excluded"] or ())
        return Place(State.PARKED, row["parked_at"], row["parked_batch_no"], excluded=excluded, **why_parked)
    if row["merged_at"] is not None:
        return Place(State.MERGED, row["merged_at"], into_lead_id=row["into_lead_id"])
    last = history[0] if history else None
    return _ended_at(row, last)


def _ended_at(row: Row, last: Row | None) -> Place:
    """Where a lead is of which nothing more is to come."""
    if row["archived_at"] is not None:
        outcome, into = row["outcome"], row["into_lead_id"]
        return Place(State.ARCHIVED, row["archived_at"], outcome=outcome, into_lead_id=into)
    if row["removed_at"] is not None:
        return Place(State.REMOVED, row["removed_at"], detail=str(row["import_no"]))
    if row["closed_at"] is not None:
        of_last = {name: last[name] for name in ("batch_no", "rep_no", "rule_no", "group_no")} if last else {}
        return Place(State.CLOSED, row["closed_at"], outcome=row["outcome"], **of_last)
    return Place(State.NOWHERE, row["received_at"], last["batch_no"] if last else None)


def lead_row(row: Row, tenant_id: int, lead_id: int) -> LeadRow:
    return LeadRow(
        tenant_id=tenant_id,
        tenant=row["tenant"],
        time_zone=row["time_zone"],
        lead_id=lead_id,
        source=row["source"],
        external_id=row["external_id"],
        created_at=row["created_at"],
        received_at=row["received_at"],
        priority=row["priority"],
        customer_id=row["customer_id"],
        facts=Facts.of(row[name] for name in FACT_FIELDS),
        name=row["name"],
        company=row["company"],
    )


def _holder(session: Session) -> Holder:
    return Holder(session.pid, session.application, session.role, session.since, session.query, session.ours)


def _timeline(
    row: Row,
    place: Place,
    history: Sequence[Row],
    by_people: tuple[Sequence[Row], Sequence[Row]],
    chain: Chain,
    record: DecisionRecord | None,
) -> tuple[Event, ...]:
    """Everything that happened, the first thing first. Assignments stand in their rows, whatever records are gone."""
    handled, corrected = by_people
    events = [Event(row["received_at"], Happened.RECEIVED)]
    events += [*map(_by_hand, handled), *map(_corrected, corrected)]
    since = {ended["batch_no"]: ended["assigned_at"] for ended in history}
    if place.state is State.ASSIGNED:
        since[place.batch_no] = place.since
    for link in chain.links:
        here = record is not None and record.stored.ruleset == link.stored.ruleset
        engine = record.engine if record and here else None
        events.append(event_of(link, engine, since.get(link.stored.batch_no)))
    recorded = {link.stored.batch_no for link in chain.links}
    if place.state is State.ASSIGNED and place.batch_no not in recorded:
        events.append(_assigned(row, place.batch_no))
    for ended in history:
        if ended["batch_no"] not in recorded:
            events.append(_assigned(ended, ended["batch_no"]))
        how = {"outcome": ended["outcome"], "rep_no": ended["rep_no"], "batch_no": ended["batch_no"]}
        how |= {"actor": ended["ended_by"], "note": ended["note"]}
        events.append(Event(ended["ended_at"], Happened.ENDED, **how))
    told_already = any(e.what is Happened.PARKED and e.batch_no == place.batch_no for e in events if not e.by_hand)
    if place.state is State.PARKED and not told_already and not _parked_by_hand(place, handled):
        # Undecided it keeps the number of the batch before, which did something else.
        batch_no = None if place.batch_no in recorded else place.batch_no
        events.append(Event(place.since, Happened.PARKED, batch_no, reason=place.reason, detail=place.detail))
    if place.state is State.MERGED:
        events.append(Event(place.since, Happened.MERGED, into_lead_id=place.into_lead_id))
    return tuple(sorted(events, key=_order))


_HANDLED = {"park": Happened.PARKED, "unpark": Happened.SENT_BACK, "leads unmerge": Happened.UNMERGED}


def _by_hand(change: Row) -> Event:
    what = _HANDLED[change["action"]]
    into = int(change["before"].rpartition(" ")[2]) if what is Happened.UNMERGED else None
    return Event(change["at"], what, by_hand=True, actor=change["actor"], note=change["why"], into_lead_id=into)


def _corrected(row: Row) -> Event:
    moved = row["created_before"] != row["created_after"]
    created = (row["created_before"], row["created_after"]) if moved else None
    return Event(row["at"], Happened.CORRECTED, by_hand=True, actor=row["actor"], note=row["why"], created=created)


def _parked_by_hand(place: Place, handled: Sequence[Row]) -> bool:
    """Whether a person parked the lead the last time, which is told already."""
    return place.reason == BY_HAND and any(change["action"] == "park" for change in handled)


def _order(event: Event) -> tuple[datetime, int, int]:
    """By time; at one instant by batch, where an ending comes before the next batch."""
    return (event.at, event.batch_no or 0, event.what is Happened.ENDED)


def _assigned(row: Row, batch_no: int | None) -> Event:
    given = {name: row[name] for name in ("rep_no", "rule_no", "group_no")}
    return Event(row["assigned_at"], Happened.ASSIGNED, batch_no, by_hand=row["rule_no"] is None, **given)


def _reps_in(targets: str) -> frozenset[int]:
    read = read_targets(targets)
    return read.excluded | frozenset(read.owners)
