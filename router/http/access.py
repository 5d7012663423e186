"""Who asks: the token of a request, looked up once in a few seconds, and remembered while the database is away."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from time import monotonic

from aiohttp import web

from router.domain.access import Permission, Token, WrittenToken, parse_token
from router.http.problems import Kind, Refused, busy
from router.http.recent import Recent
from router.store.errors import TRANSIENT_ERRORS

_HOLDS_S = 2.5
"""So long a token is believed as it was looked up, and so long it is not checked again: a revoked token opens nothing
any more after twice as long."""
_REMEMBERED = 10_000
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
        self._shown: dict[str, tuple[Token, float]] = {}

    async def token_of(self, request: web.Request) -> Token:
        """The token that the request shows, if it holds now. Raises Refused."""
        text = _bearer(request)
        now = self._clock()
        checked = self._shown.get(text)
        if checked is None or monotonic() - checked[1] > _HOLDS_S or _expired(checked[0], now):
            checked = await self._checked(text, now), monotonic()
            if len(self._shown) >= _REMEMBERED:
                self._shown.clear()
            self._shown[text] = checked
        token = checked[0]
        self._used[token.tenant_id, token.token_id] = now
        return token

    async def _checked(self, text: str, now: datetime) -> Token:
        shown = parse_token(text)
        if shown is None:
            raise Refused(Kind.NO_TOKEN, "this is not a token: a token begins with lr_", headers=_CHALLENGE)
        try:
            token = await self._tokens.get(shown)
        except (*TRANSIENT_ERRORS, TimeoutError):
            raise busy("tokens cannot be looked up now: the database is away or busy") from None
        if token is None or not token.opens_with(shown, now):
            raise Refused(Kind.NO_TOKEN, "this token is unknown, revoked or expired", headers=_CHALLENGE)
        return token

    def take_uses(self) -> dict[tuple[int, str], datetime]:
        """Which tokens (tenant number and id) were used, and when last, since this was asked before."""
        used, self._used = self._used, {}
        return used


def _expired(token: Token, now: datetime) -> bool:
    return token.expires_at is not None and now >= token.expires_at


def _bearer(request: web.Request) -> str:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise Refused(Kind.NO_TOKEN, "send the header Authorization: Bearer TOKEN", headers=_CHALLENGE)
    return text.strip()


def check_permission(token: Token, permission: Permission) -> None:
    """Raises Refused."""
    if not token.may(permission):
        raise Refused(Kind.NOT_ALLOWED, f"a token with the role {token.role.value} may not {permission.value}")
