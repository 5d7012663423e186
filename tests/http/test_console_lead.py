"""The console's page of one lead."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from router.store.connections.connections import Connections
from tests.http.console import Served, serving_console
from tests.http.support import make_token
from tests.world import CATCH_ALL, a_drain, lead, make_tenant, settle, simple_reps


@pytest.fixture
async def served(connections: Connections, conn: asyncpg.Connection, redis_url: str) -> AsyncIterator[Served]:
    acme = await make_tenant(conn, simple_reps(2), CATCH_ALL, name="acme", zone="Asia/Shanghai")
    await acme.accept([lead(1)])
    await settle(a_drain(connections), acme.tenant_id)
    async with serving_console(connections, redis_url) as running:
        yield running


@pytest.mark.parametrize(("language", "title"), [("en", "Timeline"), ("zh", "时间线")])
async def test_the_timeline_is_there_once(served: Served, conn: asyncpg.Connection, language: str, title: str) -> None:
    number = await conn.fetchval("select lead_id from lead")
    async with served.browser(await make_token(conn), language) as browser:
        page = await browser.get(f"/leads/{number}")
    assert page.status == 200
    assert [one.text.strip() for one in page.all("h2", id="h-timeline")] == [title]
    assert [one.text for one in page.tags if one.text.strip() == title and one.name in ("h3", "li", "span")] == []
