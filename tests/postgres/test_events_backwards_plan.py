"""The last events of a long feed: a page of them costs a page, also prepared on an empty table."""

import json
from typing import Any

import asyncpg
import pytest

from router.store.statements import load
from tests.postgres.test_plans import nodes, rows_of

EVENTS = load("events")
ROWS, LIMIT = 30_000, 50
FILL = f"""
insert into event (tenant_id, position, type, at, leads)
select 1, n, 'lead.parked', now(), array[n, n + 1] from generate_series(1, {ROWS}) n
"""


async def executed(conn: asyncpg.Connection, position: int | None) -> dict[str, Any]:
    statement = EVENTS.keys_before
    arguments = {"tenant_id": 1, "position": position, "place": 2, "limit": LIMIT}
    values = [arguments[parameter] for parameter in statement.parameters]
    async with conn.transaction():
        await EVENTS.steady_plans.execute(conn)
        sql = f"explain (analyze, timing off, format json) {statement.sql}"
        plan: dict[str, Any] = json.loads(await conn.fetchval(sql, *values))[0]["Plan"]
    return plan


@pytest.mark.parametrize("statistics", ["", "analyze event"], ids=["no statistics", "statistics"])
async def test_a_page_of_the_last_events_touches_no_more_than_a_page(conn: asyncpg.Connection, statistics: str) -> None:
    await conn.execute("alter table event set (autovacuum_enabled = off)")
    for _ in range(8):
        await executed(conn, None)
    await conn.execute(FILL)
    if statistics:
        await conn.execute(statistics)
    for position in (None, ROWS // 2, 3):
        plan = await executed(conn, position)
        far = [f"{one['Node Type']} touches {rows_of(one):.0f}" for one in nodes(plan) if rows_of(one) > 3 * LIMIT]
        assert not far, (position, far, json.dumps(plan, indent=1))
