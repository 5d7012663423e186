"""Pages of the console while a table is locked or a query takes too long: filters stay usable, nothing runs on."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from loadtest.faults.foreign import table_locked
from ops.console.view import View
from router.domain.access import TokenRole
from router.store.connections.connections import Connections
from tests.http.console import Served, serving_console
from tests.http.support import make_token
from tests.support import BLOCKED, until
from tests.world import Tenancy, a_drain, lead, make_tenant, settle, simple_reps

# The page, the table that is locked, and a control of its filter.
FILTERED = [
    ("/leads?state=waiting", "lead", ("select", "state")),
    ("/leads?q=Ann", "lead", ("input", "q")),
    ("/leads?state=assigned&source=web", "assignment", ("select", "state")),
    ("/changes?since=7d", "change", ("a", "")),
]


@dataclass
class World:
    acme: Tenancy
    served: Served
    token: str


@pytest.fixture
async def world(connections: Connections, conn: asyncpg.Connection, redis_url: str) -> AsyncIterator[World]:
    acme = await make_tenant(conn, simple_reps(2))
    await acme.accept(lead(number, name=f"Ann {number}") for number in range(3))
    await settle(a_drain(connections), acme.tenant_id)
    token = await make_token(conn, acme.tenant_id, TokenRole.OPERATOR)
    async with serving_console(connections, redis_url) as served:
        yield World(acme, served, token)


@pytest.mark.parametrize(("path", "table", "control"), FILTERED, ids=[f"{path} {table}" for path, table, _ in FILTERED])
async def test_a_locked_table_is_a_banner_and_the_filter_stays_usable(
    world: World, database_url: str, path: str, table: str, control: tuple[str, str]
) -> None:
    async with world.served.browser(world.token) as browser:
        async with table_locked(database_url, table):
            page = await browser.get(path)
        assert page.status == 503, page.words
        [banner] = page.all("p", role="alert")
        assert "locked" in banner.text, banner.text
        name, number = control
        assert page.all(name, id=number) if number else "/changes?since=1h" in page.links
        assert (await browser.get(path)).status == 200


async def test_a_query_that_takes_too_long_is_cancelled_in_the_database_too(
    world: World, connections: Connections, database_url: str
) -> None:
    async with (
        # For the login, which is under the same deadline, it is long enough also on a busy machine.
        serving_console(connections, page_deadline_s=2.0) as served,
        served.browser() as browser,
        table_locked(database_url, "change"),
    ):
        await browser.post("/login", {"token": world.token, "back": "/runbook/groups_empty"})
        page = await browser.get("/changes?since=24h")
        assert (page.status, "took too long" in page.words) == (503, True)
        assert "/changes?since=1h" in page.links

        async def nothing_waits() -> bool:
            return not await world.acme.conn.fetchval(BLOCKED)

        await until(nothing_waits, "no statement of the page is left in the database")


async def test_waiting_and_parked_say_who_has_the_table_locked_too(world: World, database_url: str) -> None:
    async with world.served.browser(world.token) as browser, table_locked(database_url, "lead_pool"):
        page = await browser.get("/waiting")
        assert (page.status, "foreign script" in page.words) == (503, True), page.words
        assert "could not look meanwhile" in page.words
        assert len(page.all("article")) == 1, "what could not be checked is one line, not a box for each check"


async def test_those_who_may_not_ask_the_doctor_hear_that_an_operator_can(world: World, database_url: str) -> None:
    viewer = await make_token(world.acme.conn, world.acme.tenant_id, TokenRole.VIEWER)
    async with world.served.browser(viewer) as browser, table_locked(database_url, "lead_pool"):
        page = await browser.get("/")
        assert (page.status, "An operator sees here who it is" in page.words) == (503, True)
        assert "foreign script" not in page.text


async def test_a_file_with_a_filter_that_fits_nothing_is_refused_before_it_begins(world: World) -> None:
    async with world.served.browser(world.token) as browser:
        for wrong in ("rep=r999", "group=moon", "state=assigned&reason=group_empty"):
            assert (await browser.get(f"/leads.csv?{wrong}")).status == 422, wrong


async def test_a_long_file_comes_whole(world: World) -> None:
    await world.acme.accept(lead(number) for number in range(100, 1_300))
    async with world.served.browser(world.token) as browser:
        page = await browser.get("/leads.csv?state=waiting")
        assert len(page.text.strip().splitlines()) == 1 + 1_200
        assert page.text.count("\ufeff") == 1


async def test_a_download_that_fails_half_way_is_broken_off_and_not_taken_for_the_whole() -> None:
    async def parts() -> AsyncIterator[Sequence[Sequence[object]]]:
        yield [[1]]
        raise TimeoutError

    async def handle(request: web.Request) -> web.StreamResponse:
        return await View(request, None, "en", "auto").stream_csv("x", ["a"], parts())  # type: ignore[arg-type]

    application = web.Application()
    application.router.add_get("/", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/") as answer:
            assert answer.status == 200
            with pytest.raises(aiohttp.ClientError):
                await answer.read()
    finally:
        await runner.cleanup()
