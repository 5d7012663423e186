"""Assignments over HTTP: who has which leads, ending one, giving a lead by hand."""

import secrets
from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ops.api.fields import Moment, Note, PageQuery, RepId, wrong
from ops.api.leads import lead_of
from ops.api.own import check_own_lead, check_own_rep
from ops.api.pages import page, read_cursor
from ops.api.personal import seen_by
from ops.api.refusals import refusals
from ops.documents.off_duty import off_duty_code
from router.domain.access import Permission
from router.domain.masking import mask_email, mask_phone
from router.domain.worded import worded
from router.http.operations import Answer, Call, Operation
from router.manual.assign import assign_by_hand
from router.store.assignments import Ending, Held, end, held_by, held_in_order, rep_id_of
from router.store.roster import rep_number
from router.store.statements import Connection


class HeldLead(msgspec.Struct, frozen=True, kw_only=True):
    """A lead that a rep has now, since `assigned_at`. Phone and e-mail are masked where the token may not see them."""

    lead_id: int
    source: str
    external_id: str
    created_at: Moment
    assigned_at: Moment
    customer_id: int | None
    batch_no: int
    by_hand: bool
    name: str | None
    phone: str | None
    email: str | None
    company: str | None


class HeldPage(msgspec.Struct, frozen=True):
    """Leads of a rep, in the order that was asked for."""

    rep_id: str
    assignments: list[HeldLead]
    next: str | None


class HeldQuery(PageQuery, frozen=True, kw_only=True):
    """Whose leads."""

    rep: RepId
    order: Annotated[
        Literal["number", "oldest", "newest"],
        Meta(description="By number, or by assignment: those that the rep has had longest first, or last"),
    ] = "number"


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
            description="A rep's token asks about its own rep only.",
            handler=_list,
            answers={200: HeldPage},
            permission=Permission.LOOK,
            tag="assignments",
            query=HeldQuery,
        ),
        Operation(
            id="end_assignment",
            method="POST",
            path="/v1/leads/{lead}/end",
            summary="End the assignment of a lead: won, lost or returned",
            description=(
                "The rep's place is free for the next batch. A returned lead never comes back to the same rep. A rep's "
                "token ends leads of its own rep only; others are not there."
            ),
            handler=_end,
            answers={200: Ended},
            permission=Permission.END,
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
    query: HeldQuery = call.query
    check_own_rep(call, query.rep)
    with refusals(call):
        async with call.connection() as conn:
            rep_no = await rep_number(conn, call.tenant.tenant_id, query.rep)
            found = await _found(conn, call, rep_no)
    by_number = query.order == "number"
    shown, following = page(
        found, query.limit, lambda one: one.lead_id if by_number else (one.assigned_at, one.lead_id)
    )
    return Answer(HeldPage(query.rep, [_held(call, one) for one in shown], following))


async def _found(conn: Connection, call: Call, rep_no: int) -> list[Held]:
    """One more than a page has. Raises Refused for a cursor of another order."""
    query, tenant_id = call.query, call.tenant.tenant_id
    limit = query.limit + 1
    if query.order == "number":
        after = min(read_cursor(query.after, int) or 0, 2**62)
        return await held_by(conn, tenant_id, rep_no, after, limit)
    behind = read_cursor(query.after, tuple[datetime, Annotated[int, Meta(ge=0, le=2**62)]])
    if behind is not None and behind[0].tzinfo is None:
        raise wrong("?after", "is not a cursor of this list; take `next` of the page before")
    return await held_in_order(conn, tenant_id, rep_no, newest=query.order == "newest", after=behind, limit=limit)


def _held(call: Call, held: Held) -> HeldLead:
    personal = call.token.may(Permission.PERSONAL)
    contact = ("phone", "email")
    fields = {name: getattr(held, name) for name in HeldLead.__struct_fields__ if name not in ("by_hand", *contact)}
    reached = {
        "phone": held.phone if personal else mask_phone(held.phone),
        "email": held.email if personal else mask_email(held.email),
    }
    return msgspec.convert({**seen_by(call, fields), "by_hand": held.rule_no is None, **reached}, HeldLead)


async def _end(call: Call) -> Answer:
    how = call.body.how
    with refusals(call, worded("the lead")):
        async with call.connection() as conn:
            found = await lead_of(conn, call)
            own, about = await check_own_lead(conn, call, found), (found.tenant_id, found.lead_id, how)
            rep_no = await end(conn, *about, actor=call.actor, note=call.body.note, only_rep=own)
            rep_id = await rep_id_of(conn, found.tenant_id, rep_no)
    return Answer(Ended(found.lead_id, rep_id, how))


async def _assign(call: Call) -> Answer:
    to, note, token = call.body.to, call.body.note, secrets.randbits(63)
    with refusals(call, worded("the lead, or the lane of its tenant,")):
        async with call.connection() as conn:
            found = await lead_of(conn, call)
            key = (found.tenant_id, found.lead_id)
            given = await assign_by_hand(conn, *key, to, actor=call.actor, note=note, token=token)
            before = None if given.from_rep is None else await rep_id_of(conn, found.tenant_id, given.from_rep)
    away = (off_duty_code(given.attendance), given.leave_until)
    return Answer(GivenDocument(found.lead_id, to, before, given.was, given.batch_no, *away))
