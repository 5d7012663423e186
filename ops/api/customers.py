"""Customers over HTTP: show, merge, unmerge."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ops.api.fields import CustomerNo, Moment, Note
from ops.api.ids import CUSTOMER, MERGE, not_there, number_of
from ops.api.personal import seen_by
from ops.api.refusals import refusals
from ops.documents.customer_named import customer_named
from ops.documents.customers import customer_document, moved_document
from router.domain.access import Permission
from router.domain.worded import worded
from router.http.operations import Answer, Call, Operation
from router.manual.merge_customers import merge_customers, unmerge_customers
from router.store.customer_merges import merge_numbered, rep_ids


class CustomerLeadDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A lead of a customer, and where it is."""

    lead_id: int
    source: str
    external_id: str
    created_at: Moment | None
    state: str
    rep_id: str | None
    into_lead_id: int | None


class MergeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A merge of two customers; `parted_at` null = it holds."""

    merge_id: int
    merged_at: Moment
    actor: str
    note: str | None
    customer_id: int
    into_customer_id: int
    parted_at: Moment | None
    parted_by: str | None
    parted_note: str | None
    leads: int
    keys: int


class CustomerDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A customer; `part_of` = it was merged into that one; `keys` = by how many it is recognised."""

    customer_id: int
    part_of: int | None
    owner: str | None
    keys: int
    leads: list[CustomerLeadDocument]
    merges: list[MergeDocument]


class CustomerQuery(msgspec.Struct, frozen=True):
    """What the text in the path is, where it could be several."""

    by: Annotated[
        Literal["number", "crm-id", "phone", "email"] | None, Meta(description="Without it, whichever it is")
    ] = None


class Merge(msgspec.Struct, frozen=True):
    """The duplicate that becomes a part of the customer in the path."""

    customer_id: CustomerNo
    note: Note = ""


class Unmerge(msgspec.Struct, frozen=True):
    """Why a merge is undone."""

    note: Note = ""


class MovedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a merge, or its undoing, moved; `decided_again` = so many waiting leads."""

    merge_id: int
    customer_id: int
    into_customer_id: int
    leads: int
    keys: int
    decided_again: int
    owner: str | None


def operations() -> list[Operation]:
    """Of customers."""
    return [
        Operation(
            id="get_customer",
            method="GET",
            path="/v1/customers/{customer}",
            summary="A customer with its leads and merges",
            description="By its number, the CRM's customer id, a phone or an e-mail address.",
            handler=_show,
            answers={200: CustomerDocument},
            permission=Permission.READ,
            tag="customers",
            query=CustomerQuery,
        ),
        Operation(
            id="merge_customers",
            method="POST",
            path="/v1/customers/{customer}/merge",
            summary="Merge another customer into this one: they are duplicates",
            description="Assigned leads stay with their reps; waiting ones are decided again.",
            handler=_merge,
            answers={200: MovedDocument},
            permission=Permission.MANAGE,
            tag="customers",
            body=Merge,
        ),
        Operation(
            id="unmerge_customers",
            method="POST",
            path="/v1/customer-merges/{merge}/unmerge",
            summary="Undo a merge: keys and leads go back",
            handler=_unmerge,
            answers={200: MovedDocument},
            permission=Permission.MANAGE,
            tag="customers",
            body=Unmerge,
        ),
    ]


async def _show(call: Call) -> Answer:
    with refusals(call):
        async with call.connection() as conn:
            customer_id = await customer_named(conn, call.tenant, call.path["customer"], call.query.by)
            document = await customer_document(conn, call.tenant.tenant_id, customer_id)
    return Answer(msgspec.convert(seen_by(call, document), CustomerDocument))


async def _merge(call: Call) -> Answer:
    stays, moves = number_of(call.path["customer"], CUSTOMER), call.body.customer_id
    tenant_id, note = call.tenant.tenant_id, call.body.note
    with refusals(call, worded("one of the customers, or the lane of the tenant,")):
        async with call.connection() as conn:
            done = await merge_customers(conn, tenant_id, stays, moves, actor=call.actor, note=note)
            names = await rep_ids(conn, tenant_id, [done.into_owner])
    document = moved_document(done) | {"owner": names.get(done.into_owner or 0)}
    return Answer(msgspec.convert(document, MovedDocument))


async def _unmerge(call: Call) -> Answer:
    merge_id, tenant_id = number_of(call.path["merge"], MERGE), call.tenant.tenant_id
    with refusals(call, worded("one of the customers, or the lane of the tenant,")):
        async with call.connection() as conn:
            # Numbers of merges are unique over all tenants.
            merge = await merge_numbered(conn, merge_id)
            if merge is None or merge.tenant_id != tenant_id:
                raise not_there(MERGE, merge_id)
            done = await unmerge_customers(conn, merge_id, actor=call.actor, note=call.body.note)
            names = await rep_ids(conn, tenant_id, [done.owner])
    document = moved_document(done) | {"owner": names.get(done.owner or 0)}
    return Answer(msgspec.convert(document, MovedDocument))
