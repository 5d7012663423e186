"""Batches of leads: each line judged alone, what is counted as stored is durable, whatever the body is like."""

import gzip
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import asyncpg
import pytest

from router.http import body
from router.http.routes import lead_batch
from router.intake import batch_lines
from router.store.connections.connections import Connections
from tests.http.support import Api, Reply, make_token, serving_api
from tests.support import connected
from tests.world import make_tenant, simple_reps

NDJSON = {"Content-Type": "application/x-ndjson"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def api(connections: Connections, conn: asyncpg.Connection) -> AsyncIterator[Api]:
    tenant = await make_tenant(conn, simple_reps(2))
    async with serving_api(connections) as running:
        running.token = await make_token(conn, tenant.tenant_id)
        yield running


def leads(count: int, **fields: object) -> list[dict[str, object]]:
    return [{"external_id": str(i), "source": "web", **fields} for i in range(count)]


def ndjson(rows: Iterable[object]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


async def send(api: Api, data: Any, headers: dict[str, str] = NDJSON, query: str = "") -> Reply:
    return await api.ask("POST", f"/v1/leads:batch{query}", data=data, headers=headers)


async def stored(conn: asyncpg.Connection) -> int:
    count: int = await conn.fetchval("select count(*) from lead")
    return count


@pytest.mark.parametrize("form", ["lines", "lines without an end", "jsonl", "array", "gzip", "pieces"])
async def test_a_batch_is_stored_in_whatever_form_it_comes(api: Api, conn: asyncpg.Connection, form: str) -> None:
    rows = leads(2_345, name="Ann 王")
    lines, headers, data = ndjson(rows), dict(NDJSON), None
    if form == "lines without an end":
        lines = lines.rstrip()
    elif form == "jsonl":
        headers = {"Content-Type": "application/jsonl; charset=utf-8"}
        lines = b"\xef\xbb\xbf" + lines
    elif form == "array":
        headers, lines = JSON, json.dumps(rows, ensure_ascii=False, indent=1).encode()
    elif form == "gzip":
        half = len(lines) // 2
        headers["Content-Encoding"], lines = "gzip", gzip.compress(lines[:half]) + gzip.compress(lines[half:])
    elif form == "pieces":
        data = _pieces(lines)
    reply = await send(api, data or lines, headers)
    assert (reply.status, reply.document["stored"], reply.document["refused"]) == (202, 2_345, 0), reply.document
    assert await stored(conn) == 2_345
    again = await send(api, ndjson(rows))
    assert (again.status, again.document["duplicates"]) == (202, 2_345)
    assert await stored(conn) == 2_345


async def _pieces(whole: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(whole), 997):
        yield whole[at : at + 997]


async def test_each_line_is_judged_alone_and_what_is_wrong_has_its_line_and_place(
    api: Api, conn: asyncpg.Connection
) -> None:
    await conn.execute("alter table lead add check (name <> 'poison')")
    good = [json.dumps(one).encode() for one in leads(4)]
    lines = [
        good[0],
        b"nonsense",
        b"",
        b'{"external_id": "x", "source": "web", "priority": "high", "fone": 1}',
        b'{"external_id": "y", "external_id": "z", "source": "web"}',
        b'{"external_id": "\xff", "source": "web"}',
        b'{"external_id": "p", "source": "web", "name": "poison"}',
        b'{"external_id": "d", "source": "web", "attributes": ' + b'{"a":' * 40 + b"1" + b"}" * 41,
        *good[1:],
    ]
    reply = await send(api, b"\n".join(lines))
    assert reply.status == 207
    assert (reply.document["lines"], reply.document["stored"], reply.document["refused"]) == (10, 4, 6)
    found = {(error["line"], error["pointer"]) for error in reply.document["errors"]}
    assert found == {(2, ""), (4, "/fone"), (4, "/priority"), (5, ""), (6, ""), (7, ""), (8, "")}
    assert reply.document["leads"] == []
    assert await stored(conn) == 4


async def test_an_element_that_is_refused_does_not_hide_the_next_ones(api: Api, conn: asyncpg.Connection) -> None:
    text = '[{"external_id":"1","source":"w"} , {"a":1,"a":2},5,{"source":"w","external_id":NaN},1e9999999999999999999,'
    reply = await send(api, text + '{"external_id":"2","source":"w"}]  ', JSON)
    assert (reply.status, reply.document["stored"]) == (207, 2), reply.document
    assert [error["line"] for error in reply.document["errors"]] == [2, 3, 4, 5]


async def test_all_ids_are_named_only_when_asked_for(api: Api) -> None:
    reply = await send(api, ndjson(leads(3)), query="?verbose=true")
    assert [one["line"] for one in reply.document["leads"]] == [1, 2, 3]
    assert all(one["id"] and one["state"] == "waiting" for one in reply.document["leads"])
    again = await send(api, ndjson(leads(3, region="north")))
    assert [one["differing"] for one in again.document["differences"]] == [["region"]] * 3


@pytest.mark.parametrize(
    ("data", "headers", "status"),
    [
        (b"", NDJSON, 422),
        (b"\n\n", NDJSON, 422),
        (b"[]", JSON, 422),
        (b"", JSON, 400),
        (b"{}", JSON, 400),
        (b"{}\n{}\n", NDJSON, 422),
        (b"[{}]", JSON, 422),
        (b'[{"\\ud800": "\\ud800"}]', JSON, 422),
        (b"[1,]", JSON, 400),
        (b"[1 2]", JSON, 400),
        (b"[1", JSON, 400),
        (b'["\xff"]', JSON, 400),
        (b"[1] [2]", JSON, 400),
        (b"[" * 100_000, JSON, 400),
        (b"not gzip", {**NDJSON, "Content-Encoding": "gzip"}, 400),
        (gzip.compress(ndjson(leads(1)))[:-4], {**NDJSON, "Content-Encoding": "gzip"}, 400),
        (b"x", {**NDJSON, "Content-Encoding": "br"}, 415),
        (b"x", {"Content-Type": "text/csv"}, 415),
        (b"x", {"Content-Type": "application/x-ndjson; charset=utf-16"}, 415),
    ],
)
async def test_a_body_in_which_no_lead_is_right_stores_nothing_and_says_why(
    api: Api, conn: asyncpg.Connection, data: bytes, headers: dict[str, str], status: int
) -> None:
    reply = await send(api, data, headers)
    assert (reply.status, reply.kind) == (status, "application/problem+json"), reply.document
    assert reply.document["detail"]
    assert await stored(conn) == 0


async def test_what_is_too_large_is_refused_before_anything_is_stored_where_it_says_so(
    api: Api, conn: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lead_batch, "MAX_BODY", 100_000)
    rows = ndjson(leads(3_000))
    known = await send(api, rows)
    assert (known.status, await stored(conn)) == (413, 0)
    streamed = await send(api, _pieces(rows))
    assert streamed.status == 413
    assert streamed.document.get("stored", 0) == await stored(conn)
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 100_000
    assert (await send(api, bomb, {**NDJSON, "Content-Encoding": "gzip"})).status == 413


async def test_more_lines_than_allowed_end_the_batch_and_what_is_stored_is_said(
    api: Api, conn: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_lines._Lines.__init__, "__defaults__", (2_500, 1_000_000))
    monkeypatch.setattr(batch_lines.JsonLines.__init__, "__defaults__", (2_500, 1_000_000))
    reply = await send(api, ndjson(leads(2_501)))
    assert reply.status == 413
    assert reply.document["stored"] == await stored(conn)
    assert f"{reply.document['stored']:,} leads were stored before" in reply.document["detail"]


async def test_a_batch_that_is_cut_off_says_what_is_stored_and_is_finished_by_sending_it_again(
    api: Api, conn: asyncpg.Connection
) -> None:
    whole = json.dumps(leads(5_000)).encode()
    reply = await send(api, whole[:-3_000], JSON)
    assert reply.status == 400
    assert reply.document["stored"] == await stored(conn) > 0
    assert (await send(api, whole, JSON)).status == 202
    assert await stored(conn) == 5_000


async def test_a_database_that_is_busy_in_the_middle_is_503_with_what_is_stored(
    api: Api, conn: asyncpg.Connection, database_url: str
) -> None:
    await send(api, ndjson(leads(1)))
    async with connected(database_url) as other:

        async def rows() -> AsyncIterator[bytes]:
            yield ndjson(leads(30_000)[:15_000])
            # Until here a part is stored; from now on nothing is.
            await other.execute("begin; lock table lead in access exclusive mode")
            yield ndjson(leads(30_000)[15_000:])

        reply = await send(api, rows())
        await other.execute("rollback")
    assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
    assert reply.document["stored"] <= await stored(conn) < 30_000
    assert (await send(api, ndjson(leads(30_000)))).document["stored"] == 30_000


async def test_a_client_that_sends_nothing_more_is_let_go(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "SILENT_S", 0.2)

    async def slow() -> AsyncIterator[bytes]:
        yield b'{"external_id": "1", '
        import asyncio

        await asyncio.sleep(2)
        yield b"}"

    assert (await send(api, slow())).status == 408
