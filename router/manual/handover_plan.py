"""What handing over leads of a rep would do: which leads, whether there is room, who would get them by the rules.

Reads only. The rules are asked with the reps, loads, credits and presence of now, as though the leads were given back
together and nothing else waited; so what comes in between can change it.
"""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from router.domain.decide import Assigned, Decision, Inputs, Parked, decide
from router.domain.engine import Engine
from router.domain.reason import Reason
from router.domain.worded import worded, worded_count
from router.domain.worded_phrases import worded_list
from router.drain.lane_state import LaneState, moment_at
from router.drain.presence import Presence, Unsure
from router.drain.present_state import state_to_decide
from router.manual.by_hand import CannotGive, Room, position_of, room_of
from router.store import handover as store
from router.store.engines import Engines
from router.store.handover import HadLead, Place
from router.store.roster import rep_number
from router.store.statements import Connection
from router.store.waiting import TenantNow, tenant_now

_LEADS_AT_ONCE = 5_000


class NoRoom(CannotGive):
    """The other rep cannot have so many; the message has the numbers and says what to do."""

    def __init__(self, rep_id: str, leads: int, room: Room, tenant: str) -> None:
        loads = []
        if room.max_open is not None:
            loads.append(worded("{has:,} of {cap:,} open leads (max_open)", has=room.open_leads, cap=room.max_open))
        if room.max_per_day is not None:
            loads.append(
                worded("{has:,} of {cap:,} leads of today (max_per_day)", has=room.today, cap=room.max_per_day)
            )
        needed = [
            f"{option} {has + leads}"
            for option, has, cap in (
                ("--max-open", room.open_leads, room.max_open),
                ("--max-per-day", room.today, room.max_per_day),
            )
            if cap is not None and has + leads > cap
        ]
        super().__init__(
            worded(
                "rep {rep} has room for {fits:,} of {leads}: has {loads}. Hand over fewer (--as-many-as-fit), or raise "
                "the cap first: {command}",
                rep=rep_id,
                fits=room.fits,
                leads=worded_count("{count:,} lead", "{count:,} leads", leads),
                loads=worded_list(loads),
                command=f"lead-router reps set {shlex.quote(rep_id)} --tenant {shlex.quote(tenant)} {' '.join(needed)}",
            )
        )


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be handed over: a rep's leads, all or those named (numbers), to another rep or (None) to the rules.

    `as_many_as_fit` = to a rep without room for all, as many as there is room for.
    """

    from_rep: str
    to_rep: str | None = None
    leads: tuple[int, ...] | None = None
    as_many_as_fit: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What is there: `leads` of the rep that were meant, of which `to_move` are to go, those given by `upto_batch`.

    Of named ones `already` were handed over before and `elsewhere` never were this rep's; `named` = the rest.
    `room` of the rep who gets them (None = the rules decide); `refusal` = why nothing is to be done.
    """

    tenant_id: int
    from_rep: str
    from_no: int
    to_rep: str | None
    leads: int
    to_move: int
    upto_batch: int
    named: tuple[int, ...] | None = None
    already: int = 0
    elsewhere: tuple[Place, ...] = ()
    room: Room | None = None
    refusal: NoRoom | None = None
    tenant: str = ""


class Placement(msgspec.Struct, frozen=True):
    """Where a lead would go: to a rep, or it would wait or be parked for a reason."""

    lead_id: int
    source: str
    external_id: str
    state: Literal["assigned", "waiting", "parked"]
    rep_id: str | None = None
    rep_name: str | None = None
    reason: str | None = None


class Preview(msgspec.Struct, frozen=True):
    """Where the leads of a plan would go as of a moment (UTC), in the order in which they would be decided.

    `presence_unknown` = why it is not known who is present; `paused_until` = nothing is decided before (UTC).
    """

    as_of: datetime
    placements: tuple[Placement, ...]
    presence_unknown: Unsure | None = None
    paused_until: datetime | None = None

    @property
    def reps(self) -> Counter[tuple[str, str]]:
        """Leads by rep (id, name), the most first in `most_common`."""
        return Counter((one.rep_id, one.rep_name or "") for one in self.placements if one.rep_id is not None)

    @property
    def others(self) -> Counter[tuple[str, str]]:
        """Leads that nobody would get, by state and reason."""
        return Counter((str(one.state), one.reason or "") for one in self.placements if one.rep_id is None)


async def plan_handover(
    conn: Connection, presence: Presence, tenant_id: int, asked: Asked, now: datetime | None = None
) -> Plan:
    """Counts what is there, in one snapshot, at `now` (None = the database's clock).

    Raises RepUnknown, and CannotGive where the other rep may not have any.
    """
    if asked.to_rep == asked.from_rep:
        raise CannotGive(
            worded("rep {rep} has these leads already; name another rep, or let the rules decide", rep=asked.from_rep)
        )
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        from_no = await rep_number(conn, tenant_id, asked.from_rep)
        if asked.to_rep is not None:
            await rep_number(conn, tenant_id, asked.to_rep)
        leads, batch_no = await store.size(conn, tenant_id, from_no)
        named, already, elsewhere = None, 0, tuple[Place, ...]()
        if asked.leads is not None:
            places = await store.places(conn, tenant_id, from_no, asked.leads)
            named = tuple(place.lead_id for place in places if place.is_here)
            already = sum(not place.is_here and place.was_here for place in places)
            elsewhere = tuple(place for place in places if not (place.is_here or place.was_here))
            leads = len(named)
        tenant = await tenant_now(conn, tenant_id, now)
        room = None if asked.to_rep is None else await _room(conn, presence, tenant, asked.to_rep)
    refusal = NoRoom(asked.to_rep or "", leads, room, tenant.name) if room is not None and room.fits < leads else None
    to_move = leads if room is None else min(leads, room.fits)
    if asked.as_many_as_fit:
        refusal = None
    about = (tenant_id, asked.from_rep, from_no, asked.to_rep, leads, to_move, batch_no)
    return Plan(*about, named, already, elsewhere, room, refusal, tenant.name)


async def _room(conn: Connection, presence: Presence, tenant: TenantNow, rep_id: str) -> Room:
    state = (await _state(conn, presence, tenant))[0]
    return room_of(state, position_of(state, rep_id))


async def _state(conn: Connection, presence: Presence, now: TenantNow) -> tuple[LaneState, Engine]:
    if not now.versions[0]:
        raise CannotGive(worded("the tenant has no ruleset yet: lead-router rules apply FILE --tenant T"))
    engine = await Engines(1).get(conn, now.tenant_id, now.versions)
    return await state_to_decide(conn, presence, now.tenant_id, now.name, engine, now.now), engine


async def preview(conn: Connection, presence: Presence, plan: Plan) -> Preview:
    """Where each lead of the plan would go, in one snapshot; writes nothing. Raises CannotGive without rules."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        now = await tenant_now(conn, plan.tenant_id)
        state, engine = await _state(conn, presence, now)
        had = await _leads_of(conn, plan, now.now)
        if plan.to_rep is None:
            placements = by_rules(state, had, plan.from_no, now.now)
        else:
            rep = engine.roster.reps[position_of(state, plan.to_rep)]
            placements = tuple(_placement(engine, one, Assigned(rep.no, None, None), None) for one in had)
    return Preview(now.now, placements, presence.unsure(plan.tenant_id), now.paused_until)


def by_rules(state: LaneState, had: Sequence[HadLead], from_no: int, at: datetime) -> tuple[Placement, ...]:
    """Where the rules would put these leads of a rep (number) at `at` (UTC), decided together. Pure."""
    queue = sorted(had, key=lambda one: (one.lead.rank, one.lead.queued_at, one.lead.lead_id))
    freed = state.open_counts.copy()
    freed[state.engine.roster.position[from_no]] -= len(had)
    inputs = Inputs(
        moment=moment_at(state.engine, at),
        leads=[one.lead for one in queue],
        attendance=state.on_duty(at).attendance,
        open_counts=freed,
        today_counts=state.today_counts,
        credits=state.credits,
        owners={one.lead.customer_id: one.owner for one in had if one.lead.customer_id and one.owner is not None},
    )
    outcome = decide(state.engine, inputs)
    return tuple(
        _placement(state.engine, one, decision, outcome.reasons.get(getattr(decision, "targets", "")))
        for one, decision in zip(queue, outcome.decisions, strict=True)
    )


def _placement(engine: Engine, had: HadLead, decision: Decision, reason: Reason | None) -> Placement:
    about = (had.lead.lead_id, had.source, had.external_id)
    if isinstance(decision, Assigned):
        rep = engine.roster.reps[engine.roster.position[decision.rep_no]]
        return Placement(*about, "assigned", rep.rep_id, rep.name)
    if isinstance(decision, Parked):
        return Placement(*about, "parked", reason=decision.reason.value)
    return Placement(*about, "waiting", reason=None if reason is None else reason.value)


async def _leads_of(conn: Connection, plan: Plan, at: datetime) -> list[HadLead]:
    """Those that would move, in the order of their numbers."""
    found: list[HadLead] = []
    after, left = 0, plan.to_move
    while left > 0:
        size = min(left, _LEADS_AT_ONCE)
        if plan.named is None:
            numbers = await store.next_leads(conn, plan.tenant_id, plan.from_no, plan.upto_batch, after, size)
        else:
            numbers = [lead_id for lead_id in plan.named if lead_id > after][:size]
        if not numbers:
            break
        found += await store.had_leads(conn, plan.tenant_id, plan.from_no, numbers, at)
        after, left = numbers[-1], left - len(numbers)
    return found
