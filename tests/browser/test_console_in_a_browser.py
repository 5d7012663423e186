"""What people do in the console, in a real browser: see trouble, read the cause, act, see it clear."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from router.domain.access import TokenRole
from router.store.connections.connections import Connections
from tests.browser.support import Tab, chromium, tab
from tests.http.console import Served, serving_console
from tests.http.support import make_token
from tests.support import until
from tests.world import CATCH_ALL, Tenancy, a_drain, lead, make_tenant, reps_csv, settle, simple_reps

pytestmark = pytest.mark.servers

RULES = CATCH_ALL.replace(
    "  - name: everyone",
    "  - name: mars\n    match: {region: Mars}\n    assign_to: group:mars\n    on_no_candidate: wait\n"
    "  - name: everyone",
)
WITH_MARS = reps_csv(["r001,Rep 1,yes,UTC,all;mars,1000,1000", "r002,Rep 2,yes,UTC,all,1000,1000"])


@dataclass
class World:
    """A tenant whose leads for Mars wait, the console over it, and a browser."""

    browser: Browser
    served: Served
    acme: Tenancy
    connections: Connections

    @property
    def url(self) -> str:
        return self.served.url

    async def token(self, role: TokenRole = TokenRole.OPERATOR) -> str:
        return await make_token(self.acme.conn, self.acme.tenant_id, role)

    async def route(self) -> None:
        """Until nothing more can be assigned."""
        await settle(a_drain(self.connections), self.acme.tenant_id)


@pytest.fixture
async def world(connections: Connections, conn: asyncpg.Connection, redis_url: str) -> AsyncIterator[World]:
    acme = await make_tenant(conn, simple_reps(2), RULES, name="acme", zone="Asia/Shanghai")
    people = {"name": "Ann Chen", "phone": "+8613800000001", "email": "ann@example.com"}
    await acme.accept(
        [lead(1, region="Mars", **people), lead(2, region="Mars", name="陈晓明"), lead(3, region="Venus")]
    )
    async with chromium() as browser, serving_console(connections, redis_url) as served:
        made = World(browser, served, acme, connections)
        await made.route()
        yield made


def well(one: Tab) -> None:
    """The browser had nothing to complain of, and asked nobody else."""
    assert one.complaints == [] and one.strangers == []


async def test_an_operator_sees_a_stall_reads_its_cause_and_sees_it_clear_without_reloading(world: World) -> None:
    async with tab(world.browser, world.url) as one:
        await one.log_in(await world.token())
        await one.page.select_option("#every", "5")
        await expect(one.page.locator("main")).to_contain_text("the group has no active member")
        await expect(one.page.locator(".finding").first).to_contain_text("lead-router")
        await one.page.evaluate("window.stillTheSamePage = true")
        await one.page.locator("#flow-table summary").click()
        await world.acme.roster(WITH_MARS)
        await world.route()
        await expect(one.page.locator("main")).to_contain_text("No lead waits.", timeout=20_000)
        assert await one.page.evaluate("window.stillTheSamePage") is True
        assert await one.page.locator("#flow-table").get_attribute("open") is not None, "what was opened stays open"
        assert await one.page.locator(".plot canvas").count() == 1, "the picture is drawn again"
        well(one)


async def test_a_lead_is_searched_and_its_page_says_why_it_waits(world: World) -> None:
    async with tab(world.browser, world.url) as one:
        await one.log_in(await world.token())
        await one.page.get_by_role("link", name="Leads", exact=True).click()
        await one.page.fill("#q", "ann@example.com")
        await one.page.keyboard.press("Enter")
        await expect(one.page.locator(".answer")).to_contain_text("mars")
        await one.page.fill("#why-rep", "r001")
        await one.page.get_by_role("button", name="Ask").click()
        await expect(one.page.locator("main")).to_contain_text("r001")
        well(one)


async def test_leads_are_counted_apart_and_parked_and_sent_back_in_bulk(world: World) -> None:
    async with tab(world.browser, world.url) as one:
        await one.log_in(await world.token())
        await one.go("/leads?state=waiting")
        await expect(one.page.locator("#count")).to_have_text("2 leads match")
        await one.page.get_by_role("link", name="Park all that match…").click()
        await expect(one.page.locator("main")).to_contain_text("2 leads")
        await one.page.fill("#why", "Mars is closed")
        await one.page.get_by_role("button", name="Park all that match").click()
        await expect(one.page.locator("h1")).to_have_text("Park: done", timeout=20_000)
        assert (await world.acme.states())["parked"] == 2
        await one.page.get_by_role("link", name="Waiting & parked").first.click()
        await one.page.get_by_role("link", name="Send back all…").click()
        await one.page.fill("#why", "Mars is open")
        await one.page.get_by_role("button", name="Retry them").click()
        await expect(one.page.locator("h1")).to_have_text("Retry: done", timeout=20_000)
        await one.go("/changes")
        await expect(one.page.locator("main")).to_contain_text("Mars is open")
        well(one)
    assert (await world.acme.states())["waiting"] == 2


async def test_a_viewer_finds_nothing_to_change_and_no_contact(world: World) -> None:
    async with tab(world.browser, world.url) as one:
        await one.log_in(await world.token(TokenRole.VIEWER))
        await one.go("/leads?q=Ann")
        said = await one.text()
        assert "+86138" not in said and "ann@example.com" not in said and "Ann Chen" in said
        assert await one.page.locator("form[method=post]").count() == 1
        await one.go("/doctor")
        await expect(one.page.locator("h1")).to_have_text("This token may not do that")


async def test_a_hidden_tab_asks_nothing_until_it_is_seen_again(world: World) -> None:
    async with tab(world.browser, world.url) as one:
        await one.page.add_init_script(
            "window.out = false; Object.defineProperty(document, 'hidden', {get: () => window.out})"
        )
        await one.log_in(await world.token())
        await expect(one.page.locator(".tile").first).to_be_visible()
        await one.page.evaluate("window.out = true")
        await one.page.wait_for_load_state("networkidle")
        before = len(one.asked)
        # A whole round and more, on the browser's clock.
        await one.page.evaluate("() => new Promise(done => setTimeout(done, 7000))")
        assert len(one.asked) == before
        await one.page.evaluate("window.out = false; document.dispatchEvent(new Event('visibilitychange'))")

        async def asks_again() -> bool:
            return len(one.asked) > before

        await until(asks_again, "it asks again")


async def test_when_the_session_is_over_a_live_page_becomes_the_login(world: World) -> None:
    async with tab(world.browser, world.url) as one:
        await one.log_in(await world.token())
        await expect(one.page.locator(".tile").first).to_be_visible()
        await one.page.context.clear_cookies()
        await expect(one.page.locator("#token")).to_be_visible(timeout=15_000)


async def test_everything_can_be_read_and_done_without_javascript(world: World) -> None:
    async with tab(world.browser, world.url, script=False) as one:
        await one.log_in(await world.token())
        assert "the group has no active member" in await one.text()
        assert await one.page.locator(".plot svg polyline").count() >= 1
        await one.go("/leads?state=waiting")
        await one.page.locator("tbody th a").first.click()
        await one.page.locator("#do-park summary").click()
        await one.page.fill("#park-why", "no script")
        await one.page.locator("#do-park button").click()
        await expect(one.page.locator(".banner.good")).to_contain_text("is parked")
    assert (await world.acme.states())["parked"] == 1


async def _pages(world: World) -> list[str]:
    rows = await world.acme.conn.fetch(
        "select (select min(lead_id) from lead_pool) as waiting, (select min(lead_id) from assignment) as assigned"
    )
    return [
        "/",
        "/leads",
        "/leads?state=eaten",
        f"/leads/{rows[0]['waiting']}",
        f"/leads/{rows[0]['assigned']}",
        "/waiting",
        "/waiting/retry?reason=group_empty",
        "/groups",
        "/groups/all",
        "/reps/r001",
        "/rules",
        "/rules/draft",
        "/rules/versions/1",
        "/doctor",
        "/changes",
        "/runbook/groups_empty",
    ]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_no_page_keeps_anybody_out(world: World, language: str, *, dark: bool) -> None:
    async with tab(world.browser, world.url, language=language, dark=dark) as one:
        await one.go("/login")
        serious = list(await _barriers(one))
        await one.log_in(await world.token(TokenRole.ADMIN))
        for path in await _pages(world):
            await one.go(path)
            serious += await _barriers(one)
        assert serious == []
        assert one.strangers == []
        # A page that is refused says so on the console of the browser, too.
        assert [words for words in one.complaints if "status of 422" not in words] == []


async def _barriers(one: Tab) -> list[str]:
    """What axe finds on the page, that is serious or worse."""
    found = await Axe().run(one.page)
    return [
        f"{one.page.url}: {wrong['id']} {node['target']} {node.get('failureSummary', '')}"
        for wrong in found.response["violations"]
        if wrong["impact"] in ("serious", "critical")
        for node in wrong["nodes"]
    ]


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_every_page_fits_a_phone(world: World, language: str) -> None:
    async with tab(world.browser, world.url, width=320, language=language) as one:
        await one.log_in(await world.token(TokenRole.ADMIN))
        for path in await _pages(world):
            await one.go(path)
            wide = await one.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 320, (path, wide)


async def test_the_keyboard_alone_is_enough(world: World) -> None:
    async with tab(world.browser, world.url) as one:
        await one.log_in(await world.token())
        await one.go("/")
        await one.page.keyboard.press("Tab")
        assert await one.page.evaluate("document.activeElement.className") == "skip"
        await one.page.keyboard.press("Enter")
        for _ in range(40):
            await one.page.keyboard.press("Tab")
            if await one.page.evaluate("document.activeElement.getAttribute('href')") == "/doctor":
                break
        reached = await one.page.evaluate(
            "Array.from(document.querySelectorAll('a[href], button, select, summary, [tabindex=\"0\"]'))"
            ".filter(e => e.offsetParent !== null && e.tabIndex < 0).length"
        )
        assert reached == 0, "nothing that is seen is left out of the order"
