"""What a cleanup of a tenant, or of the partitions, has to do now."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops.cleanup.catalogue import BY_NAME, CLEANED, Table, kept_days
from ops.cleanup.horizon import cut_at, horizon, old_partitions
from router.rules.problems import InvalidFile
from router.settings.model import CleanupSettings
from router.store.cleanup import count_old, oldest_flight
from router.store.leads import database_clock
from router.store.partitions import (
    COLUMNS,
    Partition,
    count_rows,
    holds_returns,
    newest_row,
    oldest_flight_of_all,
    partitions,
)
from router.store.rulesets import load_ruleset
from router.store.statements import Connection
from router.store.tenants import Tenant, all_tenants

PERIODS = {"flight": timedelta(days=7), "assignment_history": timedelta(days=30)}
"""How much time a partition holds."""
_BUSINESS_DAY = timedelta(days=2)
"""No business day is longer, in any zone."""
_NEVER = timedelta(days=36_500)


@dataclass(frozen=True, slots=True)
class Task:
    """Rows of a table of one tenant that are before `before` (UTC)."""

    table: Table
    before: datetime


async def tasks_of(
    conn: Connection, tenant: Tenant, settings: CleanupSettings, only: Collection[str] = ()
) -> list[Task]:
    """In the order in which they are to be done; `only` these tables (none = all)."""
    now, chosen = await database_clock(conn), only or CLEANED
    flights = horizon(now, settings.flight_records_days)
    tasks = []
    for name in (name for name in CLEANED if name in chosen and BY_NAME[name].work):
        table, before = BY_NAME[name], horizon(now, kept_days(BY_NAME[name], settings))
        if name == "closed":
            days, lookbacks = kept_days(table, settings), await _lookbacks(conn, tenant)
            before = horizon(now, days, lookbacks, needed_from=flights)
        if name != "flight" or await _first_has_no_end(conn):
            tasks.append(Task(table, before))
    return tasks


async def really_before(conn: Connection, tenant_id: int, task: Task) -> datetime:
    """The horizon of a task, not younger than the flight records that are there: whatever kept them from being removed,
    they can be run again as long as they are there.
    """
    if task.table.name != "closed":
        return task.before
    oldest = await oldest_flight(conn, tenant_id)
    return task.before if oldest is None else min(task.before, oldest)


async def _lookbacks(conn: Connection, tenant: Tenant) -> list[timedelta]:
    """How far the rules in force look back; rules that cannot be read look back for ever."""
    if not tenant.ruleset:
        return []
    try:
        weights = (await load_ruleset(conn, tenant.tenant_id, tenant.ruleset)).weights
    except (InvalidFile, LookupError, ValueError):
        return [_NEVER]
    return [one.lookback for one in (weights.close_rate, weights.sold_product) if one is not None]


async def _first_has_no_end(conn: Connection) -> bool:
    """Whether the oldest flight records are in a partition without a lower bound: what was there before there were
    partitions by time, and what is removed in batches until it is old as a whole.
    """
    found = await partitions(conn, "flight")
    return bool(found) and found[0].lower is None


@dataclass(frozen=True, slots=True)
class PartitionPlan:
    """What is to be done to the partitions of a table: the last one closed at `cut` (None = not now), `old` ones let
    go; `newest` = the time of the last row in the last one (None = it is empty, or was not asked for).
    """

    parent: str
    last: Partition | None
    cut: datetime | None
    newest: datetime | None
    old: list[Partition]


async def partition_plan(conn: Connection, parent: str, settings: CleanupSettings) -> PartitionPlan:
    """Of one table. Raises ValueError where somebody made partitions that are none of ours."""
    now, found = await database_clock(conn), await partitions(conn, parent)
    last = next((one for one in found if one.upper is None), None)
    newest = cut = None
    if last is not None and cut_at(now, last, None, PERIODS[parent]) is not None:
        newest = await newest_row(conn, parent, last.name)
        cut = cut_at(now, last, newest, PERIODS[parent])
    return PartitionPlan(parent, last, cut, newest, await _old(conn, parent, found, now, settings))


async def _old(
    conn: Connection, parent: str, found: list[Partition], now: datetime, settings: CleanupSettings
) -> list[Partition]:
    """The partitions to let go."""
    old = old_partitions(found, horizon(now, kept_days(BY_NAME[parent], settings)))
    if parent == "flight" or not old:
        return old
    lookbacks = [one for tenant in await all_tenants(conn) for one in await _lookbacks(conn, tenant)]
    needed = await oldest_flight_of_all(conn)
    # A batch is run again with what was given since its business day began.
    needed = needed and needed - _BUSINESS_DAY
    before = horizon(now, kept_days(BY_NAME[parent], settings), lookbacks, needed_from=needed)
    old = old_partitions(old, before)
    return [one for one in old if one.pending or not await holds_returns(conn, one.name)]


async def would_remove(
    conn: Connection, tenants: Collection[Tenant], settings: CleanupSettings, only: Collection[str] = ()
) -> dict[str, dict[str, int]]:
    """By tenant ("" = partitions of all) and table: how many rows a cleanup would remove now."""
    found: dict[str, dict[str, int]] = {}
    for parent in (name for name in COLUMNS if not only or name in only):
        plan = await partition_plan(conn, parent, settings)
        if rows := sum([await count_rows(conn, one.name) for one in plan.old]):
            found.setdefault("", {})[parent] = rows
    for tenant in tenants:
        for task in await tasks_of(conn, tenant, settings, only):
            before = await _expected_before(conn, tenant, task, only)
            if rows := await count_old(conn, task.table.work, tenant.tenant_id, before):
                found.setdefault(tenant.name, {})[task.table.name] = rows
    return found


async def _expected_before(conn: Connection, tenant: Tenant, task: Task, only: Collection[str]) -> datetime:
    """Where flight records are removed first, they are no hindrance; else they are."""
    return task.before if not only or "flight" in only else await really_before(conn, tenant.tenant_id, task)
