"""Events, imports and blockers in a real browser: a dead letter delivered again, a file imported and taken back."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from router.domain.access import EVERY_TENANT, TokenRole
from router.store.connections.connections import Connections
from router.store.processes import OwnProcess
from router.store.webhooks import dead_of
from tests.browser.support import Tab, chromium, tab
from tests.http.console import Served, serving_console
from tests.http.support import make_token
from tests.postgres.test_webhooks import a_webhook, assigned, delivering, settled
from tests.sink import Sink, a_sink
from tests.support import connected, until
from tests.world import Tenancy

pytestmark = pytest.mark.servers

LEADS = (
    "Lead ID,Full name,Phone number\n" + "".join(f"{n},Ann {n},+86138123456{n:02}\n" for n in range(20)) + ",Dan,1\n"
)
SOON_MS = 20_000


@dataclass
class World:
    """A tenant with an endpoint that took all but one event, the console over it, and a browser."""

    browser: Browser
    served: Served
    acme: Tenancy
    sink: Sink
    number: int
    connections: Connections

    @property
    def url(self) -> str:
        return self.served.url

    async def token(self, role: TokenRole = TokenRole.OPERATOR, tenant: int | None = None) -> str:
        return await make_token(self.acme.conn, self.acme.tenant_id if tenant is None else tenant, role)


@pytest.fixture
async def world(connections: Connections, conn: asyncpg.Connection) -> AsyncIterator[World]:
    acme, leads = await assigned(conn, connections, 12)
    async with a_sink() as sink:
        number = await a_webhook(acme, sink)
        sink.answer = lambda body: 500 if body["data"]["lead_id"] == leads[3] else 204
        async with delivering(connections):

            async def all_but_one() -> bool:
                return len(set(sink.ids)) == 11 and bool(await conn.fetchval("select count(*) from webhook_delivery"))

            await until(all_but_one, "all others are delivered", 30)
        await conn.execute("update webhook_delivery set state = 'dead', attempts = 10")
        sink.answer = lambda _: 204
        async with chromium() as browser, serving_console(connections) as served:
            yield World(browser, served, acme, sink, number, connections)


def well(one: Tab) -> None:
    """The browser had nothing to complain of, and asked nobody else."""
    assert one.complaints == [] and one.strangers == []


async def test_a_dead_letter_is_found_read_and_delivered_again(world: World) -> None:
    async with tab(world.browser, world.url) as one:
        await one.log_in(await world.token())
        await one.page.get_by_role("link", name="Events", exact=True).click()
        await expect(one.page.locator(".verdict")).to_contain_text("1 dead letter.")
        await one.page.locator("tbody th a").first.click()
        await expect(one.page.locator("main")).to_contain_text("in trouble itself")
        await one.page.locator("tbody th a").first.click()
        await expect(one.page.locator("pre")).to_contain_text('"lead.assigned"')
        await one.page.get_by_role("link", name="Deliver again…").click()
        await one.page.fill("#why", "the CRM is back")
        await one.page.get_by_role("button", name="Deliver again").click()
        await expect(one.page.locator(".banner.good")).to_contain_text("1 event is delivered again.")
        async with delivering(world.connections):
            await settled(world.acme, world.number)
        await expect(one.page.locator("main")).to_contain_text("no event was given up", timeout=SOON_MS)
        well(one)
    assert len(set(world.sink.ids)) == 12


async def test_an_endpoint_is_paused_by_keyboard_and_resumed(world: World) -> None:
    async with tab(world.browser, world.url) as one:
        await one.log_in(await world.token())
        await one.go(f"/events/endpoints/{world.number}")
        await one.page.locator("#do-pause summary").focus()
        await one.page.keyboard.press("Enter")
        await one.page.keyboard.press("Tab")
        await one.page.keyboard.type("maintenance")
        await one.page.keyboard.press("Enter")
        await expect(one.page.locator("h1 .pill")).to_have_text("paused")
        await one.page.locator("#do-resume summary").click()
        await one.page.fill("#resume-why", "done")
        await one.page.get_by_role("button", name="Resume", exact=True).click()
        await expect(one.page.locator("h1 .pill")).not_to_have_text("paused")
        well(one)


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without JavaScript"])
async def test_a_file_is_checked_mapped_imported_its_rejects_seen_and_taken_back(
    world: World, tmp_path: Path, *, script: bool
) -> None:
    file = tmp_path / "fair.csv"
    file.write_text(LEADS)
    async with tab(world.browser, world.url, script=script) as one:
        await one.log_in(await world.token())
        await one.page.get_by_role("link", name="Imports", exact=True).click()
        await one.page.get_by_role("link", name="Import a file…").click()
        await one.page.set_input_files("#file", file)
        await one.page.get_by_role("button", name="Check first").click()
        await expect(one.page.locator("h1")).to_have_text("Check of a file: failed", timeout=SOON_MS)
        await expect(one.page.locator("main")).to_contain_text("no column is mapped to external_id")
        # The suggestion is there already.
        suggested = 'rename:\n  "Lead ID": external_id\n  "Full name": name\n  "Phone number": phone\n'
        await expect(one.page.locator("#mapping")).to_have_value(suggested)
        await one.page.get_by_role("button", name="Check again").click()
        await expect(one.page.locator("h1")).to_have_text("Check of a file: done", timeout=SOON_MS)
        await expect(one.page.locator(".tile").nth(1)).to_contain_text("20")
        await expect(one.page.locator("main")).to_contain_text("Rejected rows")
        before = await _leads(world)
        await one.page.fill("#why", "fair in Shenzhen")
        await one.page.get_by_role("button", name="Import", exact=True).click()
        await expect(one.page.locator("main")).to_contain_text("20 new leads were imported.", timeout=SOON_MS)
        assert await _leads(world) == before + 20
        async with one.page.expect_download() as coming:
            await one.page.locator("h2 a.csv").first.click()
        saved = tmp_path / "rejects.csv"
        await (await coming.value).save_as(saved)
        assert "Dan" in saved.read_text() and "rejected_reason" in saved.read_text()
        await one.page.locator(".answer a").click()
        await one.page.get_by_role("link", name="Take it back…").click()
        await expect(one.page.locator("main")).to_contain_text("20 leads would be removed")
        await one.page.fill("#why", "wrong fair")
        await one.page.get_by_role("button", name="Take it back").click()
        await expect(one.page.locator("main")).to_contain_text("20 leads were removed.", timeout=SOON_MS)
        assert await _leads(world) == before
        well(one)


async def _leads(world: World) -> int:
    return int(await world.acme.conn.fetchval("select count(*) from lead"))


async def test_a_viewer_sees_events_and_imports_and_can_do_nothing_there(world: World) -> None:
    async with tab(world.browser, world.url) as one:
        await one.log_in(await world.token(TokenRole.VIEWER))
        assert await one.page.get_by_role("link", name="Blockers").count() == 0
        for path in ("/events", "/imports"):
            await one.go(path)
            assert await one.page.locator("form[method=post]").count() == 1, path
        assert await one.page.get_by_role("link", name="Import a file…").count() == 0
        well(one)
        for path in ("/imports/new", f"/events/endpoints/{world.number}", "/blockers"):
            await one.go(path)
            await expect(one.page.locator("h1")).to_have_text("This token may not do that")


async def test_a_blocking_session_is_seen_ended_and_the_page_clears(world: World, database_url: str) -> None:
    async with (
        connected(f"{database_url}&application_name=nightly-report") as script,
        tab(world.browser, world.url) as one,
    ):
        await script.execute("begin; lock table parked in exclusive mode")
        await one.log_in(await world.token(tenant=EVERY_TENANT))
        await one.go("/blockers")
        await expect(one.page.locator(".finding").first).to_contain_text("nightly-report")
        pid = script.get_server_pid()
        await one.page.locator(f"#end-{pid} summary").click()
        await one.page.fill(f"#why-{pid}", "leads stand")
        await one.page.locator(f"#end-{pid} button").click()
        await expect(one.page.locator(".banner.good")).to_contain_text("has ended")
        await expect(one.page.locator("main")).not_to_contain_text("nightly-report")
        well(one)


async def _checked_pages(world: World, one: Tab, folder: Path) -> list[str]:
    """Addresses of all pages, those of a check, an import and its undoing included."""
    [row] = await dead_of(world.acme.conn, world.acme.tenant_id, world.number, 1)
    event = f"evt_{row['event_no']}_{row['place']}"
    file = folder / "fair.csv"
    file.write_text(LEADS)
    found = []
    for mapping in ("", 'rename: {"Lead ID": external_id, "Full name": name, "Phone number": phone}'):
        await one.go("/imports/new")
        await one.page.fill("#mapping", mapping)
        await one.page.set_input_files("#file", file)
        await one.page.locator("main button").last.click()
        await expect(one.page.locator("h1")).to_contain_text(":", timeout=SOON_MS)
        found.append(one.page.url.removeprefix(world.url.rstrip("/")))
    await one.page.locator("input[name=why]").fill("fair")
    await one.page.locator("form[action$='/import'] button").click()
    await expect(one.page.locator(".answer a")).to_be_visible(timeout=SOON_MS)
    found.append(one.page.url.removeprefix(world.url.rstrip("/")))
    number = await world.acme.conn.fetchval("select max(import_no) from lead_import")
    return [
        *found,
        "/events",
        f"/events/endpoints/{world.number}",
        f"/events/endpoints/{world.number}/redeliver",
        f"/events/{event}?webhook={world.number}",
        "/imports",
        "/imports/new",
        f"/imports/{number}",
        f"/imports/{number}/undo",
        "/blockers",
    ]


async def _barriers(one: Tab) -> list[str]:
    found = await Axe().run(one.page)
    return [
        f"{one.page.url}: {wrong['id']} {node['target']} {node.get('failureSummary', '')}"
        for wrong in found.response["violations"]
        if wrong["impact"] in ("serious", "critical")
        for node in wrong["nodes"]
    ]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_no_page_keeps_anybody_out_and_every_page_fits_a_phone(
    world: World, tmp_path: Path, language: str, *, dark: bool
) -> None:
    await OwnProcess(instance="router-a").beat(world.acme.conn)
    async with tab(world.browser, world.url, language=language, dark=dark) as one:
        await one.log_in(await world.token(TokenRole.ADMIN, tenant=EVERY_TENANT))
        await one.go("/events?tenant=" + str(await world.acme.conn.fetchval("select name from tenant limit 1")))
        serious: list[str] = []
        for path in await _checked_pages(world, one, tmp_path):
            await one.go(path)
            serious += await _barriers(one)
            await one.page.set_viewport_size({"width": 320, "height": 900})
            wide = await one.page.evaluate("document.documentElement.scrollWidth")
            await one.page.set_viewport_size({"width": 1280, "height": 900})
            assert wide <= 320, (path, wide)
        assert serious == []
        well(one)
