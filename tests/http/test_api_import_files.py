"""Files of leads over HTTP: checked without a trace, imported as a job, and every file that cannot be read says why."""

import asyncio
import csv
import gzip
import io
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import openpyxl
import pytest

from ops.api.import_files import MAX_FILE, as_fields, disposition
from ops.api.means import Means
from ops.api.operations import api_operations
from ops.cli import main
from router.domain.access import MAY, Permission, TokenRole
from router.http import body as http_body
from router.http.upload import MAX_NAME, plain_name
from router.store.connections.connections import Connections
from router.store.sources import NewSource, add_source
from tests.command_line import CommandLine
from tests.http.support import make_token, serving_api
from tests.http.test_api_imports import LEADS, ended
from tests.http.test_api_operating import World
from tests.support import until
from tests.world import make_tenant, simple_reps

BAD = LEADS + "4,web,soon,Cid,+8613812345604,pump\n,web,2026-11-20T12:00:00+08:00,Dan,+8613812345605,pump\n"
CHINESE = "编号,姓名,手机\nA1,陈晓明,13812345678\n".encode("gb18030")
MAPPING = "rename: {编号: external_id, 姓名: name, 手机: phone}\ndefault_phone_region: CN\n"


@pytest.fixture
async def world(
    connections: Connections, conn: asyncpg.Connection, database_url: str, redis_url: str
) -> AsyncIterator[World]:
    acme = await make_tenant(conn, simple_reps(3), name="acme", zone="Asia/Shanghai")
    other = await make_tenant(conn, simple_reps(3), name="other")
    async with serving_api(connections, api_operations(Means(redis_url))) as api:
        api.token = await make_token(conn, acme.tenant_id)
        yield World(api, acme, other, connections, database_url)


def form(body: bytes | None, name: str = "leads.csv", **fields: str) -> aiohttp.FormData:
    made = aiohttp.FormData(quote_fields=False, default_to_multipart=True)
    for key, value in fields.items():
        made.add_field(key, value)
    if body is not None:
        made.add_field("file", body, filename=name, content_type="application/octet-stream")
    return made


async def sent(world: World, body: bytes | None, name: str = "leads.csv", **fields: str) -> Any:
    """The job's document once it is over, or the refusal."""
    reply = await world.api.ask("POST", "/v1/imports", data=form(body, name, **fields))
    return (await ended(world.api, reply)) if reply.status == 202 else reply


async def test_a_check_says_what_an_import_would_do_and_leaves_no_trace(world: World) -> None:
    before = await _rows(world)
    checked = await sent(world, BAD.encode(), dry_run="true")
    assert (checked["state"], checked["kind"]) == ("done", "check_import")
    found = checked["result"]
    assert (found["rows"], found["new"], found["merged"], found["rejected"]) == (5, 3, 1, 2)
    assert (found["checked"], found["import"], len(found["rejects"])) == (True, None, 2)
    assert [row["line"] for row in found["repeats"]] == [3]
    assert await _rows(world) == before
    done = await sent(world, BAD.encode(), why="fair in Shenzhen")
    assert done["state"] == "done", done
    same = {**done["result"], "checked": True, "import": None, "repeats": found["repeats"]}
    unlike = {name for name in found if same[name] != found[name]}
    assert unlike <= {"seconds", "rows_per_s", "customers"}, "the check promised what the import did"


@pytest.mark.parametrize("name", ["leads.csv", "leads.ndjson"])
async def test_days_are_read_as_their_column_says_whatever_it_is_called(world: World, name: str) -> None:
    if name.endswith(".csv"):
        body = "external_id,source,Created At\n1,web,25/10/2026\n2,web,03/04/2026\n"
    else:
        body = '{"external_id": "1", "Created At": "25/10/2026"}\n{"external_id": "2", "Created At": "03/04/2026"}\n'
    done = await sent(world, body.encode(), name)
    assert (done["result"]["new"], done["result"]["rejects"]) == (2, [])


async def _rows(world: World) -> list[int]:
    tables = ("lead", "lead_import", "change", "lead_pool", "flight")
    return [await world.acme.conn.fetchval(f"select count(*) from {table}") for table in tables]


async def test_an_import_says_what_the_command_says_and_is_recorded_with_its_actor(
    world: World, tmp_path: Path
) -> None:
    done = await sent(world, BAD.encode(), "käufer 1.csv", why="fair in Shenzhen")
    number = done["result"]["import"]
    shown = (await world.api.get(f"/v1/imports/{number}")).document
    assert (shown["file"], shown["new"], shown["rejected"]) == ("käufer 1.csv", 3, 2)
    assert shown["actor"].startswith("token:test admin#")
    change = await world.acme.conn.fetchrow("select actor, subject, after, why from change where action = 'import'")
    assert change is not None and change["actor"] == shown["actor"] and change["why"] == "fair in Shenzhen"
    assert (change["subject"], "3 new leads" in change["after"]) == (f"import {number}", True)
    file = tmp_path / "leads.csv"
    file.write_bytes(BAD.encode())
    told = await CommandLine(main, world.url).json("leads", "import", str(file), "--tenant", "other", code=1)
    unlike = {"file", "tenant", "import", "rejects_file", "seconds", "rows_per_s", "time_zone"}
    document = done["result"]
    assert {key: told[key] for key in told if key not in unlike} == {
        key: document[key] for key in document if key not in unlike
    }


async def test_rejected_rows_come_as_a_file_that_can_be_corrected_and_imported(world: World) -> None:
    done = await sent(world, BAD.encode())
    response = await world.api.session.get(
        f"{world.api.url}/v1/jobs/{done['id']}/rejects", headers={"Authorization": f"Bearer {world.api.token}"}
    )
    text = (await response.read()).decode()
    assert "leads.csv.rejects.csv" in response.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["rejected_line"] for row in rows] == ["5", "6"] and rows[0]["created_at"] == "soon"
    mended = text.replace("soon", "2026-11-20T13:00:00+08:00")
    again = await sent(world, mended.encode(), "mended.csv")
    assert (again["result"]["new"], again["result"]["rejected"]) == (1, 1)
    good = await sent(world, LEADS.encode())
    assert (await world.api.get(f"/v1/jobs/{good['id']}/rejects")).status == 404


async def test_files_of_other_encodings_and_workbooks_are_read_as_the_command_reads_them(world: World) -> None:
    checked = await sent(world, CHINESE, mapping=MAPPING, dry_run="true")
    assert (checked["result"]["encoding"], checked["result"]["new"]) == ("gb18030", 1), checked
    book = openpyxl.Workbook()
    book.active.append(["external_id", "name"])
    book.active.append(["1", "Ann"])
    packed = io.BytesIO()
    book.save(packed)
    for name in ("leads.xlsx", "leads"):
        checked = await sent(world, packed.getvalue(), name, dry_run="true")
        assert (checked["result"]["sheet"], checked["result"]["new"]) == ("Sheet", 1), checked
    for name, body in (
        ("a.ndjson", b'{"external_id": 1}\n'),
        ("a.json", b'[{"external_id": 1}]'),
        ("a", b'{"external_id": 1}'),
    ):
        checked = await sent(world, body, name, dry_run="true")
        assert checked["result"]["new"] == 1, (name, checked)


async def test_the_mapping_of_a_source_is_used_by_its_name(world: World) -> None:
    definition = "rename: {Nr: external_id, Wer: name}\nform: {origins: 'https://www.example.com'}"
    await add_source(world.acme.conn, world.acme.tenant_id, NewSource("site", "form", definition), "test")
    checked = await sent(world, b"Nr,Wer\n1,Ann\n", mapping_of="site", dry_run="true")
    assert checked["result"]["new"] == 1
    await sent(world, b"Nr,Wer\n1,Ann\n", mapping_of="site")
    await sent(world, b"Nr,Wer,Source\n2,Ben,fair\n", mapping_of="site")
    await sent(world, b'{"Nr": "3"}\n{"Nr": "4"}\n', "a.ndjson", mapping_of="site")
    sources = await world.acme.conn.fetch("select external_id, source from lead order by external_id")
    assert [one["source"] for one in sources] == ["site", "fair", "site", "site"], "leads that the form sends again"
    assert (await sent(world, b"Nr\n1\n", mapping_of="moon")).status == 404
    assert (await sent(world, b"Nr\n1\n", mapping_of="site", mapping="rename: {}")).pointers == ["/mapping_of"]


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("leads.csv", b"\n\n", "is empty"),
        ("leads.csv", b"name\nAnn\n", "no column is mapped to external_id"),
        ("leads.csv", b"%PDF-1.7\n" + b"x" * 600, "is a PDF"),
        ("leads.csv", b"<!doctype html><html>", "is a web page"),
        ("leads.csv", b"PK\x03\x04" + b"x" * 100, "ZIP"),
        ("leads.csv", gzip.compress(b"external_id\n1\n", mtime=0), "compressed"),
        ("leads.csv", b'external_id,name\n1,"Ann\n2,Ben\n', "never closed"),
        ("leads.csv", b"external_id\n" + b"\0" * 50, "NUL"),
        ("leads.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "old Excel"),
        ("leads.json", b"no json at all\n", "JSON"),
    ],
    ids=["blank", "no id", "pdf", "page", "zip", "gzip", "open quote", "nul", "xls", "json"],
)
async def test_what_is_no_table_of_leads_fails_with_a_sentence_and_nothing_is_imported(
    world: World, name: str, body: bytes, words: str
) -> None:
    found = await sent(world, body, name)
    if found["state"] == "failed":
        said = found["error"]
        assert words in said and "/proc" not in said and "--" not in said, said
    else:
        assert found["result"]["rejected"] == found["result"]["rows"] and words in str(found["result"]["rejects"])
    assert await world.acme.conn.fetchval("select count(*) from lead") == 0


async def test_a_file_that_can_be_read_but_not_with_this_mapping_says_which_columns_it_has(world: World) -> None:
    found = await sent(world, b"Lead ID,Phone number\n1,2\n", dry_run="true")
    assert found["state"] == "failed"
    columns = {one["column"]: one["suggestion"] for one in found["result"]["columns"]}
    assert columns["Lead ID"] == "external_id", columns


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"encoding": "klingon"}, "/encoding"),
        ({"delimiter": "ö"}, "/delimiter"),
        ({"dry_run": "perhaps"}, "/dry_run"),
        ({"mapping": "rename: [1"}, "line 1"),
        ({"mapping": "rename: {a: moon}"}, "line 1"),
        ({"colour": "red"}, "/colour"),
        ({"why": "x" * 1_001}, "/why"),
        ({"mapping": ""}, "/mapping"),
    ],
)
async def test_what_is_wrong_with_the_form_is_pointed_to(world: World, fields: dict[str, str], pointer: str) -> None:
    if fields == {"mapping": ""}:
        data = form(b"external_id\n1\n")
        data.add_field("mapping", b"\xff\xfe", content_type="application/octet-stream")
        refused = await world.api.ask("POST", "/v1/imports", data=data)
    else:
        refused = await sent(world, b"external_id\n1\n", **fields)
    assert (refused.status, refused.pointers) == (422, [pointer]), refused


async def test_a_form_without_a_file_or_with_a_wrong_one_is_refused(world: World) -> None:
    assert (await sent(world, None, why="x")).pointers == ["/file"]
    assert (await sent(world, b"", "leads.csv")).pointers == ["/file"]
    assert (await sent(world, b"x", "leads.exe")).pointers == ["/file"]
    ask = world.api.ask
    assert (await ask("POST", "/v1/imports", json={"file": "x"})).status == 415
    plain = aiohttp.FormData({"file": "external_id\n1\n"}, default_to_multipart=True)
    assert (await ask("POST", "/v1/imports", data=plain)).pointers == ["/file"]
    twice = form(b"external_id\n1\n")
    twice.add_field("file", b"external_id\n2\n", filename="b.csv")
    assert (await ask("POST", "/v1/imports", data=twice)).pointers == ["/file"]
    for broken in (
        b"",
        b"--x",
        b"nothing",
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nexternal_id',
    ):
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        refused = await ask("POST", "/v1/imports", data=broken, headers=headers)
        assert refused.status in (400, 422), (broken, refused)
    refused = await ask("POST", "/v1/imports", data=b"x", headers={"Content-Type": "multipart/form-data"})
    assert refused.status == 400
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n'
    encoded = head + b"Content-Transfer-Encoding: base64\r\n\r\nZXg=\r\n--x--\r\n"
    refused = await ask(
        "POST", "/v1/imports", data=encoded, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert (refused.status, "transfer encoding" in refused.document["detail"]) == (400, True)


async def test_a_file_that_is_too_large_is_refused_before_it_is_sent(world: World) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(MAX_FILE * 2)}
    with pytest.raises(aiohttp.ClientError):
        # The client cannot keep its promise: it is the answer before it that counts.
        refused = await world.api.ask("POST", "/v1/imports", data=b"--x", headers=headers)
        assert refused.status == 413
        raise aiohttp.ClientError


async def test_an_upload_that_trickles_in_is_given_up_however_it_is_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_body, "FIRST_S", 0.3)

    async def trickle(head: bytes, piece: bytes) -> AsyncIterator[bytes]:
        yield head
        for _ in range(100):
            yield piece
            await asyncio.sleep(0.05)

    file = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    for name, path, kind, head in (
        ("form", "/v1/imports", "multipart/form-data; boundary=x", file),
        ("form", "/v1/imports", "multipart/form-data; boundary=x", file.replace(b"file", b"mapping")),
        ("body", "/v1/leads:batch", "application/x-ndjson", b'{"external_id": "1", "name": "'),
    ):
        given_up = await world.api.ask("POST", path, data=trickle(head, b"xxxxxx"), headers={"Content-Type": kind})
        assert given_up.status == 408, given_up
        assert f"the {name} arrived too slowly" in given_up.document["detail"], given_up.document
        assert "16,000 bytes a second" in given_up.document["detail"]
    assert (await sent(world, BAD.encode(), dry_run="true"))["state"] == "done"


async def test_rejected_rows_that_are_much_longer_than_what_is_stored_of_them_are_sent_piece_by_piece(
    world: World,
) -> None:
    done = await sent(world, BAD.encode())
    size = 60_000_000
    packed = await asyncio.to_thread(gzip.compress, bytes(size))
    await until(lambda: _is_stored(world, done["id"]), "the rejected rows are the database's")
    await world.acme.conn.execute("update job set file = $1, file_bytes = $2", packed, len(packed))
    tracemalloc.start()
    try:
        response = await world.api.session.get(
            f"{world.api.url}/v1/jobs/{done['id']}/rejects", headers={"Authorization": f"Bearer {world.api.token}"}
        )
        fetched = sum([len(piece) async for piece in response.content.iter_any()])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert fetched == size and peak < size / 2


async def _is_stored(world: World, job: str) -> bool:
    return bool(await world.acme.conn.fetchval("select file is not null from job where job_id = $1", job))


async def test_an_address_in_the_name_of_a_file_is_masked_for_who_may_not_see_it(world: World) -> None:
    done = await sent(world, BAD.encode(), "ann@example.com.csv")
    viewer = await make_token(world.acme.conn, world.acme.tenant_id, TokenRole.VIEWER)
    await until(lambda: _is_stored(world, done["id"]), "the rejected rows are the database's")
    async with serving_api(world.connections, api_operations()) as other:
        for api in (world.api, other):
            for path in ("/v1/jobs", f"/v1/jobs/{done['id']}"):
                assert "ann@" not in str((await api.get(path, token=viewer)).document)
                assert "ann@example.com.csv.rejects.csv" in str((await api.get(path, token=world.api.token)).document)


async def test_files_of_one_tenant_are_never_another_s(world: World) -> None:
    done = await sent(world, BAD.encode())
    stranger = await make_token(world.other.conn, world.other.tenant_id)
    for path in (f"/v1/jobs/{done['id']}/rejects", f"/v1/jobs/{done['id']}", f"/v1/imports/{done['result']['import']}"):
        assert (await world.api.get(path, token=stranger)).status == 404, path
    for role in TokenRole:
        token = await make_token(world.acme.conn, world.acme.tenant_id, role, rep_id="r001" if role == "rep" else None)
        fetched = await world.api.get(f"/v1/jobs/{done['id']}/rejects", token=token)
        assert (fetched.status == 403) is (Permission.OPERATE not in MAY[role]), role


def test_names_of_files_lose_folders_and_what_is_not_shown() -> None:
    assert plain_name("../../etc/passwd") == "passwd"
    assert plain_name("C:\\Users\\ann\\leads.csv") == "leads.csv"
    assert plain_name("a\0\r\n\u202eb.csv") == "ab.csv"
    assert plain_name("") == plain_name("///") == "file"
    long = plain_name("x" * 5_000 + ".csv")
    assert len(long) <= MAX_NAME and long.endswith(".csv")


def test_a_name_cannot_leave_the_header_that_says_it() -> None:
    said = disposition('a"; x=1\r\nSet-Cookie: y.csv')
    assert "\r" not in said and "\n" not in said and said.count('"') == 2


def test_options_of_the_command_are_fields_of_the_form() -> None:
    assert as_fields("name it with --encoding, or (--sheet names one)") == "name it with encoding, or (sheet names one)"
