"""Small batches are stored with one statement and large ones are copied; nobody can tell from what is stored."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from router.domain.lead_in import LeadIn
from router.store import tenants
from router.store.leads import accept

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TEXTS = (None, 'Li "Lei"', "a\\b\t\n\r", "\\N", "", "李雷 🐎", "it's; {x,y} :name $1", "null")
ATTRIBUTES = (None, "{}", '{"说明": "“a” \\n\\\\", "n": 1e5, "deep": [null, {"x": "\\u00e9"}]}')
TABLES = {
    "lead": "source, external_id",
    "lead_pool": "rank, lead_id",
    "merged": "lead_id",
    "parked": "lead_id",
    "event": "type, leads",
}

_OWN = ("tenant_id", "event_no")


def leads() -> list[LeadIn]:
    """With every kind of text, priority and time; a few repeat another, and a few are invalid."""
    chance = random.Random(7)
    made = []
    texts = ("name", "company", "region", "industry", "product", "campaign", "ad_id", "landing_page")
    for number in range(200):
        facts: dict[str, Any] = {name: chance.choice(TEXTS) for name in texts}
        facts |= {"source": chance.choice(["web", "", "店"]), "external_id": f"x{number}"}
        facts |= {"phone": chance.choice([None, f"+861380013{number // 4:04}"]), "email": "no address"}
        facts |= {"priority": chance.randrange(-2, 3), "attributes": chance.choice(ATTRIBUTES)}
        facts |= {"invalid": chance.choice([None, None, None, 'bad "phone"\t\\'])}
        when = NOON + timedelta(seconds=chance.randrange(90_000))
        made.append(LeadIn(**facts, created_at=when, malformed=frozenset({"email"})))
    twice = [lead for lead in made if lead.phone]
    return made + [lead._replace(external_id=f"again{lead.external_id}") for lead in twice[:40]]


async def stored(
    conn: asyncpg.Connection, name: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> dict[str, list[dict[str, Any]]]:
    """What the tables hold of a tenant into which the leads came in that way; numbers as counted from its first."""
    monkeypatch.setattr("router.store.new_leads._FEW", few)
    tenant_id = (await tenants.add(conn, name, "Asia/Shanghai")).tenant_id
    await accept(conn, tenant_id, leads(), NOON)
    row = await conn.fetchrow("select min(lead_id), min(customer_id) from lead where tenant_id = $1", tenant_id)
    assert row is not None
    firsts = {"lead_id": row[0], "into_lead_id": row[0], "leads": row[0], "targets": row[0], "customer_id": row[1]}
    found: dict[str, list[dict[str, Any]]] = {}
    for table, order in TABLES.items():
        rows = await conn.fetch(f"select * from {table} where tenant_id = $1 order by {order}", tenant_id)
        found[table] = [
            {name: _counted_from(firsts.get(name), value) for name, value in row.items() if name not in _OWN}
            for row in rows
        ]
    return found


def _counted_from(first: int | None, value: Any) -> Any:
    if first is None or value is None:
        return value
    return [number - first for number in value] if isinstance(value, list) else value - first


async def test_a_lead_is_the_same_in_every_table_whether_it_came_alone_or_in_a_large_file(
    conn: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = await stored(conn, "copied", 0, monkeypatch)
    at_once = await stored(conn, "once", 1_000_000, monkeypatch)
    for what in copied:
        assert at_once[what] == copied[what], what
        assert copied[what], what
