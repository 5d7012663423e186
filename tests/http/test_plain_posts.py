"""Single leads in their usual form, which are read and answered without aiohttp: no client sees the difference."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncpg
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from router.domain.access import EVERY_TENANT, TokenRole
from router.http import plain_connection, serving
from router.http.plain_posts import PlainPosts
from router.http.plain_request import Post
from router.store.connections.connections import Connections
from router.telemetry.instruments import Instruments
from tests.http.support import Api, make_token, serving_api
from tests.support import connected, until
from tests.world import Tenancy, make_tenant, simple_reps

_OWN = ("Date", "Content-Length", "Location")


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> Tenancy:
    return await make_tenant(conn, simple_reps(2))


@pytest.fixture
async def api(connections: Connections, conn: asyncpg.Connection, tenant: Tenancy) -> AsyncIterator[Api]:
    async with serving_api(connections) as running:
        running.token = await make_token(conn, tenant.tenant_id)
        yield running


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> list[Post]:
    """The posts that are read without aiohttp."""
    seen: list[Post] = []
    answer = PlainPosts.answer

    def noted(self: PlainPosts, post: Post, *more: Any) -> None:
        seen.append(post)
        answer(self, post, *more)

    monkeypatch.setattr(PlainPosts, "answer", noted)
    return seen


@dataclass(frozen=True, slots=True)
class Answer:
    """As it came over the wire; names of headers as they were written."""

    status: int
    headers: Mapping[str, str]
    document: Any


class Wire:
    """A connection of a client that writes bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def answer(self) -> Answer:
        """The next one."""
        async with asyncio.timeout(60):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.rstrip("\r\n").split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            body = await self.reader.readexactly(int(headers["Content-Length"]))
        return Answer(int(first.split()[1]), headers, json.loads(body))

    async def ended(self) -> bytes:
        """What still came until the other side closed."""
        async with asyncio.timeout(60):
            return await self.reader.read()


@asynccontextmanager
async def wire(api: Api) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.service.address.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


def request(token: str, body: bytes, key: str | None = None, kind: str = "application/json") -> bytes:
    """A post; of another `kind` than that it is aiohttp's."""
    keyed = f"Idempotency-Key: {key}\r\n" if key else ""
    head = f"POST /v1/leads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{keyed}Content-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def lead(number: object, **fields: object) -> bytes:
    return json.dumps({"external_id": str(number), "source": "web", **fields}).encode()


BODIES = {
    "a lead": lead("x", phone="+86 138 0013 8000"),
    "all that is wrong": lead("", phone=5.5, email=[], nme="x", created_at="yesterday"),
    "no object": b"[]",
    "no JSON": b'{"a": 1,}',
    "nothing": b"",
    "a key twice": b'{"external_id": "1", "source": "web", "source": "b"}',
    "no UTF-8": b'{"external_id": "\xff"}',
    "too deep": b'{"external_id": "1", "source": "web", "attributes": ' + b'{"a":' * 40 + b"1" + b"}" * 41,
    "a NUL": b'{"external_id": "a\\u0000", "source": "web"}',
}


@pytest.mark.parametrize("what", BODIES)
async def test_an_answer_is_the_same_as_aiohttps(api: Api, plain: list[Post], what: str) -> None:
    async with wire(api) as one, wire(api) as other:
        one.writer.write(request(api.token, BODIES[what].replace(b'"x"', b'"one"'), "one"))
        ours = await one.answer()
        assert len(plain) == 1
        other.writer.write(
            request(api.token, BODIES[what].replace(b'"x"', b'"two"'), "two", "application/json; charset=utf-8")
        )
        theirs = await other.answer()
        assert len(plain) == 1
    assert without_own(ours) == without_own(theirs)
    assert ours.status in (202, 400, 422)


def without_own(answer: Answer) -> tuple[int, dict[str, str], Any]:
    """But for what differs from post to post."""
    headers = {name: value for name, value in answer.headers.items() if name not in _OWN}
    assert {"Date", "Content-Length"} <= answer.headers.keys()
    document = {name: value for name, value in answer.document.items() if name not in ("id", "external_id")}
    # Both repeat no lead: the second of a customer may be the first's.
    return answer.status, headers, document if "state" not in document else document.keys()


async def test_who_may_not_hand_in_is_refused_as_by_aiohttp(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy, plain: list[Post]
) -> None:
    viewer = await make_token(conn, tenant.tenant_id, TokenRole.VIEWER)
    everybody = await make_token(conn, EVERY_TENANT)
    for token, status in ((viewer, 403), (everybody, 400), ("lr_1_00000000_" + "x" * 43, 401), ("nonsense", 401)):
        async with wire(api) as one, wire(api) as other:
            one.writer.write(request(token, lead(1)))
            other.writer.write(request(token, lead(1), kind="application/json; charset=utf-8"))
            ours, theirs = await one.answer(), await other.answer()
            assert without_own(ours) == without_own(theirs)
            assert ours.status == status
    assert len(plain) == 4
    assert await conn.fetchval("select count(*) from lead") == 0


async def test_a_key_gets_the_same_answer_again_and_another_body_is_refused(api: Api, plain: list[Post]) -> None:
    async with wire(api) as client:
        client.writer.write(request(api.token, lead(1), "k"))
        first = await client.answer()
        client.writer.write(request(api.token, lead(1), "k"))
        again = await client.answer()
        client.writer.write(request(api.token, lead(2), "k"))
        other = await client.answer()
    assert (first.status, again.status, other.status) == (202, 202, 422)
    assert first.document == again.document
    assert again.headers["Idempotency-Replayed"] == "true"
    assert first.headers["Location"] == again.headers["Location"] == f"/v1/leads/{first.document['id']}"
    assert len(plain) == 3


async def test_posts_sent_at_once_over_one_connection_are_answered_in_order(
    api: Api, conn: asyncpg.Connection, plain: list[Post]
) -> None:
    async with wire(api) as client:
        client.writer.write(b"".join(request(api.token, lead(number)) for number in range(50)))
        answers = [await client.answer() for _ in range(50)]
    assert [answer.document["external_id"] for answer in answers] == [str(number) for number in range(50)]
    assert len(plain) == 50
    assert await conn.fetchval("select count(*) from lead") == 50


async def test_a_connection_that_asks_for_something_else_is_answered_too(api: Api, plain: list[Post]) -> None:
    async with wire(api) as client:
        client.writer.write(request(api.token, lead(1)))
        client.writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" + request(api.token, lead(2)))
        answers = [await client.answer() for _ in range(3)]
    assert [answer.status for answer in answers] == [202, 401, 202]
    assert answers[1].document["type"] == "urn:lead-router:problem-no-token"
    assert answers[2].document["external_id"] == "2"
    assert len(plain) == 1


async def test_a_post_that_comes_in_pieces_is_read_whole(api: Api, plain: list[Post]) -> None:
    whole = request(api.token, lead(1, name="Zoë"))
    async with wire(api) as client:
        for at in range(0, len(whole), 50):
            client.writer.write(whole[at : at + 50])
            await client.writer.drain()
            await asyncio.sleep(0)
        assert (await client.answer()).status == 202
    assert len(plain) == 1


async def test_a_post_whose_rest_is_late_is_waited_for_by_aiohttp(
    api: Api, plain: list[Post], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_connection, "_REST_S", 0.01)
    handed_over = asyncio.Event()
    hand_over = plain_connection.PlainConnection._hand_over

    def noted(self: plain_connection.PlainConnection) -> None:
        hand_over(self)
        handed_over.set()

    monkeypatch.setattr(plain_connection.PlainConnection, "_hand_over", noted)
    whole = request(api.token, lead(1))
    async with wire(api) as client:
        client.writer.write(whole[:-5])
        async with asyncio.timeout(60):
            await handed_over.wait()
        client.writer.write(whole[-5:])
        assert (await client.answer()).status == 202
    assert not plain


async def test_requests_are_counted(connections: Connections, conn: asyncpg.Connection, tenant: Tenancy) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader])
    async with serving_api(connections, instruments=Instruments(provider.get_meter("x"))) as api:
        api.token = await make_token(conn, tenant.tenant_id)
        async with wire(api) as client:
            for body in (lead(1), b"{}", lead(2)):
                client.writer.write(request(api.token, body))
                await client.answer()
        read = reader.get_metrics_data()
        assert read is not None
        data = json.loads(read.to_json())
    provider.shutdown()
    [metric] = [
        one
        for resource in data["resource_metrics"]
        for scope in resource["scope_metrics"]
        for one in scope["metrics"]
        if one["name"].endswith("http.requests")
    ]
    counted = {
        point["attributes"]["status"]: point["value"] for point in metric["data"]["data_points"] if point["value"]
    }
    assert counted == {"202": 2, "422": 1}


async def test_what_is_under_way_is_answered_at_the_stop_and_the_connection_ends(
    connections: Connections,
    conn: asyncpg.Connection,
    database_url: str,
    tenant: Tenancy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serving, "_LAST_ANSWERS_S", 10)
    token = await make_token(conn, tenant.tenant_id)
    async with AsyncExitStack() as running, connected(database_url) as other:
        api = await running.enter_async_context(serving_api(connections))
        async with wire(api) as client, wire(api) as idle:
            idle.writer.write(request(token, lead(0)))
            assert (await idle.answer()).status == 202
            await other.execute("begin; lock table lead_pool in access exclusive mode")
            client.writer.write(request(token, lead(1), "k") + request(token, lead(2)))
            singles = api.service.leads.singles

            async def known() -> bool:
                return singles.body_under_way(tenant.tenant_id, "k") is not None

            await until(known, "the request is being worked on")
            stopping = asyncio.create_task(running.aclose())
            assert await idle.ended() == b""
            await other.execute("rollback")
            answer = await client.answer()
            assert (answer.status, answer.document["external_id"]) == (202, "1")
            assert await client.ended() == b""
            await stopping
    assert await conn.fetchval("select array_agg(external_id order by lead_id) from lead") == ["0", "1"]


async def test_who_does_not_take_the_answers_is_not_read_for_ever(
    api: Api, plain: list[Post], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = asyncio.Event()
    pause = plain_connection.PlainConnection.pause_writing

    def noted(self: plain_connection.PlainConnection) -> None:
        pause(self)
        full.set()

    monkeypatch.setattr(plain_connection.PlainConnection, "pause_writing", noted)
    async with wire(api) as client:
        many = 0
        # What a client and its kernel hold at most differs from machine to machine.
        while not full.is_set():
            client.writer.write(request(api.token, b"{}") * 1_000)
            many += 1_000
            await until(partial(_taken, plain, many, full), "the posts are answered, or no more are", 30)
        taken = len(plain)
        answers = [await client.answer() for _ in range(many)]
    assert taken < many, "it goes on answering one who does not listen"
    assert {answer.status for answer in answers} == {422}
    assert len(plain) == many


async def _taken(plain: list[Post], many: int, full: asyncio.Event) -> bool:
    return full.is_set() or len(plain) == many
