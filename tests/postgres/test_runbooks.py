"""What a runbook tells people to type into the database at night fits the schema, and does what the page says."""

import re
from pathlib import Path

import asyncpg
import pytest

from ops.audit import audit
from router.store.connections import Connections
from tests.world import a_drain, lead, make_tenant, settle, simple_reps

PAGES = sorted((Path(__file__).parents[2] / "runbooks").glob("*.md"))
_SQL = re.compile(r"^ *```sql\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def statements(page: Path) -> list[str]:
    return [one.strip() for block in _SQL.findall(page.read_text(encoding="utf-8")) for one in block.split(";\n")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
async def test_every_statement_of_a_runbook_fits_the_schema(conn: asyncpg.Connection, page: Path) -> None:
    for statement in statements(page):
        if statement and not statement.startswith("show"):
            await conn.prepare(statement)


async def test_leads_sent_back_as_the_runbook_says_get_a_rep(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    await tenant.accept([lead(1, invalid="nobody can be reached"), lead(2)])
    await conn.execute("update parked set reason = 'internal_error'")
    send_back = next(s for s in statements(PAGES[0].with_name("README.md")) if s.startswith("with back"))
    assert await conn.execute(send_back) == "INSERT 0 1"
    await settle(a_drain(connections), tenant.tenant_id)
    assert {state: n for state, n in (await tenant.states()).items() if n} == {"assigned": 2}
    assert (await audit(conn, None, 10)).ok
