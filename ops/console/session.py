"""Who is logged in: a signed text in a cookie, with the token's key and no secret of it. Pure."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

import msgspec

from router.domain.access import TokenKey

COOKIE = "lead_router_session"
NOTICE_COOKIE = "lead_router_notice"
KEY_BYTES = 32
"""A signing key has at least so many."""


class _Stored(NamedTuple):
    tenant_id: int
    token_id: str
    hash: str
    nonce: str
    until: int


@dataclass(frozen=True, slots=True)
class Session:
    """One login. `until` is in seconds since 1970; `nonce` makes its forms differ from those of any other login."""

    key: TokenKey
    nonce: str
    until: int


class Sessions:
    """Signs and reads with a key of at least KEY_BYTES; each kind of text is signed for its purpose alone."""

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise ValueError(f"a signing key needs at least {KEY_BYTES} bytes, this one has {len(key)}")
        self._key = key

    def written(self, session: Session) -> str:
        """The value of the cookie."""
        key = session.key
        stored = _Stored(key.tenant_id, key.token_id, key.hash.hex(), session.nonce, session.until)
        return self._signed("session", msgspec.json.encode(stored))

    def read(self, text: str, now: float) -> Session | None:
        """None for what was not signed with this key, or is over. `now` is in seconds since 1970."""
        body = self._verified("session", text)
        if body is None:
            return None
        try:
            stored = msgspec.json.decode(body, type=_Stored)
            key = TokenKey(stored.tenant_id, stored.token_id, bytes.fromhex(stored.hash))
        except (msgspec.DecodeError, ValueError):
            return None
        return Session(key, stored.nonce, stored.until) if now < stored.until else None

    def form_token(self, session: Session) -> str:
        """What every form of this login carries, and no other site can know."""
        return urlsafe_b64encode(self._mac("form", session.nonce.encode())).decode()

    def is_form_token(self, session: Session, text: str) -> bool:
        """Whether a form was made for this login."""
        return hmac.compare_digest(self.form_token(session).encode(), text.encode("utf-8", "replace"))

    def written_notice(self, text: str) -> str:
        """What is to be said on the next page."""
        return self._signed("notice", text.encode("utf-8", "replace"))

    def read_notice(self, text: str) -> str | None:
        """None for what we did not write."""
        body = self._verified("notice", text)
        return None if body is None else body.decode("utf-8", "replace")

    def _signed(self, purpose: str, body: bytes) -> str:
        return f"{_encoded(body)}.{_encoded(self._mac(purpose, body))}"

    def _verified(self, purpose: str, text: str) -> bytes | None:
        first, dot, second = text.partition(".")
        if not dot or not text.isascii():
            return None
        try:
            body, mac = _decoded(first), _decoded(second)
        except ValueError:
            return None
        return body if hmac.compare_digest(mac, self._mac(purpose, body)) else None

    def _mac(self, purpose: str, body: bytes) -> bytes:
        return hmac.new(self._key, purpose.encode() + b"\0" + body, sha256).digest()


def _encoded(body: bytes) -> str:
    return urlsafe_b64encode(body).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
