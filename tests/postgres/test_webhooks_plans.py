"""A webhook that refuses very many leads: a look at what is due costs what is due, also prepared on an empty table."""

import json
from typing import Any

import asyncpg
import pytest

from router.store.statements import load
from tests.postgres.test_plans import nodes, rows_of

WEBHOOKS = load("webhooks")
LEADS, DUE, LIMIT = 20_000, 300, 200
TIMES_BEFORE = 8
# Each lead has one event with a time and one behind it; those of a few leads are due.
FILL = f"""
insert into webhook_delivery (tenant_id, webhook_no, event_no, place, position, lead_id, state, attempts, next_at)
select 1, 1, n, 1, n, 1 + n % {LEADS}, 'waiting', (n < {LEADS})::int,
       case when n >= {LEADS} then 'infinity' when n < {DUE} then now() - interval '1 s' else now() + interval '5 h' end
  from generate_series(0, {2 * LEADS - 1}) n;
insert into webhook_delivery (tenant_id, webhook_no, event_no, place, position, lead_id, state, next_at)
select 1, 1, n, 2, n, 1 + n % {LEADS}, 'dead', now() from generate_series(1, {LEADS}) n;
"""
OF_LEADS: dict[str, Any] = {"tenant_id": 1, "webhook_no": 1}
IN_HAND = list(range(1, 10_000, 20))
ASKED: list[tuple[str, int, dict[str, Any]]] = [
    ("put_off_lines", 2 * DUE, {**OF_LEADS, "not_these": IN_HAND, "due_only": True, "limit": LIMIT}),
    ("put_off_lines", 2 * DUE, {**OF_LEADS, "not_these": [], "due_only": False, "limit": LIMIT}),
    ("waiting_of_leads", 2000, {**OF_LEADS, "lead_ids": list(range(1, 1001))}),
]


async def executed(conn: asyncpg.Connection, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    statement = getattr(WEBHOOKS, name)
    values = [arguments[parameter] for parameter in statement.parameters]
    sql = f"explain (analyze, timing off, format json) {statement.sql}"
    async with conn.transaction():
        await WEBHOOKS.along_the_index.execute(conn)
        plan: dict[str, Any] = json.loads(await conn.fetchval(sql, *values))[0]["Plan"]
    return plan


@pytest.mark.parametrize("statistics", ["", "analyze"], ids=["no statistics", "statistics"])
async def test_leads_that_wait_far_from_their_time_cost_nothing(conn: asyncpg.Connection, statistics: str) -> None:
    await conn.execute("alter table webhook_delivery set (autovacuum_enabled = off)")
    for name, _, arguments in ASKED:
        for _ in range(TIMES_BEFORE):
            await executed(conn, name, arguments)
    await conn.execute(FILL)
    if statistics:
        await conn.execute(statistics)
    for name, most, arguments in ASKED:
        plan = await executed(conn, name, arguments)
        far = [f"{one['Node Type']} touches {rows_of(one):.0f} rows" for one in nodes(plan) if rows_of(one) > most]
        assert not far, (name, far, json.dumps(plan, indent=1))
