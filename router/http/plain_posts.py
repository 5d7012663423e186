"""Posts of single leads on their shortest way: the same checks, the same lead, the same answers as by aiohttp's.

A post costs no task, no request object and no chain of middlewares. Where traces are made, all requests are aiohttp's.
"""

import asyncio
from email.utils import formatdate
from http import HTTPStatus
from time import time

import msgspec
from aiohttp import web
from aiohttp.http import SERVER_SOFTWARE

from router.domain.access import Permission, Token
from router.http.access import check_permission
from router.http.application import Door, refusal_of_any, tenant_of
from router.http.counting import INTAKE
from router.http.operations import tenant_missing
from router.http.plain_connection import Answered, PlainConnection
from router.http.plain_request import Post
from router.http.routes.leads import POST_LEAD, answer_of, not_taken, read_lead
from router.intake.group_commit import TooManyWaiting
from router.intake.hand_in import HandedIn, Outcome
from router.intake.json_lead import JsonLeadReader
from router.intake.lead_intake import NotDurable
from router.store.tenants import Tenant
from router.telemetry.http_instruments import HttpInstruments
from router.telemetry.logs import get_logger
from router.telemetry.spans import is_traced

log = get_logger(__name__)

_SERVER = f"Server: {SERVER_SOFTWARE}\r\n"
_FIRST = {one.value: f"HTTP/1.1 {one.value} {one.phrase}\r\n" for one in HTTPStatus}
_LOOK_EVERY_S = 0.01


class PlainPosts:
    """One per listener. `requests` counts them (None = nobody does)."""

    def __init__(self, door: Door, requests: HttpInstruments | None = None) -> None:
        self._door = door
        self._requests = requests
        self._connections: set[PlainConnection] = set()
        self._asking: set[asyncio.Task[None]] = set()
        self._closing = False
        self._date = (0, "")

    def opened(self, connection: PlainConnection) -> bool:
        """A connection more; False = it is to be aiohttp's from its beginning."""
        if is_traced():
            return False
        self._connections.add(connection)
        if self._closing:
            connection.stop()
        return True

    def gone(self, connection: PlainConnection) -> None:
        """It ended, or is aiohttp's from here on."""
        self._connections.discard(connection)

    async def close(self, deadline_s: float) -> None:
        """Answers what is under way, and ends all connections."""
        self._closing = True
        for connection in list(self._connections):
            connection.stop()
        until = asyncio.get_running_loop().time() + deadline_s
        while any(one.under_way for one in self._connections) and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(_LOOK_EVERY_S)
        for connection in list(self._connections):
            connection.under_way = False
            connection.stop()

    def answer(self, post: Post, remote: str | None, answered: Answered) -> None:
        """Answers once the lead is committed, or refused; whatever happens."""
        token = self._door.access.checked_before(post.token)
        tenant = None if token is None else self._door.tenants.fresh(token.tenant_id)
        reader = None if tenant is None else self._door.leads.readers.fresh_reader_of(tenant)
        if token is None or tenant is None or reader is None:
            task = asyncio.create_task(self._ask(post, remote, answered), name="look-ups of a post")
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
            return
        try:
            self._admit(token)
            self._hand_in(post, tenant, reader, answered)
        except Exception as error:
            self._refuse(error, answered)

    async def _ask(self, post: Post, remote: str | None, answered: Answered) -> None:
        """With what has to be looked up before."""
        try:
            token = await self._door.access.token_shown(post.token, remote)
            self._admit(token)
            tenant = await tenant_of(self._door, token, None, POST_LEAD)
            if tenant is None:
                raise tenant_missing()
            self._hand_in(post, tenant, await self._door.leads.readers.reader_of(tenant), answered)
        except Exception as error:
            self._refuse(error, answered)

    def _admit(self, token: Token) -> None:
        """Raises Refused."""
        self._door.limits.take((token.tenant_id, token.token_id))
        check_permission(token, Permission.HAND_IN)

    def _hand_in(self, post: Post, tenant: Tenant, reader: JsonLeadReader, answered: Answered) -> None:
        """Raises Refused, and TooManyWaiting."""
        leads = self._door.leads
        handed_in = read_lead(leads, tenant.tenant_id, reader, post.key, post.body)

        def settled(found: Outcome | Exception) -> None:
            try:
                if isinstance(found, Exception):
                    raise found
                self._answer(handed_in, found, answered)
            except Exception as error:
                self._refuse(error, answered)

        leads.singles.enter(tenant.tenant_id, handed_in, settled)

    def _answer(self, handed_in: HandedIn, outcome: Outcome, answered: Answered) -> None:
        answer = answer_of(handed_in.lead, outcome)
        self._count(answer.status)
        head = "".join([f"{name}: {value}\r\n" for name, value in answer.headers.items()])
        body = msgspec.json.encode(answer.document)
        answered(self._whole(answer.status, f"Content-Type: application/json\r\n{head}", body))

    def _refuse(self, error: Exception, answered: Answered) -> None:
        refused = not_taken(error) if isinstance(error, TooManyWaiting | NotDurable) else None
        refused = refused or refusal_of_any(error, POST_LEAD.method, POST_LEAD.path)
        response = refused.response()
        self._count(response.status)
        head = "".join([f"{name}: {value}\r\n" for name, value in response.headers.items()])
        answered(self._whole(response.status, head, _body(response)))

    def _count(self, status: int) -> None:
        if self._requests is not None:
            self._requests.answered(INTAKE, POST_LEAD.method, POST_LEAD.path, status)

    def _whole(self, status: int, head: str, body: bytes) -> bytes:
        now = int(time())
        if self._date[0] != now:
            self._date = now, f"Date: {formatdate(now, usegmt=True)}\r\n{_SERVER}"
        return f"{_FIRST[status]}{head}Content-Length: {len(body)}\r\n{self._date[1]}\r\n".encode() + body


def _body(response: web.Response) -> bytes:
    body = response.body
    assert isinstance(body, bytes)
    return body
