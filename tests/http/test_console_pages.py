"""The console's pages: who may see which, what they say, and that nothing on them needs a script."""

import csv
import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest
from yarl import URL

from ops.console.routes import ROUTES
from ops.text.translation import LOCALES
from router.domain.access import MAY, Permission, TokenRole
from router.store.connections.connections import Connections
from tests.http.console import Page, Served, Tag, serving_console
from tests.http.support import make_token
from tests.support import connected, until
from tests.world import CATCH_ALL, Tenancy, a_drain, lead, make_tenant, settle, simple_reps

RULES = CATCH_ALL.replace(
    "  - name: everyone",
    "  - name: nobody\n    match: {region: Mars}\n    assign_to: group:mars\n    on_no_candidate: wait\n"
    "  - name: everyone",
)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}"
PAGES = ("/", "/leads", "/waiting", "/changes", "/doctor", "/leads/1", "/runbook/groups_empty", "/groups")
LATER_PAGES = ("/events", "/imports", "/imports/new", "/blockers")
READERS = [role for role in TokenRole if Permission.READ in MAY[role]]


@dataclass
class World:
    """Two tenants with leads in several states, and the console over them."""

    served: Served
    acme: Tenancy
    other: Tenancy
    waiting: int
    assigned: int
    parked: int

    async def token(self, role: TokenRole) -> str:
        """Of the first tenant."""
        rep = "r001" if role is TokenRole.REP else None
        return await make_token(self.acme.conn, self.acme.tenant_id, role, rep_id=rep)


@pytest.fixture
async def world(connections: Connections, conn: asyncpg.Connection, redis_url: str) -> AsyncIterator[World]:
    acme = await make_tenant(conn, simple_reps(3), RULES, name="acme", zone="Asia/Shanghai")
    other = await make_tenant(conn, simple_reps(3), name="other")
    ann = {"name": "Ann", "phone": "+8613800000001", "email": "ann@example.com"}
    await acme.accept([lead(1, region="Mars", **ann), lead(2, region="Mars"), lead(3, region="Venus", name=HOSTILE)])
    await acme.accept([lead(4, region="Mars", company=HOSTILE)])
    await other.accept([lead(9, name="Oda")])
    drain = a_drain(connections)
    await settle(drain, acme.tenant_id)
    await settle(drain, other.tenant_id)
    numbers = {
        row["external_id"]: row["lead_id"]
        for row in await conn.fetch("select external_id, lead_id from lead where tenant_id = $1", acme.tenant_id)
    }
    async with serving_console(connections, redis_url) as served:
        made = World(served, acme, other, numbers["e1"], numbers["e3"], numbers["e2"])
        async with served.browser(await make_token(conn, acme.tenant_id)) as browser:
            page = await browser.get(f"/leads/{made.parked}")
            done = await browser.send(page, f"/leads/{made.parked}/park", why="looks odd")
            assert done.status == 200, done.text
        yield made


async def test_the_first_page_says_why_leads_wait_and_what_helps(world: World) -> None:
    async with world.served.browser(await world.token(TokenRole.OPERATOR)) as browser:
        page = await browser.get("/")
    assert page.status == 200
    assert "the group has no active member" in page.words
    assert "Groups without members" in page.words
    assert "lead-router" in page.all("code")[0].text
    assert "helps for now; the cause stays" in page.words or "changes nothing" in page.words, page.words
    assert "Times in Asia/Shanghai" in page.text
    assert "looks odd" in page.words, "the last changes are shown with their reason"
    assert page.all("polyline"), "the picture is there without a script"


@pytest.mark.parametrize("role", READERS)
async def test_each_role_sees_the_pages_that_the_api_would_show_it_and_no_other(world: World, role: TokenRole) -> None:
    may_operate = Permission.OPERATE in MAY[role]
    async with world.served.browser(await world.token(role)) as browser:
        readable = (
            *PAGES[:4],
            f"/leads/{world.waiting}",
            "/runbook/groups_empty",
            "/groups",
            "/groups/all",
            "/reps/r001",
        )
        for path in readable:
            page = await browser.get(path)
            assert page.status == 200, (path, page.words)
        doctor = await browser.get("/doctor")
        assert doctor.status == (200 if may_operate else 403)
        shown = await browser.get("/leads")
        assert ("+8613800000001" in shown.text) is (Permission.PERSONAL in MAY[role])
        assert ("/doctor" in shown.links) is may_operate
        lead_page = await browser.get(f"/leads/{world.waiting}")
        actions = {one.attributes["action"] for one in lead_page.all("form")} - {"/logout"}
        assert (f"/leads/{world.waiting}/park" in actions) is may_operate
        assert (f"/leads/{world.waiting}/assign" in actions) is (Permission.MANAGE in MAY[role])


@pytest.mark.parametrize("role", READERS)
async def test_what_a_role_may_not_do_is_refused_however_the_form_got_there(world: World, role: TokenRole) -> None:
    async with world.served.browser(await world.token(role)) as browser:
        [form_token] = {one.attributes["value"] for one in (await browser.get("/")).all("input", name="form_token")}
        for route in (one for one in ROUTES if one.changes):
            assert route.permission is not None
            path = re.sub(r"\{\w+\}", "1", route.path)
            page = await browser.post(path, {"form_token": form_token, "why": "x"})
            refused = route.permission not in MAY[role] or route.of_all
            assert (page.status == 403) is refused, (path, page.words)


async def test_a_token_for_handing_in_leads_opens_no_page(world: World) -> None:
    async with world.served.browser() as browser:
        page = await browser.log_in(await world.token(TokenRole.INTAKE))
        assert (page.status, "may not read" in page.words) == (401, True)
        assert "/login?back=" in (await browser.get("/")).url


async def test_a_tenant_s_token_never_sees_another_tenant(world: World) -> None:
    [number] = await world.other.conn.fetch("select lead_id from lead where tenant_id = $1", world.other.tenant_id)
    async with world.served.browser(await world.token(TokenRole.ADMIN)) as browser:
        assert (await browser.get("/?tenant=other")).status == 404
        assert (await browser.get(f"/leads/{number[0]}")).status == 404
        for path in ("/", "/leads", "/changes", "/doctor", "/leads?q=Oda"):
            assert "Oda" not in (await browser.get(path)).words


async def test_a_token_for_all_tenants_chooses_one_where_a_page_is_about_one(world: World) -> None:
    async with world.served.browser(await make_token(world.acme.conn)) as browser:
        first = await browser.get("/")
        assert {"acme", "other"} <= {one.text for one in first.all("option")}
        assert "/leads?tenant=other" in (await browser.get("/leads")).links
        assert "Oda" in (await browser.get("/leads?tenant=other")).words


@pytest.mark.parametrize("language", sorted(LOCALES))
async def test_every_link_of_every_page_leads_somewhere(world: World, language: str) -> None:
    async with world.served.browser(await make_token(world.acme.conn), language) as browser:
        seen, left = set[str](), ["/", "/?tenant=acme"]
        while left:
            path = left.pop()
            if path in seen or not path.startswith("/") or path.startswith("/preferences"):
                continue
            seen.add(path)
            page = await browser.get(path)
            assert page.status in (200, 422) and (page.status == 200 or "after=" in path), (path, page.words)
            if page.tags:
                left += page.links
    assert {f"/leads/{world.waiting}?tenant=acme", "/doctor", "/changes.csv?since=24h"} <= seen, sorted(seen)
    assert any(path.startswith("/waiting/retry?") for path in seen), sorted(seen)


@pytest.mark.parametrize("path", ["/", "/leads", "/leads?q=script", "/changes", "/waiting", "/doctor"])
async def test_what_leads_say_is_shown_as_text_and_never_run(world: World, path: str) -> None:
    await world.acme.conn.execute("update tenant set name = name where tenant_id = $1", world.acme.tenant_id)
    async with world.served.browser(await world.token(TokenRole.ADMIN)) as browser:
        for one in (path, f"/leads/{world.assigned}", f"/leads?source={HOSTILE}&rep={HOSTILE}"):
            page = await browser.get(one)
            scripts = [tag.attributes.get("src", "") for tag in page.all("script")]
            assert len(scripts) == 3 and all(src.startswith("/assets/") for src in scripts)
            assert page.all("img") == []
            assert not any(name.startswith("on") or name == "style" for tag in page.tags for name in tag.attributes)
            assert page.all("style") == []
            assert "49" not in re.findall(r"img src=x[^<]{0,60}", page.text)


async def test_leads_are_found_by_number_external_id_phone_mail_name_and_company(world: World) -> None:
    async with world.served.browser(await world.token(TokenRole.ADMIN)) as browser:
        for word in (str(world.waiting), "e1", "+86 138 0000 0001", "ann@example.com", "Ann"):
            page = await browser.get("/leads", params={"q": word})
            assert page.url.endswith(f"/leads/{world.waiting}"), (word, page.words)
        several = await browser.get("/leads", params={"q": "script"})
        assert several.status == 200 and len(several.all("tr")) == 3
        assert "No lead matches" in (await browser.get("/leads", params={"q": "100%_"})).words


async def test_filters_stand_in_the_address_and_what_is_wrong_leaves_them_usable(world: World) -> None:
    async with world.served.browser(await world.token(TokenRole.OPERATOR)) as browser:
        page = await browser.get("/leads?state=waiting&reason=group_empty&since=2020-01-01T00:00")
        assert page.status == 200 and str(world.waiting) in page.words
        assert page.all("option", value="group_empty")[0].attributes.get("selected") == ""
        for wrong in (
            "state=eaten",
            "reason=none",
            "since=soon",
            "rep=r999",
            "group=moon",
            "after=x",
            "state=assigned&reason=group_empty",
            "since=2030-01-01T00:00&until=2020-01-01T00:00",
        ):
            page = await browser.get(f"/leads?{wrong}")
            assert (page.status, len(page.all("p", role="alert"))) == (422, 1), (wrong, page.words)
            assert page.all("select", id="state")
        assert (await browser.get("/leads?q=%00")).status == 422


async def test_a_page_that_takes_too_long_says_so_and_its_filter_stays_usable(
    world: World, connections: Connections, conn: asyncpg.Connection
) -> None:
    token = await world.token(TokenRole.OPERATOR)
    # For the login, which is under the same deadline, it is long enough also on a busy machine.
    async with serving_console(connections, page_deadline_s=2.0) as served, served.browser() as browser:
        await browser.post("/login", {"token": token, "back": "/runbook/groups_empty"})
        async with conn.transaction():
            await conn.execute("lock table lead in access exclusive mode")
            slow = await browser.get("/leads?state=waiting")
        assert (slow.status, "took too long" in slow.words) == (503, True)
        assert slow.all("select", id="state")

        async def shown() -> bool:
            """In so short a time perhaps not at once, on a busy machine."""
            return (await browser.get("/leads?state=waiting")).status == 200

        await until(shown, "the page is shown once the table is free")


async def test_while_a_table_is_locked_the_first_page_says_who_has_it(world: World, conn: asyncpg.Connection) -> None:
    async with world.served.browser(await world.token(TokenRole.OPERATOR)) as browser, conn.transaction():
        await conn.execute("lock table lead_pool in access exclusive mode")
        page = await browser.get("/")
    assert page.status in (200, 503)
    pid = await conn.fetchval("select pg_backend_pid()")
    assert str(pid) in page.words, page.words
    assert "helps for now; the cause stays" in page.words and "It can be started again: tell its owner" in page.words
    assert "Wait or end it?" in page.words and "is rolled back, and the program gets an error" in page.words


async def test_a_chinese_reader_reads_in_chinese_why_leads_wait_and_what_a_command_does(world: World) -> None:
    async with world.served.browser(await world.token(TokenRole.OPERATOR), language="zh") as browser:
        page = await browser.get("/")
    assert "since no rep can get leads" not in page.words and "无法分配" in page.words, page.words
    assert "只是暂时有效，原因仍在" in page.words or "不做任何更改" in page.words, page.words


async def test_every_table_can_be_had_as_a_file_that_a_spreadsheet_opens(world: World) -> None:
    async with world.served.browser(await world.token(TokenRole.VIEWER)) as browser:
        own = ("/rules.csv", "/rules/versions.csv", "/rules/compare.csv")
        for path in ("/flow.csv", "/waiting.csv", "/leads.csv", "/parked.csv", "/changes.csv", "/groups.csv", *own):
            page = await browser.get(path)
            assert (page.status, page.headers["Content-Type"]) == (200, "text/csv; charset=utf-8"), path
            rows = list(csv.reader(io.StringIO(page.text.removeprefix("\ufeff"))))
            assert len(rows) > 1 and len({len(row) for row in rows}) == 1, path
        assert "+8613800000001" not in (await browser.get("/leads.csv")).text
        assert (await browser.get("/doctor.csv")).status == 403


async def test_a_lead_s_page_explains_and_answers_about_a_rep_and_what_it_would_take(world: World) -> None:
    async with world.served.browser(await world.token(TokenRole.ADMIN)) as browser:
        page = await browser.get(f"/leads/{world.waiting}")
        assert "group mars" in page.words and len(page.all("ul", **{"class": "tree"})) > 1
        assert "r001" in (await browser.get(f"/leads/{world.waiting}?rep=r001")).words
        assert (await browser.get(f"/leads/{world.waiting}?rep=r999")).status == 404
        assert (await browser.get(f"/leads/{world.waiting}?takes=1")).status == 200
        for wrong in ("x", "99999999", "-1", "9" * 30):
            assert (await browser.get(f"/leads/{wrong}")).status == 404


async def test_a_manager_sees_who_could_take_a_lead_and_switches_a_rep_off_and_on(world: World) -> None:
    async with world.served.browser(await world.token(TokenRole.MANAGER)) as browser:
        group = await browser.get("/groups/all")
        assert "3 of its members could take a lead now" in group.words and len(group.all("meter")) == 6
        off = await browser.send(await browser.get("/reps/r001"), "/reps/r001/available", note="ill")
        assert "gets no more leads" in off.text and "unavailable" in off.words
        assert "2 of its members could take a lead now" in (await browser.get("/groups/all")).words
        assert "ill" in (await browser.get("/changes")).words
        on = await browser.send(off, "/reps/r001/available")
        assert "gets leads again" in on.text
        assert (await browser.get("/groups/moon")).status == 404 and (await browser.get("/reps/r999")).status == 404
    async with world.served.browser(await world.token(TokenRole.REP)) as browser:
        page = await browser.get("/")
        assert page.url.endswith("/my-leads") and "/my-leads" in page.links
        assert (await browser.get("/reps/r001")).status == 403


async def test_groups_and_reps_with_odd_names_have_pages(world: World) -> None:
    odd = 'ü/&?#"<b>%20'
    await world.acme.roster(
        f'rep_id,name,available,groups\n"{odd.replace(chr(34), chr(34) * 2)}",x,yes,a&b<i>/c'.encode()
    )
    async with world.served.browser(await world.token(TokenRole.ADMIN)) as browser:
        page = await browser.get("/groups")
        [link] = [one for one in page.links if one.startswith("/groups/a%26")]
        members = await browser.get(URL(world.served.url.rstrip("/") + link, encoded=True))
        assert members.status == 200, link
        [link] = [one for one in members.links if one.startswith("/reps/")]
        assert (await browser.get(URL(world.served.url.rstrip("/") + link, encoded=True))).status == 200, link


def _headings(page: Page, name: str) -> list[Tag]:
    """Elements that are words of ours: not names of things, and not said to be of another language."""
    return [tag for tag in page.all(name) if "lang" not in tag.attributes and tag.attributes.get("scope") != "row"]


async def test_both_languages_say_the_same_and_chinese_readers_find_no_english_heading(world: World) -> None:
    token = await world.token(TokenRole.OPERATOR)
    async with world.served.browser(token) as english, world.served.browser(token, "zh-CN") as chinese:
        for path in (
            *PAGES[:5],
            *LATER_PAGES,
            f"/leads/{world.waiting}",
            f"/leads/{world.parked}",
            "/groups",
            "/groups/all",
            "/reps/r001",
            "/rules",
            "/rules/draft",
            "/rules/versions/1",
        ):
            here, there = await english.get(path), await chinese.get(path)
            for name in ("h1", "h2", "th", "label", "button", "summary", "dt"):
                ones, others = _headings(there, name), _headings(here, name)
                assert len(ones) == len(others), (path, name)
                for tag in ones:
                    left = re.search(r"[A-Za-z]{4,}", tag.text.replace("Asia/Shanghai", ""))
                    assert left is None or re.search(r"[\u4e00-\u9fff]", tag.text), (path, name, tag.text)
        chosen = await english.get("/preferences?language=zh&back=/leads")
        assert (chosen.url.endswith("/leads"), "线索" in chosen.words) == (True, True)


async def test_an_unknown_page_is_a_page_too(world: World) -> None:
    async with world.served.browser(await world.token(TokenRole.VIEWER)) as browser:
        for path in ("/nothing", "/runbook/nothing", "/runbook/..%2f..%2fetc", "/jobs/0a0a0a-0123456789abcdef"):
            page = await browser.get(path)
            assert page.status in (404, 421) and page.all("main"), path
            assert "Content-Security-Policy" in page.headers
        assert (await browser.get("/assets/0/../service.py")).status == 404


async def test_before_there_is_a_tenant_pages_say_how_to_make_one(
    connections: Connections, conn: asyncpg.Connection
) -> None:
    async with serving_console(connections) as served, served.browser(await make_token(conn)) as browser:
        assert "of 0 accepted" in (await browser.get("/")).words
        assert "lead-router tenants add" in (await browser.get("/leads")).words
        assert (await browser.get("/doctor")).status == 200


async def test_while_the_database_is_away_a_page_says_so_and_comes_back(
    world: World, conn: asyncpg.Connection, admin_url: str
) -> None:
    database = await conn.fetchval("select current_database()")
    async with world.served.browser(await world.token(TokenRole.OPERATOR)) as browser, connected(admin_url) as admin:
        await admin.execute(f'alter database "{database}" allow_connections false')
        try:
            await admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name <> ''",
                database,
            )
            page = await browser.get("/")
            assert (page.status, "busy or away" in page.words) == (503, True)
            assert page.headers["Retry-After"]
        finally:
            await admin.execute(f'alter database "{database}" allow_connections true')

        async def is_back() -> bool:
            return (await browser.get("/changes")).status == 200

        await until(is_back, "the page is back")
