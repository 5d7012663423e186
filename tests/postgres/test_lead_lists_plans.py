"""A page of a list costs what the page has, not what the tables have, also prepared on empty ones."""

import json
from typing import Any

import asyncpg
import pytest

from router.store.lead_lists import NO_LEAD, begin
from router.store.statements import load
from tests.postgres.test_plans import nodes, rows_of

EACH, LIMIT, KEYS, REPS = 20_000, 50, 200, 2_000
LISTS = load("lead_lists")
TIMES_BEFORE = 8
TABLES = ("lead", "lead_pool", "assignment", "parked", "merged", "closed", "wake_key", "assignment_history", "rep")
# The leads alternate between the states, five by five; half of the sources, and a few reasons, are old.
FILL = f"""
insert into lead (tenant_id, source, external_id, created_at, received_at)
select 1, case when n <= {EACH * 5 // 2} then 'old' else 'web' end, 'e' || n, at, at
  from (select n, timestamptz '2026-03-02Z' + n * interval '1 s' as at from generate_series(1, {EACH * 5}) n) leads;
insert into wake_key select 1, k, 1, 'g' || k from generate_series(1, {KEYS}) k;
insert into rep select 1, n, 'r' || n from generate_series(1, {REPS}) n;
insert into lead_pool (tenant_id, lead_id, wake_key, rank, queued_at, recheck_at, last_batch_no, created_at)
select 1, lead_id, 1 + lead_id / 5 % {KEYS}, 0, received_at, received_at, 1, received_at
  from lead where lead_id % 5 = 0;
insert into assignment (tenant_id, lead_id, rep_no, assigned_at, batch_no, seq)
select 1, lead_id, 1 + lead_id / 5 % {REPS}, received_at, 1, lead_id from lead where lead_id % 5 = 1;
insert into parked (tenant_id, lead_id, reason, parked_at)
select 1, lead_id, case when lead_id < 100 then 'internal_error' else 'lead_invalid' end, received_at
  from lead where lead_id % 5 = 2;
insert into merged select 1, lead_id, lead_id - 1, received_at from lead where lead_id % 5 = 3;
insert into closed select 1, lead_id, received_at, 'won' from lead where lead_id % 5 = 4;
insert into assignment_history (tenant_id, lead_id, rep_no, assigned_at, batch_no, seq, ended_at, outcome)
select 1, lead_id, 1, received_at, 1, 1, received_at, 'won' from lead where lead_id % 5 = 4;
"""
SPAN: dict[str, Any] = {
    "below": NO_LEAD, "floor": 0, "limit": LIMIT, "source": None, "since": None, "until": None
}  # fmt: skip
OLD = {**SPAN, "source": "old", "below": EACH * 5 // 2}
MIDDLE = {**SPAN, "below": 60_000}
OF_FEW: dict[str, Any] = {"rep_no": None, "wake_keys": None, "rooms": None}
FEW_KEYS = list(range(1, 4))
OF_KEYS = EACH * len(FEW_KEYS) // KEYS
PAGE = list(range(50_000, 50_000 + LIMIT))

ASKED: list[tuple[str, int, dict[str, Any]]] = [
    ("of_all", LIMIT, SPAN),
    ("of_all", LIMIT, OLD),
    *(
        (f"of_{state}", LIMIT, span)
        for state in ("waiting", "assigned", "parked", "merged", "closed")
        for span in (SPAN, OLD, MIDDLE)
    ),
    ("of_few", EACH // REPS, {**OF_FEW, **SPAN, "rep_no": 7}),
    ("of_few", EACH // REPS, {**OF_FEW, **MIDDLE, "rep_no": 7}),
    ("of_few", OF_KEYS, {**OF_FEW, **MIDDLE, "wake_keys": FEW_KEYS}),
    ("of_source", 0, {**SPAN, "source": "none", "state": "assigned"}),
    ("source_size", LIMIT, {"source": "web", "limit": LIMIT}),
    ("parked_of_reason", LIMIT, {**SPAN, "reason": "lead_invalid"}),
    ("parked_of_reason", 20, {**SPAN, "reason": "internal_error"}),
    ("keys_size", LIMIT, {"wake_keys": FEW_KEYS, "limit": LIMIT}),
    ("of_few", OF_KEYS, {**OF_FEW, **SPAN, "wake_keys": FEW_KEYS}),
    ("waiting_of_many", LIMIT, {**SPAN, "wake_keys": list(range(1, KEYS + 1))}),
    ("of_few", 10 * len(FEW_KEYS), {**OF_FEW, **SPAN, "wake_keys": FEW_KEYS, "rooms": [10] * len(FEW_KEYS)}),
    ("place_in_line", LIMIT + 1, {"wake_key": 1, "skip": LIMIT}),
    ("rows", LIMIT, {"lead_ids": PAGE}),
    ("waiting_longest", KEYS * 10, {"limit": 10}),
    ("waiting_size", LIMIT, {"limit": LIMIT}),
]


async def executed(conn: asyncpg.Connection, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What the statement really did, with the settings of a list."""
    statement = getattr(LISTS, name)
    values = [{"tenant_id": 1, **arguments}[parameter] for parameter in statement.parameters]
    async with conn.transaction():
        await begin(conn)
        text = await conn.fetchval(f"explain (analyze, buffers, timing off, format json) {statement.sql}", *values)
    plan: dict[str, Any] = json.loads(text)[0]["Plan"]
    return plan


def faults(plan: dict[str, Any], most: int) -> list[str]:
    found = [
        f"{node['Node Type']} {node.get('Index Name')} touches {rows_of(node):.0f} rows"
        for node in nodes(plan)
        if rows_of(node) > most + 1
    ]
    return found + [node["Node Type"] for node in nodes(plan) if node["Node Type"] in ("Seq Scan", "Bitmap Heap Scan")]


@pytest.mark.parametrize("statistics", ["", "analyze"], ids=["no statistics", "statistics"])
async def test_a_page_touches_the_rows_of_the_page(conn: asyncpg.Connection, statistics: str) -> None:
    await conn.execute("insert into tenant (name, time_zone, ruleset) values ('acme', 'UTC', 1)")
    for table in TABLES[:-2]:
        await conn.execute(f"alter table {table} set (autovacuum_enabled = off)")
    for name, _, arguments in ASKED:
        for _ in range(TIMES_BEFORE):
            await executed(conn, name, arguments)
    await conn.execute(FILL)
    if statistics:
        await conn.execute(statistics)
    found = [(name, faults(await executed(conn, name, arguments), most)) for name, most, arguments in ASKED]
    assert [one for one in found if one[1]] == []


async def test_the_first_lead_since_a_time_is_found_in_some_twenty_steps(conn: asyncpg.Connection) -> None:
    await conn.execute("insert into tenant (name, time_zone, ruleset) values ('acme', 'UTC', 1)")
    await conn.execute(FILL)
    for second in (-5, 1, 2, 777, 50_000, EACH * 5, EACH * 5 + 1):
        at = await conn.fetchval("select timestamptz '2026-03-02Z' + $1 * interval '1 s'", second)
        expected = await conn.fetchval("select min(lead_id) from lead where received_at >= $1", at)
        found = await LISTS.first_since.value(conn, tenant_id=1, at=at)
        assert (found if found <= EACH * 5 else None) == expected, second
    plan = await executed(conn, "first_since", {"at": at})
    assert max(rows_of(node) for node in nodes(plan)) <= 40
    assert await LISTS.first_since.value(conn, tenant_id=2, at=at) is None
