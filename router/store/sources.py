"""Sources: web forms and webhooks through which leads come. Changes are recorded, secrets never."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from router.domain.worded import worded
from router.rules.source_file import SourceFile, parse_source
from router.store.changes import Change, record_change
from router.store.statements import Connection, Row, load
from router.store.transactions import retried

_SQL = load("sources")
_KEY = re.compile(r"lrs_(\d{1,9})_[A-Za-z0-9_-]{22}", re.ASCII)
MAX_NAME = 100
REJECTS_KEPT = 50


class SourceExists(LookupError):
    """The name is taken; the message says what to do."""

    def __str__(self) -> str:
        return str(self.args[0])


class SourceUnknown(LookupError):
    """There is no such source; the message says which there are."""

    def __str__(self) -> str:
        return str(self.args[0])


class SourceKindFixed(ValueError):
    """A form cannot become a webhook, or the other way round."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source as it is stored; `definition` is its YAML. Times are UTC."""

    tenant_id: int
    name: str
    kind: str
    definition: str
    created_by: str
    created_at: datetime
    changed_at: datetime
    taken: int
    refused: int
    trapped: int
    last_at: datetime | None

    def parsed(self) -> SourceFile:
        """What its file says. Raises InvalidFile when this version cannot read it."""
        return parse_source(self.definition, f"source {self.name}")


class NewSource(NamedTuple):
    """What a new source is to be; `secret` None = it is a form."""

    name: str
    kind: str
    definition: str
    secret: str | None = None


class Reject(NamedTuple):
    """A request that was refused: `status` as HTTP has it, `sent_id` what the sender calls it, SHA-256 of the body."""

    at: datetime
    status: int
    reason: str
    sent_id: str
    body_hash: bytes
    bytes: int


class Counts(NamedTuple):
    """Leads taken, requests refused, forms that a machine filled in."""

    taken: int = 0
    refused: int = 0
    trapped: int = 0


class SecretAge(NamedTuple):
    """When a secret was made, and until when it holds (None = without end). UTC."""

    created_at: datetime
    until: datetime | None


def new_key(tenant_id: int) -> str:
    """A key for the address of a source: public, but not to be guessed (128 bits)."""
    return f"lrs_{tenant_id}_{secrets.token_urlsafe(16)}"


def tenant_of_key(key: str) -> int | None:
    """The tenant's number in a key; None when the text has not the form of one."""
    found = _KEY.fullmatch(key)
    return int(found[1]) if found and int(found[1]) < 2**31 else None


@retried
async def add_source(conn: Connection, tenant_id: int, new: NewSource, actor: str) -> str:
    """Stores a source; returns its key. Raises SourceExists."""
    async with conn.transaction():
        added = await _SQL.add.value(
            conn, tenant_id=tenant_id, name=new.name, kind=new.kind, definition=new.definition, created_by=actor
        )
        if added is None:
            raise SourceExists(f"there is a source {new.name!r} already; lead-router sources set changes it")
        key = new_key(tenant_id)
        await _SQL.add_key.execute(conn, tenant_id=tenant_id, source=new.name, key=key)
        if new.secret is not None:
            await _SQL.add_secret.execute(conn, tenant_id=tenant_id, source=new.name, secret=new.secret)
        await _record(conn, tenant_id, actor, "add source", new.name, "", new.kind)
    return key


@retried
async def set_source(conn: Connection, tenant_id: int, new: NewSource, actor: str, why: str = "") -> None:
    """Gives a source another definition. Raises SourceUnknown, SourceKindFixed."""
    async with conn.transaction():
        source = await source_named(conn, tenant_id, new.name)
        if source.kind != new.kind:
            raise SourceKindFixed(f"{new.name} is a {source.kind}, and the file describes a {new.kind}; add a source")
        await _SQL.change.execute(conn, tenant_id=tenant_id, name=new.name, definition=new.definition)
        await _record(conn, tenant_id, actor, "change source", new.name, source.definition, new.definition, why)


@retried
async def rotate_key(conn: Connection, tenant_id: int, name: str, holds: timedelta, actor: str) -> str:
    """Gives a source a new key, and returns it; the old ones hold for a while. Raises SourceUnknown."""
    async with conn.transaction():
        await source_named(conn, tenant_id, name)
        key = new_key(tenant_id)
        await _SQL.end_keys.execute(conn, tenant_id=tenant_id, source=name, holds=holds)
        await _SQL.add_key.execute(conn, tenant_id=tenant_id, source=name, key=key)
        await _record(conn, tenant_id, actor, "rotate key of source", name, "", f"the old one holds for {holds}")
    return key


@retried
async def rotate_secret(conn: Connection, tenant_id: int, name: str, secret: str, holds: timedelta, actor: str) -> None:
    """Gives a webhook another secret; the old ones hold for a while. Raises SourceUnknown."""
    async with conn.transaction():
        await source_named(conn, tenant_id, name)
        await _SQL.forget_ended.execute(conn, tenant_id=tenant_id, source=name)
        await _SQL.end_secrets.execute(conn, tenant_id=tenant_id, source=name, holds=holds)
        await _SQL.add_secret.execute(conn, tenant_id=tenant_id, source=name, secret=secret)
        await _record(conn, tenant_id, actor, "rotate secret of source", name, "", f"the old one holds for {holds}")


@retried
async def remove_source(conn: Connection, tenant_id: int, name: str, actor: str, why: str = "") -> None:
    """Removes a source; its leads stay. Raises SourceUnknown."""
    async with conn.transaction():
        source = await source_named(conn, tenant_id, name)
        await _SQL.remove.execute(conn, tenant_id=tenant_id, name=name)
        await _record(conn, tenant_id, actor, "remove source", name, source.kind, "", why)


async def source_named(conn: Connection, tenant_id: int, name: str) -> Source:
    """Raises SourceUnknown."""
    row = await _SQL.named.row(conn, tenant_id=tenant_id, name=name)
    if row is None:
        known = ", ".join(source.name for source in await all_sources(conn, tenant_id)) or worded("none")
        raise SourceUnknown(worded("there is no source {name!r}; known: {known}", name=name, known=known))
    return _source(row)


async def all_sources(conn: Connection, tenant_id: int) -> list[Source]:
    """The sources of a tenant, by name."""
    return [_source(row) for row in await _SQL.all.fetch(conn, tenant_id=tenant_id)]


async def sources_with_zones(conn: Connection, ids: Sequence[int]) -> list[Source]:
    """The sources of these tenants whose file may have a time zone, by tenant and name."""
    return [_source(row) for row in await _SQL.with_zones.fetch(conn, tenant_ids=ids)]


async def source_opened_by(conn: Connection, tenant_id: int, key: str) -> Source | None:
    """The source that a key opens now."""
    row = await _SQL.opened_by.row(conn, tenant_id=tenant_id, key=key)
    return None if row is None else _source(row)


async def keys_of(conn: Connection, tenant_id: int, name: str) -> list[tuple[str, datetime | None]]:
    """Keys that open a source, and until when; the newest first."""
    return [(row["key"], row["until"]) for row in await _SQL.keys.fetch(conn, tenant_id=tenant_id, source=name)]


async def secrets_of(conn: Connection, tenant_id: int, name: str) -> tuple[str, ...]:
    """The secrets that hold: for checking signatures, and nothing else."""
    return tuple(row["secret"] for row in await _SQL.secrets.fetch(conn, tenant_id=tenant_id, source=name))


async def secret_ages(conn: Connection, tenant_id: int, name: str) -> list[SecretAge]:
    """When the secrets that hold were made, the newest first."""
    rows = await _SQL.secrets.fetch(conn, tenant_id=tenant_id, source=name)
    return [SecretAge(row["created_at"], row["until"]) for row in rows]


async def rejects_of(conn: Connection, tenant_id: int, name: str) -> list[Reject]:
    """What a source refused recently, the newest first."""
    return [Reject(*row) for row in await _SQL.rejects.fetch(conn, tenant_id=tenant_id, source=name)]


async def note_sources(
    conn: Connection,
    counts: Mapping[tuple[int, str], Counts],
    rejects: Mapping[tuple[int, str], Sequence[Reject]],
) -> None:
    """Adds to the counts of sources (tenant number and name), and keeps the last rejects of each."""
    async with conn.transaction():
        await _count(conn, counts)
        listed = [(*of, one) for of, ones in sorted(rejects.items()) for one in ones]
        if listed:
            await _put_rejects(conn, listed)
        for tenant_id, name in sorted(rejects):
            await _SQL.trim_rejects.execute(conn, tenant_id=tenant_id, source=name, kept=REJECTS_KEPT)


async def _count(conn: Connection, counts: Mapping[tuple[int, str], Counts]) -> None:
    """Tenant by tenant, in one order for all processes: rows are locked by it."""
    for tenant_id, of in groupby(sorted(counts), key=itemgetter(0)):
        ones = [(name, counts[tenant_id, name]) for _, name in of]
        await _SQL.count.execute(
            conn,
            tenant_id=tenant_id,
            names=[name for name, _ in ones],
            taken=[one.taken for _, one in ones],
            refused=[one.refused for _, one in ones],
            trapped=[one.trapped for _, one in ones],
        )


async def _put_rejects(conn: Connection, listed: Sequence[tuple[int, str, Reject]]) -> None:
    await _SQL.put_rejects.execute(
        conn,
        tenant_ids=[tenant_id for tenant_id, _, _ in listed],
        names=[name for _, name, _ in listed],
        moments=[one.at for _, _, one in listed],
        statuses=[one.status for _, _, one in listed],
        reasons=[one.reason for _, _, one in listed],
        sent_ids=[one.sent_id for _, _, one in listed],
        hashes=[one.body_hash for _, _, one in listed],
        sizes=[one.bytes for _, _, one in listed],
    )


async def _record(
    conn: Connection, tenant_id: int, actor: str, action: str, name: str, before: str, after: str, why: str = ""
) -> None:
    await record_change(conn, tenant_id, Change(actor, action, f"source {name}", before, after, why))


def _source(row: Row) -> Source:
    return Source(**row)
