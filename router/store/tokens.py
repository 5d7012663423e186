"""Tokens for the API as they are stored: hashes only. Creating and revoking is recorded in `change`."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from router.domain.access import EVERY_TENANT, Token, TokenKey, TokenRole, WrittenToken
from router.domain.written_time import written
from router.store.changes import SERVICE, Change, record_change
from router.store.statements import Connection, Row, load
from router.store.transactions import retried

_SQL = load("tokens")


class TokenUnknown(LookupError):
    """There is no such token that still holds; the message says what to do."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class NewToken:
    """What a new token is to be; `expires_at` (aware) None = never; `rep_id` with the role rep only."""

    name: str
    role: TokenRole
    expires_at: datetime | None = None
    rep_id: str | None = None


def new_token(tenant_id: int) -> WrittenToken:
    """A token that nobody had before: 32 random bytes."""
    return WrittenToken(tenant_id, secrets.token_hex(4), secrets.token_urlsafe(32))


@retried
async def create_token(conn: Connection, shown: WrittenToken, new: NewToken, actor: str) -> Token:
    """Stores the hash of a token, once, and records who made it."""
    async with conn.transaction():
        row = await _SQL.create.row(
            conn,
            tenant_id=shown.tenant_id,
            token_id=shown.token_id,
            name=new.name,
            role=new.role.value,
            rep_id=new.rep_id,
            hash=shown.hash,
            created_by=actor,
            expires_at=new.expires_at,
        )
        assert row is not None
        token = _token(row)
        await record_change(
            conn, _subject(token.tenant_id), Change(actor, "create token", _named(token), "", _what(token))
        )
    return token


async def find_token(conn: Connection, shown: TokenKey) -> Token | None:
    """The stored token that somebody claims to have. Whether it is that token, and holds, is for the caller to find
    out.
    """
    row = await _SQL.named.row(conn, tenant_id=shown.tenant_id, token_id=shown.token_id)
    return None if row is None else _token(row)


async def tokens_that_hold(conn: Connection, tokens: Sequence[tuple[int, str]]) -> set[tuple[int, str]]:
    """Those of these tokens (tenant number and id) that are neither revoked nor expired."""
    rows = await _SQL.that_hold.fetch(
        conn, tenant_ids=[one for one, _ in tokens], token_ids=[token_id for _, token_id in tokens]
    )
    return {(row["tenant_id"], row["token_id"]) for row in rows}


async def all_tokens(conn: Connection, tenant_id: int | None) -> list[Token]:
    """Those of a tenant, None = all; also revoked and expired ones."""
    return [_token(row) for row in await _SQL.all.fetch(conn, tenant_id=tenant_id)]


@retried
async def revoke_token(conn: Connection, tenant_id: int, token_id: str, actor: str, why: str = "") -> Token:
    """Ends a token: instances notice within seconds. Raises TokenUnknown where there is none that could be ended."""
    async with conn.transaction():
        if await _SQL.revoke.value(conn, tenant_id=tenant_id, token_id=token_id) is None:
            raise TokenUnknown(f"there is no token {token_id} that still holds; lead-router tokens list shows them")
        row = await _SQL.named.row(conn, tenant_id=tenant_id, token_id=token_id)
        assert row is not None
        token = _token(row)
        await record_change(
            conn, _subject(tenant_id), Change(actor, "revoke token", _named(token), _what(token), "revoked", why)
        )
    return token


async def any_token(conn: Connection) -> bool:
    """Whether there is a token that holds now, of any tenant."""
    return bool(await _SQL.any_for_all.value(conn))


async def note_uses(conn: Connection, uses: Mapping[tuple[int, str], datetime]) -> None:
    """Stores when tokens (tenant number and id) were last used (aware)."""
    for tenant_id, keys in groupby(sorted(uses), key=itemgetter(0)):
        token_ids = [token_id for _, token_id in keys]
        moments = [uses[tenant_id, token_id] for token_id in token_ids]
        await _SQL.used.execute(conn, tenant_id=tenant_id, token_ids=token_ids, moments=moments)


def _subject(tenant_id: int) -> int:
    return SERVICE if tenant_id == EVERY_TENANT else tenant_id


def _named(token: Token) -> str:
    return f"token {token.token_id}"


def _what(token: Token) -> str:
    rep = f" of {token.rep_id}" if token.rep_id else ""
    until = f", until {written(token.expires_at)}" if token.expires_at else ""
    return f"{token.name}: {token.role.value}{rep}{until}"


def _token(row: Row) -> Token:
    return Token(**{**row, "role": TokenRole(row["role"])})
