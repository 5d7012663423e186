"""Tenants over HTTP: list and add."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ops.api.fields import PageQuery
from ops.api.pages import page, read_cursor
from ops.api.refusals import refusals
from router.domain.access import EVERY_TENANT, Permission
from router.http.operations import Answer, Call, Operation
from router.store.tenants import Tenant, add, all_tenants


class TenantDocument(msgspec.Struct, frozen=True):
    """A tenant and the versions in force of its roster, ruleset and rates (0 = none yet)."""

    tenant_id: int
    name: str
    time_zone: str
    roster: int
    ruleset: int
    rates: int


class TenantPage(msgspec.Struct, frozen=True):
    """Tenants, the oldest first; of a tenant's token its own."""

    tenants: list[TenantDocument]
    next: str | None


class NewTenant(msgspec.Struct, frozen=True):
    """A tenant to be added. The time zone, an IANA name, is that of its business days; it can be changed as long as
    there were no leads (`lead-router tenants set`).
    """

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    time_zone: Annotated[str, Meta(min_length=1, max_length=100, examples=["Asia/Shanghai"])]


def operations() -> list[Operation]:
    """Of tenants."""
    return [
        Operation(
            id="list_tenants",
            method="GET",
            path="/v1/tenants",
            summary="List the tenants",
            handler=_list,
            answers={200: TenantPage},
            permission=Permission.READ,
            tag="tenants",
            query=PageQuery,
            of_tenant=False,
        ),
        Operation(
            id="add_tenant",
            method="POST",
            path="/v1/tenants",
            summary="Add a tenant",
            description="With a token for all tenants. Doing it twice is fine.",
            handler=_add,
            answers={201: TenantDocument},
            permission=Permission.ADMINISTER,
            tag="tenants",
            body=NewTenant,
            of_tenant=False,
            of_all=True,
        ),
    ]


async def _list(call: Call) -> Answer:
    after = read_cursor(call.query.after, int) or 0
    async with call.connection() as conn:
        found = await all_tenants(conn)
    own = call.token.tenant_id
    rows = [one for one in found if own in (EVERY_TENANT, one.tenant_id) and one.tenant_id > after]
    rows.sort(key=lambda one: one.tenant_id)
    shown, following = page(rows, call.query.limit, lambda one: one.tenant_id)
    return Answer(TenantPage([_document(one) for one in shown], following))


async def _add(call: Call) -> Answer:
    with refusals(call):
        async with call.connection() as conn:
            tenant = await add(conn, call.body.name, call.body.time_zone, actor=call.actor)
    return Answer(_document(tenant), 201)


def _document(tenant: Tenant) -> TenantDocument:
    return TenantDocument(tenant.tenant_id, tenant.name, tenant.time_zone, tenant.roster, tenant.ruleset, tenant.rates)
