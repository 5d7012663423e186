"""A part of a hand-over costs what the part has, not what the tables have: the lane is held meanwhile."""

import json
from typing import Any

import asyncpg
import pytest

from router.store.lane import LaneLimits, hold
from router.store.statements import load
from tests.postgres.test_lead_lists_plans import EACH, FILL, REPS
from tests.postgres.test_plans import nodes, rows_of

SQL = load("handover")
PART = EACH // REPS
TIMES_BEFORE = 8
AT = "2026-03-03Z"


async def executed(conn: asyncpg.Connection, name: str, *, in_lane: bool) -> dict[str, Any]:
    """What the statement really does with all leads of a rep; taken back."""
    statement = getattr(SQL, name)
    leads = [row[0] for row in await conn.fetch("select lead_id from assignment where rep_no = 7")]
    at = await conn.fetchval("select $1::text::timestamptz", AT)
    known = {
        "tenant_id": 1,
        "rep_no": 7,
        "lead_ids": leads,
        "at": at,
        "now": at,
        "upto_batch": 9,
        "after": 0,
        "limit": 500,
    }
    values = [known[parameter] for parameter in statement.parameters]
    transaction = conn.transaction()
    await transaction.start()
    try:
        if in_lane:
            assert await hold(conn, 1, None, LaneLimits())
        text = await conn.fetchval(f"explain (analyze, buffers, timing off, format json) {statement.sql}", *values)
    finally:
        await transaction.rollback()
    plan: dict[str, Any] = json.loads(text)[0]["Plan"]
    return plan


@pytest.mark.parametrize("statistics", ["", "analyze"], ids=["no statistics", "statistics"])
async def test_a_part_touches_the_rows_of_the_part(conn: asyncpg.Connection, statistics: str) -> None:
    await conn.execute("insert into tenant (name, time_zone, ruleset) values ('acme', 'UTC', 1)")
    await conn.execute("insert into lane (tenant_id, ruleset) values (1, 1)")
    for table in ("lead", "lead_pool", "assignment", "assignment_history_rest"):
        await conn.execute(f"alter table {table} set (autovacuum_enabled = off)")
    asked = (("take", True), ("give_back", False), ("facts", False), ("next_leads", False), ("size", False))
    for name, in_lane in asked:
        for _ in range(TIMES_BEFORE):
            await executed(conn, name, in_lane=in_lane)
    await conn.execute(FILL)
    if statistics:
        await conn.execute(statistics)
    for name, in_lane in asked:
        plan = await executed(conn, name, in_lane=in_lane)
        assert max(rows_of(node) for node in nodes(plan)) <= 4 * PART, (name, plan)
