"""What people do with rules in a real browser: draft, check while typing, replay, apply, roll back."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from router.domain.access import TokenRole
from router.store.connections.connections import Connections
from tests.browser.support import Tab, chromium, tab
from tests.http.console import Served, serving_console
from tests.http.support import make_token
from tests.world import CATCH_ALL, Tenancy, a_drain, lead, make_tenant, reps_csv, settle

pytestmark = pytest.mark.servers

RULES = CATCH_ALL.lstrip()
EAST = RULES.replace(
    "  - name: everyone",
    "  - name: east\n    match: {region: East}\n    assign_to: group:east\n    on_no_candidate: wait\n"
    "  - name: everyone",
)
REPS = reps_csv(["r001,Ann,yes,UTC,all;east,1000,1000", "r002,陈晓明,yes,UTC,all,1000,1000"])
WAIT = 20_000


@dataclass
class World:
    """A tenant with assigned leads, half of them from the east, the console over it, and a browser."""

    browser: Browser
    served: Served
    acme: Tenancy

    async def token(self, role: TokenRole = TokenRole.ADMIN) -> str:
        return await make_token(self.acme.conn, self.acme.tenant_id, role)

    async def in_force(self) -> tuple[int, str]:
        """The version, and its text."""
        row = await self.acme.conn.fetchrow(
            """select r.version, r.source from tenant t
                 join ruleset r on (r.tenant_id, r.version) = (t.tenant_id, t.ruleset) where t.tenant_id = $1""",
            self.acme.tenant_id,
        )
        assert row is not None
        return row["version"], row["source"]


@pytest.fixture
async def world(connections: Connections, conn: asyncpg.Connection, redis_url: str) -> AsyncIterator[World]:
    acme = await make_tenant(conn, REPS, RULES, name="acme", zone="Asia/Shanghai")
    await acme.accept([lead(n, region="East" if n % 2 else "West") for n in range(1, 13)])
    await settle(a_drain(connections), acme.tenant_id)
    async with chromium() as browser, serving_console(connections, redis_url) as served:
        yield World(browser, served, acme)


def well(one: Tab, *refused: int) -> None:
    """The browser asked nobody else, and had nothing to complain of but answers with these statuses."""
    left = [words for words in one.complaints if not any(f"status of {status}" in words for status in refused)]
    assert left == [] and one.strangers == []


async def test_rules_are_drafted_checked_as_they_are_typed_replayed_applied_and_rolled_back(world: World) -> None:
    async with tab(world.browser, world.served.url) as one:
        page = one.page
        await one.log_in(await world.token())
        await page.get_by_role("link", name="Rules", exact=True).click()
        await expect(page.locator("main")).to_contain_text("the customer's owner")
        await expect(page.locator("#lint")).to_contain_text("Nothing, as far as the check sees", timeout=WAIT)
        await page.get_by_role("link", name="Write a draft…").click()
        await expect(page.locator("#draft")).to_have_value(RULES)

        # A mistake shows with its line while it is typed, and is gone when it is corrected.
        await page.fill("#draft", EAST.replace("region", "regoin"))
        await expect(page.locator("#checked")).to_contain_text("it cannot be applied", timeout=WAIT)
        await expect(page.locator("#checked")).to_contain_text("regoin")
        await page.locator("#checked [data-line]").first.click()
        assert "regoin" in await page.evaluate(
            "document.getSelection().toString() || document.activeElement.value.slice("
            "document.activeElement.selectionStart, document.activeElement.selectionEnd)"
        )
        await page.fill("#draft", EAST)
        await expect(page.locator("#checked")).to_contain_text("No problems", timeout=WAIT)
        await expect(page.locator("#checked")).to_contain_text("added")

        # The replay shows its result beside the draft, without another page.
        await page.evaluate("window.stillTheSamePage = true")
        await page.fill("#since", "")
        await page.fill("#until", "")
        await page.get_by_role("button", name="Replay").click()
        await expect(page.locator("#replay")).to_contain_text("leads would be elsewhere", timeout=WAIT)
        assert await page.locator("#replay .pairs svg").count() >= 3
        assert await page.evaluate("window.stillTheSamePage") is True
        await expect(page.locator("#draft")).to_have_value(EAST)
        await page.locator("#numbers-reps summary").click()
        await expect(page.locator("#replay")).to_contain_text("Share before")

        await page.get_by_role("button", name="Preview and apply…").click()
        await expect(page.locator("main")).to_contain_text("added")
        assert await world.in_force() == (1, RULES)
        await page.get_by_role("button", name="Back to the draft").click()
        await expect(page.locator("#draft")).to_have_value(EAST)
        await expect(page.locator("#replay")).to_contain_text("leads would be elsewhere")
        await page.get_by_role("button", name="Preview and apply…").click()
        await page.fill("#why", "Ann speaks the language of the east")
        await page.get_by_role("button", name="Apply", exact=True).click()
        await expect(page.locator(".banner.good")).to_contain_text("Version 2 is in force: 1 change")
        assert await world.in_force() == (2, EAST)

        await page.get_by_role("link", name="Rules", exact=True).click()
        await page.get_by_role("link", name="Roll back…").click()
        await expect(page.locator("main")).to_contain_text("deleted")
        await page.fill("#why", "the east has nobody")
        await page.get_by_role("button", name="Roll back").click()
        await expect(page.locator(".banner.good")).to_contain_text("Version 3 is in force")
        assert await world.in_force() == (3, RULES)
        await one.go("/changes")
        await expect(page.locator("main")).to_contain_text("the east has nobody")
        well(one)


async def test_warnings_are_ticked_before_rules_are_applied(world: World) -> None:
    async with tab(world.browser, world.served.url) as one:
        page = one.page
        await one.log_in(await world.token())
        await one.go("/rules/draft")
        await page.fill("#draft", RULES.replace("group:all", "group:mars"))
        await expect(page.locator("#checked")).to_contain_text('group "mars" does not exist', timeout=WAIT)
        await page.get_by_role("button", name="Preview and apply…").click()
        await page.fill("#why", "Mars opens")
        await page.get_by_role("button", name="Apply", exact=True).click()
        await expect(page.locator(".banner.bad")).to_contain_text("nothing was applied")
        assert (await world.in_force())[0] == 1
        await page.get_by_label("Apply in spite of warnings").check()
        await page.get_by_role("button", name="Apply", exact=True).click()
        await expect(page.locator(".banner.good")).to_contain_text("Version 2 is in force")
        well(one, 409)


async def test_a_viewer_reads_rules_and_can_change_nothing(world: World) -> None:
    await world.acme.rules(EAST)
    async with tab(world.browser, world.served.url) as one:
        page = one.page
        await one.log_in(await world.token(TokenRole.VIEWER))
        await one.go("/rules")
        await expect(page.locator("main")).to_contain_text("east")
        assert await page.get_by_role("link", name="Roll back…").count() == 0
        await one.go("/rules/draft")
        await page.fill("#draft", RULES)
        await expect(page.locator("#checked")).to_contain_text("deleted", timeout=WAIT)
        assert await page.get_by_role("button", name="Preview and apply…").count() == 0
        assert await page.get_by_role("button", name="Replay").count() == 0
        await one.go("/rules/rollback?to=1")
        await expect(page.locator("h1")).to_have_text("This token may not do that")
        well(one, 403)
    assert (await world.in_force())[0] == 2


async def test_a_draft_outlives_a_login_that_is_over(world: World) -> None:
    async with tab(world.browser, world.served.url) as one:
        page = one.page
        await one.log_in(await world.token())
        await one.go("/rules/draft")
        await page.context.clear_cookies()
        await page.fill("#draft", EAST)
        await expect(page.locator("[data-draft] > .banner.bad")).to_contain_text("You are logged out", timeout=WAIT)
        await expect(page.locator("#draft")).to_have_value(EAST)
        other = await page.context.new_page()
        await other.goto(world.served.url)
        await other.fill("#token", await world.token())
        await other.click("main button")
        await expect(other.locator("h1").first).to_be_attached()
        await page.type("#draft", "# more\n")
        await expect(page.locator("#checked")).to_contain_text("another login", timeout=WAIT)
        await page.type("#draft", "# and more\n")
        await expect(page.locator("#checked")).to_contain_text("added", timeout=WAIT)
        assert EAST.strip() in await page.input_value("#draft")


async def test_everything_is_done_without_javascript(world: World) -> None:
    async with tab(world.browser, world.served.url, script=False) as one:
        page = one.page
        await one.log_in(await world.token())
        await one.go("/rules/draft")
        await page.fill("#draft", "\n" + EAST)
        await page.get_by_role("button", name="Check", exact=True).click()
        await expect(page.locator("#checked")).to_contain_text("No problems")
        await expect(page.locator("#draft")).to_have_value("\n" + EAST)
        await page.fill("#since", "")
        await page.fill("#until", "")
        await page.get_by_role("button", name="Replay").click()
        for _ in range(200):
            if "would be elsewhere" in await one.text():
                break
            await page.get_by_role("button", name="How far is it?").click()
        await expect(page.locator("#replay")).to_contain_text("would be elsewhere")
        await page.get_by_role("button", name="Preview and apply…").click()
        await page.fill("#why", "without a script")
        await page.get_by_role("button", name="Apply", exact=True).click()
        await expect(page.locator(".banner.good")).to_contain_text("Version 2 is in force")
    assert await world.in_force() == (2, "\n" + EAST)


async def _visit(world: World, one: Tab) -> AsyncIterator[str]:
    """Each page about rules, in the state in which there is most on it."""
    page = one.page
    await one.log_in(await world.token())
    for path in ("/rules", "/rules/lint", "/rules/versions/1", "/rules/compare?from=1&to=2", "/rules/rollback?to=1"):
        await one.go(path)
        await _open_all(page)
        yield path
    await one.go("/rules/draft")
    await page.fill("#draft", EAST.replace("region", "regoin"))
    await expect(page.locator("#checked .verdict.wrong")).to_be_visible(timeout=WAIT)
    yield "a draft with a mistake"
    await page.fill("#draft", EAST.replace("group:east", "group:mars"))
    await expect(page.locator("#checked .verdict.look")).to_be_visible(timeout=WAIT)
    await page.fill("#since", "")
    await page.fill("#until", "")
    await page.locator("#replay button[hx-post]").click()
    await expect(page.locator("#replay .pairs").first).to_be_visible(timeout=WAIT)
    await _open_all(page)
    yield "a draft with its replay"
    await page.locator('button[formaction*="/draft/apply"]').click()
    await expect(page.locator("#why")).to_be_visible()
    yield "the preview of an apply"


async def _open_all(page: Page) -> None:
    """What is folded up is looked at, too."""
    await page.evaluate("document.querySelectorAll('main details').forEach(one => { one.open = true })")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_no_page_about_rules_keeps_anybody_out(world: World, language: str, *, dark: bool) -> None:
    await world.acme.rules(EAST)
    async with tab(world.browser, world.served.url, language=language, dark=dark) as one:
        serious = []
        async for where in _visit(world, one):
            found = await Axe().run(one.page)
            serious += [
                f"{where}: {wrong['id']} {node['target']} {node.get('failureSummary', '')}"
                for wrong in found.response["violations"]
                if wrong["impact"] in ("serious", "critical")
                for node in wrong["nodes"]
            ]
        assert serious == []
        well(one)


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_every_page_about_rules_fits_a_phone(world: World, language: str) -> None:
    await world.acme.rules(EAST)
    async with tab(world.browser, world.served.url, width=320, language=language) as one:
        async for where in _visit(world, one):
            wide = await one.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 320, (where, wide)
