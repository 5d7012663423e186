"""Draining the journal: its leads go to the database, in order, as if they had come there; and reporting what it holds.

A lead is forgotten here only after the commit, so a crash between the two repeats it, which `accept` makes harmless.
"""

import shlex
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from router.domain.lead_in import LeadIn
from router.intake.journal import Holdings, Journal, QueuedLead
from router.intake.journal_table import KeyOfLead
from router.rules.problems import InvalidFile
from router.store import journal as store
from router.store.errors import Trouble, trouble_of
from router.store.journal import ReportedFile, ReportedLeads
from router.store.leads import Accepted, accept, database_clock
from router.store.statements import Connection
from router.store.tenants import tenant_numbered

BATCH_LEADS = 500
BATCH_BYTES = 4 << 20
REGISTERED = "registered"
KeepKeys = Callable[[Connection, int, Sequence[KeyOfLead], Mapping[int, int]], Awaitable[None]]
"""Stores Idempotency-Keys of a tenant in the transaction that accepts their leads: the keys, and the lead's number in
the database by its number in the journal."""


class ForeignJournal(Exception):
    """The journal was filled for another database; the message says what to do."""


@dataclass(frozen=True, slots=True)
class DrainedBatch:
    """What became of some leads of the journal: accepted (`new` of them were not in the database), or set aside."""

    accepted: int = 0
    new: int = 0
    set_aside: int = 0

    def __add__(self, other: "DrainedBatch") -> "DrainedBatch":
        return DrainedBatch(self.accepted + other.accepted, self.new + other.new, self.set_aside + other.set_aside)


async def report(conn: Connection, journal: Journal, instance: str, *, adopt: bool = False) -> None:
    """Reports to the database what the journal holds. Raises ForeignJournal when it was filled for another database;
    `adopt` = it is for this one from now on.
    """
    noted = await journal.noted(REGISTERED)
    async with conn.transaction():
        is_new = noted and not await store.knows_journal(conn, journal.journal_id)
        if is_new and not adopt:
            raise ForeignJournal(
                f"the journal {journal.path} was filled for another database: this one does not know it. Use the "
                "database for which it was filled. If this one has taken its place, was restored from a backup, or had "
                "migration 0017 rolled back: stop the daemon that uses the journal, run "
                f"lead-router journal drain --adopt --file {shlex.quote(str(journal.path))}, and start it again"
            )
        await store.report_file(conn, _file(journal, instance))
        last = await store.drained_to(conn, journal.journal_id)
        found = await journal.holdings(last)
        await store.report_leads(conn, journal.journal_id, [_reported(key, one) for key, one in found.items()])
        if is_new:
            await store.begin_books(conn, journal.journal_id)
    await journal.number_after(max(last.values(), default=0))
    if not noted:
        await journal.note(REGISTERED, instance)


async def drain_batch(
    conn: Connection, journal: Journal, tenant_id: int, keep_keys: KeepKeys | None = None
) -> DrainedBatch:
    """Drains the leads of a tenant that came first. Raises the errors of the database that say nothing of a lead."""
    queued = await journal.next_leads(tenant_id, BATCH_LEADS, BATCH_BYTES)
    if not queued:
        return DrainedBatch()
    if await tenant_numbered(conn, tenant_id) is None:
        return await _set_aside(journal, tenant_id, queued, f"there is no tenant {tenant_id} in the database")
    done = DrainedBatch()
    for portion in _readable(queued):
        if portion[0].lead is None:
            done += await _set_aside(journal, tenant_id, portion, portion[0].reason)
        else:
            done += await _drain_portion(conn, journal, tenant_id, portion, keep_keys)
    return done


async def _drain_portion(
    conn: Connection, journal: Journal, tenant_id: int, portion: list[QueuedLead], keep_keys: KeepKeys | None
) -> DrainedBatch:
    """All of them, or, where the database refuses one, those before it, it alone, and those after it."""
    try:
        accepted = await _accept(conn, journal, tenant_id, portion, keep_keys)
    except Exception as error:
        if not _refuses_lead(error):
            raise
        if len(portion) == 1:
            return await _set_aside(journal, tenant_id, portion, _reason(error))
        half = len(portion) // 2
        first = await _drain_portion(conn, journal, tenant_id, portion[:half], keep_keys)
        return first + await _drain_portion(conn, journal, tenant_id, portion[half:], keep_keys)
    await journal.drop(tenant_id, [one.sequence for one in portion])
    return DrainedBatch(len(portion), accepted.new)


async def _accept(
    conn: Connection, journal: Journal, tenant_id: int, portion: list[QueuedLead], keep_keys: KeepKeys | None
) -> Accepted:
    sequences = [one.sequence for one in portion]
    keys = await journal.keys_of(sequences) if keep_keys else []
    async with conn.transaction():
        before = await store.hold_journalled(conn, journal.journal_id, tenant_id)
        now = await database_clock(conn)
        accepted = await accept(conn, tenant_id, [_timed(one.lead, one.arrived_at, now) for one in portion if one.lead])
        if keep_keys and keys:
            await keep_keys(conn, tenant_id, keys, dict(zip(sequences, accepted.lead_ids, strict=True)))
        new = sum(sequence > before for sequence in sequences)
        left = await _left(journal, tenant_id, sequences, before)
        await store.write_drained(conn, journal.journal_id, new, sequences[-1], left)
    return accepted


def _timed(lead: LeadIn, arrived_at: datetime, now: datetime) -> LeadIn:
    """A lead that states no time is of the moment it came, which a host's clock that is ahead does not put off."""
    return lead if lead.created_at else lead._replace(created_at=min(arrived_at, now))


async def _left(journal: Journal, tenant_id: int, gone: Sequence[int], before: int) -> ReportedLeads:
    """What waits when these are gone; not those up to `before`, which an earlier crash left here."""
    books = journal.books[tenant_id]
    leads = books.leads - len(gone)
    if gone[-1] < before:
        leads -= await journal.leftovers(tenant_id, before) - len(gone)
    return ReportedLeads(tenant_id, books.taken, max(0, leads), books.set_aside)


def _refuses_lead(error: Exception) -> bool:
    """Whether an error is about a lead, and not about the database or about us."""
    if isinstance(error, ValueError | OverflowError) and not isinstance(error, InvalidFile):
        return True
    return trouble_of(error) is Trouble.REFUSED_ROW


def _reason(error: Exception) -> str:
    """Without what follows the first line: PostgreSQL shows the whole row there."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


async def _set_aside(journal: Journal, tenant_id: int, queued: Sequence[QueuedLead], reason: str) -> DrainedBatch:
    for one in queued:
        await journal.set_aside(tenant_id, one.sequence, reason)
    return DrainedBatch(set_aside=len(queued))


def _readable(queued: Sequence[QueuedLead]) -> list[list[QueuedLead]]:
    """In order: those that can be read, as long as no other comes between, and each that cannot, alone."""
    portions: list[list[QueuedLead]] = []
    for one in queued:
        if portions and one.lead is not None and portions[-1][0].lead is not None:
            portions[-1].append(one)
        else:
            portions.append([one])
    return portions


def _file(journal: Journal, instance: str) -> ReportedFile:
    bounds = journal.bounds
    where = (instance, socket.gethostname(), str(journal.path.absolute()))
    return ReportedFile(journal.journal_id, *where, journal.bytes, bounds.bytes, bounds.leads, journal.refuses or "")


def _reported(tenant_id: int, found: Holdings) -> ReportedLeads:
    books = found.books
    leads = books.leads - found.leftovers
    return ReportedLeads(tenant_id, books.taken, leads, books.set_aside, found.oldest_at, found.reason)
