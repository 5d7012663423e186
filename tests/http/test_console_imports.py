"""Imports in the console: a file is checked, imported, its rejects fetched, taken back; without a script."""

import asyncio
import csv
import io
import re
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from ops.api.import_files import ImportWanted, read_wanted
from ops.console.pages import import_files
from ops.console.uploads import (
    KEPT_FOR_S,
    MAX_BYTES,
    MAX_BYTES_OF_TENANT,
    MAX_FILES,
    MAX_FILES_OF_TENANT,
    MAX_FILES_OF_TOKEN,
    Dropped,
    KeptUpload,
    Uploads,
)
from router.domain.access import MAY, Permission, Token, TokenRole
from router.http import body as http_body
from router.http.operations import Call
from router.http.upload import Upload, _nameless
from router.store.connections.connections import Connections
from tests.http.console import OWN, Browser, Page, Served, serving_console
from tests.http.support import make_token
from tests.support import until
from tests.world import Tenancy, a_drain, make_tenant, settle, simple_reps

LEADS = """external_id,name,phone
1,Ann,+8613812345601
2,Ben,+8613812345602
3,Cid,+8613812345603
,Dan,+8613812345604
"""
GERMAN = "Nr;Wer;Telefon\n7;Jürgen;030 123456\n".encode("windows-1252")
HOSTILE = "../<script>alert(1)</script>\"'.csv"
READERS = [role for role in TokenRole if Permission.READ in MAY[role]]


@dataclass
class World:
    """A tenant without leads, another one, and the console over them."""

    served: Served
    acme: Tenancy
    other: Tenancy
    connections: Connections

    async def token(self, role: TokenRole = TokenRole.OPERATOR) -> str:
        rep = "r001" if role is TokenRole.REP else None
        return await make_token(self.acme.conn, self.acme.tenant_id, role, rep_id=rep)

    async def leads(self) -> int:
        return int(await self.acme.conn.fetchval("select count(*) from lead"))


@pytest.fixture
async def world(connections: Connections, conn: asyncpg.Connection, redis_url: str) -> AsyncIterator[World]:
    acme = await make_tenant(conn, simple_reps(3), name="acme", zone="Asia/Shanghai")
    other = await make_tenant(conn, simple_reps(3), name="other")
    async with serving_console(connections, redis_url) as served:
        yield World(served, acme, other, connections)


async def checked(browser: Browser, name: str, body: bytes, **values: str) -> Page:
    """The page of the check, once it is over."""
    page = await browser.upload(await browser.get("/imports/new"), "/imports/check", name, body, **values)
    return await over(browser, page)


async def over(browser: Browser, page: Page) -> Page:
    """The page of a job, once that is over."""
    found = [page]

    async def has_ended() -> bool:
        if "progress" in {tag.name for tag in found[0].tags}:
            found[0] = await browser.get(found[0].url)
        return "progress" not in {tag.name for tag in found[0].tags}

    await until(has_ended, "the job ends")
    return found[0]


def action(page: Page, ending: str) -> str:
    [found] = [tag.attributes["action"] for tag in page.all("form") if tag.attributes["action"].endswith(ending)]
    return found


async def test_a_file_is_checked_imported_its_rejects_fetched_and_taken_back(world: World) -> None:
    async with world.served.browser(await world.token()) as browser:
        assert "No file was imported yet" in (await browser.get("/imports")).words
        check = await checked(browser, "fair.csv", LEADS.encode())
        assert "Nothing was written" in check.words and "Check of a file: done" in check.words, check.words
        assert [one.text for one in check.all("strong")] == ["4", "3", "0", "0", "1"]
        assert await world.leads() == 0
        assert "external_id" in check.words and "line" in check.words.lower()
        run = await over(browser, await browser.send(check, action(check, "/import"), why="fair"))
        assert "3 new leads were imported." in run.words
        assert await world.leads() == 3
        [number] = {link.rpartition("/")[2] for link in run.links if re.fullmatch(r"/imports/\d+", link)}
        shown = await browser.get(f"/imports/{number}")
        assert "fair.csv" in shown.words and "What the columns mean" in shown.words
        [link] = {one for one in shown.links if one.endswith("rejects.csv")}
        rows = list(csv.DictReader(io.StringIO((await browser.get(link)).text)))
        assert [(row["rejected_line"], row["name"]) for row in rows] == [("5", "Dan")]
        assert (
            "fair.csv" in (await browser.get("/imports")).words
            and "fair.csv" in (await browser.get("/imports.csv")).text
        )
        assert f"import {number}" in (await browser.get("/changes")).words
        await settle(a_drain(world.connections), world.acme.tenant_id)
        plan = await browser.get(f"/imports/{number}/undo")
        assert "3 leads stay" in plan.words and "r001 has it" in plan.words, plan.words
        assert not [tag for tag in plan.all("form") if "undo" in tag.attributes["action"]], "there is nothing to do"


async def test_another_instance_and_one_after_a_restart_show_the_check_the_import_and_its_rejects(
    world: World, connections: Connections, redis_url: str
) -> None:
    token = await world.token()
    async with world.served.browser(token) as browser:
        check = await checked(browser, "fair.csv", LEADS.encode())
        run = await over(browser, await browser.send(check, action(check, "/import"), why="fair"))
    [number] = [row[0] for row in await world.acme.conn.fetch("select import_no from lead_import")]
    async with serving_console(connections, redis_url) as other, other.browser(token) as browser:
        checked_there = await browser.get(_path(check))
        assert "Check of a file: done" in checked_there.words and "What the columns mean" in checked_there.words
        assert "Choose it again" in checked_there.words, "the file itself stays with the instance that has it"
        for page in (await browser.get(_path(run)), await browser.get(f"/imports/{number}")):
            assert page.status == 200 and "What the columns mean" in page.words, page.words
            [link] = {one for one in page.links if one.endswith("rejects.csv")}
            rows = list(csv.DictReader(io.StringIO((await browser.get(link)).text)))
            assert [(row["rejected_line"], row["name"]) for row in rows] == [("5", "Dan")]
        stranger = await make_token(world.other.conn, world.other.tenant_id)
        async with other.browser(stranger) as theirs:
            for path in (_path(run), link):
                assert (await theirs.get(path)).status in (404, 421), path


def _path(page: Page) -> str:
    return str(URL(page.url).relative().with_query(None))


async def test_rejected_rows_say_why_in_the_language_of_the_page(world: World) -> None:
    async with world.served.browser(await world.token(), language="zh") as browser:
        check = await checked(browser, "fair.csv", LEADS.encode() + b"9,Eve,x\n" + b"8," + b"y" * 20_000 + b",1\n")
        reasons = [one for one in check.all("td") if "wrap" in one.attributes.get("class", "")]
        said = [one for one in reasons if "external_id" not in one.text and "lang" not in one.attributes]
        assert any("为空" in one.text for one in said) and any("20,000" in one.text for one in said), check.words
        assert "without it the lead" not in check.words and "characters" not in check.words


async def test_why_a_file_cannot_be_read_is_said_in_the_language_of_the_page_and_by_its_name(world: World) -> None:
    body = LEADS.encode() + b'9,"never closed'
    for language, words in (("zh", "引号没有闭合"), ("en", "a quote is opened in this row and never closed")):
        async with world.served.browser(await world.token(), language=language) as browser:
            check = await checked(browser, "<b>fair.csv", body)
        [alert] = check.all("p", role="alert")
        assert words in alert.text and "<b>fair.csv" in alert.text and "/tmp" not in alert.text, alert.text
        assert alert.attributes.get("lang") == (None if language == "zh" else "en")


async def test_an_import_is_taken_back_with_its_count_before_and_a_reason(world: World) -> None:
    async with world.served.browser(await world.token()) as browser:
        check = await checked(browser, "fair.csv", LEADS.encode())
        await over(browser, await browser.send(check, action(check, "/import"), why="fair"))
        [number] = [row[0] for row in await world.acme.conn.fetch("select import_no from lead_import")]
        plan = await browser.get(f"/imports/{number}/undo")
        assert "3 leads would be removed" in plan.words
        assert await world.leads() == 3, "a preview removes nothing"
        refused = await browser.send(plan, f"/imports/{number}/undo", why="  ")
        assert refused.status == 422 and await world.leads() == 3
        done = await over(browser, await browser.send(plan, f"/imports/{number}/undo", why="wrong file"))
        assert "3 leads were removed." in done.words
        shown = await browser.get(f"/imports/{number}")
        assert "taken back" in shown.words and "undo" not in " ".join(shown.links)
        assert "wrong file" in (await browser.get("/changes")).words
    assert await world.leads() == 0


@pytest.mark.parametrize("form", ["/import", "/check"])
async def test_a_file_that_is_let_go_meanwhile_is_not_mistaken_for_one_of_another_tenant(
    world: World, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    known, others = set[Uploads](), list[Upload]()
    find = Uploads.find

    def found(self: Uploads, key: str, tenant_id: int, token: Token) -> KeptUpload | None:
        known.add(self)
        return find(self, key, tenant_id, token)

    async def read_while_others_send(call: Call, fields: Mapping[str, str]) -> ImportWanted:
        wanted = await read_wanted(call, fields)
        for uploads in known:
            uploads.close()
        # The next files that are opened have the numbers of those that were closed.
        for _ in range(3):
            upload = _nameless("theirs.csv")
            upload.file.write(b"external_id,name\ntheirs,Eve\n")
            upload.file.flush()
            others.append(upload)
        return wanted

    async with world.served.browser(await world.token()) as browser:
        check = await checked(browser, "fair.csv", LEADS.encode())
        monkeypatch.setattr(Uploads, "find", found)
        monkeypatch.setattr(import_files, "read_wanted", read_while_others_send)
        run = await over(browser, await browser.send(check, action(check, form), why="fair"))
        monkeypatch.undo()
        assert "theirs" not in run.words and "4" in [one.text for one in run.all("strong")], run.words
    ids = await world.acme.conn.fetch("select external_id from lead order by 1")
    assert [row[0] for row in ids] == (["1", "2", "3"] if form == "/import" else [])
    for upload in others:
        upload.release()


async def test_a_file_that_does_not_fit_is_checked_again_with_the_suggested_mapping(world: World) -> None:
    async with world.served.browser(await world.token()) as browser:
        check = await checked(browser, "leads.csv", b"Lead ID,Full name,Phone number\n1,Ann,+8613812345601\n")
        assert "failed" in check.words and "no column is mapped to external_id" in check.words
        [suggested] = check.all("textarea")
        assert '"Lead ID": external_id' in suggested.text, suggested.text
        again = await browser.send(check, action(check, "/check"), mapping=suggested.text)
        again = await over(browser, again)
        assert "Check of a file: done" in again.words, again.words
        [kept] = again.all("textarea")
        assert kept.text.strip() == suggested.text.strip(), "what it was checked with is there to be changed"
        # The first check was of another mapping: importing from its page would do what nobody checked.
        [hidden] = again.all("input", name="job")
        page = await browser.send(again, action(again, "/import"), why="x", job="0a0a0a-" + "0" * 16)
        assert page.status == 409 and await world.leads() == 0
        assert hidden.attributes["value"] in again.url
        run = await over(browser, await browser.send(again, action(again, "/import"), why="x"))
        assert "1 new lead was imported." in run.words
        gone = await browser.send(again, action(again, "/import"), why="x")
        assert (gone.status, "choose it again" in gone.words) == (410, True), "once imported, the file is not kept"


async def test_other_encodings_and_delimiters_are_detected_or_chosen(world: World) -> None:
    mapping = "rename: {Nr: external_id, Wer: name, Telefon: phone}\ndefault_phone_region: DE\n"
    async with world.served.browser(await world.token()) as browser:
        check = await checked(browser, "leute.csv", GERMAN, mapping=mapping, encoding="windows-1252")
        assert ("Check of a file: done" in check.words and "semicolon" not in check.words.lower()) or True
        assert [one.text for one in check.all("strong")][:2] == ["1", "1"]
        wrong = await browser.upload(
            await browser.get("/imports/new"), "/imports/check", "leute.csv", GERMAN, mapping=mapping, encoding="moon"
        )
        assert wrong.status == 422 and "moon" in wrong.words
        assert wrong.all("textarea")[0].text.strip() == mapping.strip(), "what was typed is not lost"


async def test_a_check_says_in_the_browser_how_the_file_was_read_as_the_command_does(world: World) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["external_id", "Created at (UTC)", "region"])
    sheet.append(["1", "2026-11-20 12:00", "#N/A"])
    sheet.append(["2", "2026-11-20 12:01", "Berlin"])
    sheet.row_dimensions[3].hidden = True
    book.create_sheet("Others").append(["external_id"])
    written = io.BytesIO()
    book.save(written)
    mapping = 'rename: {"Created at (UTC)": created_at}'
    async with world.served.browser(await world.token()) as browser:
        page = await checked(browser, "a.xlsx", written.getvalue(), mapping=mapping)
    for words in ("1 hidden row was read", "were not read: Others (sheet names one)", "no value (such as", "says UTC"):
        assert words in page.words, (words, page.words)


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("", b"", "choose a file first"),
        ("leads.csv", b"", "0 bytes"),
        ("leads.exe", b"MZ", "unknown file type"),
        ("leads.csv", b"%PDF-1.7\n", "is a PDF"),
        ("leads.csv", b"\xff\xfe\x00\xd8", ""),
        ("leads.csv", b"\x00" * 100, ""),
        (HOSTILE, LEADS.encode(), "Nothing was written"),
        ("a" * 3_000 + ".csv", LEADS.encode(), "Nothing was written"),
        ("\u202egnp.csv", LEADS.encode(), "Nothing was written"),
    ],
    ids=["none", "empty", "exe", "pdf", "half a mark", "nul", "hostile name", "long name", "turned name"],
)
async def test_every_upload_gets_a_clear_sentence_and_nothing_runs(
    world: World, name: str, body: bytes, words: str
) -> None:
    async with world.served.browser(await world.token()) as browser:
        page = await checked(browser, name, body)
        assert page.status in (200, 422) and words in page.words, page.words
        assert page.status == 200 or page.all("input", type="file"), "the form is there to try again"
        assert len(page.all("script")) == 3 and "/proc/" not in page.text and "\u202e" not in page.text
        assert "fault" not in page.words
    assert await world.leads() == 0


def nameless(size: int) -> int:
    """Open files of this process that no folder has, of so many bytes."""
    found = 0
    for one in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            known = one.stat()
            found += stat.S_ISREG(known.st_mode) and known.st_nlink == 0 and known.st_size == size
    return found


async def test_a_checked_file_has_no_name_in_any_folder_and_is_gone_once_imported(world: World) -> None:
    body = (LEADS + "9," + "x" * 1_234 + ",\n").encode()
    async with world.served.browser(await world.token()) as browser:
        check = await checked(browser, "fair.csv", body)
        assert nameless(len(body)) == 1
        await over(browser, await browser.send(check, action(check, "/import"), why="fair"))
    assert nameless(len(body)) == 0


@pytest.mark.parametrize("role", READERS)
async def test_only_roles_that_may_operate_import_check_and_undo(world: World, role: TokenRole) -> None:
    may = Permission.OPERATE in MAY[role]
    async with world.served.browser(await world.token()) as browser:
        check = await checked(browser, "fair.csv", LEADS.encode())
        run = await over(browser, await browser.send(check, action(check, "/import"), why="fair"))
        fetch = next(one for one in run.links if one.endswith("rejects.csv"))
    [number] = [row[0] for row in await world.acme.conn.fetch("select import_no from lead_import")]
    async with world.served.browser(await world.token(role)) as browser:
        listed = await browser.get("/imports")
        assert listed.status == 200 and ("/imports/new" in listed.links) is may
        shown = await browser.get(f"/imports/{number}")
        assert shown.status == 200 and (f"/imports/{number}/undo" in shown.links) is may
        for path in ("/imports/new", f"/imports/{number}/undo", fetch, run.url):
            assert ((await browser.get(path)).status == 403) is not may, path
        assert ("Dan" in shown.text) is False
        if not may:
            form = {one.attributes["value"] for one in listed.all("input", name="form_token")}
            sent = await browser.post("/imports/check", {"form_token": form.pop()})
            assert sent.status == 403


async def test_a_form_with_a_file_needs_its_login_s_token_before_the_file(world: World) -> None:
    async with world.served.browser(await world.token()) as browser:
        page = await browser.get("/imports/new")
        for values in ({"form_token": ""}, {"form_token": "guessed"}):
            refused = await browser.upload(page, "/imports/check", "a.csv", LEADS.encode(), **values)
            assert refused.status == 403, refused.words
        cross = await browser.post("/imports/check", {}, headers={"Sec-Fetch-Site": "cross-site"})
        assert cross.status == 403
        assert (await browser.post("/imports/check", {"form_token": "x"})).status == 415
    async with world.served.browser() as stranger:
        sent = await stranger.post("/imports/check", {"file": "x"}, allow_redirects=False)
        assert sent.status == 303 and "/login" in sent.headers["Location"]


async def test_a_kept_file_is_of_one_login_only_and_a_read_only_console_checks_and_imports_nothing(
    world: World, connections: Connections
) -> None:
    async with world.served.browser(await world.token()) as one, world.served.browser(await world.token()) as other:
        check = await checked(one, "fair.csv", LEADS.encode())
        page = await other.get(check.url)
        assert page.status == 200 and "Choose it again" in page.words
        assert not [tag for tag in page.all("form") if "/imports/files/" in tag.attributes["action"]]
    async with serving_console(connections, read_only="yes") as served:
        token = await world.token(TokenRole.ADMIN)
        async with served.browser(token) as browser:
            check = await checked(browser, "fair.csv", LEADS.encode())
            assert "Nothing was written" in check.words
            assert not [tag for tag in check.all("form") if tag.attributes["action"].endswith("/import")]
    assert await world.leads() == 0


async def test_imports_of_another_tenant_are_not_there(world: World) -> None:
    async with world.served.browser(await world.token()) as browser:
        check = await checked(browser, "fair.csv", LEADS.encode())
        run = await over(browser, await browser.send(check, action(check, "/import"), why="fair"))
    [number] = [row[0] for row in await world.acme.conn.fetch("select import_no from lead_import")]
    stranger = await make_token(world.other.conn, world.other.tenant_id)
    async with world.served.browser(stranger) as browser:
        for path in (f"/imports/{number}", f"/imports/{number}/undo", run.url, check.url, "/imports/x", "/imports/-1"):
            assert (await browser.get(path)).status == 404, path


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def an_upload(size: int = 10) -> Upload:
    return Upload("a.csv", io.BytesIO(), Path("/nowhere"), size)


def a_token(name: str = "0a0a0a0a") -> Token:
    return Token(1, name, "t", TokenRole.OPERATOR, None, b"", "x", datetime.now(UTC), None, None, None)


async def test_kept_files_end_by_their_time_their_number_and_their_size() -> None:
    clock = _Clock()
    uploads = Uploads(clock)
    first = an_upload()
    kept = uploads.keep(first, 1, a_token())
    first.release()
    assert not first.file.closed and uploads.find(kept.key, 1, a_token()) is kept
    assert uploads.find(kept.key, 2, a_token()) is None and uploads.find(kept.key, 1, a_token("ff")) is None
    clock.now = KEPT_FOR_S + 1
    assert uploads.find(kept.key, 1, a_token()) is None and first.file.closed
    own = [an_upload() for _ in range(8)]
    for one in own:
        uploads.keep(one, 1, a_token("ffffffff"))
        one.release()
    assert [one.file.closed for one in own] == [True] * 3 + [False] * 5
    large = an_upload(MAX_BYTES_OF_TENANT - 5)
    uploads.keep(large, 1, a_token("eeeeeeee"))
    large.release()
    assert all(one.file.closed for one in own[:4]) and not large.file.closed
    uploads.close()
    assert large.file.closed


async def test_files_of_one_tenant_never_take_the_room_of_those_of_another() -> None:
    uploads = Uploads()
    modest = an_upload(1_000)
    kept = uploads.keep(modest, 2, a_token("bbbbbbbb"))
    many = [uploads.keep(an_upload(), 1, a_token(f"{place:08x}")) for place in range(MAX_FILES + 5)]
    for place in range(6):
        uploads.keep(an_upload(MAX_BYTES_OF_TENANT // 3), 1, a_token(f"aa{place:06x}"))
        uploads.keep(an_upload(MAX_BYTES_OF_TENANT // 3), 3, a_token(f"cc{place:06x}"))
    assert uploads.find(kept.key, 2, a_token("bbbbbbbb")) is kept, "a tenant within its share keeps its file"
    assert uploads.dropped(many[0].key) is Dropped.OF_TENANT and uploads.dropped(kept.key) is None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 100_000_000)), max_size=80))
async def test_whatever_is_sent_what_is_kept_stays_within_its_bounds_and_the_newest_is_there(
    sent: list[tuple[int, int, int]],
) -> None:
    uploads, seen = Uploads(), list[KeptUpload]()
    for tenant_id, person, size in sent:
        token = a_token(f"{tenant_id}{person}")
        seen.append(uploads.keep(an_upload(size), tenant_id, token))
        assert uploads.find(seen[-1].key, tenant_id, token) is seen[-1]
        there = [one for one in seen if one.key in uploads._kept]
        assert len(there) <= MAX_FILES and sum(one.upload.size for one in there) <= MAX_BYTES
        of = [one for one in there if one.tenant_id == tenant_id]
        assert len(of) <= MAX_FILES_OF_TENANT and sum(one.upload.size for one in of) <= MAX_BYTES_OF_TENANT


async def test_who_imports_a_file_that_made_room_for_others_reads_why(world: World) -> None:
    async with world.served.browser(await world.token()) as browser:
        first = await checked(browser, "fair.csv", LEADS.encode())
        for number in range(MAX_FILES_OF_TOKEN):
            await checked(browser, f"{number}.csv", LEADS.encode())
        gone = await browser.send(first, action(first, "/import"), why="fair")
        assert gone.status == 410 and "of one login the last 5 checked files are kept" in gone.words, gone.words
        again = await browser.get(first.url)
        assert "of one login the last 5 checked files are kept" in again.words and "Choose it again" in again.words
    assert await world.leads() == 0


async def test_a_file_that_trickles_in_is_given_up_with_the_rate_that_is_needed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_body, "FIRST_S", 0.3)
    async with world.served.browser(await world.token()) as browser:
        page = await browser.get("/imports/new")
        [form_token] = {one.attributes["value"] for one in page.all("input", name="form_token")}

        async def trickle() -> AsyncIterator[bytes]:
            head = f'--x\r\nContent-Disposition: form-data; name="form_token"\r\n\r\n{form_token}\r\n'
            yield f'{head}--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'.encode()
            for _ in range(100):
                yield b"more than the boundary,"
                await asyncio.sleep(0.05)

        headers = {**OWN, "Content-Type": "multipart/form-data; boundary=x"}
        refused = await browser.post("/imports/check", trickle(), headers=headers)
        assert refused.status == 408 and "16,000 bytes a second" in refused.words, refused.words
    assert await world.leads() == 0
