"""What the API says of itself and of the token that asks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from router.domain.access import MAY
from router.http.openapi import openapi
from router.http.operations import Answer, Call, Operation

Moment = Annotated[datetime, Meta(tz=True)]


class TokenDocument(msgspec.Struct, frozen=True):
    """The token that asks, and what it may do."""

    id: str
    name: str
    role: str
    tenant: str | None
    may: list[str]
    created_at: Moment
    expires_at: Moment | None


class OpenApiDocument(msgspec.Struct, frozen=True):
    """The description of this API, as OpenAPI 3.1 has it."""

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]
    components: dict[str, Any]


def operations(others: Sequence[Operation], version: str) -> list[Operation]:
    """These, which describe themselves and all others."""
    described: list[Operation] = []
    document: list[bytes] = []

    async def describe(_call: Call) -> web.Response:
        if not document:
            document.append(msgspec.json.encode(openapi(described, version)))
        return web.Response(body=document[0], content_type="application/json")

    described += [
        *others,
        Operation(
            id="get_token",
            method="GET",
            path="/v1/token",
            summary="The token that asks",
            handler=_token,
            answers={200: TokenDocument},
            tag="about",
        ),
        Operation(
            id="get_openapi",
            method="GET",
            path="/openapi.json",
            summary="The description of this API",
            handler=describe,
            answers={200: OpenApiDocument},
            tag="about",
            of_tenant=False,
        ),
    ]
    return described


async def _token(call: Call) -> Answer:
    token = call.token
    return Answer(
        TokenDocument(
            token.token_id,
            token.name,
            token.role.value,
            call.of_tenant.name if call.of_tenant else None,
            sorted(one.value for one in MAY[token.role]),
            token.created_at,
            token.expires_at,
        )
    )
