"""Whatever is sent, the answer is never a fault of ours."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.http import body
from router.rules.mapping import FIELDS
from router.store.connections.connections import Connections
from tests.http.support import Api, Reply, make_token, serving_api
from tests.world import make_tenant, simple_reps

JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def api(connections: Connections, conn: asyncpg.Connection) -> AsyncIterator[Api]:
    tenant = await make_tenant(conn, simple_reps(2))
    async with serving_api(connections) as running:
        running.token = await make_token(conn, tenant.tenant_id)
        yield running


async def send(api: Api, data: bytes, **headers: str) -> Reply:
    return await api.ask("POST", "/v1/leads", data=data, headers={**JSON, **headers})


def one(extra: str) -> bytes:
    return f'{{"external_id":"1","source":"web",{extra}}}'.encode()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"null", 422),
        (b"[]", 422),
        (b"{", 400),
        (b"\xff\xfe{\x00}\x00", 400),
        (b'\xef\xbb\xbf{"external_id":"1","source":"web"}', 400),
        (one('"name":"\\ud800"'), 422),
        (one('"name":"\\u0000"'), 422),
        (one('"attributes":{"\\u0000":1}'), 422),
        (one('"attributes":{"a":"\\udfff"}'), 422),
        (one('"attributes":{"\\ud800":1}'), 422),
        (b'{"external_id":"1","source":"web","\\ud800":1}', 422),
        (one('"name":"\x01"'), 400),
        (one('"name":"a","name":"b"'), 400),
        (one('"attributes":{"a":1,"a":2}'), 400),
        (one('"priority":NaN'), 400),
        (one('"attributes":{"a":Infinity}'), 400),
        (one('"attributes":{"a":1e400}'), 202),
        (one('"attributes":{"a":1e401}'), 422),
        (one('"attributes":{"a":-1e-200000}'), 422),
        (one('"attributes":{"a":1e99999999999999999999}'), 400),
        (one(f'"attributes":{{"a":{"9" * 401}}}'), 202),
        (one(f'"attributes":{{"a":{"9" * 5_000}}}'), 400),
        (one(f'"attributes":{{"a":0.{"9" * 20_000}}}'), 422),
        (one(f'"priority":{"9" * 400}'), 422),
        (one('"priority":1.5'), 422),
        (one('"priority":true'), 422),
        (one('"created_at":"9999-12-31T23:59:59Z"'), 422),
        (one('"created_at":"0001-01-01T00:00:00+14:00"'), 422),
        (one('"created_at":"2026-02-30T00:00:00Z"'), 422),
        (one('"created_at":"1989-12-31T00:00:00Z"'), 422),
        (one('"created_at":1700000000'), 422),
        (one('"phone":{}'), 422),
        (one('"attributes":"{}"'), 422),
        (one('"attributes":[1]'), 422),
        (one(f'"attributes":{{"a":{"[" * 40}{"]" * 40}}}'), 400),
        (b"[" * 500_000, 400),
        (b'{"a":' * 100_000, 400),
        (one(f'"name":"{"x" * 10_001}"'), 422),
        (one(f'"attributes":{{"a":"{"x" * 100_001}"}}'), 422),
        (one(f'"attributes":{{"a":"{"x" * 1_000_000}"}}'), 413),
        (b'{"external_id":"' + b"\xc3\xa9" * 255 + b'","source":"web"}', 202),
        (b'{"external_id":"' + b"\xc3\xa9" * 256 + b'","source":"web"}', 422),
        (json.dumps({f"f{i}": i for i in range(10_000)}).encode(), 422),
    ],
    ids=range(44),
)
async def test_what_is_wrong_is_4xx(api: Api, data: bytes, status: int) -> None:
    reply = await send(api, data)
    assert reply.status == status, reply.document
    assert status == 202 or reply.kind == "application/problem+json"


async def test_wrong_media_types_encodings_and_methods_are_4xx(api: Api) -> None:
    good = b'{"external_id":"1","source":"web"}'
    for headers, status in (
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/json; charset=latin-1"}, 415),
        ({"Content-Encoding": "br"}, 415),
        ({"Content-Encoding": "gzip"}, 400),
    ):
        assert (await send(api, good, **headers)).status == status, headers
    assert (await send(api, gzip.compress(good), **{"Content-Encoding": "gzip"})).status == 202
    assert (await send(api, gzip.compress(good)[:-5], **{"Content-Encoding": "gzip"})).status == 400
    bomb = gzip.compress(b" " * 20_000_000)
    assert (await send(api, bomb, **{"Content-Encoding": "gzip"})).status == 413
    for method in ("PUT", "DELETE", "PATCH"):
        reply = await api.ask(method, "/v1/leads", data=good, headers=JSON)
        assert (reply.status, "POST" in reply.headers["Allow"]) == (405, True)


async def test_a_body_that_does_not_come_is_408(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setattr(body, "READ_S", 0.2)

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(2)
        yield b"}"

    assert (await api.ask("POST", "/v1/leads", data=slow(), headers=JSON)).status == 408


texts = st.text(st.characters(codec=None), max_size=30)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | texts
    | st.sampled_from(["2026-03-02T09:30:00+08:00", "1e9", "+86138", "a@b.cn"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
bodies = st.dictionaries(st.sampled_from(FIELDS) | texts, values, max_size=10) | values


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(bodies, min_size=1, max_size=5))
async def test_random_json_is_taken_or_refused_never_a_fault(api: Api, documents: list[Any]) -> None:
    known = {"external_id": "1", "source": "web"}
    for document in [known | one if isinstance(one, dict) else one for one in documents]:
        assert (await send(api, json.dumps(document).encode())).status in (202, 400, 422)
    lines = "\n".join(json.dumps(document) for document in documents).encode()
    for data, kind in ((lines, "application/jsonl"), (json.dumps(documents).encode(), "application/json")):
        reply = await api.ask("POST", "/v1/leads:batch", data=data, headers={"Content-Type": kind})
        assert reply.status in (202, 207, 400, 422), reply.document


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.binary(max_size=60))
async def test_random_bytes_are_refused_never_a_fault(api: Api, data: bytes) -> None:
    for headers in (JSON, {**JSON, "Content-Encoding": "gzip"}):
        for path in ("/v1/leads", "/v1/leads:batch"):
            reply = await api.ask("POST", path, data=data, headers=headers)
            assert 400 <= reply.status < 500, (data, reply)
