"""The console for reps and managers: own leads and no others, the team, and handing over after a preview."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from router.domain.access import TokenRole
from router.store.connections.connections import Connections
from tests.http.console import Page, Served, serving_console
from tests.http.support import make_token
from tests.world import CATCH_ALL, Tenancy, a_drain, lead, make_tenant, reps_csv, settle, simple_reps

RULES = CATCH_ALL.replace(
    "  - name: everyone",
    "  - name: mars\n    match: {region: Mars}\n    assign_to: group:mars\n    on_no_candidate: wait\n"
    "  - name: everyone",
)
PHONE, EMAIL = "+8613800000051", "cai1@example.org"
PAGES_OF_MANAGERS = ("/team", "/team.csv", "/oldest.csv", "/reps/r001/leads", "/reps/r001/leads.csv")


@dataclass
class World:
    """Two tenants; r001 and r002 of the first have three leads each, and two leads wait."""

    served: Served
    acme: Tenancy
    other: Tenancy
    connections: Connections

    async def rep(self, rep_id: str = "r001") -> str:
        return await make_token(self.acme.conn, self.acme.tenant_id, TokenRole.REP, rep_id=rep_id)

    async def manager(self) -> str:
        return await make_token(self.acme.conn, self.acme.tenant_id, TokenRole.MANAGER)

    async def leads_of(self, rep_id: str) -> list[int]:
        rows = await self.acme.conn.fetch(
            """select lead_id from assignment a join rep r using (tenant_id, rep_no)
                where tenant_id = $1 and rep_id = $2 order by assigned_at, lead_id""",
            self.acme.tenant_id,
            rep_id,
        )
        return [row[0] for row in rows]

    async def changes(self) -> list[tuple[str, str]]:
        """(action, why), the last one first."""
        rows = await self.acme.conn.fetch("select action, why from change order by id desc")
        return [(row["action"], row["why"]) for row in rows]


@pytest.fixture
async def world(connections: Connections, conn: asyncpg.Connection, redis_url: str) -> AsyncIterator[World]:
    acme = await make_tenant(conn, simple_reps(2, max_open=20), RULES, name="acme", zone="Asia/Shanghai")
    other = await make_tenant(conn, simple_reps(1), name="other")
    drain = a_drain(connections)
    for number in range(1, 4):
        person = {"name": "Cai", "phone": f"+861380000005{number}", "email": f"cai{number}@example.org"}
        await acme.accept([lead(number, company=f"of {EMAIL}", **person), lead(10 + number)])
        await settle(drain, acme.tenant_id)
    await acme.accept([lead(20, region="Mars"), lead(21, region="Mars")])
    await other.accept([lead(1, name="Oda")])
    await settle(drain, acme.tenant_id)
    await settle(drain, other.tenant_id)
    async with serving_console(connections, redis_url) as served:
        yield World(served, acme, other, connections)


def numbers(page: Page) -> list[int]:
    """The leads of the page's table, in its order."""
    return [int(one.text) for one in page.all("th", scope="row") if one.text.strip().isdecimal()]


async def test_a_rep_begins_with_the_own_leads_the_oldest_first(world: World) -> None:
    async with world.served.browser(await world.rep()) as browser:
        page = await browser.get("/")
        own = await world.leads_of("r001")
        assert page.url.endswith("/my-leads") and len(own) == 3
        assert numbers(page) == own
        newest = await browser.get("/my-leads?order=newest")
        assert numbers(newest) == own[::-1]
        rows = list(csv.DictReader(io.StringIO((await browser.get("/my-leads.csv")).text[1:])))
        assert [int(row["lead_id"]) for row in rows] == own
        assert (await browser.get("/my-leads?order=odd")).status == 422
        assert (await browser.get("/my-leads?after=x")).status == 422
        shown = page.text + newest.text + str(rows) + (await browser.get(f"/my-leads/{own[0]}")).text
        assert PHONE not in shown and EMAIL not in shown, "masked, as for the API"


async def test_a_rep_sees_and_ends_no_lead_of_another_rep_and_no_page_of_others(world: World) -> None:
    [theirs, *_] = await world.leads_of("r002")
    waiting = await world.acme.conn.fetchval("select min(lead_id) from lead_pool")
    foreign = await world.other.conn.fetchval("select lead_id from lead where tenant_id = $1", world.other.tenant_id)
    async with world.served.browser(await world.rep()) as browser:
        page = await browser.get("/my-leads")
        [form_token] = {one.attributes["value"] for one in page.all("input", name="form_token")}
        said = set()
        for number in (theirs, waiting, foreign, 999_999):
            assert (await browser.get(f"/my-leads/{number}")).status == 404
            form = {"form_token": form_token, "how": "won"}
            refused = await browser.post(f"/my-leads/{number}/end", form)
            assert refused.status == 404, number
            said.add(refused.words.replace(str(number), "N"))
        assert len(said) == 1, "it cannot be told from the answer which leads there are"
        for path in ("/leads", f"/leads/{theirs}", "/groups", "/reps/r002", "/changes", "/waiting", *PAGES_OF_MANAGERS):
            assert (await browser.get(path)).status == 403, path
        for path in ("/reps/r002/available", f"/leads/{theirs}/end", "/reps/r002/handover"):
            assert (await browser.post(path, {"form_token": form_token, "available": "no"})).status == 403, path
    assert (await world.acme.states())["assigned"] == 6


async def test_a_rep_ends_and_returns_own_leads_from_the_list_and_from_the_lead(world: World) -> None:
    first, second, third = await world.leads_of("r001")
    async with world.served.browser(await world.rep()) as browser:
        page = await browser.get("/my-leads")
        won = await browser.send(page, f"/my-leads/{first}/end", how="won", note="signed")
        assert f"The assignment of lead {first} has ended." in won.text and numbers(won) == [second, third]
        one = await browser.get(f"/my-leads/{second}")
        assert "Timeline" in one.words
        no_reason = await browser.send(one, f"/my-leads/{second}/end", how="returned", note=" ")
        assert (no_reason.status, "say why" in no_reason.words) == (422, True)
        back = await browser.send(one, f"/my-leads/{second}/end", how="returned", note="not mine")
        assert "goes to another rep" in back.text and numbers(back) == [third]
        assert (await browser.get(f"/my-leads/{second}")).status == 404
    assert [one for one in await world.changes() if one[0] == "end"] == [("end", "not mine"), ("end", "signed")]
    await settle(a_drain(world.connections), world.acme.tenant_id)
    assert second in await world.leads_of("r002")


async def test_a_rep_switches_only_the_own_availability(world: World) -> None:
    async with world.served.browser(await world.rep()) as browser:
        off = await browser.send(await browser.get("/my-leads"), "/my-availability")
        assert "Rep r001 gets no more leads. 3 open leads stay." in off.text
        rows = await world.acme.conn.fetch(
            "select rep_id from rep_row join rep using (tenant_id, rep_no)"
            " where tenant_id = $1 and to_version is null and not available",
            world.acme.tenant_id,
        )
        assert [row[0] for row in rows] == ["r001"]
        on = await browser.send(off, "/my-availability")
        assert "Rep r001 gets leads again." in on.text


async def test_a_rep_can_log_out(world: World) -> None:
    async with world.served.browser(await world.rep()) as browser:
        out = await browser.send(await browser.get("/my-leads"), "/logout")
        assert (out.status, out.url.endswith("/login")) == (200, True)
        assert "/login" in (await browser.get("/my-leads")).url


async def test_a_read_only_console_offers_a_rep_nothing_to_change(world: World) -> None:
    [first, *_] = await world.leads_of("r001")
    async with (
        serving_console(world.connections, read_only="yes") as served,
        served.browser(await world.rep()) as browser,
    ):
        page = await browser.get("/my-leads")
        assert {one.attributes["action"] for one in page.all("form")} == {"/logout"}
        [form_token] = {one.attributes["value"] for one in page.all("input", name="form_token")}
        refused = await browser.post(f"/my-leads/{first}/end", {"form_token": form_token, "how": "won"})
        assert (refused.status, "read-only" in refused.words) == (403, True)


async def test_a_token_without_a_rep_has_no_leads_of_its_own(world: World) -> None:
    async with world.served.browser(await world.manager()) as browser:
        page = await browser.get("/my-leads")
        assert (page.status, "not of a rep" in page.words) == (404, True)


async def test_a_manager_sees_who_is_away_with_leads_and_which_lead_has_waited_longest(world: World) -> None:
    async with world.served.browser(await world.manager()) as browser:
        page = await browser.get("/team")
        waiting = [row[0] for row in await world.acme.conn.fetch("select lead_id from lead_pool order by queued_at, 1")]
        assert numbers(page) == waiting and len(waiting) == 2
        assert "Open leads of reps who are away0" in page.words
        give = await browser.get(f"/leads/{waiting[0]}?do=assign")
        assert f"/leads/{waiting[0]}?do=assign" in page.links
        assert [one.attributes.get("open") for one in give.all("details", id="do-assign")] == [""]
        assert PHONE in (await browser.get("/reps/r001/leads")).text + (await browser.get("/reps/r002/leads")).text
        await browser.send(await browser.get("/reps/r002"), "/reps/r002/available", note="left")
        away = await browser.get("/team")
        assert "Open leads of reps who are away3" in away.words
        rows = list(csv.DictReader(io.StringIO((await browser.get("/team.csv")).text[1:])))
        assert [(row["rep_id"], row["open_leads"], row["away"]) for row in rows] == [
            ("r002", "3", "yes"),
            ("r001", "3", "no"),
        ]
        assert "r001" not in (await browser.get("/team?only=away")).words
        assert "No rep matches" in (await browser.get("/team?q=zzz")).words
        assert (await browser.get("/team?group=moon")).status == 404
        assert (await browser.get("/team?only=odd")).status == 422
        assert len(list(csv.reader(io.StringIO((await browser.get("/oldest.csv")).text)))) == 3


async def test_a_manager_of_another_tenant_sees_and_changes_nothing_of_this_one(world: World) -> None:
    token = await make_token(world.other.conn, world.other.tenant_id, TokenRole.MANAGER)
    [first, *_] = await world.leads_of("r002")
    async with world.served.browser(token) as browser:
        page = await browser.get("/team")
        assert "Open leads1" in page.words and "r002" not in page.words
        assert (await browser.get("/team?tenant=acme")).status == 404
        for path in ("/reps/r002/leads", "/reps/r002/handover", "/reps/r002/week.csv"):
            assert (await browser.get(path)).status == 404, path
        [form_token] = {one.attributes["value"] for one in page.all("input", name="form_token")}
        form = {"form_token": form_token, "how": "won", "why": "x", "way": "rules", "available": "no"}
        for path in (f"/leads/{first}/end", "/reps/r002/handover", "/reps/r002/available"):
            assert (await browser.post(path, form)).status == 404, path
            assert (await browser.post(f"{path}?tenant=acme", form)).status == 404, path
    assert (await world.acme.states())["assigned"] == 6


async def test_all_leads_of_a_rep_are_handed_over_to_whom_the_preview_named(world: World) -> None:
    async with world.served.browser(await world.manager()) as browser:
        left = await browser.send(await browser.get("/reps/r002"), "/reps/r002/available", note="leaves")
        assert "keeps 3 open leads" in left.words and "/reps/r002/handover" in left.links
        before = await browser.get("/reps/r002/handover")
        assert not before.all("input", name="why"), "nothing can be done before the preview"
        seen = await browser.get("/reps/r002/handover?way=rules")
        assert "3 leads are handed over." in seen.words and "r001 Rep 1 3" in seen.words
        assert (await browser.send(seen, "/reps/r002/handover", why=" ")).status == 422
        assert await world.acme.counts() == {"r001": 3, "r002": 3}
        done = await browser.send(seen, "/reps/r002/handover", why="left the company")
        assert "Handover: done" in done.words and "handed over 3" in done.words, done.words
        assert "/jobs/" not in done.url
    await settle(a_drain(world.connections), world.acme.tenant_id)
    assert await world.acme.counts() == {"r001": 6}
    assert ("handover", "left the company") in await world.changes()


async def test_one_lead_goes_to_the_rep_who_is_named_and_the_others_stay(world: World) -> None:
    first, *rest = await world.leads_of("r002")
    async with world.served.browser(await world.manager()) as browser:
        seen = await browser.get(f"/reps/r002/handover?lead={first}&way=rep&to=r001")
        assert "1 lead is handed over." in seen.words
        done = await browser.send(seen, "/reps/r002/handover", why="asked for Rep 1")
        assert "handed over 1" in done.words and "/reps/r001" in done.links
    assert await world.leads_of("r002") == rest and first in await world.leads_of("r001")


async def test_the_preview_says_which_leads_stay_and_why(world: World) -> None:
    await world.acme.roster(
        reps_csv(["r001,Rep 1,yes,UTC,all,4,1000", "r002,Rep 2,yes,UTC,all,20,1000", "r003,New,no,UTC,,20,1000"])
    )
    async with world.served.browser(await world.manager()) as browser:
        full = await browser.get("/reps/r002/handover?way=rep&to=r001")
        assert "has room for 1 of 3 leads" in full.words and not full.all("input", name="why")
        part = await browser.get("/reps/r002/handover?way=rep&to=r001&as_many=yes")
        assert "1 lead is handed over." in part.words and "stay with r002: there is no room for them 2" in part.words
        await world.acme.roster(b"rep_id,available\nr001,no\n")
        rules = await browser.get("/reps/r002/handover?way=rules")
        assert "would wait" in rules.words, rules.words
        for wrong, status in (("way=odd", 422), ("way=rep", 422), ("way=rep&to=r999", 404), ("way=rep&to=r002", 409)):
            page = await browser.get(f"/reps/r002/handover?{wrong}")
            assert (page.status, len(page.all("p", role="alert"))) == (status, 1), (wrong, page.words)
            assert page.all("input", name="way"), "the form stays usable"
        assert (await browser.get("/reps/r999/handover")).status == 404


async def test_a_manager_ends_and_returns_leads_of_a_rep_from_the_list(world: World) -> None:
    first, second, _ = await world.leads_of("r001")
    async with world.served.browser(await world.manager()) as browser:
        page = await browser.get("/reps/r001/leads")
        won = await browser.send(page, f"/leads/{first}/end", how="lost")
        assert won.url.endswith("/reps/r001/leads") and first not in numbers(won)
        assert (await browser.send(page, f"/leads/{second}/end", how="returned", note="")).status == 422
        back = await browser.send(page, f"/leads/{second}/end", how="returned", note="wrong region")
        assert second not in numbers(back) and back.url.endswith("/reps/r001/leads")
        away = await browser.post(
            "/reps/r001/available",
            {
                "form_token": page.all("input", name="form_token")[0].attributes["value"],
                "available": "yes",
                "back": "//evil.example/",
            },
        )
        assert away.url == world.served.url, "no form leads elsewhere"


async def test_a_large_group_comes_in_pages_that_can_be_searched(world: World) -> None:
    rows = [f"m{n:03},Member {n},{'yes' if n % 2 else 'no'},UTC,big,5,5" for n in range(1, 121)]
    await world.acme.roster(reps_csv(rows))
    async with world.served.browser(await world.manager()) as browser:
        seen: list[str] = []
        page = await browser.get("/groups/big")
        while True:
            seen += [one.text for one in page.all("a") if one.text.startswith("m") and one.text[1:].isdecimal()]
            following = [one.attributes["href"] for one in page.all("a", rel="next")]
            if not following:
                break
            page = await browser.get(following[0])
        assert seen == [f"m{n:03}" for n in range(1, 121)]
        available = await browser.get("/groups/big?only=available")
        assert "60 members match." in available.words and "m001" in available.words and "m002" not in available.words
        found = await browser.get("/groups/big?q=MEMBER+77")
        assert "1 member matches." in found.words and "m077" in found.words
        assert "No member matches" in (await browser.get("/groups/big?q=zzz")).words
        assert len((await browser.get("/groups/big/members.csv?only=off_duty")).text.splitlines()) == 61
        assert (await browser.get("/groups/big?only=odd")).status == 422
        off = await browser.send(found, "/reps/m077/available")
        assert off.url.endswith("/groups/big?q=MEMBER+77") and "m077 gets no more leads" in off.text
        assert "0 of its members" not in off.words and "59 of its members could take a lead now" in off.words


async def test_shares_are_compared_with_weights_as_picture_table_and_file(world: World) -> None:
    await world.acme.roster(b"rep_id,weight\nr001,3\nr002,1\n")
    async with world.served.browser(await world.manager()) as browser:
        page = await browser.get("/groups/all/shares?days=7")
        assert "6 leads were given by the shares of this group." in page.words
        assert len(page.all("rect", **{"class": "got"})) == 2
        rows = list(csv.DictReader(io.StringIO((await browser.get("/groups/all/shares.csv?days=7")).text[1:])))
        assert [(row["rep_id"], row["received"], row["due"]) for row in rows] == [
            ("r001", "3", "4.5"),
            ("r002", "3", "1.5"),
        ]
        assert (await browser.get("/groups/all/shares?days=2")).status == 422
        assert (await browser.get("/groups/moon/shares")).status == 404


async def test_a_rep_s_week_has_its_hours_on_both_clocks_and_its_leave(world: World, conn: asyncpg.Connection) -> None:
    today = await conn.fetchval("select (now() at time zone 'Asia/Shanghai')::date")
    await world.acme.roster(
        b"rep_id,name,available,time_zone,working_hours,leave\n"
        + f"r001,Ann,yes,Europe/Berlin,mon-sun 09:00-17:00,{today}\n".encode()
    )
    async with world.served.browser(await world.manager()) as browser:
        page = await browser.get("/reps/r001")
        assert page.status == 200, page.words
        assert "the rep's own clock is that of Europe/Berlin" in page.words
        assert page.all("rect", **{"class": "leave"}) and page.all("rect", **{"class": "duty"})
        assert len(page.all("line", **{"class": "now"})) == 1
        rows = list(csv.DictReader(io.StringIO((await browser.get("/reps/r001/week.csv")).text[1:])))
        worked = [row for row in rows if row["state"] == "duty"]
        assert worked and all(row["own_time_zone"] == "Europe/Berlin" for row in rows)
        assert {row["from_own"] for row in worked if row["from"] != "00:00"} <= {"09:00", "17:00", "00:00"}
