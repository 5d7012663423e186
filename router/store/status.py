"""What `lead-router status` counts and lists, of some tenants in one snapshot."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from router.store.sentence_parts import read_sentence, read_sentences
from router.store.statements import Connection, Row, is_distributed, load
from router.store.transactions import limit_locks

_SQL = load("status")


@dataclass(frozen=True, slots=True)
class Holder:
    """The session that holds a lane; `since` = when its transaction began (None where it may not be seen)."""

    pid: int
    application: str | None
    user: str | None
    client: str | None
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Paused:
    """Until when nothing of a tenant is routed, and why; `by` whom since when, None = nobody recorded it."""

    until: datetime
    why: str
    by: str | None
    since: datetime | None


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """The lane's last batch (`kind` drain or hand; None when its record is gone), next visit, holder and pause.

    `crashes` of routers in the middle of a batch within ten minutes; the next `careful` leads are taken one at a time.
    """

    batch_no: int = 0
    last_batch_at: datetime | None = None
    kind: str | None = None
    leads: int | None = None
    next_visit_at: datetime | None = None
    holder: Holder | None = None
    paused: Paused | None = None
    crashes: int = 0
    careful: int = 0


@dataclass(frozen=True, slots=True)
class ParkedLeads:
    """Parked leads of one reason: how many, since when, and how many of them in the last hour and the last day."""

    reason: str
    leads: int
    oldest: datetime
    newest: datetime
    last_hour: int
    last_day: int


@dataclass(frozen=True, slots=True)
class RosterSync:
    """What the last sync of a roster has to report: why nothing was taken, or values that were not understood."""

    tried_at: datetime
    taken_at: datetime | None
    problem: str
    warnings: tuple[str, ...]


async def begin(conn: Connection, lock_timeout_s: float) -> datetime:
    """Prepares this transaction for counting, and returns the database's time."""
    await limit_locks(conn, int(lock_timeout_s * 1000))
    await _SQL.settings.execute(conn)
    at: datetime = await _SQL.clock.value(conn)
    return at


async def leads_by_state(conn: Connection, ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """By tenant: how many leads are `stored`, and how many are in each state that is not counted by reason; those in
    journals as their instances reported them.
    """
    found: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for tenant_id, state, leads in await _SQL.states.fetch(conn, tenant_ids=ids):
        found[tenant_id][state] = leads
    return found


async def parked_leads(conn: Connection, ids: Sequence[int], at: datetime) -> dict[int, tuple[ParkedLeads, ...]]:
    """By tenant and reason, the most leads first."""
    found: defaultdict[int, list[ParkedLeads]] = defaultdict(list)
    for tenant_id, *part in await _SQL.parked.fetch(conn, tenant_ids=ids, now=at):
        found[tenant_id].append(ParkedLeads(*part))
    return {key: tuple(sorted(parts, key=lambda part: (-part.leads, part.reason))) for key, parts in found.items()}


@dataclass(frozen=True, slots=True)
class ParkedDetail:
    """What so many leads that are parked for a reason say of it ("" = nothing); `example` is the newest of them."""

    detail: str
    leads: int
    example: int


async def parked_details(
    conn: Connection, ids: Sequence[int], reason: str | None, limit: int
) -> dict[tuple[int, str], tuple[ParkedDetail, ...]]:
    """By tenant and reason (None = of all reasons), at most `limit` of each, the most leads first."""
    found: defaultdict[tuple[int, str], list[ParkedDetail]] = defaultdict(list)
    for tenant_id, of, *part in await _SQL.parked_details.fetch(conn, tenant_ids=ids, reason=reason, limit=limit):
        found[tenant_id, of].append(ParkedDetail(*part))
    return {key: tuple(parts) for key, parts in found.items()}


async def lanes(conn: Connection, ids: Sequence[int], at: datetime) -> dict[int, LaneStatus]:
    """By tenant."""
    rows = await _SQL.lanes.fetch(conn, tenant_ids=ids, now=at)
    # Of a distributed table they are numbers of another server, where the row is: here they would be somebody else's.
    lockers = [] if is_distributed(conn) else sorted({row["locker"] for row in rows} - {"0"})
    holders = await _SQL.holders.fetch(conn, lockers=lockers) if lockers else ()
    by_locker = {row["locker"]: row for row in holders}
    return {row["tenant_id"]: _lane(row, by_locker.get(row["locker"])) for row in rows}


async def came_in(conn: Connection, ids: Sequence[int], since: datetime, limit: int) -> Sequence[Row]:
    """Rows of (tenant_id, leads, first): of the last `limit` leads of each tenant, those that came since then."""
    return await _SQL.came_in.fetch(conn, tenant_ids=ids, since=since, limit=limit)


async def last_batches(conn: Connection, ids: Sequence[int], since: datetime, limit: int) -> Sequence[Row]:
    """Rows of (tenant_id, at, inputs) of the last `limit` batches of each tenant since then, the youngest first."""
    return await _SQL.batches.fetch(conn, tenant_ids=ids, since=since, limit=limit)


async def roster_syncs(conn: Connection, ids: Sequence[int]) -> dict[int, RosterSync]:
    """By tenant, of those whose last sync has anything to report."""
    rows = await _SQL.roster_syncs.fetch(conn, tenant_ids=ids)
    return {
        tenant_id: RosterSync(tried, taken, read_sentence(problem, of_it), read_sentences(told, of_them))
        for tenant_id, tried, taken, problem, of_it, told, of_them in rows
    }


async def tenants_that_wait(conn: Connection, ids: Sequence[int]) -> set[int]:
    """Those of these tenants of which leads wait."""
    return {row[0] for row in await _SQL.that_wait.fetch(conn, tenant_ids=ids)}


async def pool_size(conn: Connection, tenant_id: int) -> tuple[int, datetime | None]:
    """How many leads of a tenant wait, and since when the oldest is queued (UTC; None = there is none)."""
    row = await _SQL.pool_size.row(conn, tenant_id=tenant_id)
    assert row is not None
    return row["leads"], row["oldest"]


async def ready_leads(conn: Connection, ids: Sequence[int]) -> dict[int, tuple[int, datetime]]:
    """By tenant: how many leads the next batch may take, and since when the oldest is queued (UTC)."""
    return {row[0]: (row[1], row[2]) for row in await _SQL.ready.fetch(conn, tenant_ids=ids)}


async def reps_without_group(conn: Connection, ids: Sequence[int]) -> dict[int, list[str]]:
    """By tenant: the ids of active reps that are in no group."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    for tenant_id, rep_id in await _SQL.reps_without_group.fetch(conn, tenant_ids=ids):
        found[tenant_id].append(rep_id)
    return found


async def tenants_with_unnamed_groups(conn: Connection, ids: Sequence[int]) -> list[int]:
    """Those where, judged by the text of the rules, an active rep may be in a group that no rule names."""
    return [row[0] for row in await _SQL.tenants_with_unnamed_groups.fetch(conn, tenant_ids=ids)]


async def zones_of_reps(conn: Connection, ids: Sequence[int]) -> list[tuple[int, str, list[str]]]:
    """Tenant, time zone, and the ids of the active reps who have it."""
    return [tuple(row) for row in await _SQL.zones_of_reps.fetch(conn, tenant_ids=ids)]


@dataclass(frozen=True, slots=True)
class SentBack:
    """What a person sent back `times` times, from `first` to `last` (UTC): leads asked for in bulk, or one lead.
    `again` = so many are parked since then.
    """

    tenant_id: int
    subject: str
    times: int
    first: datetime
    last: datetime
    again: int


async def sent_back_repeatedly(
    conn: Connection, ids: Sequence[int], since: datetime, hours: int, times: int
) -> list[SentBack]:
    """Bulk: in at least `hours` different hours since then; single leads: `times` times, and parked once more."""
    rows = await _SQL.sent_back.fetch(conn, tenant_ids=ids, since=since, hours=hours, times=times)
    return [found for row in rows if (found := SentBack(*row)).again]


async def rules_with(conn: Connection, ids: Sequence[int], word: str) -> set[int]:
    """The tenants in whose rules in force a word occurs: which are worth being read for what it may mean there."""
    return {row[0] for row in await _SQL.rules_with.fetch(conn, tenant_ids=ids, word=word)}


def _lane(row: Row, held: Row | None) -> LaneStatus:
    holder = None
    if held is not None and held["pid"] is not None:
        holder = Holder(held["pid"], held["application_name"], held["usename"], held["client"], held["xact_start"])
    paused = None
    if row["paused_until"] is not None:
        paused = Paused(row["paused_until"], row["paused_why"] or "", row["paused_by"], row["paused_at"])
    last = (row["batch_no"], row["last_at"], row["kind"], row["leads"])
    return LaneStatus(*last, row["next_visit_at"], holder, paused, row["crashes"], row["careful"])
