"""The console on leads that wait: when somebody can take them, and when they are parked."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from router.store.connections.connections import Connections
from tests.http.console import Served, serving_console
from tests.http.support import make_token
from tests.world import CATCH_ALL, a_drain, lead, make_tenant, settle

ZONE = "Asia/Shanghai"
RULES = CATCH_ALL.replace(
    "  - name: everyone",
    "  - name: nobody\n    match: {region: Mars}\n    assign_to: group:mars\n    on_no_candidate: wait\n"
    "  - name: everyone",
)
ROSTER = "rep_id,name,available,groups,leave\nr001,Ann,yes,mars,{first}..{last}\nr002,Bo,yes,all,\n"


@pytest.fixture
async def served(connections: Connections, conn: asyncpg.Connection, redis_url: str) -> AsyncIterator[Served]:
    today = datetime.now(ZoneInfo(ZONE)).date()
    roster = ROSTER.format(first=today - timedelta(days=1), last=today + timedelta(days=1))
    acme = await make_tenant(conn, roster.encode(), RULES, name="acme", zone=ZONE)
    await acme.accept([lead(1, region="Mars")])
    await settle(a_drain(connections), acme.tenant_id)
    async with serving_console(connections, redis_url) as running:
        yield running


@pytest.mark.parametrize("path", ["/", "/waiting"])
async def test_the_next_chance_and_when_leads_are_parked(served: Served, conn: asyncpg.Connection, path: str) -> None:
    async with served.browser(await make_token(conn)) as browser:
        page = await browser.get(path)
        assert page.status == 200
        assert "Next chance" in page.words and "when that changes" not in page.words
        assert f"00:00 {ZONE}: r001" in page.words, page.words
        assert "in 29 d" in page.words, page.words


async def test_the_file_has_the_next_chance_too(served: Served, conn: asyncpg.Connection) -> None:
    async with served.browser(await make_token(conn)) as browser:
        text = (await browser.get("/waiting.csv")).text.removeprefix("\ufeff")
    [row] = csv.DictReader(io.StringIO(text))
    assert row["next_chance_reps"] == "r001"
    assert datetime.fromisoformat(row["next_chance_at"]).astimezone(ZoneInfo(ZONE)).hour == 0
    assert datetime.fromisoformat(row["parks_at"]) > datetime.fromisoformat(row["oldest_queued_at"])
