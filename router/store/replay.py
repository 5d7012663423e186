"""What a replay reads: recorded batches in their order, endings, and the state before the first batch."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from router.domain.lead import FACT_FIELDS, Facts, PoolLead
from router.store.statements import Connection, load

_SQL = load("replay")
_HEADS_AT_ONCE = 2_000
_ENDINGS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Span:
    """The recorded batches from `since` until `until` (UTC, both included; None = no bound)."""

    tenant_id: int
    since: datetime | None
    until: datetime | None
    batches: int
    leads: int
    first_batch: int
    last_batch: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class RawBatch:
    """A record as it is stored, not decoded yet."""

    batch_no: int
    at: datetime
    versions: tuple[int, int, int]
    kind: str
    leads: int
    inputs: bytes

    @property
    def by_hand(self) -> bool:
        """Whether no rule decided it."""
        return self.kind != "drain"

    @property
    def imported(self) -> bool:
        """Whether it took over what a CRM had assigned."""
        return self.kind == "import"


@dataclass(frozen=True, slots=True)
class Ending:
    """An assignment of a batch that ended. `lead` = the lead as it is ready again, where it was returned."""

    at: datetime
    lead_id: int
    rep_no: int
    assigned_at: datetime
    outcome: str
    batch_no: int
    lead: PoolLead | None


@dataclass(frozen=True, slots=True)
class WaitedBefore:
    """A lead that has waited all the time: since before the first batch, and still now; `owner` = of its customer."""

    lead: PoolLead
    ruleset: int
    targets: str
    recheck_at: datetime
    owner: int | None


async def span_of(conn: Connection, tenant_id: int, since: datetime | None, until: datetime | None) -> Span | None:
    """The tenant's recorded batches; None when there are none in that time."""
    row = await _SQL.span.row(conn, tenant_id=tenant_id, since=since, until=until)
    if row is None or not row["batches"]:
        return None
    return Span(tenant_id, since, until, *row)


async def recorded_leads(conn: Connection, tenant_id: int, since: datetime | None, until: datetime | None) -> int:
    """How many decisions are recorded in that time, for a progress bar."""
    span = await span_of(conn, tenant_id, since, until)
    return span.leads if span else 0


async def portions(conn: Connection, span: Span, leads: int, batches: int = 200) -> AsyncIterator[list[RawBatch]]:
    """The records in order, in portions of about so many leads and at most so many batches."""
    bounds = {"tenant_id": span.tenant_id, "since": span.since, "until": span.until}
    after = span.first_batch - 1
    while True:
        heads = await _SQL.next_batches.fetch(
            conn, after=after, last_batch=span.last_batch, limit=_HEADS_AT_ONCE, **bounds
        )
        if not heads:
            return
        for first, last in _cut(heads, leads, batches):
            rows = await _SQL.records.fetch(conn, first=first, last=last, **bounds)
            yield [_raw(row) for row in rows]
        after = heads[-1]["batch_no"]


def _cut(heads: Sequence[asyncpg.Record], leads: int, batches: int) -> list[tuple[int, int]]:
    """(first, last) batch numbers of the portions."""
    cuts = list[tuple[int, int]]()
    first, size, number = heads[0]["batch_no"], 0, 0
    last = first
    for head in heads:
        if number and (size + head["leads"] > leads or number == batches):
            cuts.append((first, last))
            first, size, number = head["batch_no"], 0, 0
        last, size, number = head["batch_no"], size + head["leads"], number + 1
    return [*cuts, (first, last)]


def _raw(row: asyncpg.Record) -> RawBatch:
    versions = (row["ruleset"], row["roster"], row["rates"])
    return RawBatch(row["batch_no"], row["at"], versions, row["kind"], row["leads"], row["inputs"])


async def loads_before(conn: Connection, span: Span, day_start: datetime) -> list[tuple[int, int, int]]:
    """(rep number, open leads, leads of the day) before the first batch of the span."""
    rows = await _SQL.loads_before.fetch(
        conn, tenant_id=span.tenant_id, batch_no=span.first_batch, at=span.first_at, day_start=day_start
    )
    return [tuple(row) for row in rows]


async def waited_before(conn: Connection, span: Span) -> list[WaitedBefore]:
    """The leads that have waited since before the first batch of the span and that no batch has tried since."""
    rows = await _SQL.waited_before.fetch(conn, tenant_id=span.tenant_id, batch_no=span.first_batch)
    return [
        WaitedBefore(_pool_lead(row, row["queued_at"]), row["ruleset"], row["targets"], row["recheck_at"], row["owner"])
        for row in rows
    ]


async def backlog(conn: Connection, span: Span) -> int:
    """How many leads that were queued before the first batch of the span wait for somebody now."""
    count: int = await _SQL.backlog.value(conn, tenant_id=span.tenant_id, at=span.first_at)
    return count


async def endings(conn: Connection, span: Span) -> AsyncGenerator[Ending, None]:
    """What ended from the first batch to the last one, in order; streamed, within the caller's transaction.

    Without what had ended before it was taken over from a CRM.
    """
    statement = _SQL.endings
    bounds = {"tenant_id": span.tenant_id, "since": span.first_at, "until": span.last_at}
    arguments = [bounds[name] for name in statement.parameters]
    async for row in conn.cursor(statement.sql, *arguments, prefetch=_ENDINGS_AT_ONCE):
        yield Ending(
            row["ended_at"],
            row["lead_id"],
            row["rep_no"],
            row["assigned_at"],
            row["outcome"],
            row["batch_no"],
            _lead(row),
        )


async def taken_over(
    conn: Connection, span: Span, batch: RawBatch, lead_ids: Sequence[int]
) -> list[tuple[int, datetime, bool]]:
    """(lead id, when it was assigned, whether it was open then) of a batch that took over assignments."""
    rows = await _SQL.taken_over.fetch(
        conn, tenant_id=span.tenant_id, batch_no=batch.batch_no, at=batch.at, lead_ids=list(lead_ids)
    )
    return [tuple(row) for row in rows]


async def rulesets_of(conn: Connection, span: Span) -> list[int]:
    """The versions of the rules by which the batches of a span were decided."""
    rows = await _SQL.rulesets.fetch(
        conn, tenant_id=span.tenant_id, first_batch=span.first_batch, last_batch=span.last_batch
    )
    return sorted(row[0] for row in rows)


def _lead(row: asyncpg.Record) -> PoolLead | None:
    if row["outcome"] != "returned" or row["rank"] is None:
        return None
    return _pool_lead(row, row["ended_at"])


def _pool_lead(row: asyncpg.Record, queued_at: datetime) -> PoolLead:
    facts = Facts.of(row[name] for name in FACT_FIELDS)
    excluded = tuple(row["excluded"] or ())
    return PoolLead(row["lead_id"], row["rank"], queued_at, row["created_at"], facts, row["customer_id"], excluded)


async def pauses(conn: Connection, span: Span) -> list[tuple[datetime, datetime]]:
    """When the tenant was paused (UTC, from and until)."""
    found = list[tuple[datetime, datetime]]()
    for row in await _SQL.pauses.fetch(conn, tenant_id=span.tenant_id, until=span.last_at):
        if found and found[-1][1] > row["at"]:
            found[-1] = (found[-1][0], row["at"])
        if row["action"] == "pause":
            until = datetime.fromisoformat(row["after"].removeprefix("until "))
            found.append((row["at"], until))
    return found


async def lead_names(conn: Connection, tenant_id: int, lead_ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """(source, external id) by lead id."""
    rows = await _SQL.named_leads.fetch(conn, tenant_id=tenant_id, lead_ids=list(lead_ids))
    return {row["lead_id"]: (row["source"], row["external_id"]) for row in rows}


async def rep_names(conn: Connection, tenant_id: int) -> dict[int, tuple[str, str]]:
    """(rep id, name) by rep number."""
    rows = await _SQL.named_reps.fetch(conn, tenant_id=tenant_id)
    return {row["rep_no"]: (row["rep_id"], row["name"]) for row in rows}
