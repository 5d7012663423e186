"""What the journal's process does with its file, one call at a time. Blocks: not for the event loop."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

from router.intake.journal_file import JournalFile
from router.intake.journal_rows import WrittenLead


class JournalRefused(Exception):
    """Nothing of what was handed in was written; the message says why. `cause` is full, or disk."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause


class JournalKey(NamedTuple):
    """An Idempotency-Key of a tenant, with its scope, and a hash of the body that came with it."""

    key: str
    body_hash: bytes


class JournalledLead(NamedTuple):
    """A lead in the journal: its number there. `repeated` = it was in it before.

    `other_body` = its Idempotency-Key came with another body before: the lead was not taken, the number is 0.
    """

    sequence: int
    repeated: bool = False
    other_body: bool = False


class JournalRow(NamedTuple):
    """A row as it is written; `arrived` in microseconds since 1970 UTC."""

    sequence: int
    tenant_id: int
    arrived: int
    body: bytes
    checksum: int


class KeyOfLead(NamedTuple):
    """A key under which a lead came: of one lead there may be several, and of one key several leads."""

    sequence: int
    key: str
    body_hash: bytes


@dataclass(frozen=True, slots=True)
class TenantBooks:
    """What a journal has of a tenant: all that it ever took; what waits; what the database refused."""

    taken: int = 0
    leads: int = 0
    set_aside: int = 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that a journal holds, rows that are set aside included."""

    bytes: int
    leads: int


class JournalTable:
    """The rows of a journal, counted."""

    def __init__(self, file: JournalFile, bounds: Bounds) -> None:
        self._sql = file.sql
        self._bounds = bounds
        self.books: Mapping[int, TenantBooks] = read_books(self._sql)
        self.bytes = used_bytes(self._sql)

    @property
    def leads(self) -> int:
        """All that are in it."""
        return sum(one.leads + one.set_aside for one in self.books.values())

    def append(
        self, tenant_id: int, leads: Sequence[WrittenLead], keys: Sequence[JournalKey | None]
    ) -> list[JournalledLead]:
        """Writes them durably, all or none, with one fsync; only one whose key came with another body is left out.

        Raises JournalRefused.
        """
        before = self.leads
        with self._transaction():
            found = [self._put(lead, key) for lead, key in zip(leads, keys, strict=True)]
            new = sum(not (one.repeated or one.other_body) for one in found)
            self._count_taken(tenant_id, new)
            used = used_bytes(self._sql)
            if new:
                self._check_bounds(before, before + new, used)
        self._change(tenant_id, taken=new, leads=new)
        self.bytes = used
        return found

    def next_rows(self, tenant_id: int, most: int, most_bytes: int) -> list[JournalRow]:
        """The rows of a tenant that came first: at most so many, and at most so many bytes but at least one."""
        rows: list[JournalRow] = []
        size = 0
        for row in self._waiting(tenant_id, most):
            size += len(row.body)
            if rows and size > most_bytes:
                break
            rows.append(row)
        return rows

    def keys_of(self, sequences: Sequence[int]) -> list[KeyOfLead]:
        """The keys under which these leads came."""
        sql = "select sequence, key, body_hash from key where sequence = ?"
        return [KeyOfLead(*row) for sequence in sequences for row in self._sql.execute(sql, (sequence,))]

    def drop(self, tenant_id: int, sequences: Sequence[int]) -> None:
        """Forgets rows that are in the database."""
        with self._transaction():
            self._sql.executemany("delete from key where sequence = ?", ((one,) for one in sequences))
            self._sql.executemany("delete from lead where sequence = ?", ((one,) for one in sequences))
        self._change(tenant_id, leads=-len(sequences))
        if not self.leads:
            self._shrink()
        self.bytes = used_bytes(self._sql)

    def set_aside(self, tenant_id: int, sequence: int, reason: str, moment: int) -> None:
        """Keeps a row, and passes it over from now on; `moment` in microseconds since 1970 UTC."""
        with self._transaction():
            self._sql.execute(
                "update lead set refused_at = ?, reason = ? where sequence = ?", (moment, reason, sequence)
            )
        self._change(tenant_id, leads=-1, set_aside=1)

    def try_again(self, tenant_id: int) -> int:
        """Queues a tenant's rows that were set aside behind all others; returns how many."""
        aside = [row[0] for row in self._sql.execute(f"{_ASIDE} order by sequence", (tenant_id,))]
        with self._transaction():
            for sequence in aside:
                self._queue_anew(sequence)
        self._change(tenant_id, leads=len(aside), set_aside=-len(aside))
        return len(aside)

    def leftovers(self, drained_to: Mapping[int, int]) -> dict[int, int]:
        """By tenant: waiting rows up to these numbers. They are in the database, but were not forgotten here."""
        return {
            tenant_id: self._sql.execute(f"{_UP_TO}", (tenant_id, last)).fetchone()[0]
            for tenant_id, last in drained_to.items()
        }

    def number_after(self, last: int) -> None:
        """Sees to it that new rows get higher numbers, also where the file is an old copy."""
        row = self._sql.execute("select seq from sqlite_sequence where name = 'lead'").fetchone()
        if (row[0] if row else 0) >= last:
            return
        with self._transaction():
            self._sql.execute("delete from sqlite_sequence where name = 'lead'")
            self._sql.execute("insert into sqlite_sequence (name, seq) values ('lead', ?)", (last,))

    def check_writable(self) -> None:
        """Raises JournalRefused."""
        with self._transaction():
            self.note("written_at", "now")

    def note(self, name: str, value: str) -> None:
        """Keeps a value under a name."""
        self._sql.execute("insert or replace into meta values (?, ?)", (name, value))

    def noted(self, name: str) -> str | None:
        """The value under that name."""
        row = self._sql.execute("select value from meta where name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def _put(self, lead: WrittenLead, key: JournalKey | None) -> JournalledLead:
        if key is not None and self._sql.execute(_OTHER_BODY, (lead.tenant_id, *key)).fetchone():
            return JournalledLead(0, other_body=True)
        row = self._sql.execute(_INSERT, lead).fetchone()
        found = JournalledLead(row[0]) if row else JournalledLead(self._number(lead), repeated=True)
        if key is not None:
            self._sql.execute(_INSERT_KEY, (lead.tenant_id, key.key, found.sequence, key.body_hash))
        return found

    def _number(self, lead: WrittenLead) -> int:
        number: int = self._sql.execute(_NAMED, lead[:3]).fetchone()[0]
        return number

    def _count_taken(self, tenant_id: int, new: int) -> None:
        self._sql.execute(
            "insert into taken values (?, ?) on conflict (tenant_id) do update set leads = leads + excluded.leads",
            (tenant_id, new),
        )

    def _check_bounds(self, before: int, leads: int, used: int) -> None:
        if leads > self._bounds.leads:
            raise JournalRefused(
                "full", f"the journal is full: it holds {before:,} of at most {self._bounds.leads:,} leads"
            )
        if used > self._bounds.bytes:
            raise JournalRefused("full", f"the journal is full: at most {self._bounds.bytes >> 20:,} MB")

    def _waiting(self, tenant_id: int, most: int) -> Iterator[JournalRow]:
        sql = (
            "select sequence, tenant_id, arrived, cast(body as blob), checksum from lead "
            "where tenant_id = ? and refused_at is null order by sequence limit ?"
        )
        return (JournalRow(*row) for row in self._sql.execute(sql, (tenant_id, most)))

    def _queue_anew(self, sequence: int) -> None:
        """A number that is drained already would say that the row is."""
        row = self._sql.execute(
            "select tenant_id, source, external_id, arrived, body, checksum from lead where sequence = ?", (sequence,)
        ).fetchone()
        self._sql.execute("delete from lead where sequence = ?", (sequence,))
        number = self._sql.execute(_INSERT, row).fetchone()[0]
        self._sql.execute("update key set sequence = ? where sequence = ?", (number, sequence))

    def _change(self, tenant_id: int, taken: int = 0, leads: int = 0, set_aside: int = 0) -> None:
        was = self.books.get(tenant_id, TenantBooks())
        now = replace(was, taken=was.taken + taken, leads=was.leads + leads, set_aside=was.set_aside + set_aside)
        self.books = {**self.books, tenant_id: now}

    def _shrink(self) -> None:
        """Gives the room back, and with it what the leads said."""
        try:
            self._sql.executescript("pragma incremental_vacuum")  # execute() frees one page only
            self._sql.execute("pragma wal_checkpoint(truncate)").fetchall()
        except sqlite3.Error:
            return  # somebody reads it; the next time

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Raises JournalRefused when the disk does not take it; then nothing was written."""
        try:
            self._sql.execute("begin immediate")
            yield
            self._sql.execute("commit")
        except BaseException as error:
            if self._sql.in_transaction:
                self._sql.execute("rollback")
            if isinstance(error, sqlite3.Error):
                name = getattr(error, "sqlite_errorname", type(error).__name__)
                raise JournalRefused("disk", f"the journal cannot be written: {error} ({name})") from error
            raise


def read_books(sql: sqlite3.Connection) -> dict[int, TenantBooks]:
    """By tenant, counted from the rows."""
    taken = dict(sql.execute("select tenant_id, leads from taken").fetchall())
    counted = (
        "select tenant_id, count(*) filter (where refused_at is null), count(refused_at) from lead group by tenant_id"
    )
    held = {tenant_id: parts for tenant_id, *parts in sql.execute(counted)}
    return {one: TenantBooks(taken.get(one, 0), *held.get(one, (0, 0))) for one in taken.keys() | held.keys()}


def used_bytes(sql: sqlite3.Connection) -> int:
    """What rows take up of the file."""
    pages, free, size = (
        sql.execute(f"pragma {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def oldest_of(sql: sqlite3.Connection, tenant_ids: Iterable[int]) -> dict[int, int]:
    """By tenant: when the first row that waits arrived, in microseconds since 1970 UTC."""
    first = "select arrived from lead where tenant_id = ? and refused_at is null order by sequence limit 1"
    found = {one: sql.execute(first, (one,)).fetchone() for one in tenant_ids}
    return {one: row[0] for one, row in found.items() if row is not None}


def last_reasons(sql: sqlite3.Connection, tenant_ids: Iterable[int]) -> dict[int, str]:
    """By tenant: why the last row that was set aside was."""
    last = "select reason from lead where tenant_id = ? and refused_at is not null order by sequence desc limit 1"
    found = {one: sql.execute(last, (one,)).fetchone() for one in tenant_ids}
    return {one: row[0] or "" for one, row in found.items() if row is not None}


_INSERT = (
    "insert into lead (tenant_id, source, external_id, arrived, body, checksum) values (?, ?, ?, ?, ?, ?) "
    "on conflict (tenant_id, source, external_id) do nothing returning sequence"
)
_NAMED = "select sequence from lead where tenant_id = ? and source = ? and external_id = ?"
_INSERT_KEY = "insert or ignore into key (tenant_id, key, sequence, body_hash) values (?, ?, ?, ?)"
_OTHER_BODY = "select 1 from key where tenant_id = ? and key = ? and body_hash <> ? limit 1"
_ASIDE = "select sequence from lead where tenant_id = ? and refused_at is not null"
_UP_TO = "select count(*) from lead where tenant_id = ? and refused_at is null and sequence <= ?"
