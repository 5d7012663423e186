"""Who may do what: the roles of tokens, what each of them may do, and how a token is written. Pure."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple

EVERY_TENANT = 0
"""The tenant number of a token that is for all tenants."""
_TOKEN = re.compile(r"lr_(\d{1,9})_([0-9a-f]{8})_([A-Za-z0-9_-]{43})", re.ASCII)


class Permission(StrEnum):
    """What an operation of the API needs. `hand in` is the only one of what stands openly in a web page. A rep's token
    has LOOK, END and ATTEND for its own rep and the leads of that rep only: the operations themselves see to that.
    """

    HAND_IN = "hand in leads"
    LOOK = "look at single leads and reps"
    READ = "read"
    PERSONAL = "see phones and e-mails"
    ATTEND = "say who is at work"
    END = "end leads"
    MANAGE = "change reps and assignments"
    OPERATE = "retry, park, pause and diagnose"
    ADMINISTER = "change rules, tenants and tokens"


class TokenRole(StrEnum):
    """The roles of tokens."""

    INTAKE = "intake"
    VIEWER = "viewer"
    REP = "rep"
    MANAGER = "manager"
    OPERATOR = "operator"
    ADMIN = "admin"


_READ = frozenset({Permission.LOOK, Permission.READ})
MAY: Mapping[TokenRole, frozenset[Permission]] = {
    TokenRole.INTAKE: frozenset({Permission.HAND_IN}),
    TokenRole.VIEWER: _READ,
    TokenRole.REP: frozenset({Permission.LOOK, Permission.ATTEND, Permission.END}),
    TokenRole.MANAGER: _READ | {Permission.PERSONAL, Permission.ATTEND, Permission.END, Permission.MANAGE},
    TokenRole.OPERATOR: _READ | {Permission.HAND_IN, Permission.PERSONAL, Permission.OPERATE},
    TokenRole.ADMIN: frozenset(Permission),
}


class TokenKey(NamedTuple):
    """What is known of a token that somebody shows, without its secret; `hash` as it is stored."""

    tenant_id: int
    token_id: str
    hash: bytes


@dataclass(frozen=True, slots=True)
class WrittenToken:
    """A token as its owner shows it: whose it is, which one, and the secret that nobody else has."""

    tenant_id: int
    token_id: str
    secret: str

    def __str__(self) -> str:
        return f"lr_{self.tenant_id}_{self.token_id}_{self.secret}"

    @property
    def hash(self) -> bytes:
        """What is stored of it. The secret is 32 random bytes: no salt and no slow hash is needed against guessing."""
        return sha256(str(self).encode()).digest()

    @property
    def key(self) -> TokenKey:
        """Without the secret."""
        return TokenKey(self.tenant_id, self.token_id, self.hash)


def parse_token(text: str) -> WrittenToken | None:
    """None when it has not the form of a token."""
    found = _TOKEN.fullmatch(text)
    return WrittenToken(int(found[1]), found[2], found[3]) if found else None


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is stored. Times are UTC; `tenant_id` EVERY_TENANT = for all tenants; `rep_id` for the role rep."""

    tenant_id: int
    token_id: str
    name: str
    role: TokenRole
    rep_id: str | None
    hash: bytes
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None

    def is_shown_by(self, shown: TokenKey) -> bool:
        """Whether what somebody shows is this token."""
        return hmac.compare_digest(self.hash, shown.hash)

    def holds(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def may(self, permission: Permission) -> bool:
        """Whether its role is allowed to do this."""
        return permission in MAY[self.role]
