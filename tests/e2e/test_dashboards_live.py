"""A real Prometheus scrapes a real service under load: a dashboard shows numbers, not empty panels."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from ops.cli.webhooks import add
from tests.command_line import CommandLine
from tests.dashboard_files import VARIABLES, Asked, boards, of_marks, of_panels
from tests.debian import install
from tests.http.posting import Posting, port_of
from tests.http.support import make_token
from tests.prometheus import Prometheus, scraping
from tests.sink import a_sink
from tests.support import until
from tests.workers import Daemon, serving
from tests.world import lead, make_tenant, simple_reps

pytestmark = [pytest.mark.servers, pytest.mark.timeout(420)]

RULES = """
rules:
  - {name: nowhere, match: {region: [nowhere]}, assign_to: "group:nobody", on_no_candidate: wait}
  - {name: web, match: {source: [web]}, assign_to: "group:all"}
"""
OVERVIEW = "lead-router-overview"
EMPTY = {
    ("lead-router-intake", "Arrivals in an hour, and a week ago", "B"): "this Prometheus has not run for a week",
}
"""Queries that have no data here, and why that is right."""
MARKED = ("Starts and settings", "Versions")
"""What has just happened here, of all that is marked; no alert fires, and nothing stalls."""


@asynccontextmanager
async def busy(conn: asyncpg.Connection, database_url: str, redis_url: str, folder: Path) -> AsyncIterator[Daemon]:
    """A service with a journal and a tenant whose leads are assigned, some of which wait for an empty group; a webhook
    gets all, and somebody reads leads.
    """
    tenant = await make_tenant(conn, simple_reps(20, max_open=1_000_000, max_per_day=1_000_000), RULES)
    token = await make_token(conn, tenant.tenant_id)
    async with a_sink() as sink:
        await CommandLine(add, database_url).json(sink.url, "--tenant", "acme", "--allow-private")
        await tenant.accept(lead(number, region="nowhere") for number in range(5))
        options: dict[str, object] = {"redis_url": redis_url, "journal_file": folder / "journal.db"}
        async with serving(database_url, "serve", **options) as daemon:
            port = await port_of(daemon)
            posting = Posting(port, token, "live")
            work = [asyncio.create_task(posting.run()), asyncio.create_task(read_leads(port, token))]
            try:
                yield daemon
            finally:
                posting.stop()
                work[1].cancel()
                await asyncio.gather(*work, return_exceptions=True)


async def read_leads(port: int, token: str) -> None:
    """Until it is cancelled."""
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as session:
        while True:
            async with session.get("/v1/leads", params={"source": "web", "external_id": "live-1"}) as reply:
                await reply.read()
            await asyncio.sleep(0.2)


async def without_data(prometheus: Prometheus, asked: list[Asked], tenant: str = ".*") -> set[Asked]:
    """Those whose panel would be empty."""
    variables = {**VARIABLES, "$tenant": tenant}
    return {one for one in asked if not await prometheus.ask(one.as_sent("15s", variables))}


async def test_every_panel_shows_data_of_a_service_under_load(
    conn: asyncpg.Connection, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    await asyncio.to_thread(install)
    expected = [one for one in of_panels() if (one.board, one.panel, one.number) not in EMPTY]
    expected += [one for one in of_marks() if one.board == OVERVIEW and one.panel in MARKED]
    missing = set(expected)
    async with busy(conn, database_url, redis_url, tmp_path) as daemon:
        await daemon.said("listening")
        async with scraping(tmp_path, [daemon.port]) as prometheus:

            async def complete() -> bool:
                # Each at some time: what is marked as new is not so for long.
                missing.difference_update(missing - await without_data(prometheus, list(missing)))
                return not missing

            try:
                await until(complete, "every panel has data", 180, 1)
            except AssertionError as too_late:
                raise AssertionError(sorted(one.name for one in missing)) from too_late
            assert not await without_data(prometheus, of_panels_of(expected), "acme"), "with a tenant chosen"
            await check_numbers(prometheus)
            await check_the_rest(prometheus)
            assert daemon.alive


def of_panels_of(asked: list[Asked]) -> list[Asked]:
    return [one for one in asked if one.number != "mark"]


async def check_numbers(prometheus: Prometheus) -> None:
    """The first row says that a healthy service is healthy."""
    first = {one.panel: one.as_sent("15s") for one in of_panels() if one.board == OVERVIEW}
    assert await prometheus.ask(first["Stalls"]) == [0]
    assert await prometheus.ask(first["Leads that do not add up"]) == [0]
    assert await prometheus.ask(first["Instances that answer"]) == [1]
    (age,) = await prometheus.ask(first["Age of this picture"])
    assert 0 <= age < 120
    (waiting,) = await prometheus.ask(first["Leads that wait"])
    assert waiting >= 5, "those that wait for the empty group"


async def check_the_rest(prometheus: Prometheus) -> None:
    """What has no data is understood all the same, is empty for its reason, and the variables have values."""
    for one in of_panels():
        if (one.board, one.panel, one.number) in EMPTY:
            assert not await prometheus.ask(one.as_sent("15s")), "it has data: take it off the list"
    for one in of_marks():
        await prometheus.ask(one.as_sent("15s"))
    for board in boards().values():
        for variable in board["templating"]["list"]:
            for metric, label in re.findall(r"label_values\((\w+), (\w+)\)", variable.get("definition", "")):
                assert await prometheus.label_values(metric, label), (board["uid"], metric)
    assert await prometheus.label_values("lead_router_leads_assigned_total", "tenant") == ["acme"]
