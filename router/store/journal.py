"""What the database knows of journals: the files in which instances keep leads while it is away.

The books of a tenant in a journal always add up, in every snapshot: taken = drained + leads + set aside + given up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from router.domain.phrases import count
from router.store.changes import Change, record_change
from router.store.statements import Connection, load
from router.store.transactions import retried

_SQL = load("journal")


@dataclass(frozen=True, slots=True)
class ReportedFile:
    """A journal's file, by the last report of the instance that has it (`seen_at`, UTC, None = reporting now).

    `refuses` = why it takes nothing, empty = it would.
    """

    journal_id: int
    instance: str
    host: str
    file: str
    bytes: int
    maximum_bytes: int
    maximum_leads: int
    refuses: str = ""
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReportedLeads:
    """A tenant's leads in a journal: `taken` ever, `leads` that wait, the oldest since `oldest_at` (UTC), and those
    that were set aside, the last one for `reason`.
    """

    tenant_id: int
    taken: int
    leads: int
    set_aside: int
    oldest_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Holding:
    """A tenant's leads that are in a journal and not in the database."""

    tenant_id: int
    file: ReportedFile
    leads: int
    set_aside: int
    oldest_at: datetime | None
    reason: str


async def knows_journal(conn: Connection, journal_id: int) -> bool:
    """Whether the journal was reported to this database."""
    known: bool = await _SQL.known.value(conn, journal_id=journal_id)
    return known


async def report_file(conn: Connection, file: ReportedFile) -> None:
    """Writes what its instance says of it."""
    await _SQL.report_file.row(
        conn,
        journal_id=file.journal_id,
        instance=file.instance,
        host=file.host,
        file=file.file,
        bytes=file.bytes,
        maximum_bytes=file.maximum_bytes,
        maximum_leads=file.maximum_leads,
        refuses=file.refuses,
    )


async def drained_to(conn: Connection, journal_id: int) -> dict[int, int]:
    """By tenant: the number in the journal up to which its leads are in the database."""
    return {row[0]: row[1] for row in await _SQL.drained_to.fetch(conn, journal_id=journal_id)}


async def report_leads(conn: Connection, journal_id: int, leads: Sequence[ReportedLeads]) -> None:
    """Writes what a journal holds, by tenant."""
    ordered = sorted(leads, key=lambda one: one.tenant_id)
    await _SQL.report_leads.execute(
        conn,
        journal_id=journal_id,
        tenant_ids=[one.tenant_id for one in ordered],
        taken=[one.taken for one in ordered],
        leads=[one.leads for one in ordered],
        set_aside=[one.set_aside for one in ordered],
        oldest=[one.oldest_at for one in ordered],
        reasons=[one.reason for one in ordered],
    )


async def begin_books(conn: Connection, journal_id: int) -> None:
    """The journal is adopted: what it took before and does not hold any more counts as drained."""
    await _SQL.begin_books.execute(conn, journal_id=journal_id)


async def hold_journalled(conn: Connection, journal_id: int, tenant_id: int) -> int:
    """Takes the right to drain a tenant's part of a journal, until the transaction ends; returns how far that is."""
    last: int | None = await _SQL.hold.value(conn, tenant_id=tenant_id, journal_id=journal_id)
    return last or 0


async def write_drained(conn: Connection, journal_id: int, drained: int, last: int, left: ReportedLeads) -> None:
    """In the transaction that accepted them: so many more are in the database, up to number `last`; what is left."""
    await _SQL.drained.execute(
        conn,
        tenant_id=left.tenant_id,
        journal_id=journal_id,
        drained=drained,
        drained_to=last,
        taken=left.taken,
        leads=left.leads,
        set_aside=left.set_aside,
        oldest=left.oldest_at,
    )


async def reported_files(conn: Connection) -> list[ReportedFile]:
    """All journals that are known."""
    return [ReportedFile(**row) for row in await _SQL.files.fetch(conn)]


async def holdings(conn: Connection, tenant_ids: Sequence[int]) -> list[Holding]:
    """What journals hold of these tenants, each tenant's most leads first."""
    files: Mapping[int, ReportedFile] = {file.journal_id: file for file in await reported_files(conn)}
    rows = await _SQL.holdings.fetch(conn, tenant_ids=tenant_ids)
    return [Holding(row[0], files[row[1]], *row[2:]) for row in rows if row[1] in files]


@retried
async def give_up_journal(conn: Connection, journal_id: int, actor: str, why: str) -> dict[int, int]:
    """Gives up what a journal holds whose file is lost; returns how many leads, by tenant. Recorded."""
    async with conn.transaction():
        rows = await _SQL.give_up.fetch(conn, journal_id=journal_id)
        for tenant_id, leads in rows:
            change = Change(actor, "give up journal", f"journal {journal_id}", count(leads, "lead"), "given up", why)
            await record_change(conn, tenant_id, change)
    return {row[0]: row[1] for row in rows}
