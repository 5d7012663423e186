"""Web forms: a visitor's lead gets in once, and nobody gets anything else out of the public key."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import aiohttp
import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.http.api import ApiService
from router.http.guard import Guard
from router.store import apart
from router.store.apart import takes_long
from router.store.connections.connections import Connections, Part
from tests.http.doors import FORM, PAGE, WEBHOOK, make_door
from tests.http.support import Api, serving_api
from tests.support import until
from tests.world import Tenancy, make_tenant, simple_reps

FIELDS = {"your-name": "Ada Müller", "tel": "030 1234567", "email": "ada@example.com", "message": "please call"}
PLACES = 100
"""Connections that the API of these tests may have."""
BROWSER = {"Accept": "text/html,application/xhtml+xml", "Origin": PAGE}


@pytest.fixture
async def api(connections: Connections) -> AsyncIterator[Api]:
    async with serving_api(connections) as running:
        yield running


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> Tenancy:
    return await make_tenant(conn, simple_reps(1))


async def stored(conn: asyncpg.Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in await conn.fetch("select * from lead order by lead_id")]


async def counts(conn: asyncpg.Connection, service: ApiService, connections: Connections) -> tuple[int, int, int]:
    await service.leads.book.write(connections, Part.DUTIES)
    row = await conn.fetchrow("select taken, refused, trapped from source")
    assert row is not None
    return tuple(row)


async def test_a_posted_form_is_a_lead_and_the_visitor_is_sent_on(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy
) -> None:
    door = await make_door(api, conn, tenant.tenant_id, FORM)
    reply = await door.post(data=FIELDS, headers=BROWSER)
    assert (reply.status, reply.headers["Location"]) == (303, f"{PAGE}/thanks")
    (lead,) = await stored(conn)
    assert (lead["source"], lead["name"], lead["phone"]) == ("site", "Ada Müller", "+49301234567")
    assert lead["email"] == "ada@example.com"
    assert '"message": "please call"' in lead["attributes"]
    assert (await tenant.states())["waiting"] == 1


async def test_a_form_whose_definition_takes_long_to_read_does_not_stand_behind_drafts_that_are_checked(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy
) -> None:
    """Whether a draft of ten thousand rules has something odd takes a minute to find out."""
    definition = f"{FORM}# R&D has a form of its own\n"
    assert takes_long(definition)
    door = await make_door(api, conn, tenant.tenant_id, definition)
    checked = threading.Event()
    apart._THREAD.submit(checked.wait, 60)
    try:
        reply = await asyncio.wait_for(door.post(data=FIELDS, headers=BROWSER), 50)
    finally:
        checked.set()
    assert reply.status == 303
    assert len(await stored(conn)) == 1


async def test_a_double_click_is_one_lead_and_other_words_are_another(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy
) -> None:
    door = await make_door(api, conn, tenant.tenant_id, FORM)
    replies = await asyncio.gather(*(door.post(data=FIELDS) for _ in range(5)))
    assert {reply.status for reply in replies} == {200}
    assert {str(reply.document) for reply in replies} == {"{'taken': True}"}, "who is known is nobody's business"
    assert len(await stored(conn)) == 1
    await door.post(data={**FIELDS, "message": "another question"})
    assert len(await stored(conn)) == 2


async def test_the_token_of_a_hidden_field_tells_two_equal_forms_apart(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy
) -> None:
    door = await make_door(api, conn, tenant.tenant_id, FORM)
    for token in ("t1", "t2", "t1", ""):
        assert (await door.post(data={**FIELDS, "external_id": token})).status == 200
    assert [lead["external_id"] for lead in await stored(conn)][:2] == ["t1", "t2"]
    assert len(await stored(conn)) == 3


async def test_multipart_is_taken_and_a_file_is_not(api: Api, conn: asyncpg.Connection, tenant: Tenancy) -> None:
    door = await make_door(api, conn, tenant.tenant_id, FORM)
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in FIELDS.items():
        form.add_field(name, value)
    assert (await door.post(data=form)).status == 200
    (lead,) = await stored(conn)
    assert lead["name"] == "Ada Müller"
    with_file = aiohttp.FormData()
    with_file.add_field("your-name", "Bob")
    with_file.add_field("cv", b"%PDF", filename="cv.pdf", content_type="application/pdf")
    reply = await door.post(data=with_file)
    assert (reply.status, reply.pointers) == (422, ["/cv"])
    unchosen = b'--x\r\nContent-Disposition: form-data; name="your-name"\r\n\r\nBob\r\n--x\r\nContent-Disposition: form-data; name="cv"; filename=""\r\nContent-Type: application/octet-stream\r\n\r\n\r\n--x--\r\n'  # noqa: E501
    reply = await door.post(data=unchosen, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert reply.status == 200, "a file that nobody chose is not a file"


async def test_a_machine_that_fills_in_everything_learns_nothing_and_stores_nothing(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy, connections: Connections
) -> None:
    door = await make_door(api, conn, tenant.tenant_id, FORM)
    good = await door.post(data=FIELDS)
    trapped = await door.post(data={**FIELDS, "message": "buy", "website": "http://spam.example"})
    assert (trapped.status, trapped.document) == (good.status, good.document)
    page = await door.post(data={**FIELDS, "website": "x"}, headers=BROWSER)
    assert (page.status, page.headers["Location"]) == (303, f"{PAGE}/thanks")
    assert len(await stored(conn)) == 1
    assert await counts(conn, api.service, connections) == (1, 0, 2)


async def test_only_pages_of_allowed_origins_may_post_and_read_the_answer(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy
) -> None:
    door = await make_door(api, conn, tenant.tenant_id, FORM)
    asking = {"Access-Control-Request-Method": "POST"}
    allowed = await api.ask("OPTIONS", door.path, token="", headers={"Origin": PAGE, **asking})
    assert (allowed.status, allowed.headers["Access-Control-Allow-Origin"]) == (204, PAGE)
    assert allowed.headers["Access-Control-Allow-Methods"] == "POST"
    for origin in ("https://evil.example", "null", f"{PAGE}.evil.example", "http://www.example.com"):
        preflight = await api.ask("OPTIONS", door.path, token="", headers={"Origin": origin, **asking})
        assert "Access-Control-Allow-Origin" not in preflight.headers
        assert "Access-Control-Allow-Methods" not in preflight.headers
        reply = await door.post(data=FIELDS, headers={"Origin": origin})
        assert reply.status == 403
        assert "Access-Control-Allow-Origin" not in reply.headers
    assert await stored(conn) == []
    wrong = await door.post(data={"tel": "x\0y"}, headers={"Origin": PAGE})
    assert (wrong.status, wrong.headers["Access-Control-Allow-Origin"]) == (422, PAGE), "the page shows what is wrong"


@pytest.mark.parametrize(
    "asked",
    [
        "https://evil.example/",
        "//evil.example",
        f"{PAGE}/thanks@evil.example",
        f"{PAGE}.evil.example/thanks",
        "javascript:alert(1)",
        f"{PAGE}/thanks\r\nSet-Cookie: a=b",
        f" {PAGE}/danke",
    ],
)
async def test_a_form_sends_nobody_to_another_place(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy, asked: str
) -> None:
    door = await make_door(api, conn, tenant.tenant_id, FORM)
    reply = await door.post(data={**FIELDS, "_redirect": asked}, headers=BROWSER)
    assert (reply.status, reply.headers["Location"]) == (303, f"{PAGE}/thanks")
    assert "Set-Cookie" not in reply.headers


async def test_a_form_may_choose_among_the_allowed_addresses(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy
) -> None:
    door = await make_door(api, conn, tenant.tenant_id, FORM)
    reply = await door.post(data={**FIELDS, "_redirect": f"{PAGE}/danke"}, headers=BROWSER)
    assert reply.headers["Location"] == f"{PAGE}/danke"
    failed = await door.post(data={"tel": "x\0"}, headers=BROWSER)
    assert (failed.status, failed.headers["Location"]) == (303, f"{PAGE}/sorry")


async def test_a_key_opens_its_own_source_and_nothing_else(api: Api, conn: asyncpg.Connection, tenant: Tenancy) -> None:
    other = await make_tenant(conn, simple_reps(1), name="other")
    form = await make_door(api, conn, tenant.tenant_id, FORM)
    webhook = await make_door(api, conn, other.tenant_id, WEBHOOK)
    key = form.path.rpartition("/")[2]
    foreign = key.replace(f"lrs_{tenant.tenant_id}_", f"lrs_{other.tenant_id}_")
    for path in (
        f"/v1/forms/{foreign}",
        f"/v1/webhooks/{key}",
        webhook.path.replace("webhooks", "forms"),
        "/v1/forms/x",
    ):
        reply = await api.ask("POST", path, token="", data=FIELDS)
        assert reply.status == 404, path
    for path in ("/v1/leads", "/v1/token", "/openapi.json"):
        assert (await api.ask("GET" if path != "/v1/leads" else "POST", path, token=key)).status == 401
    assert await stored(conn) == []


async def test_visitors_cannot_say_who_they_are_in_the_crm_or_jump_the_queue(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy
) -> None:
    door = await make_door(api, conn, tenant.tenant_id, FORM)
    extra = {"customer_id": "C1", "priority": "1000000", "created_at": "1999-01-01T00:00Z", "source": "vip"}
    assert (await door.post(data={**FIELDS, **extra, "attributes": "{}"})).status == 200
    (lead,) = await stored(conn)
    assert (lead["source"], lead["priority"]) == ("site", 0)
    assert '"sent_customer_id": "C1"' in lead["attributes"]
    assert lead["created_at"].year > 2000


async def test_one_address_cannot_flood_a_form(api: Api, conn: asyncpg.Connection, tenant: Tenancy) -> None:
    limited = FORM + "  per_minute: 2\n  address_header: X-Forwarded-For\n"
    door = await make_door(api, conn, tenant.tenant_id, limited)

    async def post(address: str) -> int:
        return (await door.post(data=FIELDS, headers={"X-Forwarded-For": address})).status

    statuses = [await post("9.9.9.9, 1.2.3.4") for _ in range(4)]
    # A minute may end in between, but not twice.
    assert 429 in statuses or statuses.count(200) == 4
    assert await post("5.6.7.8") == 200


async def test_texts_in_other_encodings_are_read_and_garbage_is_refused(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy
) -> None:
    door = await make_door(api, conn, tenant.tenant_id, FORM)
    kind = "application/x-www-form-urlencoded"
    for body, content_type in (
        (b"your-name=M%FCller", f"{kind}; charset=windows-1252"),
        (b"_charset_=gb18030&your-name=%CD%F5", kind),
    ):
        assert (await door.post(data=body, headers={"Content-Type": content_type})).status == 200
    assert {lead["name"] for lead in await stored(conn)} == {"Müller", "王"}
    bad = await door.post(data=b"your-name=%FF", headers={"Content-Type": kind})
    assert (bad.status, bad.pointers) == (422, ["/your-name"])
    odd = await door.post(data=b"a=b", headers={"Content-Type": f"{kind}; charset=utf-7"})
    assert odd.status == 422


async def test_values_of_one_name_are_joined_or_refused(api: Api, conn: asyncpg.Connection, tenant: Tenancy) -> None:
    body = {"Content-Type": "application/x-www-form-urlencoded"}
    joining = await make_door(api, conn, tenant.tenant_id, FORM)
    assert (await joining.post(data=b"product=a&product=b&product=a", headers=body)).status == 200
    assert [lead["product"] for lead in await stored(conn)] == ["a, b"]
    refusing = await make_door(api, conn, tenant.tenant_id, FORM + "  several: refuse\n", name="strict")
    reply = await refusing.post(data=b"product=a&product=b", headers=body)
    assert (reply.status, reply.pointers) == (422, ["/product"])


async def test_bodies_that_are_too_long_or_of_another_kind_are_refused(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy
) -> None:
    door = await make_door(api, conn, tenant.tenant_id, FORM)
    assert (await door.post(data=b"a=" + b"x" * 300_000)).status in (413, 415)
    assert (await door.post(json={"a": 1})).status == 415
    many = await door.post(data={f"f{number}": "x" for number in range(300)})
    assert many.status == 422


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    body=st.binary(max_size=300)
    | st.builds(lambda inner: b"--x\r\n" + inner + b"\r\n--x--", st.binary(max_size=200))
    | st.builds(
        lambda name, value: (
            b'--x\r\nContent-Disposition: form-data; name="' + name + b'"\r\n\r\n' + value + b"\r\n--x--"
        ),
        st.binary(max_size=50),
        st.binary(max_size=50),
    ),
    kind=st.sampled_from(
        [
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "multipart/form-data",
            'multipart/form-data; boundary=""',
            "application/x-www-form-urlencoded; charset=utf-16",
            "application/x-www-form-urlencoded; charset=gb18030",
        ]
    ),
)
async def test_no_body_makes_the_service_fail(
    connections: Connections, conn: asyncpg.Connection, body: bytes, kind: str, open_door: Any
) -> None:
    reply = await open_door.post(data=body, headers={"Content-Type": kind})
    assert reply.status < 500, (body, reply)


@pytest.fixture
async def open_door(api: Api, conn: asyncpg.Connection, tenant: Tenancy) -> Any:
    return await make_door(api, conn, tenant.tenant_id, FORM)


async def test_forms_and_webhooks_that_arrive_too_slowly_are_given_up(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = await make_door(api, conn, tenant.tenant_id, FORM)
    webhook = await make_door(api, conn, tenant.tenant_id, WEBHOOK, name="hook")
    monkeypatch.setattr("router.http.body.READ_S", 0.2)

    async def slow() -> AsyncIterator[bytes]:
        while True:
            yield b"a"
            await asyncio.sleep(0.02)

    for door, kind in ((form, "application/x-www-form-urlencoded"), (webhook, "application/json")):
        reply = await door.post(data=slow(), headers={"Content-Type": kind})
        assert reply.status == 408, reply


async def test_slow_forms_do_not_take_the_places_of_others(
    connections: Connections, conn: asyncpg.Connection, tenant: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that none of them is given up for its own sake, however long this test takes on a busy machine.
    monkeypatch.setattr("router.http.body.READ_S", 600.0)
    guards: list[Guard] = []

    class Known(Guard):
        def __init__(self, make: Callable[[], asyncio.Protocol], max_connections: int, _request_s: float) -> None:
            super().__init__(make, max_connections, 600.0)
            guards.append(self)

    monkeypatch.setattr("router.http.serving.Guard", Known)
    async with serving_api(connections) as api:
        [guard] = guards
        door = await make_door(api, conn, tenant.tenant_id, FORM)
        head = (
            f"POST {door.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            "Content-Length: 100\r\n\r\nyour-name=A"
        )

        async def all_places_are_taken_by_them() -> bool:
            return len(guard._body_awaited_at) == PLACES == len(guard._asked_at)

        async with AsyncExitStack() as stack:
            # More than there are places: which of them keep one is not for sure while their heads are read.
            for _ in range(PLACES + 10):
                _, writer = await asyncio.open_connection("127.0.0.1", api.service.address.port)
                stack.callback(writer.close)
                with suppress(ConnectionError):
                    writer.write(head.encode())
                    await writer.drain()
            await until(all_places_are_taken_by_them, "slow forms have all places", 120)
            for number in range(3):
                async with aiohttp.ClientSession() as session:
                    async with session.get(f"{api.url}/livez") as reply:
                        assert reply.status == 200
                    async with session.post(api.url + door.path, data={**FIELDS, "external_id": str(number)}) as reply:
                        assert reply.status == 200
    assert len(await stored(conn)) == 3
