"""What reps and managers do in a real browser: end and return leads, hand over those of a rep who leaves."""

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
from tests.world import CATCH_ALL, Tenancy, a_drain, lead, make_tenant, reps_csv, settle

pytestmark = pytest.mark.servers

RULES = CATCH_ALL.replace(
    "  - name: everyone",
    "  - name: mars\n    match: {region: Mars}\n    assign_to: group:mars\n    on_no_candidate: wait\n"
    "  - name: everyone",
)
REPS = reps_csv(
    [
        "r001,王芳,yes,Asia/Shanghai,all,20,1000,always,",
        "r002,Bo Lindqvist-Fernández,yes,Europe/Berlin,all,20,1000,mon-fri 00:00-24:00; sat-sun 00:00-24:00,",
        "r003,Cy,no,America/New_York,all,20,1000,mon-fri 09:00-17:00,2026-11-24..2026-12-31",
    ],
    "rep_id,name,available,time_zone,groups,max_open,max_per_day,working_hours,leave",
)


@dataclass
class World:
    """A tenant whose two reps have leads, one of which waits for another group; the console over it, and a browser."""

    browser: Browser
    served: Served
    acme: Tenancy
    connections: Connections

    @property
    def url(self) -> str:
        return self.served.url

    async def token(self, role: TokenRole, rep_id: str | None = None) -> str:
        return await make_token(self.acme.conn, self.acme.tenant_id, role, rep_id=rep_id)

    async def route(self) -> None:
        await settle(a_drain(self.connections), self.acme.tenant_id)


@pytest.fixture
async def world(connections: Connections, conn: asyncpg.Connection, redis_url: str) -> AsyncIterator[World]:
    acme = await make_tenant(conn, REPS, RULES, name="acme", zone="Asia/Shanghai")
    people = [{"name": f"Person {n}", "phone": f"+8613800000{n:03}", "email": f"p{n}@example.com"} for n in range(8)]
    await acme.accept([lead(number, **person) for number, person in enumerate(people)])
    await acme.accept([lead(20, region="Mars", name="Waits")])
    async with chromium() as browser, serving_console(connections, redis_url) as served:
        made = World(browser, served, acme, connections)
        await made.route()
        yield made


def well(one: Tab) -> None:
    """The browser had nothing to complain of, and asked nobody else."""
    assert one.complaints == [] and one.strangers == []


async def test_a_manager_hands_over_the_leads_of_a_rep_who_leaves_after_a_preview(world: World) -> None:
    async with tab(world.browser, world.url) as one:
        await one.log_in(await world.token(TokenRole.MANAGER))
        await one.page.get_by_role("link", name="My team").click()
        await one.page.get_by_role("row", name="r002").get_by_role("link", name="r002", exact=True).click()
        await one.page.locator("#do-switch summary").click()
        await one.page.fill("#note", "leaves")
        await one.page.get_by_role("button", name="Give no more leads").click()
        await expect(one.page.locator(".banner.bad")).to_contain_text("keeps 4 open leads")
        await one.page.locator(".banner.bad").get_by_role("link", name="Hand over all…").click()
        await one.page.get_by_role("button", name="Show what would become of them").click()
        await expect(one.page.locator("main")).to_contain_text("4 leads are handed over.")
        await expect(one.page.get_by_role("row", name="r001 王芳")).to_contain_text("4")
        assert await world.acme.counts() == {"r001": 4, "r002": 4}, "nothing was done yet"
        await one.page.fill("#why", "left the company")
        await one.page.get_by_role("button", name="Hand over 4 leads").click()
        await expect(one.page.locator("h1")).to_have_text("Handover: done", timeout=20_000)
        await world.route()
        assert await world.acme.counts() == {"r001": 8}
        await one.page.get_by_role("link", name="Changes").last.click()
        await expect(one.page.locator("main")).to_contain_text("left the company")
        well(one)


async def test_a_rep_ends_one_lead_and_returns_another_with_a_reason(world: World) -> None:
    async with tab(world.browser, world.url) as one:
        await one.log_in(await world.token(TokenRole.REP, "r001"))
        await expect(one.page.locator("h1")).to_contain_text("My leads")
        assert "+8613800000" not in await one.text()
        rows = one.page.locator("tbody tr")
        await expect(rows).to_have_count(4)
        await rows.first.get_by_text("End…").click()
        await rows.first.get_by_label("won").check()
        await rows.first.get_by_role("button", name="End").click()
        await expect(one.page.locator(".banner.good")).to_contain_text("has ended")
        await one.page.locator("tbody th a").first.click()
        await one.page.get_by_text("Return…").click()
        await one.page.get_by_role("button", name="Return").click()
        await expect(one.page.locator("h1")).to_contain_text("Lead")
        await one.page.get_by_label("Why").fill("speaks French")
        await one.page.get_by_role("button", name="Return").click()
        await expect(one.page.locator(".banner.good")).to_contain_text("goes to another rep")
        await expect(rows).to_have_count(2)
        well(one)
    await world.route()
    assert await world.acme.counts() == {"r001": 2, "r002": 5}


async def test_without_javascript_a_rep_goes_off_and_a_manager_finds_who_is_away(world: World) -> None:
    async with tab(world.browser, world.url, script=False) as one:
        await one.log_in(await world.token(TokenRole.REP, "r001"))
        await one.page.get_by_role("button", name="Give no more leads").click()
        await expect(one.page.locator(".banner.good")).to_contain_text("4 open leads stay")
    async with tab(world.browser, world.url, script=False) as one:
        await one.log_in(await world.token(TokenRole.MANAGER))
        await one.go("/team")
        await expect(one.page.locator(".tile.bad")).to_contain_text("Open leads of reps who are away")
        await one.page.select_option("#only", "away")
        await one.page.get_by_role("button", name="Show").click()
        await expect(one.page.locator("tr.attention")).to_have_count(1)
        await one.go("/groups/all")
        await one.page.get_by_role("row", name="r001").get_by_role("button", name="Give leads again").click()
        await expect(one.page.locator(".banner.good")).to_contain_text("Rep r001 gets leads again.")
        assert one.page.url.endswith("/groups/all")


async def _pages(world: World) -> dict[str, tuple[TokenRole, str | None]]:
    number = await world.acme.conn.fetchval(
        "select min(lead_id) from assignment a join rep using (tenant_id, rep_no) where rep_id = 'r001'"
    )
    manager = (TokenRole.MANAGER, None)
    return {
        "/my-leads": (TokenRole.REP, "r001"),
        f"/my-leads/{number}": (TokenRole.REP, "r001"),
        "/team": manager,
        "/team?only=away": manager,
        "/reps/r001/leads": manager,
        "/reps/r001/handover": manager,
        "/reps/r001/handover?way=rules": manager,
        "/reps/r001/handover?way=rep&to=r999": manager,
        "/reps/r002": manager,
        "/reps/r003": manager,
        "/groups": manager,
        "/groups/all": manager,
        "/groups/all/shares": manager,
    }


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_no_page_keeps_anybody_out_and_every_page_fits_a_phone(
    world: World, language: str, *, dark: bool
) -> None:
    pages, found = await _pages(world), list[str]()
    for who in ((TokenRole.REP, "r001"), (TokenRole.MANAGER, None)):
        async with tab(world.browser, world.url, language=language, dark=dark) as one:
            await one.log_in(await world.token(*who))
            for path in (path for path, of in pages.items() if of == who):
                await one.page.set_viewport_size({"width": 1280, "height": 900})
                await one.go(path)
                found += await _barriers(one)
                await one.page.set_viewport_size({"width": 320, "height": 800})
                wide = await one.page.evaluate("document.documentElement.scrollWidth")
                found += [f"{path} is {wide} px wide"] if wide > 320 else []
            assert one.strangers == []
            # A page that is refused says so on the console of the browser, too.
            assert [words for words in one.complaints if "status of 404" not in words] == []
    assert found == []


async def _barriers(one: Tab) -> list[str]:
    """What axe finds on the page, that is serious or worse."""
    answer = await Axe().run(one.page)
    return [
        f"{one.page.url}: {wrong['id']} {node['target']} {node.get('failureSummary', '')}"
        for wrong in answer.response["violations"]
        if wrong["impact"] in ("serious", "critical")
        for node in wrong["nodes"]
    ]
