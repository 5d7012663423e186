"""Whatever is wrong with a request, the answer is a problem with a pointer to each value, and never a 5xx."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import aiohttp
import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from router.http.operations import Answer, Call, Operation
from router.http.problems import Refused, pointer_to
from router.http.reading import convert_body, convert_query, parse_json
from router.intake.json_text import MAX_DEPTH, too_deep
from router.store.connections.connections import Connections
from router.store.errors import NoConnection
from tests.http.support import Api, make_token, serving_api


class Inner(msgspec.Struct, frozen=True):
    """A part."""

    size: Annotated[int, Meta(ge=1, le=10)]


class Body(msgspec.Struct, frozen=True):
    """What is sent."""

    name: Annotated[str, Meta(max_length=5)]
    inner: Inner | None = None
    tags: list[str] = []


class Query(msgspec.Struct, frozen=True):
    """What is asked."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 10
    open: bool = False


class Echo(msgspec.Struct, frozen=True):
    """What came."""

    text: str


async def echo(call: Call) -> Answer:
    """Fails as it is told."""
    failures: dict[str, Exception] = {
        "fault": KeyError("secret"),
        "away": ConnectionRefusedError("secret"),
        "busy": NoConnection("secret"),
        "sql": asyncpg.UndefinedTableError("secret"),
    }
    if call.body.name in failures:
        raise failures[call.body.name]
    return Answer(Echo(f"{call.body.name} {call.query.limit} {call.path['what']}"))


JSON_TYPE = {"Content-Type": "application/json"}
OPERATIONS = [
    Operation(
        id="echo",
        method="POST",
        path="/v1/echo/{what}",
        summary="Echo",
        handler=echo,
        answers={200: Echo},
        query=Query,
        body=Body,
        of_tenant=False,
        max_body=10_000,
    )
]


@pytest.fixture
async def api(connections: Connections, conn: asyncpg.Connection) -> AsyncIterator[Api]:
    async with serving_api(connections, OPERATIONS) as running:
        running.token = await make_token(conn)
        yield running


async def test_what_is_right_is_answered(api: Api) -> None:
    reply = await api.post("/v1/echo/here?limit=7", {"name": "a"})
    assert (reply.status, reply.document) == (200, {"text": "a 7 here"})


async def test_every_wrong_value_is_pointed_to_at_once(api: Api) -> None:
    body = {"name": "toolong", "inner": {"size": 99}, "tags": ["a", 3], "a/b~c": 1}
    reply = await api.post("/v1/echo/here", body)
    assert reply.status == 422
    assert reply.kind == "application/problem+json"
    assert reply.pointers == ["/name", "/inner/size", "/tags/1", "/a~1b~0c"]
    assert (await api.post("/v1/echo/here", {})).pointers == ["/name"]
    wrong = await api.post("/v1/echo/here?limit=0&open=perhaps&colour=red", {"name": "a"})
    assert wrong.pointers == ["?limit", "?open", "?colour"]
    assert (await api.post("/v1/echo/here?limit=1&limit=2", {"name": "a"})).pointers == ["?limit"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nothing",
        b'{"name": "a"',
        b'{"name": "a", "name": "b"}',
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b"\xff\xfe{}",
        b'{"name": "a"}{"name": "b"}',
        b"[" * 9_000,
        b'{"a":' * 1_500 + b"1" + b"}" * 1_500,
    ],
    ids=lambda body: str(body[:14]),
)
async def test_a_body_that_is_no_json_is_refused(api: Api, body: bytes) -> None:
    reply = await api.ask("POST", "/v1/echo/here", data=body, headers=JSON_TYPE)
    assert (reply.status, reply.kind) == (400, "application/problem+json"), reply


@pytest.mark.parametrize("body", ["[]", '"text"', "null", "3", "1e999", "1" * 5_000])
async def test_json_that_is_no_object_is_refused(api: Api, body: str) -> None:
    reply = await api.ask("POST", "/v1/echo/here", data=body, headers=JSON_TYPE)
    assert reply.status in (400, 422), reply


async def test_other_kinds_and_too_much_are_refused(api: Api) -> None:
    assert (await api.ask("POST", "/v1/echo/here", data="a=b", headers={"Content-Type": "text/plain"})).status == 415
    big = json.dumps({"name": "x" * 20_000})
    assert (await api.ask("POST", "/v1/echo/here", data=big, headers=JSON_TYPE)).status == 413

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1_000

    reply = await api.ask("POST", "/v1/echo/here", data=endless(), headers=JSON_TYPE)
    assert reply.status == 413


async def test_unknown_addresses_and_methods_are_problems(api: Api) -> None:
    assert (await api.get("/nowhere")).status == 404
    assert (await api.get("/nowhere")).kind == "application/problem+json"
    reply = await api.get("/v1/echo/here")
    assert (reply.status, reply.headers["Allow"]) == (405, "POST")
    assert (await api.post("/v1/echo/%00", {"name": "a"})).status == 404
    assert (await api.post("/v1/echo/here?limit=%00", {"name": "a"})).status == 422
    assert (await api.post("/v1/echo/here?" + "x" * 9_000, {"name": "a"})).status in (400, 414)


async def test_what_passes_is_to_be_tried_again_and_a_fault_tells_nobody_a_secret(api: Api) -> None:
    for name in ("away", "busy"):
        reply = await api.post("/v1/echo/here", {"name": name})
        assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
        assert "secret" not in str(reply.document)
    for name in ("fault", "sql"):
        reply = await api.post("/v1/echo/here", {"name": name})
        assert reply.status == 500
        assert "secret" not in str(reply.document)


async def test_a_broken_request_line_is_answered_and_harms_nobody(api: Api) -> None:
    import asyncio

    for sent in (b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", api.service.address.port)
        writer.write(sent)
        assert b" 400 " in await reader.readline()
        writer.close()
    assert (await api.post("/v1/echo/here", {"name": "a"})).status == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_whatever_is_sent_is_a_body_or_refused_with_pointers(value: Any) -> None:
    read = parse_json(json.dumps(value).encode())
    try:
        assert convert_body(read, Body).name == value["name"]
    except Refused as refused:
        assert refused.errors
        assert refused.response().status == 422


@given(st.dictionaries(st.sampled_from(["limit", "open", "other"]), st.text()))
def test_whatever_is_asked_is_a_query_or_refused_with_pointers(values: dict[str, str]) -> None:
    try:
        convert_query(values, Query)
    except Refused as refused:
        assert {error.pointer for error in refused.errors} <= {f"?{name}" for name in values}


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    try:
        parse_json(body)
    except Refused as refused:
        assert refused.response().status == 400


def test_depth_is_counted_as_people_count_it() -> None:
    value: object = 1
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    assert not too_deep(value)
    assert too_deep([value])


@given(st.lists(st.text()))
def test_a_pointer_leads_back_to_its_keys(path: list[str]) -> None:
    parts = pointer_to(*path).split("/")[1:]
    assert [part.replace("~1", "/").replace("~0", "~") for part in parts] == path


async def test_a_client_that_goes_away_disturbs_nobody(api: Api) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(TimeoutError):
            async with session.post(
                f"{api.url}/v1/echo/here",
                data=endless_and_slow(),
                headers={"Authorization": f"Bearer {api.token}"},
                timeout=aiohttp.ClientTimeout(total=0.2),
            ):
                pass
    assert (await api.post("/v1/echo/here", {"name": "a"})).status == 200


async def endless_and_slow() -> AsyncIterator[bytes]:
    """A body that never ends."""
    import asyncio

    while True:
        yield b" "
        await asyncio.sleep(0.02)
