"""A span for each request to the API: its method, its route and its status, as a part of the caller's trace.

The path, the query and what a client sends otherwise are not recorded: they hold keys, and what people are called.
"""

from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from router.store.tenants import Tenant
from router.telemetry.logs import bind, bound
from router.telemetry.spans import TENANT, note, request_span

# Asked every few seconds by machines, about nothing but this process.
_PROBES = frozenset({"/livez", "/readyz", "/startupz"})


@web.middleware
async def traced(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """The outermost of the middlewares, so that it sees what the client gets."""
    if request.path in _PROBES:
        return await handler(request)
    # A client may invent methods; not everything that somebody sends becomes a name.
    method = request.method if request.method in hdrs.METH_ALL else "_OTHER"
    route = route_of(request)
    attributes = {"http.request.method": method} | ({"http.route": route} if route else {})
    name = f"{method} {route}" if route else method
    # One task answers all requests of a connection: nothing of this one may be bound in the next.
    with bound(), request_span(name, attributes, request.headers.get("traceparent")) as span:
        response = await handler(request)
        span.set({"http.response.status_code": response.status})
        if response.status >= 500:
            span.fail(str(response.status))
        return response


def note_tenant(tenant: Tenant | None) -> None:
    """From here on the request's log lines and its span name the tenant."""
    if tenant is not None:
        bind(tenant=tenant.name)
        note({TENANT: tenant.name})


def route_of(request: web.Request) -> str | None:
    """Returns the path as it was declared, such as `/v1/forms/{key}`; None = there is none such. Never the path itself:
    the key in it opens a source.
    """
    resource = request.match_info.route.resource
    return None if resource is None else resource.canonical
