"""Who asks: the token of a request, looked up once in a few seconds, and remembered while the database is away."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from aiohttp import web

from router.domain.access import Permission, Token, WrittenToken, parse_token
from router.http.problems import Kind, Refused, busy
from router.http.recent import Recent
from router.store.errors import TRANSIENT_ERRORS

_HOLDS_S = 5.0
"""A revoked token opens nothing any more after so long."""
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="lead-router"'}


class Access:
    """Finds the tokens of requests. `find` asks the database for one; `clock` is aware."""

    def __init__(
        self,
        find: Callable[[WrittenToken], Awaitable[Token | None]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._tokens = Recent(find, _HOLDS_S)
        self._clock = clock
        self._used: dict[tuple[int, str], datetime] = {}

    async def token_of(self, request: web.Request) -> Token:
        """The token that the request shows, if it holds now. Raises Refused."""
        shown = parse_token(_bearer(request))
        if shown is None:
            raise Refused(Kind.NO_TOKEN, "this is not a token: a token begins with lr_", headers=_CHALLENGE)
        try:
            token = await self._tokens.get(shown)
        except (*TRANSIENT_ERRORS, TimeoutError):
            raise busy("tokens cannot be looked up now: the database is away or busy") from None
        now = self._clock()
        if token is None or not token.opens_with(shown, now):
            raise Refused(Kind.NO_TOKEN, "this token is unknown, revoked or expired", headers=_CHALLENGE)
        self._used[token.tenant_id, token.token_id] = now
        return token

    def take_uses(self) -> dict[tuple[int, str], datetime]:
        """Which tokens (tenant number and id) were used, and when last, since this was asked before."""
        used, self._used = self._used, {}
        return used


def _bearer(request: web.Request) -> str:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise Refused(Kind.NO_TOKEN, "send the header Authorization: Bearer TOKEN", headers=_CHALLENGE)
    return text.strip()


def check_permission(token: Token, permission: Permission) -> None:
    """Raises Refused."""
    if not token.may(permission):
        raise Refused(Kind.NOT_ALLOWED, f"a token with the role {token.role.value} may not {permission.value}")
