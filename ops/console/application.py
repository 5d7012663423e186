"""From a request to a page: who is logged in, may they, is it from our own page; and every error as a page."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import time
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from ops.api.import_files import FIELDS, MAX_FILE
from ops.console import assets
from ops.console.refusal import Said, error_page
from ops.console.same_origin import is_own
from ops.console.session import COOKIE
from ops.console.view import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, Shared, View, check_of_all
from ops.text.translation import LOCALES, N_
from router.domain.access import EVERY_TENANT, Permission, Token
from router.domain.worded import worded
from router.http.access import check_permission
from router.http.body import read_body
from router.http.problems import Kind, Refused
from router.http.recent import Recent
from router.http.upload import read_form_with_file
from router.store.connections.connections import Part
from router.store.tenants import Tenant, all_tenants

MAX_FORM = 100_000
HOME_OF_REP = "/my-leads"
_TENANTS_HOLD_S = 2.0
_FIELDS = 100
_FIELDS_WITH_FILE = {"form_token": 200, **FIELDS}
# Pages with filters keep the deadline themselves, and show the filters all the same.
_BEYOND_S = 2.0

_NO_TENANT = N_("this form does not say which tenant it is about; load the page again")

Page = Callable[[View], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One address. `permission` None = it needs no login. `of_tenant`: it is about one tenant, which is asked for
    first; `of_all`: only a token for all tenants may. `changes`: it is refused while the console is read-only.
    `with_file`: its form is sent with a file, whose bytes are only read once it is known who sends it. `max_form` in
    bytes; `patience_s`: how much longer than a page it may take. `streams`: it takes as long as the browser takes what
    it sends, and keeps the deadline of each part itself. `refused` makes the page of an error that keeps what was
    typed; without it there is the page of errors.
    """

    method: str
    path: str
    page: Page
    permission: Permission | None = Permission.READ
    of_tenant: bool = True
    of_all: bool = False
    with_file: bool = False
    changes: bool = field(default=False)
    max_form: int = MAX_FORM
    patience_s: float = 0.0
    streams: bool = field(default=False)
    refused: Callable[[View, Exception], Awaitable[web.Response]] | None = None


class Console:
    """The application. `nav` are the entries of the menu: path, title, permission."""

    def __init__(self, shared: Shared, routes: Sequence[Route], nav: Sequence[tuple[str, str, Permission]]) -> None:
        self._shared = shared
        self._routes = routes
        self._nav = nav
        self._tenants: Recent[int, list[Tenant]] = Recent(self._read_tenants, _TENANTS_HOLD_S)

    def application(self) -> web.Application:
        """With all its routes; what it does not know is a page, too."""
        made = web.Application(middlewares=[self._errors], client_max_size=MAX_FORM)
        for route in self._routes:
            made.router.add_route(route.method, route.path, self._handler(route))
        made.router.add_get("/assets/{hash}/{name}", assets.serve)
        return made

    @web.middleware
    async def _errors(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except Exception as error:
            return error_page(self._view(request), error)

    def _handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            view = self._view(request)
            try:
                return await self._answer(route, view)
            except Exception as error:
                return await _refused(route, view, error)

        return handle

    async def _answer(self, route: Route, view: View) -> web.StreamResponse:
        if route.method == "POST":
            await self._take_form(view, route)
        if route.permission is None:
            _check_texts(view.form)
            await self._log_in(view, needed=False)
            return await route.page(view)
        if not await self._log_in(view, needed=True):
            return view.go(f"/login?{_back(view)}")
        if route.path == "/" and not view.token.may(Permission.READ):
            # A rep has leads of their own, and no use for the state of the service.
            return view.go(HOME_OF_REP)
        check_permission(view.token, route.permission)
        if route.of_all:
            check_of_all(view.token)
        try:
            return await self._answer_allowed(route, view)
        finally:
            view.release_upload()

    async def _answer_allowed(self, route: Route, view: View) -> web.StreamResponse:
        if route.with_file:
            form = await read_form_with_file(
                view.request, _FIELDS_WITH_FILE, MAX_FILE, lambda fields: self._check_form(route, view, fields)
            )
            view.form, view.upload = form.fields, form.upload
        if route.method == "POST":
            self._check_form(route, view, view.form)
        if route.of_tenant and view.tenant is None:
            if route.method == "POST":
                raise Said(Kind.INVALID, view.say.gettext(_NO_TENANT))
            return view.render("choose.html")
        deadline_s = self._shared.settings.page_deadline_s + _BEYOND_S + route.patience_s
        async with asyncio.timeout(None if route.streams else deadline_s):
            try:
                return await route.page(view)
            finally:
                if route.changes:
                    self._shared.looks.forget()

    def _view(self, request: web.Request) -> View:
        theme = request.cookies.get(THEME_COOKIE, "auto")
        return View(request, self._shared, language_of(request), theme if theme in THEMES else "auto")

    async def _log_in(self, view: View, *, needed: bool) -> bool:
        """Whether somebody is logged in, and with what; a session whose token does not hold any more is none."""
        session = self._shared.sessions.read(view.request.cookies.get(COOKIE, ""), time())
        if session is None:
            return False
        try:
            token = await self._shared.access.token_with(session.key, view.request.remote)
        except Refused as refused:
            if refused.kind is Kind.NO_TOKEN or not needed:
                return False
            raise
        view.session, view.held_token = session, token
        if needed:
            await self._choose_tenant(view, token)
        return True

    async def _choose_tenant(self, view: View, token: Token) -> None:
        everyone = await self._tenants.get(0) or []
        view.tenants = [one for one in everyone if token.tenant_id in (EVERY_TENANT, one.tenant_id)]
        own = [(HOME_OF_REP, view.say.gettext("My leads"))] if token.rep_id else []
        view.nav = own + [(path, view.say.gettext(title)) for path, title, needs in self._nav if token.may(needs)]
        wanted = view.query.get("tenant")
        if wanted:
            view.tenant = next((one for one in view.tenants if one.name == wanted), None)
            if view.tenant is None:
                raise Refused(Kind.NOT_FOUND, worded("there is no such tenant, or this token is not for it"))
        elif len(view.tenants) == 1:
            [view.tenant] = view.tenants

    async def _take_form(self, view: View, route: Route) -> None:
        if not is_own(view.request.headers):
            raise Refused(Kind.WRONG_ORIGIN, worded("only the console's own pages may send forms to it"))
        if route.with_file:
            return
        if view.request.content_type != "application/x-www-form-urlencoded":
            raise Refused(Kind.WRONG_MEDIA_TYPE, worded("send a form"))
        try:
            body = (await read_body(view.request, route.max_form)).decode()
            fields = parse_qsl(body, keep_blank_values=True, errors="strict", max_num_fields=_FIELDS)
        except ValueError:
            raise Refused(Kind.BAD_REQUEST, worded("this form cannot be read")) from None
        view.form = dict(fields)

    def _check_form(self, route: Route, view: View, fields: Mapping[str, str]) -> None:
        session = view.session
        if session is None or not self._shared.sessions.is_form_token(session, fields.get("form_token", "")):
            raise Refused(Kind.WRONG_ORIGIN, worded("this form is of another login; load the page again"))
        _check_texts(fields)
        if route.changes and self._shared.read_only:
            raise Refused(Kind.NOT_ALLOWED, worded("this console is read-only (console.read_only)"))

    async def _read_tenants(self, _key: int) -> list[Tenant] | None:
        async with self._shared.connections.acquire(Part.CONSOLE) as conn:
            return await all_tenants(conn)


def _check_texts(fields: Mapping[str, str]) -> None:
    if any("\0" in name + value for name, value in fields.items()):
        raise Refused(Kind.INVALID, worded("the form has characters that no text has"))


async def _refused(route: Route, view: View, error: Exception) -> web.Response:
    """The page of an error: where the route keeps what was typed, and somebody is logged in, that page."""
    if route.refused is None or view.session is None or view.tenant is None or not view.form:
        return error_page(view, error)
    try:
        return await route.refused(view, error)
    except Exception as again:
        return error_page(view, again)


def language_of(request: web.Request) -> str:
    """What was chosen, else what the browser prefers, else English."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen is not None and chosen in LOCALES:
        return chosen
    for part in request.headers.get("Accept-Language", "").split(","):
        name = part.partition(";")[0].strip().lower().partition("-")[0]
        if name in LOCALES:
            return name
    return "en"


def _back(view: View) -> str:
    return urlencode({"back": view.request.path_qs}) if view.request.method == "GET" else ""
