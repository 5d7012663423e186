"""Assignments over HTTP: who has which leads, ending one, giving a lead by hand."""

import secrets
from datetime import date
from typing import Annotated

import msgspec
from msgspec import Meta

from ops.api.fields import Moment, Note, PageQuery, RepId
from ops.api.leads import lead_of
from ops.api.pages import page, read_cursor
from ops.api.personal import seen_by
from ops.api.refusals import refusals
from ops.documents.off_duty import off_duty_code
from router.domain.access import Permission
from router.http.operations import Answer, Call, Operation
from router.manual.assign import assign_by_hand
from router.store.assignments import Ending, Held, end, held_by, rep_id_of
from router.store.roster import rep_number


class HeldLead(msgspec.Struct, frozen=True, kw_only=True):
    """A lead that a rep has now."""

    lead_id: int
    source: str
    external_id: str
    created_at: Moment
    assigned_at: Moment
    customer_id: int | None
    batch_no: int
    by_hand: bool


class HeldPage(msgspec.Struct, frozen=True):
    """Leads of a rep, in the order of their numbers."""

    rep_id: str
    assignments: list[HeldLead]
    next: str | None


class HeldQuery(PageQuery, frozen=True, kw_only=True):
    """Whose leads."""

    rep: RepId


class End(msgspec.Struct, frozen=True):
    """How an assignment ends: won and lost close the lead, returned sends it to other reps."""

    how: Annotated[Ending, Meta(description="won, lost or returned")]
    note: Note = ""


class Ended(msgspec.Struct, frozen=True):
    """Which assignment ended."""

    lead_id: int
    rep_id: str
    ended_as: Ending


class Give(msgspec.Struct, frozen=True):
    """Who gets the lead."""

    to: RepId
    note: Note = ""


class GivenDocument(msgspec.Struct, frozen=True):
    """Who has the lead now, who had it before, and in which state it was. `off_duty` = why the rep is not at work (such
    as `on_leave`, then `leave_until` is the last day of it); null = the rep is.
    """

    lead_id: int
    rep_id: str
    from_rep_id: str | None
    was: str
    batch_no: int
    off_duty: str | None
    leave_until: date | None


def operations() -> list[Operation]:
    """Of assignments."""
    return [
        Operation(
            id="list_assignments",
            method="GET",
            path="/v1/assignments",
            summary="The leads that a rep has now",
            handler=_list,
            answers={200: HeldPage},
            permission=Permission.READ,
            tag="assignments",
            query=HeldQuery,
        ),
        Operation(
            id="end_assignment",
            method="POST",
            path="/v1/leads/{lead}/end",
            summary="End the assignment of a lead: won, lost or returned",
            description="The rep's place is free for the next batch. A returned lead never comes back to the same rep.",
            handler=_end,
            answers={200: Ended},
            permission=Permission.MANAGE,
            tag="assignments",
            body=End,
        ),
        Operation(
            id="assign_lead",
            method="POST",
            path="/v1/leads/{lead}/assign",
            summary="Give a lead to a rep by hand",
            description="It may wait, be parked or belong to another rep. Caps hold, working hours do not.",
            handler=_assign,
            answers={200: GivenDocument},
            permission=Permission.MANAGE,
            tag="assignments",
            body=Give,
        ),
    ]


async def _list(call: Call) -> Answer:
    query, tenant_id = call.query, call.tenant.tenant_id
    after = min(read_cursor(query.after, int) or 0, 2**62)
    with refusals(call):
        async with call.connection() as conn:
            rep_no = await rep_number(conn, tenant_id, query.rep)
            found = await held_by(conn, tenant_id, rep_no, after, query.limit + 1)
    shown, following = page(found, query.limit, lambda one: one.lead_id)
    return Answer(HeldPage(query.rep, [_held(call, one) for one in shown], following))


def _held(call: Call, held: Held) -> HeldLead:
    fields = {name: getattr(held, name) for name in HeldLead.__struct_fields__ if name != "by_hand"}
    return msgspec.convert(seen_by(call, fields | {"by_hand": held.rule_no is None}), HeldLead)


async def _end(call: Call) -> Answer:
    how = call.body.how
    with refusals(call, "the lead"):
        async with call.connection() as conn:
            found = await lead_of(conn, call)
            rep_no = await end(conn, found.tenant_id, found.lead_id, how, actor=call.actor, note=call.body.note)
            rep_id = await rep_id_of(conn, found.tenant_id, rep_no)
    return Answer(Ended(found.lead_id, rep_id, how))


async def _assign(call: Call) -> Answer:
    to, note, token = call.body.to, call.body.note, secrets.randbits(63)
    with refusals(call, "the lead, or the lane of its tenant,"):
        async with call.connection() as conn:
            found = await lead_of(conn, call)
            key = (found.tenant_id, found.lead_id)
            given = await assign_by_hand(conn, *key, to, actor=call.actor, note=note, token=token)
            before = None if given.from_rep is None else await rep_id_of(conn, found.tenant_id, given.from_rep)
    away = (off_duty_code(given.attendance), given.leave_until)
    return Answer(GivenDocument(found.lead_id, to, before, given.was, given.batch_no, *away))
