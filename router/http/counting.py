"""Counts requests by route and status: the outermost middleware, so that refusals and faults are counted, too."""

from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web
from aiohttp.typedefs import Middleware

from router.domain.access import Permission
from router.http.operations import Operation
from router.telemetry.http_instruments import HttpInstruments
from router.telemetry.labels import OTHER

INTAKE, API, PAGES = "intake", "api", "pages"
"""Areas: ways in for leads, all other operations, what needs no token."""
# An alert looks for the rise of these.
_SHOWN_AT_ZERO = (429, 500, 503)


def area_of(operation: Operation) -> str:
    """INTAKE or API."""
    hands_in = operation.permission is Permission.HAND_IN or operation.opened_by is not None
    return INTAKE if hands_in else API


def counting(operations: Iterable[Operation], instruments: HttpInstruments) -> Middleware:
    """A request that is broken off before its answer is not counted."""
    areas = {(one.method, one.path): area_of(one) for one in operations}
    for one in operations:
        if area_of(one) == INTAKE:
            instruments.begins(INTAKE, one.method, one.path, (*one.answers, *_SHOWN_AT_ZERO))

    @web.middleware
    async def count(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        response = await handler(request)
        resource = request.match_info.route.resource
        if resource is None:
            instruments.answered(PAGES, OTHER, OTHER, response.status)
        else:
            key = (request.method, resource.canonical)
            instruments.answered(areas.get(key, PAGES), *key, response.status)
        return response

    return count
