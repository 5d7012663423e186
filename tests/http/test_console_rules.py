"""The pages about rules: what is in force and was, drafts that are checked, replayed and applied, and going back."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from ops.console.draft import STARTER
from ops.console.rules_check import MAX_DRAFT
from router.domain.access import MAY, Permission, TokenRole, parse_token
from router.store.connections.connections import Connections
from tests.http.console import Browser, Page, Served, serving_console
from tests.http.support import make_token
from tests.support import until
from tests.world import CATCH_ALL, Tenancy, a_drain, lead, make_tenant, reps_csv, settle

REPS = reps_csv(
    ["r001,Ann,yes,UTC,all;east,1000,1000", "r002,Ben,yes,UTC,all,1000,1000", "r003,Cho,yes,UTC,all,1000,1000"]
)
RULES = CATCH_ALL.lstrip()
EAST = RULES.replace(
    "  - name: everyone",
    "  - name: east\n    match: {region: [East, Ost]}\n    assign_to: group:east\n    on_no_candidate: wait\n"
    "  - name: everyone",
)
MARS = RULES.replace("group:all", "group:mars")
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(9)
)
READERS = [role for role in TokenRole if Permission.READ in MAY[role]]


@dataclass
class World:
    """A tenant with assigned leads, of which some are from the east, and the console over it."""

    served: Served
    acme: Tenancy

    async def token(self, role: TokenRole = TokenRole.ADMIN) -> str:
        rep = "r001" if role is TokenRole.REP else None
        return await make_token(self.acme.conn, self.acme.tenant_id, role, rep_id=rep)

    async def version(self) -> int:
        """That is in force."""
        found = await self.acme.conn.fetchval("select ruleset from tenant where tenant_id = $1", self.acme.tenant_id)
        return int(found)

    async def source(self) -> str:
        """Of the version in force."""
        return str(
            await self.acme.conn.fetchval(
                "select source from ruleset where tenant_id = $1 and version = $2",
                self.acme.tenant_id,
                await self.version(),
            )
        )


@pytest.fixture
async def world(connections: Connections, conn: asyncpg.Connection, redis_url: str) -> AsyncIterator[World]:
    acme = await make_tenant(conn, REPS, RULES, name="acme", zone="Asia/Shanghai")
    await acme.accept([lead(n, region="East" if n % 2 else "West") for n in range(1, 13)])
    await settle(a_drain(connections), acme.tenant_id)
    async with serving_console(connections, redis_url) as served:
        yield World(served, acme)


def drafted(page: Page) -> str:
    """The draft that a page has, as a browser reads it."""
    [area] = page.all("textarea", name="draft")
    return area.text.removeprefix("\n")


async def sent(browser: Browser, page: Page, path: str, **values: str) -> Page:
    """The form of a draft, sent by one of its buttons."""
    hidden = {
        tag.attributes["name"]: tag.attributes["value"]
        for tag in page.all("input", type="hidden")
        if tag.attributes["name"] != "tenant"
    }
    times = {tag.attributes["name"]: tag.attributes["value"] for tag in page.all("input", type="datetime-local")}
    draft = {"draft": drafted(page)} if page.all("textarea", name="draft") else {}
    return await browser.post(path, {**times, **hidden, **draft, **values})


async def finished(browser: Browser, page: Page) -> Page:
    """The draft's page once its replay is over."""
    found = [page]

    async def is_over() -> bool:
        found.append(await sent(browser, found[-1], "/rules/draft"))
        return not found[-1].all("progress")

    await until(is_over, "the replay is over", 30)
    return found[-1]


@pytest.mark.parametrize("role", READERS)
async def test_each_role_reads_rules_and_versions_and_only_an_administrator_can_change_them(
    world: World, role: TokenRole
) -> None:
    await world.acme.rules(EAST)
    administer, operate = Permission.ADMINISTER in MAY[role], Permission.OPERATE in MAY[role]
    async with world.served.browser(await world.token(role)) as browser:
        page = await browser.get("/rules")
        assert page.status == 200 and "/rules" in page.links
        assert (
            "known-customer" in page.words and "the customer's owner" in page.words and "the lead waits" in page.words
        )
        assert ("/rules/rollback?to=1" in page.links) is administer
        for path in (
            "/rules/versions/1",
            "/rules/lint",
            "/rules/compare?from=1&to=2",
            "/rules.csv",
            "/rules/versions.csv",
        ):
            assert (await browser.get(path)).status == 200, path
        draft = await browser.get("/rules/draft")
        assert drafted(draft) == EAST
        formactions = {one.attributes.get("formaction") for one in draft.all("button")}
        assert ("/rules/draft/apply" in formactions) is administer
        assert ("/rules/draft/replay" in formactions) is operate
        checked = await sent(browser, draft, "/rules/draft", draft=MARS)
        assert checked.status == 200 and 'group "mars" does not exist' in checked.words
        for path, may in (
            ("/rules/draft/replay", operate),
            ("/rules/draft/apply", administer),
            ("/rules/apply", administer),
            ("/rules/rollback", administer),
        ):
            answer = await sent(browser, draft, path, draft=MARS)
            assert (answer.status == 403) is not may, (path, answer.words)
            if not may and path != "/rules/rollback":
                assert drafted(answer) == MARS, "what was refused is not lost"
        assert (await browser.get("/rules/rollback?to=1")).status == (200 if administer else 403)
    assert await world.version() == 2


async def test_two_versions_are_compared_in_words_and_line_by_line(world: World) -> None:
    await world.acme.rules(EAST)
    async with world.served.browser(await world.token(TokenRole.VIEWER)) as browser:
        page = await browser.get("/rules/compare")
        assert page.status == 200 and "added east" in page.words
        assert any("assign_to: group:east" in one.text for one in page.all("ins")) and not page.all("del")
        back = await browser.get("/rules/compare?from=2&to=1")
        assert "deleted east" in back.words and back.all("del") and not back.all("ins")
        same = await browser.get("/rules/compare?from=2&to=2")
        assert "They decide the same" in same.words
        found = await browser.get("/rules/compare.csv?from=1&to=2")
        rows = list(csv.DictReader(io.StringIO(found.text.removeprefix("\ufeff"))))
        assert [(row["kind"], row["rule"]) for row in rows] == [("added", "east")]
        for wrong, status in (("to=99", 404), ("to=x", 404), ("from=x", 422), ("from=99", 404), ("to=%00", 422)):
            assert (await browser.get(f"/rules/compare?{wrong}")).status == status, wrong
        assert (await browser.get("/rules/versions/99")).status == 404


async def test_versions_come_in_pages(world: World) -> None:
    for number in range(2, 25):
        await world.acme.rules(f"# {number}\n{RULES}")
    async with world.served.browser(await world.token()) as browser:
        first = await browser.get("/rules")
        [older] = [one for one in first.links if "after=" in one]
        second = await browser.get(older)
    listed = [
        {
            int(one.text)
            for one in page.all("a")
            if one.attributes["href"].startswith("/rules/versions/") and one.text.isdigit()
        }
        for page in (first, second)
    ]
    assert listed == [set(range(5, 25)), set(range(1, 5))]


async def test_what_is_odd_in_the_rules_in_force_is_shown_with_its_line(world: World) -> None:
    await world.acme.rules(MARS)
    async with world.served.browser(await world.token(TokenRole.VIEWER)) as browser:
        page = await browser.get("/rules/lint")
    assert "warning" in page.words and "group mars is empty" in page.words
    assert page.all("div", id="lint")


async def test_what_is_odd_in_rules_is_said_in_chinese_on_a_chinese_page(world: World) -> None:
    await world.acme.rules(MARS)
    async with world.served.browser(await world.token(), language="zh") as browser:
        standing = await browser.get("/rules/lint")
        drafted = await sent(browser, await browser.get("/rules/draft"), "/rules/draft", draft=MARS)
    for page in (standing, drafted):
        assert "mars 组是空的：没有任何销售" in page.words and "is empty" not in page.words


async def test_a_draft_is_checked_with_lines_and_what_is_allowed_and_compared_with_what_is_in_force(
    world: World,
) -> None:
    async with world.served.browser(await world.token()) as browser:
        page = await browser.get("/rules/draft")
        assert drafted(page) == RULES and "It decides the same" in page.words
        wrong = await sent(browser, page, "/rules/draft", draft=RULES.replace("match: {}", "match: {colour: red}"))
        assert wrong.status == 200 and "1 error: it cannot be applied" in wrong.words
        assert "colour" in wrong.words and "known" in wrong.words
        assert "colour: red" in wrong.words, "the line itself is shown"
        assert any(one.attributes.get("data-line") == "7" for one in wrong.all("button"))
        good = await sent(browser, wrong, "/rules/draft", draft=EAST)
        assert drafted(good) == EAST
        assert "No problems" in good.words and "added east" in good.words
        typed = await browser.post(
            "/rules/draft",
            {"form_token": _token(good), "draft": EAST},
            headers={"Sec-Fetch-Site": "same-origin", "HX-Request": "true", "HX-Target": "checked"},
        )
        assert typed.text.lstrip().startswith('<section id="checked"') and "region east, ost" in typed.text
        other = await sent(browser, good, "/rules/draft", draft=f"business_time_zone: UTC\n{EAST}")
        assert "write business_time_zone: Asia/Shanghai" in other.words


async def test_what_a_check_finds_in_a_draft_is_said_in_the_language_of_the_page(world: World) -> None:
    async with world.served.browser(await world.token(), language="zh") as browser:
        draft = f"business_time_zone: UTC\n{EAST}"
        page = await sent(browser, await browser.get("/rules/draft"), "/rules/draft", draft=draft)
    assert "租户的时区是 Asia/Shanghai" in page.words and "and stays so" not in page.words
    assert [one.text for one in page.all("span", lang="en")] == []


def _token(page: Page) -> str:
    [found] = {one.attributes["value"] for one in page.all("input", name="form_token")}
    return found


ODD = (
    "\n\n  # first lines are empty\r\nrules: [] \t\n</textarea><script>alert(1)</script>\n"
    "&amp; \u202e ü 规则 {{ 7*7 }}\n\n"
)


async def test_no_character_of_a_draft_is_lost_by_a_check_or_a_refusal(world: World) -> None:
    expected = ODD.replace("\r\n", "\n")
    async with world.served.browser(await world.token()) as browser:
        page = await browser.get("/rules/draft")
        for path, status in (
            ("/rules/draft", 200),
            ("/rules/draft/apply", 422),
            ("/rules/draft/replay", 422),
            ("/rules/apply", 422),
        ):
            answer = await sent(browser, page, path, draft=ODD, why="x")
            assert (answer.status, drafted(answer)) == (status, expected), (path, answer.words)
            assert [one for one in answer.all("script") if "src" not in one.attributes] == []
        stranger = await browser.post("/rules/apply", {"form_token": "of another login", "draft": ODD, "why": "x"})
        assert (stranger.status, drafted(stranger)) == (403, expected)
        again = await sent(browser, stranger, "/rules/draft")
        assert (again.status, drafted(again)) == (200, expected), "the page that came back has the token of this login"
    assert await world.version() == 1


@pytest.mark.parametrize(
    ("draft", "status", "said"),
    [
        ("", 200, "is empty"),
        ("rules: [", 200, "is not YAML"),
        ("rules:\n\t- name: x", 200, "indent with spaces"),
        (BOMB, 200, "values"),
        ("a: &a [*a]\n", 200, "inside its own anchor"),
        ("[" * 1000, 200, "nested deeper"),
        ("rules: \x07\n", 200, "character that YAML forbids"),
        ("rules:\n  - \0\n", 422, "Line 2 has a NUL character"),
        ("x" * (MAX_DRAFT + 1), 200, f"at most {MAX_DRAFT:,}"),
    ],
    ids=["empty", "cut off", "tabs", "alias bomb", "circular", "deep", "control", "NUL", "long"],
)
async def test_a_hostile_draft_gets_a_clear_refusal_and_stays(world: World, draft: str, status: int, said: str) -> None:
    async with world.served.browser(await world.token()) as browser:
        page = await browser.get("/rules/draft")
        answer = await sent(browser, page, "/rules/draft", draft=draft)
        assert (answer.status, said in answer.words) == (status, True), answer.words[:600]
        assert drafted(answer) == draft
        refused = await sent(browser, page, "/rules/apply", draft=draft, why="x")
        assert refused.status in (422, 409) and drafted(refused) == draft
        assert (await sent(browser, page, "/rules/draft/replay", draft=draft)).status in (413, 422)
    assert await world.version() == 1


async def test_a_form_that_is_too_long_is_refused_before_it_is_read(world: World) -> None:
    async with world.served.browser(await world.token()) as browser:
        page = await browser.get("/rules/draft")
        answer = await sent(browser, page, "/rules/draft", draft="x" * 3_000_000)
    assert (answer.status, "too large" in answer.words) == (413, True)


async def test_a_draft_is_previewed_and_applied_with_a_reason_and_its_actor(world: World) -> None:
    token = await world.token()
    shown = parse_token(token)
    assert shown
    async with world.served.browser(token) as browser:
        page = await sent(browser, await browser.get("/rules/draft"), "/rules/draft", draft=EAST)
        preview = await sent(browser, page, "/rules/draft/apply")
        assert preview.status == 200 and "added east" in preview.words and not preview.all("input", name="anyway")
        assert await world.version() == 1, "a preview changes nothing"
        without = await browser.send(preview, "/rules/apply", why="  ")
        assert (without.status, "say why" in without.words) == (422, True)
        done = await browser.send(without, "/rules/apply", why="Ann speaks the language of the east")
        assert done.url.endswith("/rules/versions/2") and "Version 2 is in force: 1 change" in done.text
        assert "/rules/compare?to=2" in done.links and "/changes" in done.links
        assert (await world.version(), await world.source()) == (2, EAST)
        changes = await browser.get("/changes.csv")
        rows = list(csv.DictReader(io.StringIO(changes.text.removeprefix("\ufeff"))))
        assert (f"token:test admin#{shown.token_id}", "rules apply", "Ann speaks the language of the east") in {
            (row["actor"], row["action"], row["why"]) for row in rows
        }
        same = await sent(browser, await browser.get("/rules/draft"), "/rules/draft/apply")
        again = await browser.send(same, "/rules/apply", why="once more")
        assert "Nothing was changed" in again.text
    assert await world.version() == 2


async def test_warnings_stop_an_apply_until_it_is_asked_for_in_spite_of_them(world: World) -> None:
    async with world.served.browser(await world.token()) as browser:
        draft = await browser.get("/rules/draft")
        preview = await sent(browser, draft, "/rules/draft/apply", draft=MARS)
        assert preview.all("input", name="anyway") and 'group "mars" does not exist' in preview.words
        stopped = await browser.send(preview, "/rules/apply", why="Mars opens")
        assert (stopped.status, "nothing was applied" in stopped.words) == (409, True)
        assert stopped.all("input", name="why")[0].attributes["value"] == "Mars opens"
        back = await sent(browser, stopped, "/rules/draft")
        assert drafted(back) == MARS
        assert await world.version() == 1
        done = await browser.send(stopped, "/rules/apply", why="Mars opens", anyway="yes")
        assert "Version 2 is in force" in done.text, done.words
    assert await world.source() == MARS


async def test_a_draft_is_not_put_over_a_version_that_came_in_between(world: World) -> None:
    async with world.served.browser(await world.token()) as browser:
        draft = await sent(browser, await browser.get("/rules/draft"), "/rules/draft", draft=EAST)
        preview = await sent(browser, draft, "/rules/draft/apply")
        await world.acme.rules(f"# by somebody else\n{RULES}")
        moved = await browser.send(preview, "/rules/apply", why="x")
        assert (moved.status, "version 2 is active" in moved.words) == (409, True)
        assert await world.version() == 2
        told = await sent(browser, draft, "/rules/draft")
        assert "Another version came in force" in told.words
        done = await browser.send(moved, "/rules/apply", why="both were looked at")
        assert "Version 3 is in force" in done.text


async def test_rules_with_other_line_ends_are_not_changed_by_looking_at_them(world: World) -> None:
    await world.acme.rules(EAST.replace("\n", "\r\n"))
    async with world.served.browser(await world.token()) as browser:
        draft = await browser.get("/rules/draft")
        assert drafted(draft) == EAST
        preview = await sent(browser, draft, "/rules/draft/apply")
        done = await browser.send(preview, "/rules/apply", why="x")
        assert "Nothing was changed" in done.text
    assert await world.version() == 2


async def test_an_earlier_version_comes_back_previewed_with_a_reason(world: World) -> None:
    await world.acme.rules(EAST)
    async with world.served.browser(await world.token()) as browser:
        preview = await browser.get("/rules/rollback?to=1")
        assert "deleted east" in preview.words and await world.version() == 2
        assert (await browser.send(preview, "/rules/rollback", why=" ")).status == 422
        done = await browser.send(preview, "/rules/rollback", why="the east has nobody")
        assert done.url.endswith("/rules/versions/3") and "it has the rules of version 1" in done.text
        assert await world.source() == RULES
        stale = await browser.send(preview, "/rules/rollback", why="again")
        assert (stale.status, "version 3 is active" in stale.words) == (409, True)
        assert "the east has nobody" in (await browser.get("/changes")).words
        assert (await browser.get("/rules/rollback?to=99")).status == 404
        assert (await browser.get("/rules/rollback")).status == 404
        for wrong in ("", "x", "99"):
            page = await browser.post(
                "/rules/rollback", {"form_token": _token(preview), "version": wrong, "if_version": "3", "why": "x"}
            )
            assert page.status in (404, 422), wrong
    assert await world.version() == 3


async def test_a_replay_of_a_draft_shows_who_would_get_what_and_the_draft_stays(world: World) -> None:
    async with world.served.browser(await world.token(TokenRole.OPERATOR)) as browser:
        draft = await browser.get("/rules/draft")
        times = [one.attributes["value"] for one in draft.all("input", type="datetime-local")]
        assert all(time.endswith("T00:00") for time in times) and times[0] < times[1], "yesterday is asked for"
        started = await sent(browser, draft, "/rules/draft/replay", draft=EAST, since="", until="")
        assert started.status == 200 and drafted(started) == EAST
        done = await finished(browser, started)
        assert drafted(done) == EAST
        assert "leads would be elsewhere" in done.words and "another rep" in done.words
        assert done.all("rect") and len(done.all("svg")) >= 3 and "Share before" in done.words
        [reps] = [one for one in done.links if one.endswith("/reps.csv")]
        rows = list(csv.DictReader(io.StringIO((await browser.get(reps)).text.removeprefix("\ufeff"))))
        assert sum(int(row["after"]) for row in rows) == 12 == sum(int(row["before"]) for row in rows)
        [ann] = [row for row in rows if row["name"] == "r001"]
        assert int(ann["after"]) >= 6
        groups = await browser.get(reps.replace("reps", "groups"))
        assert {
            row["name"]: row["after"] for row in csv.DictReader(io.StringIO(groups.text.removeprefix("\ufeff")))
        } == {
            "all": "6",
            "east": "6",
        }
        assert (await browser.get(reps.replace("reps", "leads"))).status == 200
        assert (await browser.get(reps.replace("reps", "tokens"))).status == 404
        edited = await sent(browser, done, "/rules/draft", draft=MARS)
        assert "an earlier state of this draft" in edited.words
        alone = await browser.get(reps.removesuffix("/reps.csv"))
        assert alone.status == 200 and "leads would be elsewhere" in alone.words
        assert (await browser.get(reps.removesuffix("/reps.csv").replace("/rules/replays/", "/jobs/"))).url == alone.url
    assert await world.version() == 1
    async with world.served.browser(await world.token(TokenRole.VIEWER)) as browser:
        assert (await browser.get(alone.url)).status == 200


async def test_a_replay_that_cannot_be_done_says_why_beside_the_draft(world: World) -> None:
    async with world.served.browser(await world.token()) as browser:
        draft = await browser.get("/rules/draft")
        for wrong in (
            {"since": "soon"},
            {"until": "99999-01-01"},
            {"since": "2026-02-02T00:00", "until": "2026-01-01T00:00"},
        ):
            page = await sent(browser, draft, "/rules/draft/replay", draft=EAST, **wrong)
            assert (page.status, drafted(page)) == (422, EAST), wrong
        nothing = await sent(browser, draft, "/rules/draft/replay", since="2020-01-01T00:00", until="2020-01-02T00:00")
        assert "No batch was recorded in this time" in (await finished(browser, nothing)).words
        for job in ("x", "0a0a0a-0123456789abcdef"):
            gone = await sent(browser, draft, "/rules/draft", job=job)
            assert (gone.status, "not known any more" in gone.words) == (200, True)
            assert (await browser.get(f"/rules/replays/{job}")).status in (404, 421)


async def test_a_tenant_without_rules_begins_with_a_draft(
    connections: Connections, conn: asyncpg.Connection, redis_url: str
) -> None:
    from router.store import tenants

    tenant = await tenants.add(conn, "new", "UTC")
    token = await make_token(conn, tenant.tenant_id)
    async with serving_console(connections, redis_url) as served, served.browser(token) as browser:
        page = await browser.get("/rules")
        assert page.status == 200 and "There are no rules yet" in page.words
        draft = await browser.get("/rules/draft")
        assert drafted(draft) == STARTER
        preview = await sent(browser, draft, "/rules/draft/apply")
        done = await browser.send(preview, "/rules/apply", why="first rules")
        assert "Version 1 is in force" in done.text, done.words


async def test_a_read_only_console_checks_drafts_and_applies_none(world: World, connections: Connections) -> None:
    async with serving_console(connections, read_only="yes") as served, served.browser(await world.token()) as browser:
        page = await sent(browser, await browser.get("/rules/draft"), "/rules/draft", draft=EAST)
        assert page.status == 200 and "added east" in page.words
        assert "/rules/draft/apply" not in {one.attributes.get("formaction") for one in page.all("button")}
        refused = await sent(browser, page, "/rules/apply", why="x")
        assert (refused.status, drafted(refused)) == (403, EAST)
        assert (await browser.post("/rules/rollback", {"form_token": _token(page), "version": "1"})).status == 403
    assert await world.version() == 1
