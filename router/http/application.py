"""From a request to an answer: who asks, may they, is what they send right; and every error as a problem."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache

import msgspec
from aiohttp import web

from router.domain.access import EVERY_TENANT, Token
from router.http.access import Access, check_permission
from router.http.body import check_length
from router.http.counting import counting
from router.http.lead_door import LeadDoor
from router.http.operations import Answer, Call, OpenedBy, Operation
from router.http.problems import FieldProblem, Kind, Refused, busy, of_aiohttp
from router.http.rate_limits import RateLimits
from router.http.reading import convert_body, convert_query, json_body
from router.http.recent import Recent
from router.http.traced import note_tenant, route_of, traced
from router.store.connections.connections import Connections
from router.store.errors import TRANSIENT_ERRORS, NoConnection, Trouble, trouble_of
from router.store.tenants import Tenant
from router.telemetry.http_instruments import HttpInstruments
from router.telemetry.logs import get_logger
from router.telemetry.masking import mask_passwords

log = get_logger(__name__)

_MAX_QUERY = 8_000
_NEEDS_A_PERSON = (Trouble.FOR_A_PERSON, Trouble.REFUSED_ROW)


@dataclass(frozen=True, slots=True)
class Door:
    """What all operations need: who asks and how often, tenants by number and by name, the database, and the way in for
    leads.
    """

    access: Access
    limits: RateLimits
    tenants: Recent[int, Tenant]
    names: Recent[str, Tenant]
    connections: Connections
    leads: LeadDoor


def application_of(
    operations: Sequence[Operation], door: Door, instruments: HttpInstruments | None = None
) -> web.Application:
    """An application with these operations. What it does not know, and whatever fails, is a problem, too.

    `instruments` count all requests, also those for what is added to it.
    """
    counted = [] if instruments is None else [counting(operations, instruments)]
    size = max(o.max_body for o in operations)
    application = web.Application(middlewares=[*counted, traced, problems], client_max_size=size)
    for operation in operations:
        handler = (
            _handler(operation, door) if operation.opened_by is None else _opened(operation, operation.opened_by, door)
        )
        application.router.add_route(operation.method, operation.path, handler)
    return application


@web.middleware
async def problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turns every error into its problem."""
    try:
        return await handler(request)
    except Exception as error:
        return refusal_of_any(error, request.method, route_of(request)).response()


def refusal_of_any(error: Exception, method: str, route: str | None) -> Refused:
    """The problem that an error of a request is. What is a fault, or needs a person, is logged."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, web.HTTPException):
        return of_aiohttp(error)
    if isinstance(error, web.RequestPayloadError):
        return Refused(Kind.BAD_REQUEST, f"the body cannot be read: {error}")
    if isinstance(error, (*TRANSIENT_ERRORS, TimeoutError)):
        # What passes is to be tried again; what does not is a fault.
        if isinstance(error, NoConnection | TimeoutError) or trouble_of(error) not in _NEEDS_A_PERSON:
            return busy(f"the database is busy or away ({type(error).__name__})")
        log.error("request failed", method=method, route=route, error=mask_passwords(str(error)))
    else:
        log.error("request failed", method=method, route=route, exc_info=error)
    return Refused(Kind.FAULT, "this is a fault of lead-router; its log has the cause")


def _handler(operation: Operation, door: Door) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        token = await door.access.token_of(request)
        door.limits.take((token.tenant_id, token.token_id))
        if operation.permission is not None:
            check_permission(token, operation.permission)
        values = _query_of(request)
        wanted = values.pop("tenant", None) if operation.of_tenant else None
        tenant = await tenant_of(door, token, wanted, operation)
        note_tenant(tenant)
        # After the tenant: what is wrong with a query is said only to those who may ask.
        query = convert_query(values, operation.query) if values else _no_query(operation.query)
        check_length(request, operation.max_body)
        body = None
        if operation.body is not None:
            body = convert_body(await json_body(request, operation.max_body), operation.body)
        path = {name: _part(name, value) for name, value in request.match_info.items()}
        answer = await operation.handler(Call(request, token, tenant, path, query, body, door.connections, door.leads))
        return answer.response() if isinstance(answer, Answer) else answer

    return handle


def _opened(
    operation: Operation, opened_by: OpenedBy, door: Door
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """No token is asked for: the key in the address opens its source, and nothing else."""

    async def handle(request: web.Request) -> web.StreamResponse:
        source = await door.leads.sources.opened_by(request.match_info["key"], opened_by.value, request.remote)
        note_tenant(source.tenant)
        cross_origin = source.cross_origin(request.headers.get("Origin"))
        try:
            door.limits.take((source.tenant.tenant_id, f"source {source.name}"))
            check_length(request, operation.max_body)
            call = Call(request, None, source.tenant, {}, None, None, door.connections, door.leads, source)
            answer = await operation.handler(call)
        except Refused as refused:
            refused.headers = {**refused.headers, **cross_origin}
            raise
        response = answer.response() if isinstance(answer, Answer) else answer
        response.headers.update(cross_origin)
        return response

    return handle


def _part(name: str, value: str) -> str:
    if "\0" in value or not _encodable(value):
        raise Refused(Kind.NOT_FOUND, f"there is no such {name}")
    return value


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _query_of(request: web.Request) -> dict[str, str]:
    """The parameters as texts; each may be given once."""
    if not request.query_string:
        return {}
    if len(request.query_string) > _MAX_QUERY:
        raise Refused(Kind.BAD_REQUEST, f"the query is longer than {_MAX_QUERY:,} characters")
    values: dict[str, str] = {}
    for name, value in request.query.items():
        if name in values:
            raise Refused(Kind.INVALID, f"{name} is given twice", [FieldProblem(f"?{name}", "is given twice")])
        if "\0" in value or not _encodable(name + value):
            raise Refused(Kind.INVALID, f"{name} is not a text", [FieldProblem(f"?{name}", "is not a text")])
        values[name] = value
    return values


@cache
def _no_query(kind: type[msgspec.Struct]) -> msgspec.Struct:
    # A refusal is not kept: it is raised anew each time.
    return convert_query({}, kind)


async def tenant_of(door: Door, token: Token, named: str | None, operation: Operation) -> Tenant | None:
    """A token sees its tenant only: whether another one exists is not said."""
    if operation.of_all and token.tenant_id != EVERY_TENANT:
        raise Refused(Kind.NOT_ALLOWED, "this needs a token for all tenants")
    if not operation.of_tenant:
        return None
    if token.tenant_id != EVERY_TENANT:
        own = await door.tenants.get(token.tenant_id)
        if own is None or named not in (None, own.name):
            raise Refused(Kind.NOT_ALLOWED, "this token is for another tenant")
        return own
    if named is None:
        return None
    found = await door.names.get(named)
    if found is None:
        raise Refused(Kind.NOT_FOUND, f"there is no tenant {named!r}; GET /v1/tenants lists them")
    return found
