"""The console's page of one rep."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from router.store.connections.connections import Connections
from tests.http.console import Served, serving_console
from tests.http.support import make_token
from tests.world import CATCH_ALL, make_tenant

ROSTER = b"rep_id,name,available,groups,holidays\nr001,Ann,yes,all,DE\nr002,Bo,yes,all,\n"


@pytest.fixture
async def served(connections: Connections, conn: asyncpg.Connection, redis_url: str) -> AsyncIterator[Served]:
    rules = f"calendar: {{country: CN}}\n{CATCH_ALL}"
    await make_tenant(conn, ROSTER, rules, name="acme", zone="Asia/Shanghai")
    async with serving_console(connections, redis_url) as running:
        yield running


@pytest.mark.parametrize(("rep", "holidays"), [("r001", "DE"), ("r002", "as the rules say (CN)")])
async def test_whose_public_holidays_a_rep_has(
    served: Served, conn: asyncpg.Connection, rep: str, holidays: str
) -> None:
    async with served.browser(await make_token(conn)) as browser:
        page = await browser.get(f"/reps/{rep}")
    assert page.status == 200
    assert f"Public holidays {holidays} Leave" in page.words, page.words
