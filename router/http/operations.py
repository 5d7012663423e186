"""One operation of the API: its address, who may do it, the types of what comes and goes, the function behind."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import msgspec
from aiohttp import web

from router.domain.access import Permission, Token
from router.http.lead_door import LeadDoor
from router.http.problems import Kind, Refused
from router.http.source_doors import OpenSource
from router.rules.source_file import FormDoor, WebhookDoor
from router.store.connections.connections import Connections, Part
from router.store.statements import Connection
from router.store.tenants import Tenant


class NoQuery(msgspec.Struct, frozen=True):
    """An operation without parameters in its query."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation answers: a status and a document, which its `answers` name."""

    document: msgspec.Struct | None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        """As JSON."""
        if self.document is None:
            return web.Response(status=self.status, headers=self.headers)
        body = msgspec.json.encode(self.document)
        return web.Response(status=self.status, body=body, content_type="application/json", headers=self.headers)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read and allowed. `query` and `body` are of the operation's types; `path` are the parts of the
    address that vary. `opened` is the source whose key opened it, where no token did.
    """

    request: web.Request
    held_token: Token | None
    of_tenant: Tenant | None
    path: Mapping[str, str]
    query: Any
    body: Any
    connections: Connections
    leads: LeadDoor
    opened: OpenSource | None = None

    @property
    def token(self) -> Token:
        """The token that asks."""
        if self.held_token is None:
            raise RuntimeError("this operation is opened without a token")
        return self.held_token

    @property
    def source(self) -> OpenSource:
        """The source whose key opened the operation."""
        if self.opened is None:
            raise RuntimeError("this operation is opened by a token")
        return self.opened

    @property
    def tenant(self) -> Tenant:
        """The tenant that it is about."""
        if self.of_tenant is None:
            raise tenant_missing()
        return self.of_tenant

    @property
    def actor(self) -> str:
        """How changes name who asked: names of tokens are not unique, their ids are."""
        return f"token:{self.token.name}#{self.token.token_id}"

    def connection(self, part: Part = Part.CONSOLE) -> AbstractAsyncContextManager[Connection]:
        """A connection to the database. Raises NoConnection."""
        return self.connections.acquire(part)


def tenant_missing() -> Refused:
    """The refusal of a request with a token for all tenants that names none."""
    return Refused(Kind.BAD_REQUEST, "say which tenant: this token is for all of them, so add ?tenant=NAME")


class OpenedBy(Enum):
    """What opens an operation in place of a token. The value is the kind of source whose key is in the address."""

    FORM_KEY = FormDoor
    SIGNATURE = WebhookDoor


Handler = Callable[[Call], Awaitable[Answer | web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """`id` names it for generated clients. `permission` None = any token. `answers` are the documents by status; what
    is refused is a problem, always. `body` is read as JSON; `media` are other kinds of bodies, which the handler reads
    itself, by media type with their type or JSON schema. `of_tenant` = it is about one tenant, `of_all` = only a token
    for all tenants may. `max_body` in bytes.
    `opened_by`: it needs no token, but the key of a source in its address (`{key}`).
    """

    id: str
    method: str
    path: str
    summary: str
    handler: Handler
    answers: Mapping[int, type[msgspec.Struct] | None]
    permission: Permission | None = None
    description: str = ""
    tag: str = ""
    query: type[msgspec.Struct] = NoQuery
    body: type[msgspec.Struct] | None = None
    media: Mapping[str, Mapping[str, Any] | type[msgspec.Struct]] = field(default_factory=dict)
    request_headers: Mapping[str, str] = field(default_factory=dict)
    of_tenant: bool = True
    of_all: bool = False
    max_body: int = 1_000_000
    opened_by: OpenedBy | None = None
