"""Who asks: the token of a request, looked up once in a few seconds, and remembered while the database is away."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from time import monotonic

from aiohttp import web

from router.domain.access import Permission, Token, TokenKey, TokenRole, parse_token
from router.domain.worded import Worded, worded
from router.http.failed_attempts import FailedAttempts
from router.http.problems import Kind, Refused, busy
from router.http.recent import Recent
from router.store.errors import TRANSIENT_ERRORS

_HOLDS_S = 2.5
"""So long a token is believed as it was looked up, and so long it is not checked again: a revoked token opens nothing
any more after twice as long."""
_UNKNOWN_HOLDS_S = 30.0
"""So long it is believed that there is no such token: none comes into being with a secret that was guessed before."""
_REMEMBERED = 10_000
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="lead-router"'}


class Access:
    """Finds the tokens of requests. `find` asks the database for one; `failed` counts look-ups that found nothing;
    `clock` is aware; `away` says whether the database gives no connection.
    """

    def __init__(
        self,
        find: Callable[[TokenKey], Awaitable[Token | None]],
        failed: FailedAttempts | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        away: Callable[[], bool] = lambda: False,
    ) -> None:
        self._find = find
        self.tokens = Recent(self._same, _HOLDS_S, absent_s=_UNKNOWN_HOLDS_S, away=away)
        self._failed = failed or FailedAttempts()
        self._clock = clock
        self._used: dict[tuple[int, str], datetime] = {}
        self._shown: dict[str, tuple[Token, float]] = {}

    async def token_of(self, request: web.Request) -> Token:
        """The token that the request shows, if it holds now. Raises Refused."""
        return await self.token_shown(_bearer(request), request.remote)

    async def token_shown(self, text: str, address: str | None) -> Token:
        """The token with this text, shown by a client at this address, if it holds now. Raises Refused."""
        token = self.checked_before(text)
        if token is None:
            now = self._clock()
            token = await self._checked(text, now, address)
            if len(self._shown) >= _REMEMBERED:
                self._shown.clear()
            self._shown[text] = token, monotonic()
            self._used[token.tenant_id, token.token_id] = now
        return token

    def checked_before(self, text: str) -> Token | None:
        """The token, if it was checked a moment ago."""
        now, checked = self._clock(), self._shown.get(text)
        if checked is None or monotonic() - checked[1] > _HOLDS_S or _expired(checked[0], now):
            return None
        token = checked[0]
        # Looked up again in time, and beside the work: else every post would wait for it when it holds no more.
        self.tokens.fresh(TokenKey(token.tenant_id, token.token_id, token.hash))
        self._used[token.tenant_id, token.token_id] = now
        return token

    async def token_with(self, key: TokenKey, address: str | None) -> Token:
        """The token that has this key, if it holds now; `address` is where it was shown. Raises Refused."""
        now = self._clock()
        token = await self._that_holds(key, now, address)
        self._used[token.tenant_id, token.token_id] = now
        return token

    async def _checked(self, text: str, now: datetime, address: str | None) -> Token:
        shown = parse_token(text)
        if shown is None:
            raise Refused(Kind.NO_TOKEN, worded("this is not a token: a token begins with lr_"), headers=_CHALLENGE)
        return await self._that_holds(shown.key, now, address)

    async def _that_holds(self, key: TokenKey, now: datetime, address: str | None) -> Token:
        try:
            token = await self._looked_up(key, address)
        except (*TRANSIENT_ERRORS, TimeoutError):
            raise busy(worded("tokens cannot be looked up now: the database is away or busy")) from None
        if token is None or not token.holds(now):
            raise Refused(Kind.NO_TOKEN, worded("this token is unknown, revoked or expired"), headers=_CHALLENGE)
        return token

    async def _looked_up(self, key: TokenKey, address: str | None) -> Token | None:
        """Who guesses is refused before the database is asked; a token that was there before is always looked up."""
        if self.tokens.answers(key):
            return await self.tokens.get(key)
        with self._failed.attempt(address) as forgive:
            token = await self.tokens.get(key)
            if token is not None:
                forgive()
        return token

    async def _same(self, shown: TokenKey) -> Token | None:
        token = await self._find(shown)
        return token if token is not None and token.is_shown_by(shown) else None

    def take_uses(self) -> dict[tuple[int, str], datetime]:
        """Which tokens (tenant number and id) were used, and when last, since this was asked before."""
        used, self._used = self._used, {}
        return used


def _expired(token: Token, now: datetime) -> bool:
    return token.expires_at is not None and now >= token.expires_at


def _bearer(request: web.Request) -> str:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise Refused(Kind.NO_TOKEN, worded("send the header Authorization: Bearer TOKEN"), headers=_CHALLENGE)
    return text.strip()


_ROLES: Mapping[TokenRole, Worded] = {
    TokenRole.INTAKE: worded("intake"),
    TokenRole.VIEWER: worded("viewer"),
    TokenRole.REP: worded("rep"),
    TokenRole.MANAGER: worded("manager"),
    TokenRole.OPERATOR: worded("operator"),
    TokenRole.ADMIN: worded("admin"),
}
_DOES: Mapping[Permission, Worded] = {
    Permission.HAND_IN: worded("hand in leads"),
    Permission.LOOK: worded("look at single leads and reps"),
    Permission.READ: worded("read"),
    Permission.PERSONAL: worded("see phones and e-mails"),
    Permission.ATTEND: worded("say who is at work"),
    Permission.END: worded("end leads"),
    Permission.MANAGE: worded("change reps and assignments"),
    Permission.OPERATE: worded("retry, park, pause and diagnose"),
    Permission.ADMINISTER: worded("change rules, tenants and tokens"),
}


def check_permission(token: Token, permission: Permission) -> None:
    """Raises Refused."""
    if not token.may(permission):
        raise Refused(
            Kind.NOT_ALLOWED,
            worded("a token with the role {role} may not {what}", role=_ROLES[token.role], what=_DOES[permission]),
        )
