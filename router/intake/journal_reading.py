"""What is in a journal's file, for people: also while its process uses it. Blocks: not for the event loop."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from router.domain.lead_in import LeadIn
from router.intake.journal_file import JournalUnusable, holder_of, open_for_reading
from router.intake.journal_rows import DamagedRow, moment_of, read_lead
from router.intake.journal_table import TenantBooks, oldest_of, read_books, used_bytes


@dataclass(frozen=True, slots=True)
class JournalContents:
    """A journal as it is now; `tenants` by number, `oldest_at` (UTC) of those whose leads wait. `holder` = the number
    of the process that uses it (0 = not known which, None = none does).
    """

    path: Path
    journal_id: int
    holder: int | None
    bytes: int
    tenants: dict[int, TenantBooks]
    oldest_at: dict[int, datetime]

    @property
    def waiting(self) -> int:
        return sum(one.leads for one in self.tenants.values())

    @property
    def set_aside(self) -> int:
        return sum(one.set_aside for one in self.tenants.values())


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A lead of the journal; `arrived_at` and `refused_at` UTC. `lead` None = it cannot be read, for that `reason`."""

    sequence: int
    tenant_id: int
    source: str
    external_id: str
    arrived_at: datetime
    refused_at: datetime | None
    reason: str | None
    lead: LeadIn | None


def read_contents(path: Path) -> JournalContents:
    """Counts what is in it. Raises JournalUnusable."""
    with _reading(path) as sql:
        tenants = read_books(sql)
        oldest = {one: moment_of(arrived) for one, arrived in oldest_of(sql, tenants).items()}
        journal_id = int(sql.execute("select value from meta where name = 'journal_id'").fetchone()[0])
        return JournalContents(path, journal_id, holder_of(path), used_bytes(sql), tenants, oldest)


def read_entries(path: Path, limit: int, *, set_aside: bool = False) -> list[JournalEntry]:
    """The first leads that are in it, or only of those that were set aside. Raises JournalUnusable."""
    only = "where refused_at is not null" if set_aside else ""
    with _reading(path) as sql:
        return [_entry(row) for row in sql.execute(f"{_ENTRY} {only} order by sequence limit ?", (limit,))]


def read_entry(path: Path, sequence: int) -> JournalEntry | None:
    """One of them. Raises JournalUnusable."""
    with _reading(path) as sql:
        row = sql.execute(f"{_ENTRY} where sequence = ?", (sequence,)).fetchone()
        return None if row is None else _entry(row)


_ENTRY = (
    "select sequence, tenant_id, source, external_id, reason, arrived, refused_at, cast(body as blob), checksum "
    "from lead"
)


def _entry(row: tuple[int, int, str, str, str | None, int, int | None, bytes, int]) -> JournalEntry:
    sequence, tenant_id, source, external_id, reason, arrived, refused, body, checksum = row
    lead = None
    try:
        lead = read_lead(tenant_id, arrived, body, checksum)
    except DamagedRow as damage:
        reason = reason or str(damage)
    refused_at = None if refused is None else moment_of(refused)
    return JournalEntry(sequence, tenant_id, source, external_id, moment_of(arrived), refused_at, reason, lead)


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """One snapshot."""
    with closing(open_for_reading(path)) as sql:
        try:
            sql.execute("begin")
            yield sql
        except sqlite3.Error as error:
            raise JournalUnusable(f"the journal {path} cannot be read: {error}") from error
