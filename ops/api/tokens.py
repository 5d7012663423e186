"""Tokens over HTTP: list, create and revoke those of the own tenant."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from ops.api.fields import Moment, PageQuery, RepId, Seconds, wrong
from ops.api.pages import page, read_cursor
from ops.api.refusals import refusals
from ops.documents.tokens import MAX_NAME, token_document
from router.domain.access import EVERY_TENANT, Permission, Token, TokenRole
from router.http.operations import Answer, Call, Operation
from router.http.problems import Kind, Refused
from router.store.statements import Connection
from router.store.tenants import all_tenants
from router.store.tokens import NewToken, TokenUnknown, all_tokens, create_token, new_token, revoke_token


class TokenRow(msgspec.Struct, frozen=True, kw_only=True):
    """A token, without its secret. `tenant` null = for all tenants."""

    id: str
    name: str
    tenant: str | None
    role: TokenRole
    rep: str | None
    created_by: str
    created_at: Moment
    expires_at: Moment | None
    used_at: Moment | None
    revoked_at: Moment | None


class NewTokenShown(TokenRow, frozen=True, kw_only=True):
    """A new token with its secret, which is shown this once."""

    token: str


class TokenPage(msgspec.Struct, frozen=True):
    """Tokens, also those that are revoked or have expired."""

    tokens: list[TokenRow]
    next: str | None


class TokenWanted(msgspec.Struct, frozen=True):
    """A token to be made. `rep` belongs to the role rep only; `all_tenants` needs a token for all tenants."""

    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME, pattern=r"\S")]
    role: TokenRole
    rep: RepId | None = None
    expires_in_s: Annotated[Seconds | None, Meta(description="Seconds from now; without it never")] = None
    all_tenants: bool = False


class WhyQuery(msgspec.Struct, frozen=True):
    """Why something is done."""

    why: Annotated[str, Meta(max_length=1000, description="The reason, recorded with it")] = ""


def operations() -> list[Operation]:
    """Of tokens."""
    return [
        Operation(
            id="list_tokens",
            method="GET",
            path="/v1/tokens",
            summary="List the tokens, without their secrets",
            handler=_list,
            answers={200: TokenPage},
            permission=Permission.ADMINISTER,
            tag="tokens",
            query=PageQuery,
        ),
        Operation(
            id="create_token",
            method="POST",
            path="/v1/tokens",
            summary="Create a token and show it once",
            description="Only a hash of it is stored. A tenant's token makes tokens of this tenant only.",
            handler=_create,
            answers={201: NewTokenShown},
            permission=Permission.ADMINISTER,
            tag="tokens",
            body=TokenWanted,
        ),
        Operation(
            id="revoke_token",
            method="DELETE",
            path="/v1/tokens/{token}",
            summary="Revoke a token: within 5 s it opens nothing any more",
            handler=_revoke,
            answers={200: TokenRow},
            permission=Permission.ADMINISTER,
            tag="tokens",
            query=WhyQuery,
        ),
    ]


async def _list(call: Call) -> Answer:
    after = read_cursor(call.query.after, tuple[int, str])
    of = None if call.of_tenant is None else call.of_tenant.tenant_id
    async with call.connection() as conn:
        found = sorted(await all_tokens(conn, of), key=_key)
        names = await _names(conn)
    rows = [one for one in found if after is None or _key(one) > after]
    shown, following = page(rows, call.query.limit, _key)
    return Answer(TokenPage([_row(one, names) for one in shown], following))


def _key(token: Token) -> tuple[int, str]:
    return token.tenant_id, token.token_id


async def _create(call: Call) -> Answer:
    wanted: TokenWanted = call.body
    _check(wanted)
    tenant_id = _tenant_id(call, wanted)
    shown = new_token(tenant_id)
    span = wanted.expires_in_s
    expires_at = None if span is None else datetime.now(UTC) + timedelta(seconds=span)
    new = NewToken(wanted.name.strip(), wanted.role, expires_at, wanted.rep)
    with refusals(call):
        async with call.connection() as conn:
            token = await create_token(conn, shown, new, call.actor)
            names = await _names(conn)
    document = token_document(token, names.get(token.tenant_id)) | {"token": str(shown)}
    return Answer(msgspec.convert(document, NewTokenShown), 201, {"Cache-Control": "no-store"})


def _check(wanted: TokenWanted) -> None:
    if not wanted.name.isprintable():
        raise wrong("/name", "has characters that cannot be printed")
    if (wanted.rep is not None) != (wanted.role is TokenRole.REP):
        raise wrong("/rep", "belongs to the role rep, and only there")


def _tenant_id(call: Call, wanted: TokenWanted) -> int:
    if not wanted.all_tenants:
        return call.tenant.tenant_id
    if call.token.tenant_id != EVERY_TENANT:
        raise Refused(Kind.NOT_ALLOWED, "this token is of one tenant, and makes tokens of this tenant only")
    if call.of_tenant is not None:
        raise wrong("/all_tenants", "goes without ?tenant")
    return EVERY_TENANT


async def _revoke(call: Call) -> Answer:
    token_id = call.path["token"]
    with refusals(call):
        async with call.connection() as conn:
            tenant_id = await _tenant_of(conn, call, token_id)
            token = await revoke_token(conn, tenant_id, token_id, call.actor, call.query.why.strip())
            names = await _names(conn)
    return Answer(_row(token, names))


async def _tenant_of(conn: Connection, call: Call, token_id: str) -> int:
    """The tenant number of the token; a tenant's own tokens only, unless the caller is for all."""
    of = None if call.of_tenant is None else call.of_tenant.tenant_id
    found = [one.tenant_id for one in await all_tokens(conn, of) if one.token_id == token_id]
    if not found:
        raise TokenUnknown(f"there is no token {token_id[:40]}")
    return found[0]


async def _names(conn: Connection) -> dict[int, str]:
    return {tenant.tenant_id: tenant.name for tenant in await all_tenants(conn)}


def _row(token: Token, names: dict[int, str]) -> TokenRow:
    return msgspec.convert(token_document(token, names.get(token.tenant_id)), TokenRow)
