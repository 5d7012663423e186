"""What a process knew before it was restarted, so that leads are taken in although the database is away at the start.

A file beside the journal: hashes of tokens that may hand in leads, their tenants, and what reads their leads. Why, and
what it does not hold: docs/decisions/0029-known-before.md.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple

import msgspec

from router.domain.access import EVERY_TENANT, Permission, Token, TokenKey
from router.http.access import Access
from router.http.lead_readers import LeadReaders, ReaderFacts
from router.http.recent import Recent
from router.rules.spelling import SynonymError
from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.store.connections.connections import Connections, Part
from router.store.tenants import Tenant
from router.store.tokens import tokens_that_hold
from router.telemetry.logs import get_logger

log = get_logger(__name__)

HOLDS = timedelta(days=1)
"""So long after it was looked up in the database."""
_VERSION = 1
_YOUNGER = timedelta(minutes=1)
_TOKENS = 1_000
_MAX_BYTES = 32 << 20


class KnownToken(msgspec.Struct, frozen=True):
    """A token without its secret, and when the database was asked for it last (UTC)."""

    token: Token
    looked_up_at: datetime


class KnownTenant(msgspec.Struct, frozen=True):
    """A tenant, what reads its leads, and when the database was asked for it last (UTC)."""

    tenant: Tenant
    facts: ReaderFacts
    looked_up_at: datetime


class KnownBefore(msgspec.Struct, frozen=True):
    """All that is kept. `version` is that of this form."""

    tokens: Sequence[KnownToken] = ()
    tenants: Sequence[KnownTenant] = ()
    version: int = _VERSION


class Memory(NamedTuple):
    """Where a running API knows it: tokens, tenants by number and by name, readers."""

    access: Access
    tenants: Recent[int, Tenant]
    names: Recent[str, Tenant]
    readers: LeadReaders


def path_beside(journal: Path) -> Path:
    """Where it is kept."""
    return journal.with_name(f"{journal.name}.known")


def read_known(path: Path, now: datetime) -> KnownBefore:
    """What the file has that is not too old (`now` is aware); nothing where it is missing, or damaged, or of another
    version: then tokens are asked for as if they were new.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise msgspec.ValidationError("it is too large")
        found = msgspec.json.decode(path.read_bytes(), type=KnownBefore)
    except FileNotFoundError:
        return KnownBefore()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        log.warning("what was known before the restart cannot be read", path=str(path), error=str(error))
        return KnownBefore()
    return _still(found, now) if found.version == _VERSION else KnownBefore()


def write_known(path: Path, known: KnownBefore) -> None:
    """Whole or not at all, for the owner's eyes only. Raises OSError."""
    body = _bounded(known)
    new = path.with_name(f".{path.name}.{token_hex(4)}.new")
    descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def remember(memory: Memory, known: KnownBefore, now: datetime) -> None:
    """Lets a process that begins know it. A token that holds no more opens nothing, whatever is remembered of it."""
    for one in known.tokens:
        token = one.token
        key = TokenKey(token.tenant_id, token.token_id, token.hash)
        memory.access.tokens.remember(key, token, _age_s(one.looked_up_at, now))
    for of in known.tenants:
        age_s = _age_s(of.looked_up_at, now)
        memory.tenants.remember(of.tenant.tenant_id, of.tenant, age_s)
        memory.names.remember(of.tenant.name, of.tenant, age_s)
        with suppress(SynonymError):
            memory.readers.remember(of.tenant, of.facts, now, age_s)


def known_now(memory: Memory, now: datetime) -> KnownBefore:
    """What a running process would believe while the database is away, of those who may hand in leads."""
    tokens = [
        KnownToken(token, now - timedelta(seconds=age_s))
        for _, token, age_s in memory.access.tokens.known()
        if token.may(Permission.HAND_IN) and token.holds(now)
    ][-_TOKENS:]
    known = {tenant.tenant_id: (tenant, age_s) for _, tenant, age_s in memory.names.known()}
    known |= {tenant_id: (tenant, age_s) for tenant_id, tenant, age_s in memory.tenants.known()}
    facts = memory.readers.facts()
    served = {one.token.tenant_id for one in tokens}
    tenants = [
        KnownTenant(tenant, facts[tenant_id, tenant.ruleset], now - timedelta(seconds=age_s))
        for tenant_id, (tenant, age_s) in known.items()
        if (tenant_id, tenant.ruleset) in facts and served & {tenant_id, EVERY_TENANT}
    ]
    return KnownBefore(tokens, tenants)


class KnownBeforeService(Periodic):
    """Keeps the file as the process knows things. While the database is away nothing in it becomes younger."""

    name = "known before"
    failing = "what is known is not kept for a restart"
    interval_s = 10.0

    def __init__(
        self, path: Path, memory: Memory, connections: Connections, clock: Callable[[], datetime] | None = None
    ) -> None:
        self._path = path
        self._memory = memory
        self._connections = connections
        self._clock = clock or (lambda: datetime.now(UTC))
        self._written: KnownBefore | None = None

    async def once(self, life: Lifeline) -> None:
        """Tokens that were revoked meanwhile are left out, also those that nobody has shown since. Moments alone are
        written once in a minute.
        """
        known = known_now(self._memory, self._clock())
        keys = [(one.token.tenant_id, one.token.token_id) for one in known.tokens]
        async with self._connections.acquire(Part.DUTIES) as conn:
            hold = await tokens_that_hold(conn, keys)
        tokens = [one for one in known.tokens if (one.token.tenant_id, one.token.token_id) in hold]
        found = KnownBefore(tokens, known.tenants)
        if self._written is None or _differ(self._written, found):
            await asyncio.to_thread(write_known, self._path, found)
            self._written = found


def _differ(written: KnownBefore, found: KnownBefore) -> bool:
    before, now = _moments(written), _moments(found)
    return (
        before.keys() != now.keys()
        or {of.tenant: of.facts for of in written.tenants} != {of.tenant: of.facts for of in found.tenants}
        or any(moment - before[of] > _YOUNGER for of, moment in now.items())
    )


def _moments(known: KnownBefore) -> dict[tuple[int, str], datetime]:
    return {(one.token.tenant_id, one.token.token_id): one.looked_up_at for one in known.tokens}


def _bounded(known: KnownBefore) -> bytes:
    """Without the tenants that were looked up first, where there are too many synonyms."""
    tenants = known.tenants
    while len(body := msgspec.json.encode(KnownBefore(known.tokens, tenants))) > _MAX_BYTES and tenants:
        tenants = tenants[(len(tenants) + 1) // 2 :]
    return body


def _still(known: KnownBefore, now: datetime) -> KnownBefore:
    return KnownBefore(
        [one for one in known.tokens if _fresh(one.looked_up_at, now) and one.token.holds(now)],
        [one for one in known.tenants if _fresh(one.looked_up_at, now)],
    )


def _fresh(looked_up_at: datetime, now: datetime) -> bool:
    """A moment that is to come is that of a wrong clock."""
    return -timedelta(minutes=5) < now - looked_up_at < HOLDS


def _age_s(looked_up_at: datetime, now: datetime) -> float:
    return max(0.0, (now - looked_up_at).total_seconds())
