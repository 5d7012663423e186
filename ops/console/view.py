"""One request of the console: who asks, about which tenant, in which language; and what pages answer with."""

import io
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from ops.api.means import Means
from ops.api.personal import words_for
from ops.api.running import Jobs
from ops.console import assets
from ops.console.flow import Flow
from ops.console.headers import PERSONAL, SECURITY
from ops.console.looks import LARGE, Looks
from ops.console.rendering import clock, environment
from ops.console.same_origin import local_path
from ops.console.session import NOTICE_COOKIE, Session, Sessions
from ops.console.uploads import Uploads
from ops.text.spreadsheet import ENCODING, write_cells
from ops.text.translation import Say, translator
from router.domain.access import EVERY_TENANT, Permission, Token
from router.domain.worded import restored, worded
from router.http.access import Access, check_permission
from router.http.lead_door import LeadDoor
from router.http.operations import Answer, Call, Operation
from router.http.problems import Kind, Refused, busy
from router.http.reading import convert_body, convert_query
from router.http.upload import Upload
from router.settings.model import ConsoleSettings
from router.store.connections.connections import Connections
from router.store.tenants import Tenant
from router.telemetry.logs import get_logger

log = get_logger(__name__)

LANGUAGE_COOKIE, THEME_COOKIE = "lead_router_language", "lead_router_theme"
THEMES = ("auto", "light", "dark")


@dataclass(frozen=True, slots=True)
class Shared:
    """What all requests share: one for each start of the service."""

    settings: ConsoleSettings
    connections: Connections
    operations: Mapping[str, Operation]
    means: Means
    jobs: Jobs
    leads: LeadDoor
    sessions: Sessions
    access: Access
    flow: Flow = field(default_factory=Flow)
    uploads: Uploads = field(default_factory=Uploads)
    looks: Looks = field(default_factory=Looks)
    large: set[str | None] = field(default_factory=set)
    """The tenants that were large when they were looked at last; None = all together."""

    @property
    def read_only(self) -> bool:
        return self.settings.read_only == "yes"


@dataclass(slots=True)
class View:
    """`tenant` None = all, for a token that is for all of them; `tenants` are those that it may see. `path` has what
    varies in the address, `query` the parameters, `form` what was posted, `upload` the file that came with it.
    """

    request: web.Request
    shared: Shared
    language: str
    theme: str
    held_token: Token | None = None
    session: Session | None = None
    tenants: Sequence[Tenant] = ()
    tenant: Tenant | None = None
    nav: Sequence[tuple[str, str]] = ()
    form: Mapping[str, str] = field(default_factory=dict)
    upload: Upload | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def say(self) -> Say:
        """What translates."""
        return translator(self.language)

    @property
    def token(self) -> Token:
        """Whose login it is."""
        if self.held_token is None:
            raise RuntimeError("nobody is logged in")
        return self.held_token

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters of the address, the last of those of one name; what no text may hold is refused."""
        found = dict(self.request.query)
        if any("\0" in value or not _encodable(value) for value in found.values()):
            raise Refused(Kind.INVALID, worded("the address has characters that no text has"))
        return found

    @property
    def pages(self) -> frozenset[str]:
        """The addresses that the console has, as its routes have them."""
        return frozenset(resource.canonical for resource in self.request.app.router.resources())

    def may(self, permission: Permission) -> bool:
        """Whether the role allows it, and the console is not read-only where it changes something."""
        changes = permission not in (Permission.LOOK, Permission.READ, Permission.PERSONAL)
        return self.token.may(permission) and not (changes and self.shared.read_only)

    @property
    def of_all(self) -> bool:
        """Whether the token is for all tenants, and may see and end what is nobody's alone."""
        return self.token.tenant_id == EVERY_TENANT

    def release_upload(self) -> None:
        """This request needs its file no more."""
        if self.upload is not None:
            self.upload.release()
            self.upload = None

    def words(self, text: str) -> str:
        """A sentence as the token may see it."""
        return words_for(self.call(), text)

    def call(self, path: Mapping[str, str] | None = None, query: Any = None, body: Any = None) -> Call:
        """This request as one of the API."""
        shared = self.shared
        return Call(self.request, self.token, self.tenant, path or {}, query, body, shared.connections, shared.leads)

    async def ask(
        self,
        operation: str,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """The document that an operation of the API answers, with its own checks. Raises Refused."""
        found = self.shared.operations[operation]
        if found.permission is not None:
            check_permission(self.token, found.permission)
        if found.of_all:
            check_of_all(self.token)
        asked = convert_query(dict(query or {}), found.query)
        kind = found.body
        if kind is None and body is not None:
            kind = next((one for one in found.media.values() if isinstance(one, type)), None)
        sent = None if kind is None else convert_body(dict(body or {}), kind)
        answer = await found.handler(self.call(path, asked, sent))
        assert isinstance(answer, Answer)
        return answer.document

    async def status(self) -> Any:
        """The document of `get_status`; of a large tenant it may be some seconds old, which `at` says. Raises Refused
        where the server that has the tenant's rows does not answer: of no lead it is known where it is.
        """
        name = None if self.tenant is None else self.tenant.name

        def is_large(document: Any) -> bool:
            (self.shared.large.add if document.accepted >= LARGE else self.shared.large.discard)(name)
            return name in self.shared.large

        document = await self.shared.looks.get(self._seen_as("status"), lambda: self.ask("get_status"), is_large)
        if name in document.tenants_away:
            said = (
                restored(one["sentence"], one["parts"]) for one in document.findings if one["code"] == "database_busy"
            )
            raise busy(next(said, worded("the server that has the rows of {tenant} does not answer", tenant=name)))
        return document

    async def diagnosis(self) -> Any:
        """The document of `doctor`, as `status`."""
        name = None if self.tenant is None else self.tenant.name
        large = name in self.shared.large
        check_permission(self.token, Permission.OPERATE)
        return await self.shared.looks.get(self._seen_as("doctor"), lambda: self.ask("doctor"), lambda _: large)

    def _seen_as(self, what: str) -> tuple[object, ...]:
        """What a document depends on beside the database: the tenant, and what the token may see."""
        name = None if self.tenant is None else self.tenant.name
        return what, name, self.token.tenant_id, self.token.may(Permission.PERSONAL)

    def link(self, path: str, **query: object) -> str:
        """An address of the console about the same tenant; parameters that are None or empty are left out."""
        named = {"tenant": self.tenant.name} if self.tenant is not None and len(self.tenants) > 1 else {}
        asked = {**named, **{name: value for name, value in query.items() if value not in (None, "")}}
        return f"{path}?{urlencode(asked)}" if asked else path

    def here_for(self, tenant: str) -> str:
        """This address about a tenant, with all its other parameters."""
        address = self.request.rel_url.raw_path
        return f"{address}?{urlencode({**self.query, 'tenant': tenant})}"

    @property
    def zone_name(self) -> str:
        """Where the clock is that the page shows; of all tenants together UTC."""
        return "UTC" if self.tenant is None else self.tenant.time_zone

    def render(self, template: str, status: int = 200, **values: Any) -> web.Response:
        """A page."""
        notice = self._notice()
        text = (
            environment(self.language)
            .get_template(template)
            .render(
                view=self,
                link=self.link,
                asset=assets.address,
                here=local_path(self.request.path_qs),
                form_token="" if self.session is None else self.shared.sessions.form_token(self.session),
                notice=notice,
                Permission=Permission,
                **clock(self.zone_name, self.now, self.say),
                **values,
            )
        )
        headers = {**SECURITY, **PERSONAL}
        response = web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=headers)
        if notice is not None:
            response.del_cookie(NOTICE_COOKIE, path="/")
        return response

    def csv(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> web.Response:
        """A file that a spreadsheet opens."""
        headers = {**SECURITY, **PERSONAL, "Content-Disposition": f'attachment; filename="{name}.csv"'}
        body = _lines([columns, *rows]).encode(ENCODING)
        return web.Response(body=body, content_type="text/csv", charset="utf-8", headers=headers)

    async def stream_csv(
        self, name: str, columns: Sequence[str], parts: AsyncIterator[Sequence[Sequence[object]]]
    ) -> web.StreamResponse:
        """A long file, part by part, the first as soon as it is there. What fails before that is raised; what fails
        later breaks the download off, so that a part is not taken for the whole.
        """
        first = await anext(parts, ())
        headers = {**SECURITY, **PERSONAL, "Content-Disposition": f'attachment; filename="{name}.csv"'}
        response = web.StreamResponse(headers=headers)
        response.content_type, response.charset = "text/csv", "utf-8"
        await response.prepare(self.request)
        await response.write(_lines([columns, *first]).encode(ENCODING))
        try:
            async for rows in parts:
                await response.write(_lines(rows).encode())
        except Exception as error:
            log.warning("download broken off", file=name, error=f"{type(error).__name__}: {error}")
            if self.request.transport is not None:
                self.request.transport.abort()
        return response

    def go(self, path: str, notice: str | None = None) -> web.Response:
        """To another page of the console, after something was done, which that page says."""
        response = web.Response(status=303, headers={**SECURITY, **PERSONAL, "Location": path})
        if notice is not None:
            self.cookie(response, NOTICE_COOKIE, self.shared.sessions.written_notice(notice[:1_000]), 60)
        return response

    def cookie(self, response: web.Response, name: str, value: str, max_age_s: int) -> None:
        """One that no script can read, and that other sites do not send along with forms."""
        secure = self.request.secure or self.request.headers.get("X-Forwarded-Proto") == "https"
        response.set_cookie(name, value, max_age=max_age_s, httponly=True, samesite="Lax", secure=secure, path="/")

    def _notice(self) -> str | None:
        text = self.request.cookies.get(NOTICE_COOKIE)
        return None if text is None else self.shared.sessions.read_notice(text)


def check_of_all(token: Token) -> None:
    """Raises Refused for a tenant's token where one for all tenants is needed."""
    if token.tenant_id != EVERY_TENANT:
        raise Refused(Kind.NOT_ALLOWED, worded("this needs a token for all tenants"))


def _lines(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO(newline="")
    write_cells(text, rows)
    return text.getvalue()


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
