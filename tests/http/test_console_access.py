"""Who gets into the console, and what no other site can make a browser do there."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from ops.console.service import keep_key, read_key
from ops.console.session import COOKIE, KEY_BYTES
from router.domain.access import TokenRole, parse_token
from router.runtime.supervisor import StartRefused
from router.store.connections.connections import Connections
from router.store.tokens import revoke_token
from tests.http.console import OWN, Browser, Page, Served, serving_console
from tests.http.support import make_token
from tests.support import until
from tests.world import CATCH_ALL, Tenancy, a_drain, lead, make_tenant, settle, simple_reps

RULES = CATCH_ALL.replace(
    "  - name: everyone",
    "  - name: nobody\n    match: {region: Mars}\n    assign_to: group:mars\n    on_no_candidate: wait\n"
    "  - name: everyone",
)


@dataclass
class World:
    """A tenant with two waiting leads and an assigned one, and the console over it."""

    served: Served
    acme: Tenancy
    connections: Connections
    waiting: list[int]
    assigned: int

    async def token(self, role: TokenRole = TokenRole.ADMIN) -> str:
        return await make_token(self.acme.conn, self.acme.tenant_id, role)

    async def changes(self) -> list[tuple[str, str, str]]:
        """(actor, action, why) of what was changed, the last one first."""
        rows = await self.acme.conn.fetch("select actor, action, why from change order by id desc")
        return [(row["actor"], row["action"], row["why"]) for row in rows]


@pytest.fixture
async def world(connections: Connections, conn: asyncpg.Connection, redis_url: str) -> AsyncIterator[World]:
    acme = await make_tenant(conn, simple_reps(3), RULES, name="acme")
    await acme.accept([lead(1, region="Mars"), lead(2, region="Mars"), lead(3)])
    await settle(a_drain(connections), acme.tenant_id)
    waiting = [row[0] for row in await conn.fetch("select lead_id from lead_pool order by 1")]
    [assigned] = [row[0] for row in await conn.fetch("select lead_id from assignment")]
    async with serving_console(connections, redis_url) as served:
        yield World(served, acme, connections, waiting, assigned)


def form_token(page: Page) -> str:
    """That of the login whose page this is."""
    [found] = {one.attributes["value"] for one in page.all("input", name="form_token")}
    return found


async def test_without_a_login_there_is_nothing_to_see(world: World) -> None:
    async with world.served.browser() as browser:
        for path in ("/", "/leads", f"/leads/{world.assigned}", "/leads.csv", "/changes", "/doctor", "/waiting"):
            page = await browser.get(path)
            assert "/login?back=" in page.url and "acme" not in page.text, path
        refused = await browser.post(f"/leads/{world.waiting[0]}/park", {"why": "x"}, allow_redirects=False)
        assert refused.status == 303 and refused.headers["Location"] == "/login?"
        for token in ("", "secret", "lr_1_00000000_" + "a" * 43):
            assert (await browser.log_in(token)).status == 401
    assert len(await world.changes()) == len([one for one in await world.changes() if one[1] != "park"])


async def test_a_login_leads_back_to_the_page_that_was_asked_for_and_never_elsewhere(world: World) -> None:
    async with world.served.browser() as browser:
        page = await browser.get("/leads?state=waiting")
        token = await world.token()
        back = await browser.send(page, "/login", token=f"  {token}\n")
        assert back.url.endswith("/leads?state=waiting") and back.status == 200
    async with world.served.browser() as browser:
        for elsewhere in ("https://evil.example/", "//evil.example/", "/\\evil.example"):
            page = await browser.post("/login", {"token": token, "back": elsewhere})
            assert page.url == world.served.url
            assert (await browser.get(f"/preferences?theme=dark&back={elsewhere}")).url == world.served.url


async def test_the_cookie_holds_no_secret_and_no_script_reads_it(world: World) -> None:
    token = await world.token()
    shown = parse_token(token)
    assert shown
    async with world.served.browser() as browser:
        page = await browser.post("/login", {"token": token}, allow_redirects=False)
        cookie = page.headers["Set-Cookie"]
        assert all(word in cookie for word in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="))
        assert shown.secret not in cookie and "Secure" not in cookie
        behind = await browser.post(
            "/login", {"token": token}, headers={**OWN, "X-Forwarded-Proto": "https"}, allow_redirects=False
        )
        assert "Secure" in behind.headers["Set-Cookie"]


async def test_a_cookie_that_was_changed_or_signed_elsewhere_opens_nothing(
    world: World, connections: Connections
) -> None:
    token = await world.token()
    async with world.served.browser(token) as browser, serving_console(connections) as other:
        [cookie] = [one for one in browser.session.cookie_jar if one.key == COOKIE]
        async with other.browser() as stranger:
            for value in (cookie.value, cookie.value[:-2] + "AA", "x." + cookie.value):
                stranger.session.cookie_jar.update_cookies({COOKIE: value})
                assert "/login" in (await stranger.get("/")).url


async def test_a_revoked_or_expired_token_ends_its_sessions_within_seconds(world: World) -> None:
    token = await world.token()
    shown = parse_token(token)
    assert shown
    async with world.served.browser(token) as browser:
        await revoke_token(world.acme.conn, world.acme.tenant_id, shown.token_id, "test")

        async def is_out() -> bool:
            return "/login" in (await browser.get("/changes")).url

        await until(is_out, "the session is over")
    soon = datetime.now(UTC) + timedelta(seconds=6)
    dying = await make_token(world.acme.conn, world.acme.tenant_id, TokenRole.ADMIN, expires_at=soon)
    async with world.served.browser(dying) as browser:

        async def is_over() -> bool:
            return "/login" in (await browser.get("/changes")).url

        await until(is_over, "the session is over")


async def test_logging_out_forgets_the_login(world: World) -> None:
    async with world.served.browser(await world.token()) as browser:
        page = await browser.send(await browser.get("/"), "/logout")
        assert page.url.endswith("/login")
        assert "/login" in (await browser.get("/leads")).url


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
async def test_another_site_can_send_no_form(world: World, headers: dict[str, str]) -> None:
    token = await world.token()
    async with world.served.browser(token) as browser:
        known = form_token(await browser.get("/"))
        page = await browser.post(f"/leads/{world.waiting[0]}/park", {"form_token": known, "why": "x"}, headers=headers)
        assert page.status == 403
        assert (await browser.post("/login", {"token": token}, headers=headers)).status == 403
    assert (await world.acme.states())["parked"] == 0


async def test_a_form_needs_the_token_of_its_own_login(world: World) -> None:
    async with world.served.browser(await world.token()) as one, world.served.browser(await world.token()) as other:
        for known in ("", "guessed", form_token(await other.get("/"))):
            page = await one.post(f"/leads/{world.waiting[0]}/park", {"form_token": known, "why": "x"})
            assert (page.status, "another login" in page.words) == (403, True)
        with_json = await one.session.post(
            f"{world.served.url}leads/{world.waiting[0]}/park", json={"why": "x"}, headers=OWN
        )
        assert with_json.status == 415
        good = await one.post(
            f"/leads/{world.waiting[0]}/park", {"form_token": form_token(await one.get("/")), "why": "x"}
        )
        assert good.status == 200
    assert (await world.acme.states())["parked"] == 1


async def test_every_answer_forbids_scripts_frames_and_caches(world: World) -> None:
    async with world.served.browser(await world.token()) as browser:
        pages = [await browser.get(path) for path in ("/", "/login", "/leads", "/nothing", "/leads.csv", "/leads/x")]
        asset = next(one for one in pages[0].links if one.startswith("/assets/"))
        for page in (*pages, await browser.get(asset)):
            policy = page.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
            assert page.headers["X-Content-Type-Options"] == "nosniff"
            kept = "immutable" in page.headers["Cache-Control"]
            assert kept is ("/assets/" in page.url) and (kept or page.headers["Cache-Control"] == "no-store")


async def test_whoever_guesses_tokens_is_stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # However slow the machine is, and whenever this runs, no other minute begins in between, with new attempts.
    monkeypatch.setattr("router.http.failed_attempts._MINUTE_S", 1e9)
    async with world.served.browser() as browser:
        answers = [(await browser.log_in(f"lr_1_{n:08x}_" + "a" * 43)).status for n in range(70)]
    assert set(answers[:50]) == {401} and answers[-1] == 429


async def test_what_is_done_is_recorded_with_who_did_it_and_why(world: World) -> None:
    token = await world.token()
    shown = parse_token(token)
    assert shown
    actor = f"token:test admin#{shown.token_id}"
    first, second = world.waiting
    async with world.served.browser(token) as browser:
        parked = await browser.send(await browser.get(f"/leads/{first}"), f"/leads/{first}/park", why="a test")
        assert f"Lead {first} is parked." in parked.text
        assert f"Lead {first} is parked." not in (await browser.get(f"/leads/{first}")).text
        back = await browser.send(parked, f"/leads/{first}/unpark", why="no test")
        assert back.status == 200
        given = await browser.send(
            await browser.get(f"/leads/{second}"), f"/leads/{second}/assign", to="r002", note="asked for her"
        )
        assert given.status == 200, given.words
        ended = await browser.send(
            await browser.get(f"/leads/{world.assigned}"), f"/leads/{world.assigned}/end", how="won"
        )
        assert ended.status == 200, ended.words
        changes = await browser.get("/changes.csv")
    done = {(row["actor"], row["action"], row["why"]) for row in csv.DictReader(io.StringIO(changes.text[1:]))}
    assert {(actor, "park", "a test"), (actor, "unpark", "no test"), (actor, "assign", "asked for her")} <= done
    assert (actor, "end") in {one[:2] for one in done}


async def test_what_is_refused_says_why_and_changes_nothing(world: World) -> None:
    [first, _] = world.waiting
    async with world.served.browser(await world.token()) as browser:
        page = await browser.get(f"/leads/{first}")
        assert (await browser.send(page, f"/leads/{first}/park", why="  ")).status == 422
        assert (await browser.send(page, f"/leads/{first}/assign", to="r999")).status == 404
        await browser.send(page, f"/leads/{first}/park", why="x")
        twice = await browser.send(page, f"/leads/{first}/park", why="x")
        assert (twice.status, "parked already" in twice.words) == (409, True)
        known = form_token(page)
        assert (await browser.post(f"/leads/{first}/end", {"form_token": known, "how": "eaten"})).status == 422
        large = await browser.post(f"/leads/{first}/park", {"form_token": known, "why": "x" * 200_000})
        assert large.status == 413
        assert (await browser.post(f"/leads/{first}/park", {"form_token": known, "why": "\0"})).status == 422
    assert await world.acme.states() == {"waiting": 1, "assigned": 1, "parked": 1, "merged": 0, "closed": 0}


async def test_a_read_only_console_changes_nothing_for_anybody(world: World, connections: Connections) -> None:
    token = await world.token()
    async with serving_console(connections, read_only="yes") as served, served.browser(token) as browser:
        page = await browser.get(f"/leads/{world.waiting[0]}")
        assert "read-only" in page.text
        assert {one.attributes["action"] for one in page.all("form")} == {"/logout", f"/leads/{world.waiting[0]}"}
        refused = await browser.post(f"/leads/{world.waiting[0]}/park", {"form_token": form_token(page), "why": "x"})
        assert (refused.status, "read-only" in refused.words) == (403, True)
        assert (await browser.send(page, "/logout")).url.endswith("/login")
    assert (await world.acme.states())["parked"] == 0


async def finished(browser: Browser, page: Page) -> Page:
    """The page of a job once it is over."""
    found = [page]

    async def is_over() -> bool:
        found.append(await browser.get(page.url))
        return "running" not in found[-1].words

    await until(is_over, "the job is over")
    return found[-1]


async def test_all_that_match_are_parked_and_sent_back_counted_before(world: World) -> None:
    async with world.served.browser(await world.token(TokenRole.OPERATOR)) as browser:
        ask = await browser.get("/waiting/all/park?state=waiting&reason=group_empty")
        assert "2 leads" in ask.words
        assert (await browser.send(ask, "/waiting/all/park", why=" ")).status == 422
        job = await finished(browser, await browser.send(ask, "/waiting/all/park", why="Mars is closed"))
        assert "leads done 2" in job.words
        assert (await world.acme.states())["parked"] == 2
        assert [one[1:] for one in await world.changes()][:2] == [("park", "Mars is closed")] * 2
        ask = await browser.get("/waiting/all/unpark?state=parked&source=web")
        job = await finished(browser, await browser.send(ask, "/waiting/all/unpark", why="Mars is open"))
        assert (await world.acme.states())["waiting"] == 2
        none = await browser.get("/waiting/all/unpark?state=parked")
        assert "No lead matches" in none.words and not none.all("form", action="/waiting/all/unpark")


async def test_all_of_a_reason_are_retried_counted_before(world: World) -> None:
    async with world.served.browser(await world.token(TokenRole.OPERATOR)) as browser:
        ask = await browser.get("/waiting/retry?reason=group_empty")
        assert "2 waiting leads are looked at again" in ask.words
        job = await finished(browser, await browser.send(ask, "/waiting/retry", why="Mars has reps"))
        assert "looked at again 2" in job.words
        assert "token:test operator" in job.words
        assert (await browser.get("/waiting/retry?reason=eaten")).status == 422
    assert any(one[1:] == ("retry", "Mars has reps") for one in await world.changes())


def test_the_key_of_sessions_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "data" / "console.key"
    keep_key(file)
    key = read_key(file)
    assert len(key) == KEY_BYTES and file.stat().st_mode & 0o777 == 0o600
    keep_key(file)
    assert read_key(file) == key
    assert [one.name for one in file.parent.iterdir()] == ["console.key"]
    file.write_bytes(b"short")
    with pytest.raises(StartRefused, match="5 bytes, and needs at least 32"):
        read_key(file)
    with pytest.raises(StartRefused, match="cannot be read"):
        read_key(tmp_path / "nowhere")
