"""What pages of the console read beside lists costs what they show, also prepared on empty tables."""

import json
from collections.abc import Mapping
from typing import Any

import asyncpg
import pytest

from router.store.lead_lists import begin
from router.store.statements import load
from tests.postgres.test_lead_lists_plans import EACH, FILL, TABLES
from tests.postgres.test_plans import nodes, rows_of

TIMES_BEFORE = 8
LOOKED_AT = 500
SEARCH = {"looked_at": LOOKED_AT, "pattern": "%nobody%", "word": "nobody", "email": "nobody", "limit": 50}
# Family, statement, the most rows that a node may touch, whether it has the settings of lists, arguments.
ASKED: list[tuple[str, str, int, bool, dict[str, Any]]] = [
    ("lead_search", "newest_with", LOOKED_AT, True, SEARCH),
    ("flow", "time_to_assign", LOOKED_AT, True, {"looked_at": LOOKED_AT}),
    ("flow", "arrivals", LOOKED_AT, True, {"floor": EACH * 5 - LOOKED_AT, "limit": LOOKED_AT}),
    ("assignments", "by_external_id", 5, False, {"external_id": "e7", "source": None}),
    ("assignments", "by_external_id", 5, False, {"external_id": "nobody", "source": None}),
    ("assignments", "by_external_id", 5, False, {"external_id": "e7", "source": "old"}),
]


async def executed(
    conn: asyncpg.Connection, family: str, name: str, steady: bool, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """What the statement really did."""
    statement = getattr(load(family), name)
    now = await conn.fetchval("select timestamptz '2026-03-02Z'")
    values = [{"tenant_id": 1, "since": now, **arguments}[parameter] for parameter in statement.parameters]
    async with conn.transaction():
        if steady:
            await begin(conn)
        text = await conn.fetchval(f"explain (analyze, buffers, timing off, format json) {statement.sql}", *values)
    plan: dict[str, Any] = json.loads(text)[0]["Plan"]
    return plan


@pytest.mark.parametrize("statistics", ["", "analyze"], ids=["no statistics", "statistics"])
async def test_a_page_touches_the_rows_that_it_looks_at(conn: asyncpg.Connection, statistics: str) -> None:
    await conn.execute("insert into tenant (name, time_zone, ruleset) values ('acme', 'UTC', 1)")
    for table in TABLES[:-2]:
        await conn.execute(f"alter table {table} set (autovacuum_enabled = off)")
    for family, name, _, steady, arguments in ASKED:
        for _ in range(TIMES_BEFORE):
            await executed(conn, family, name, steady, arguments)
    await conn.execute(FILL)
    if statistics:
        await conn.execute(statistics)
    found = []
    for family, name, most, steady, arguments in ASKED:
        plan = await executed(conn, family, name, steady, arguments)
        found += [
            f"{name}: {node['Node Type']} {node.get('Index Name')} touches {rows_of(node):.0f} rows"
            for node in nodes(plan)
            if rows_of(node) > most + 1
        ]
    assert found == []
