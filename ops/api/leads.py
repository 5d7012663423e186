"""Looking at one lead, by its number or by what the CRM calls it."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ops.api.fields import number_of
from ops.api.lead_documents import LeadDocument, lead_document
from ops.why.collect import why
from router.domain.access import Permission
from router.http.operations import Answer, Call, Operation
from router.http.problems import Kind, Refused
from router.store.assignments import FoundLead, LeadUnknown, lead_numbered
from router.store.leads import contact_of, lead_with
from router.store.statements import Connection
from router.store.synonyms import load_spellings

_MAX_DIGITS = 18


class LeadQuery(msgspec.Struct, frozen=True):
    """Which lead: the two fields that identify it."""

    source: Annotated[str, Meta(description="As it was handed in.")]
    external_id: Annotated[str, Meta(min_length=1)]


async def lead_of(conn: Connection, call: Call) -> FoundLead:
    """The lead that the path names: of the caller's tenant, since numbers are unique over all. Raises LeadUnknown."""
    return await lead_numbered(conn, call.tenant.tenant_id, number_of(call.path["lead"], "lead number"))


async def _by_number(call: Call) -> Answer:
    text = call.path["id"]
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise Refused(Kind.NOT_FOUND, f"there is no lead {text[:40]!r}: a lead's id is a number")
    async with call.connection() as conn:
        return await _answer(call, conn, int(text))


async def _by_identity(call: Call) -> Answer:
    query: LeadQuery = call.query
    async with call.connection() as conn:
        spelled = (await load_spellings(conn, call.tenant.tenant_id)).spelled("source", query.source.strip())
        lead_id = await lead_with(conn, call.tenant.tenant_id, spelled, query.external_id.strip())
        if lead_id is None:
            raise Refused(Kind.NOT_FOUND, "there is no lead with this source and external_id")
        return await _answer(call, conn, lead_id)


async def _answer(call: Call, conn: Connection, lead_id: int) -> Answer:
    tenant_id = call.tenant.tenant_id
    try:
        description = await why(conn, FoundLead(tenant_id, lead_id), most_changes=0)
    except LeadUnknown as error:
        raise Refused(Kind.NOT_FOUND, str(error)) from None
    contact = await contact_of(conn, tenant_id, lead_id)
    return Answer(lead_document(description, contact, personal=call.token.may(Permission.PERSONAL)))


GET_LEAD = Operation(
    id="get_lead",
    method="GET",
    path="/v1/leads/{id}",
    summary="A lead: where it is, why, and what happened to it",
    handler=_by_number,
    answers={200: LeadDocument},
    permission=Permission.READ,
    tag="leads",
)
FIND_LEAD = Operation(
    id="find_lead",
    method="GET",
    path="/v1/leads",
    summary="A lead by its source and external_id",
    handler=_by_identity,
    answers={200: LeadDocument},
    permission=Permission.READ,
    tag="leads",
    query=LeadQuery,
)
