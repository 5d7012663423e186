"""What the lane's statements cost does not depend on how empty the tables were when they were prepared.

A claim that is prepared on an empty pool and then meets 300,000 leads can run at 35 leads/s; here the plans are
pinned by what they touch: their own indexes, and hardly more rows than were asked for.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from router.store.lane import LaneLimits, hold, hold_waiting, tenants_with_work
from router.store.statements import load

LEADS, KEYS, LIMIT = 300_000, 300, 50
FAMILIES = (load("lane"), load("pool"), load("more_facts"))
# After five runs PostgreSQL may keep one plan for good, whatever the arguments are.
TIMES_BEFORE = 8
ATTEMPTS = 3
FILLED = ("lead_pool", "wake_key", "lane_inbox", "customer_owner", "assignment", "rep_load", "group_share")


@dataclass(frozen=True, slots=True)
class Asked:
    """A statement with its arguments, as SQL literals, and the most rows that one node of its plan may touch."""

    name: str
    most_rows: int
    arguments: dict[str, str]
    # Indexes that it may read.
    indexes: tuple[str, ...]


FIRST_KEYS = "'{" + ",".join(str(k) for k in range(1, KEYS + 1)) + "}'"
ONES = "'{" + ",".join(["1"] * KEYS) + "}'"
ALL = {"until": "'9999-12-31Z'", "limit": str(LIMIT)}
AFTER = {"after_rank": str(-(1 << 31)), "after_queued_at": "'0001-01-01Z'", "after_lead_id": "0"}
CLAIMS = ("lead_pool_claim", "customer_owner_pkey")
GIVEN = {
    "assigned_at": "now()",
    "batch_no": "7",
    "ruleset": "1",
    "previous": "null",
    "lead_ids": "'{900001,900002,900003}'",
    "rep_nos": "'{1,2,3}'",
    "customers": "'{5,6,null}'",
    "seqs": "'{0,1,2}'",
    "rules": "'{1,1,1}'",
    "groups": "'{1,1,null}'",
    "owned": "'{5,900006}'",
    "owners": "'{2,1}'",
}
CLOSING = {
    "day": "'2026-03-02'",
    "rep_nos": "'{1,2,900003}'",
    "opened": "'{1,2,3}'",
    "today": "'{1,2,3}'",
    "group_nos": "'{1,9}'",
    "reps": '\'{"{1,2}","{3}"}\'',
    "credits": '\'{"{5,-5}","{0}"}\'',
    "recorded": "true",
    "kind": "'drain'",
    "leads": "3",
    "inputs": "'\\x00'",
    "batch_no": "7",
    "at": "now()",
    "ruleset": "1",
    "roster": "1",
    "rates": "0",
    "state_token": "77",
    "next_visit_at": "null",
    "next_wake_key": "9",
}
DUE = ("lead_pool_recheck", "customer_owner_pkey")
# Of the two indexes of wake keys either has the rows of a tenant together, which is all that is asked.
KEPT = ("rep_load_pkey", "group_share_pkey", "wake_key_pkey", "wake_key_text")

STATEMENTS = [
    Asked("claim_ready", LIMIT, {**AFTER, **ALL}, CLAIMS),
    Asked(
        "claim_ready",
        LIMIT,
        {"after_rank": "0", "after_queued_at": "'2026-03-02 05:00Z'", "after_lead_id": "70000", **ALL},
        CLAIMS,
    ),
    Asked("claim_recent", LIMIT, {"ranks": "'{0,1}'", "since": "'2026-03-02 05:00Z'", "limit": str(LIMIT)}, CLAIMS),
    Asked("claim_named", 3, {"lead_ids": "'{5,6,7}'"}, ("lead_pool_pkey", "customer_owner_pkey")),
    Asked("claim_waiting", KEYS, {"wake_keys": FIRST_KEYS, "rooms": ONES, "limit": str(LIMIT)}, CLAIMS),
    Asked("claim_waiting", LIMIT, {"wake_keys": "'{1}'", "rooms": f"'{{{LIMIT}}}'", "limit": str(LIMIT)}, CLAIMS),
    Asked("claim_due", LIMIT, {"now": "'2026-03-05Z'", "limit": str(LIMIT)}, DUE),
    Asked("fold_inbox", LIMIT, {"limit": str(LIMIT)}, ("lane_inbox_pkey",)),
    Asked("wake_customers", 20, {"customers": "'{5,6,7}'"}, ("lead_pool_customer",)),
    Asked("still_waiting", 20, {"customers": "'{5,6,7}'"}, ("lead_pool_customer",)),
    Asked("wake_leads", 3, {"lead_ids": "'{5,6,7}'"}, ("lead_pool_pkey",)),
    Asked("waiting_of", 3, {"lead_ids": "'{5,6,7}'"}, ("lead_pool_pkey",)),
    Asked("prune_wake_keys", KEYS, {"wake_keys": FIRST_KEYS}, ("wake_key_pkey", "lead_pool_claim")),
    Asked(
        "more_facts",
        6,
        {"lead_ids": "'{5,6,7}'", "with_company": "true", "with_phone": "true", "names": "'{budget,vip}'"},
        ("lead_pkey",),
    ),
    Asked("put_assignments", 3, GIVEN, ("tenant_pkey",)),
    Asked("close", 3, CLOSING, ("lane_pkey",)),
    Asked("next_recheck", 1, {}, ("lead_pool_recheck",)),
    Asked("kept", max(KEYS, 5000), {}, (*KEPT, "lead_pool_recheck")),
    Asked("left_over", LIMIT, {"limit": str(LIMIT)}, (*CLAIMS, "lane_pkey")),
]


def arrival(tenant_id: int) -> str:
    """All the work of one tenant at once."""
    return f"""
insert into lead_pool
       (tenant_id, lead_id, wake_key, rank, queued_at, recheck_at, last_batch_no, created_at, customer_id)
select {tenant_id}, n, key, 0, at, case when key > 0 then at + '1 day' end, 1, at, n / 10
  from (select n, timestamptz '2026-03-02Z' + n * interval '0.1 s' as at,
               case when n % 2 = 0 then 0 else 1 + n / 2 % {KEYS} end as key
          from generate_series(1, {LEADS}) n) as leads;
insert into wake_key select {tenant_id}, k, 1, 'g' || k from generate_series(1, {KEYS}) k;
insert into lane_inbox (tenant_id, rep_no, open_delta) select {tenant_id}, n, -1 from generate_series(1, 20000) n;
insert into customer_owner select {tenant_id}, n, 1 from generate_series(1, 20000) n;
insert into assignment (tenant_id, lead_id, rep_no, assigned_at, batch_no, seq)
select {tenant_id}, {LEADS} + n, n % 5000, '2026-03-02Z', 1, n from generate_series(1, 100000) n;
insert into rep_load select {tenant_id}, n, 1, '2026-03-02', 1 from generate_series(1, 5000) n;
insert into group_share select {tenant_id}, n, '{{1,2}}', '{{0,0}}' from generate_series(1, 500) n;
"""


ARRIVE = arrival(1)
NEVER_FULL = "select"
EMPTIED = "; ".join([ARRIVE, *(f"delete from {table}" for table in FILLED)])
"""As pools are: it was full, and is empty. Were its pages kept, statistics would say that a page holds nothing."""


async def prepare(conn: asyncpg.Connection, asked: Asked, name: str, tenant_id: int = 1) -> str:
    """Prepares a statement as a driver does; answers the EXECUTE."""
    statement = next(s for family in FAMILIES for s in family if s.name == asked.name)
    arguments = {"tenant_id": str(tenant_id)} | asked.arguments
    await conn.execute(f"prepare {name} as {statement.sql}")
    values = ", ".join(arguments[parameter] for parameter in statement.parameters)
    return f"execute {name}({values})" if values else f"execute {name}"


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def rows_of(node: dict[str, Any]) -> float:
    """Rows that a node looked at, in all its loops."""
    removed = sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck", "Join Filter"))
    return float((node["Actual Rows"] + removed) * node["Actual Loops"])


def faults(plan: dict[str, Any], asked: Asked) -> list[str]:
    """What is wrong with an executed plan."""
    found = []
    for node in nodes(plan):
        kind, index = node["Node Type"], node.get("Index Name")
        if kind in ("Seq Scan", "Bitmap Heap Scan"):
            found.append(f"{kind} of {node['Relation Name']}")
        if index is not None and index not in asked.indexes:
            found.append(f"reads {index}")
        if rows_of(node) > asked.most_rows:
            found.append(f"{kind} touches {rows_of(node):.0f} rows")
    blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    if blocks > 100 + 12 * asked.most_rows:
        found.append(f"touches {blocks} blocks")
    return found


async def executed(conn: asyncpg.Connection, execute: str) -> dict[str, Any]:
    """The plan of an EXECUTE, with what it really did; all is rolled back."""
    text = await conn.fetchval(f"explain (analyze, buffers, timing off, format json) {execute}")
    plan: dict[str, Any] = json.loads(text)[0]["Plan"]
    return plan


async def in_lane(conn: asyncpg.Connection, execute: str, tenant_id: int = 1) -> dict[str, Any]:
    """The same in a transaction that holds the lane, with its settings."""
    transaction = conn.transaction()
    await transaction.start()
    try:
        assert await hold(conn, tenant_id, None, LaneLimits())
        return await executed(conn, execute)
    finally:
        await transaction.rollback()


@pytest.fixture
async def lane(conn: asyncpg.Connection) -> asyncpg.Connection:
    """A connection to a database in which nobody but the test refreshes statistics."""
    await conn.execute("insert into tenant (name, time_zone, ruleset) values ('acme', 'UTC', 1)")
    await conn.execute("insert into lane (tenant_id, ruleset) values (1, 1)")
    for table in ("lead_pool", "lane_inbox", "wake_key", "customer_owner"):
        await conn.execute(f"alter table {table} set (autovacuum_enabled = off)")
    return conn


async def without_settings(conn: asyncpg.Connection, execute: str) -> dict[str, Any]:
    """As a careless program would run it."""
    transaction = conn.transaction()
    await transaction.start()
    try:
        return await executed(conn, execute)
    finally:
        await transaction.rollback()


@pytest.mark.parametrize(
    ("history", "before", "after"),
    [
        (NEVER_FULL, "checkpoint", "checkpoint"),
        (NEVER_FULL, "vacuum analyze", "checkpoint"),
        (NEVER_FULL, "vacuum analyze", "analyze"),
        (EMPTIED, "vacuum analyze", "checkpoint"),
    ],
    ids=[
        "no statistics at all",
        "statistics of the empty pool",
        "statistics of the full pool",
        "statistics of a pool that was full",
    ],
)
async def test_statements_prepared_on_an_empty_pool_stay_fast_when_300_000_leads_arrive(
    lane: asyncpg.Connection, history: str, before: str, after: str
) -> None:
    for attempt in range(ATTEMPTS):
        await lane.execute(history)
        await lane.execute(before)
        prepared = [(asked, await prepare(lane, asked, f"s{attempt}_{i}")) for i, asked in enumerate(STATEMENTS)]
        careless = [(asked, await prepare(lane, asked, f"c{attempt}_{i}")) for i, asked in enumerate(STATEMENTS)]
        for (_, ours), (_, theirs) in zip(prepared, careless, strict=True):
            for _ in range(TIMES_BEFORE):
                await without_settings(lane, theirs)
                await in_lane(lane, ours)
        await lane.execute(ARRIVE)
        await lane.execute(after)
        # The danger is real, and this test sees it; unless much work of others made this session forget its plans.
        seen = [wrong for one, execute in careless if (wrong := faults(await without_settings(lane, execute), one))]
        if after == "analyze" or seen:
            break
        await lane.execute(f"truncate {', '.join(FILLED)}")
    else:
        pytest.fail("careless statements were as good as ours: this test sees nothing")
    found = {}
    for number, (asked, execute) in enumerate(prepared):
        plan = await in_lane(lane, execute)
        if wrong := faults(plan, asked):
            found[f"{number} {asked.name}"] = wrong
    assert not found


async def test_a_tenant_newer_than_all_statistics_is_routed_as_fast_as_the_others(lane: asyncpg.Connection) -> None:
    await lane.execute("insert into tenant (name, time_zone, ruleset) values ('new', 'UTC', 1)")
    await lane.execute("insert into lane (tenant_id, ruleset) values (2, 1)")
    await lane.execute(ARRIVE)
    await lane.execute("vacuum analyze")
    await lane.execute(arrival(2))
    found = {}
    for number, asked in enumerate(STATEMENTS):
        plan = await in_lane(lane, await prepare(lane, asked, f"s{number}", 2), 2)
        if wrong := faults(plan, asked):
            found[f"{number} {asked.name}"] = wrong
    assert not found


async def test_the_planner_knows_no_tenant_from_another(conn: asyncpg.Connection) -> None:
    """A table that is made without `alter column tenant_id set statistics 0` falls into the trap above."""
    known = await conn.fetch(
        """select attrelid::regclass::text from pg_attribute a join pg_class c on c.oid = a.attrelid
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attname = 'tenant_id'
              and a.attstattarget is distinct from 0"""
    )
    assert not [row[0] for row in known]


async def test_what_people_change_by_hand_is_planned_each_time(lane: asyncpg.Connection) -> None:
    """Its statements take lists and joins whose plans depend on what the tables hold."""
    async with lane.transaction():
        await hold_waiting(lane, 1, None, LaneLimits())
        assert await lane.fetchval("show plan_cache_mode") == "force_custom_plan"
        assert await lane.fetchval("show enable_seqscan") == "off"


TENANTS = 1000
OTHERS = f"""
insert into tenant (name, time_zone, ruleset) select 't' || n, 'UTC', 1 from generate_series(2, {TENANTS}) n;
insert into lane (tenant_id, ruleset) select n, 1 from generate_series(2, {TENANTS}) n;
"""


@pytest.mark.parametrize("after", ["checkpoint", "analyze"], ids=["statistics of the empty pool", "of the full pool"])
async def test_finding_tenants_with_work_does_not_read_the_pool(lane: asyncpg.Connection, after: str) -> None:
    await lane.execute(OTHERS)
    await lane.execute("vacuum analyze")
    for _ in range(TIMES_BEFORE):
        assert await tenants_with_work(lane, None) == []
    await lane.execute(ARRIVE)
    await lane.execute(after)
    async with lane.transaction():
        assert await tenants_with_work(lane, None) == [1]
        read = await lane.fetchval(
            "select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables where relname = 'lead_pool'"
        )
        read += await lane.fetchval("select sum(pg_stat_get_xact_tuples_returned(indexrelid)) from pg_index")
    # It may read all news where that is cheaper than to ask for each tenant; the pool, never.
    assert read < LEADS / 10
