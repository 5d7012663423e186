"""The journal: leads that were accepted while the database was away, on the disk of this host.

What goes there, and when, and why it is SQLite: docs/decisions/0027-the-journal.md.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

from router.domain.lead_in import LeadIn
from router.intake.journal_file import JournalFile, JournalUnusable, open_file
from router.intake.journal_rows import DamagedRow, moment_of, read_lead, write_lead
from router.intake.journal_table import (
    Bounds,
    JournalKey,
    JournalledLead,
    JournalRefused,
    JournalRow,
    JournalTable,
    KeyOfLead,
    TenantBooks,
    last_reasons,
    oldest_of,
)
from router.settings.model import JournalSettings
from router.telemetry.instruments import Instruments

__all__ = ["Journal", "JournalKey", "JournalRefused", "JournalUnusable", "Journalled", "open_journal"]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Journalled:
    """What became of leads that were handed in: one of `leads` for each, in that order, and when they came (UTC)."""

    leads: tuple[JournalledLead, ...]
    arrived_at: datetime


class QueuedLead(NamedTuple):
    """A lead of the journal as it was handed in, and when (UTC); `lead` None = it cannot be read, for that `reason`."""

    sequence: int
    arrived_at: datetime
    lead: LeadIn | None
    reason: str = ""


class FoundInJournal(NamedTuple):
    """A lead of the journal: when it came (UTC), what was handed in (None = it cannot be read), and why the database
    refused it (None = it waits for the database).
    """

    arrived_at: datetime
    lead: LeadIn | None
    set_aside: str | None


class HeldKey(NamedTuple):
    """An Idempotency-Key of leads in the journal: the hash of the body, and the leads' (source, external id)."""

    body_hash: bytes
    leads: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the journal has of a tenant; `leftovers` of the waiting leads are in the database, too.

    `oldest_at` (UTC) = when the first of those that wait came; `reason` = why the last one was set aside.
    """

    books: TenantBooks
    leftovers: int
    oldest_at: datetime | None
    reason: str


class Journal:
    """The journal of this process; open it with `open_journal`. A thread uses its file, never the event loop."""

    def __init__(
        self, file: JournalFile, bounds: Bounds, instruments: Instruments, host_clock: Callable[[], datetime]
    ) -> None:
        self.path = file.path
        self.journal_id = file.journal_id
        self.bounds = bounds
        self.trouble: str | None = None
        """Why it took nothing the last time; None = it did, or nothing was asked of it."""
        self._sql = file.sql
        self._table = JournalTable(file, bounds)
        self._instruments = instruments
        self._host_clock = host_clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._show()

    # -- for those who accept leads

    async def take(
        self, tenant_id: int, leads: Sequence[LeadIn], keys: Sequence[JournalKey | None] | None = None
    ) -> Journalled:
        """Writes leads durably while the database cannot store them; then they are accepted. One fsync for all.

        `keys` has the Idempotency-Key of each lead, or None; by default none has one. A lead that is in the journal
        already (tenant, source, external id) is the same lead, and its first version stays. Call it when `stores_later`
        says so. Raises JournalRefused when it is full or the disk takes nothing, and LeadNotWritable (a ValueError)
        when a lead holds what cannot be stored; then none of them was written.
        """
        arrived_at = self._host_clock().astimezone(UTC)
        try:
            found = await self._do(self._append, tenant_id, list(leads), keys or [None] * len(leads), arrived_at)
        except JournalRefused as refused:
            self.trouble = str(refused)
            self._instruments.journal.refused(refused.cause, len(leads))
            raise
        self.trouble = None
        self._instruments.journal.taken(sum(not (one.repeated or one.other_body) for one in found))
        self._show()
        return Journalled(tuple(found), arrived_at)

    async def find_key(self, tenant_id: int, key: str) -> HeldKey | None:
        """What came under an Idempotency-Key, of leads that are in the journal."""
        if not self.leads:
            return None
        rows = await self._do(lambda: self._sql.execute(_BY_KEY, (tenant_id, key)).fetchall())
        return HeldKey(rows[0][0], tuple((row[1], row[2]) for row in rows)) if rows else None

    async def find_lead(self, tenant_id: int, source: str, external_id: str) -> FoundInJournal | None:
        """A lead that is in the journal; None = it is not in it."""
        if not self.leads:
            return None
        row = await self._do(lambda: self._sql.execute(_BY_NAME, (tenant_id, source, external_id)).fetchone())
        if row is None:
            return None
        arrived, body, checksum, reason = row
        queued = _queued(JournalRow(0, tenant_id, arrived, body, checksum))
        return FoundInJournal(queued.arrived_at, queued.lead, reason)

    @property
    def refuses(self) -> str | None:
        """Why it would take nothing now; None = it would."""
        if self._table.leads >= self.bounds.leads or self._table.bytes >= self.bounds.bytes:
            return f"it is full ({self.leads:,} leads, {self.bytes >> 20:,} MB)"
        return self.trouble

    # -- what is in it

    @property
    def books(self) -> Mapping[int, TenantBooks]:
        """By tenant, as of now."""
        return self._table.books

    @property
    def leads(self) -> int:
        """All leads that are in it, set aside or not."""
        return self._table.leads

    @property
    def waiting(self) -> int:
        """Those that are to be drained."""
        return sum(one.leads for one in self.books.values())

    @property
    def bytes(self) -> int:
        """What they take up of the file."""
        return self._table.bytes

    # -- for those who drain it

    async def next_leads(self, tenant_id: int, most: int, most_bytes: int) -> list[QueuedLead]:
        """The leads of a tenant that came first."""
        rows = await self._do(self._table.next_rows, tenant_id, most, most_bytes)
        return [_queued(row) for row in rows]

    async def keys_of(self, sequences: Sequence[int]) -> list[KeyOfLead]:
        """The Idempotency-Keys of these leads."""
        return await self._do(self._table.keys_of, sequences)

    async def drop(self, tenant_id: int, sequences: Sequence[int]) -> None:
        """Forgets leads that are in the database. Raises JournalRefused when that cannot be written."""
        await self._do(self._table.drop, tenant_id, sequences)
        self._show()

    async def set_aside(self, tenant_id: int, sequence: int, reason: str) -> None:
        """Keeps a lead that the database refuses, and passes it over. Raises JournalRefused."""
        moment = int(self._host_clock().timestamp() * 1_000_000)
        await self._do(self._table.set_aside, tenant_id, sequence, reason, moment)
        self._show()

    async def try_again(self, tenant_id: int) -> int:
        """Queues a tenant's leads that were set aside behind the others; returns how many. Raises JournalRefused."""
        number = await self._do(self._table.try_again, tenant_id)
        self._show()
        return number

    async def holdings(self, drained_to: Mapping[int, int]) -> dict[int, Holdings]:
        """By tenant; `drained_to` = the number up to which the database has its leads."""
        return await self._do(self._holdings, drained_to)

    async def leftovers(self, tenant_id: int, last: int) -> int:
        """How many leads of a tenant wait that are in the database already: those up to number `last`."""
        found = await self._do(self._table.leftovers, {tenant_id: last})
        return found[tenant_id]

    async def number_after(self, last: int) -> None:
        """Gives leads higher numbers than this from now on. Raises JournalRefused."""
        await self._do(self._table.number_after, last)

    async def check_writable(self) -> None:
        """Whether the disk takes something again, after it did not. Raises JournalRefused."""
        await self._do(self._table.check_writable)
        self.trouble = None

    async def note(self, name: str, value: str) -> None:
        """Keeps a value in the file under a name."""
        await self._do(self._table.note, name, value)

    async def noted(self, name: str) -> str | None:
        """The value under that name."""
        return await self._do(self._table.noted, name)

    def close(self) -> None:
        """Waits for what is being written."""
        self._thread.shutdown()

    def _append(
        self, tenant_id: int, leads: list[LeadIn], keys: Sequence[JournalKey | None], arrived_at: datetime
    ) -> list[JournalledLead]:
        return self._table.append(tenant_id, [write_lead(tenant_id, lead, arrived_at) for lead in leads], keys)

    def _holdings(self, drained_to: Mapping[int, int]) -> dict[int, Holdings]:
        books = self.books
        leftovers = self._table.leftovers(drained_to)
        oldest, reasons = oldest_of(self._sql, books), last_reasons(self._sql, books)
        return {
            one: Holdings(
                books[one],
                leftovers.get(one, 0),
                moment_of(oldest[one]) if one in oldest else None,
                reasons.get(one, ""),
            )
            for one in books
        }

    async def _do(self, work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        try:
            # A caller that stops waiting stops nothing: it is written, or not, as a whole.
            return await loop.run_in_executor(self._thread, partial(work, *arguments, **options))
        except sqlite3.Error as error:
            raise JournalRefused("disk", f"the journal {self.path} cannot be used: {error}") from error

    def _show(self) -> None:
        waiting = self.waiting
        self._instruments.journal.holds(waiting, self.leads - waiting, self.bytes)


@asynccontextmanager
async def open_journal(
    settings: JournalSettings,
    instruments: Instruments | None = None,
    host_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncIterator[Journal | None]:
    """The journal that the settings name; None where they name none. Raises JournalUnusable."""
    if settings.file is None:
        yield None
        return
    file = await asyncio.to_thread(open_file, Path(settings.file), host_clock())
    try:
        bounds = Bounds(settings.maximum_mb << 20, settings.maximum_leads)
        journal = Journal(file, bounds, instruments or Instruments.silent(), host_clock)
        try:
            yield journal
        finally:
            journal.close()
    finally:
        file.close()


def _queued(row: JournalRow) -> QueuedLead:
    arrived_at = moment_of(row.arrived)
    try:
        return QueuedLead(row.sequence, arrived_at, read_lead(row.tenant_id, row.arrived, row.body, row.checksum))
    except DamagedRow as damage:
        return QueuedLead(row.sequence, arrived_at, None, str(damage))


_BY_KEY = (
    "select k.body_hash, l.source, l.external_id from key k join lead l on l.sequence = k.sequence "
    "where k.tenant_id = ? and k.key = ? order by k.sequence"
)
_BY_NAME = "select arrived, body, checksum, reason from lead where tenant_id = ? and source = ? and external_id = ?"
