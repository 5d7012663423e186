"""Looking at one lead, by its number or by what the CRM calls it."""

from functools import partial
from typing import Annotated, NoReturn

import msgspec
from msgspec import Meta

from ops.api.ids import LEAD, number_of
from ops.api.lead_documents import LeadDocument, journalled_document, lead_document
from ops.api.own import check_own_lead
from ops.api.personal import seen_by
from ops.api.refusals import refusals
from ops.why.collect import why
from router.domain.access import Permission
from router.domain.worded import worded
from router.http.operations import Answer, Call, Operation
from router.http.problems import Kind, Refused
from router.store.assignments import FoundLead, lead_numbered
from router.store.connections.connections import Part
from router.store.errors import TRANSIENT_ERRORS, is_away
from router.store.leads import contact_of, lead_with
from router.store.statements import Connection
from router.store.synonyms import load_spellings

_SHORT_S = 1.0
"""For a lead that the journal has: most likely the database is away."""


class LeadQuery(msgspec.Struct, frozen=True):
    """Which lead: the two fields that identify it."""

    source: Annotated[str, Meta(description="As it was handed in.")]
    external_id: Annotated[str, Meta(min_length=1)]


async def lead_of(conn: Connection, call: Call) -> FoundLead:
    """The lead that the path names: of the caller's tenant, since numbers are unique over all. Raises LeadUnknown."""
    return await lead_numbered(conn, call.tenant.tenant_id, number_of(call.path["lead"], LEAD))


async def _by_number(call: Call) -> Answer:
    number = number_of(call.path["id"], LEAD)
    async with call.connection() as conn:
        with refusals(call):
            await check_own_lead(conn, call, FoundLead(call.tenant.tenant_id, number))
        return await _answer(call, conn, number)


async def _by_identity(call: Call) -> Answer:
    """The database is asked first; while it is away, the journal is all that is known."""
    journalled = await _in_journal(call)
    try:
        async with call.connections.acquire(Part.CONSOLE, _SHORT_S if journalled else None) as conn:
            return await _stored(call, conn) or journalled or _not_there()
    except (*TRANSIENT_ERRORS, TimeoutError) as error:
        if journalled is None or not is_away(error):
            raise
        return journalled


async def _stored(call: Call, conn: Connection) -> Answer | None:
    query: LeadQuery = call.query
    spelled = (await load_spellings(conn, call.tenant.tenant_id)).spelled("source", query.source.strip())
    lead_id = await lead_with(conn, call.tenant.tenant_id, spelled, query.external_id.strip())
    return None if lead_id is None else await _answer(call, conn, lead_id)


async def _in_journal(call: Call) -> Answer | None:
    """What the journal of this process has of it."""
    query: LeadQuery = call.query
    if call.leads.journal is None:
        return None
    spelled = (await call.leads.readers.spellings_of(call.tenant)).spelled("source", query.source.strip())
    external_id = query.external_id.strip()
    found = await call.leads.journal.find(call.tenant.tenant_id, spelled, external_id)
    if found is None:
        return None
    personal = call.token.may(Permission.PERSONAL)
    return Answer(journalled_document(spelled, external_id, found, partial(seen_by, call), personal=personal))


def _not_there() -> NoReturn:
    raise Refused(
        Kind.NOT_FOUND,
        worded(
            "there is no lead with this source and external_id; "
            "GET /v1/leads:list?source=SOURCE lists the source's leads"
        ),
    )


async def _answer(call: Call, conn: Connection, lead_id: int) -> Answer:
    tenant_id = call.tenant.tenant_id
    with refusals(call):
        description = await why(conn, FoundLead(tenant_id, lead_id), most_changes=0)
    contact = await contact_of(conn, tenant_id, lead_id)
    return Answer(
        lead_document(description, contact, partial(seen_by, call), personal=call.token.may(Permission.PERSONAL))
    )


GET_LEAD = Operation(
    id="get_lead",
    method="GET",
    path="/v1/leads/{id}",
    summary="A lead: where it is, why, and what happened to it",
    description="A rep's token sees the leads that its own rep has now; others are not there.",
    handler=_by_number,
    answers={200: LeadDocument},
    permission=Permission.LOOK,
    tag="leads",
)
FIND_LEAD = Operation(
    id="find_lead",
    method="GET",
    path="/v1/leads",
    summary="A lead by its source and external_id",
    description=(
        "`journalled` = it was taken while the database was away, and waits in the journal of the instance that "
        "answers; other instances do not know it yet."
    ),
    handler=_by_identity,
    answers={200: LeadDocument},
    permission=Permission.READ,
    tag="leads",
    query=LeadQuery,
)
