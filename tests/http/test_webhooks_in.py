"""Webhooks of others: only who has the secret gets leads in, none gets lost, and a refused one can be looked up."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from ops.cli.commands import sources as sources_command
from router.http.recent import Recent
from router.intake.lead_intake import NotDurable
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.http.doors import SECRET, WEBHOOK, make_door, signed
from tests.http.support import Api, serving_api
from tests.support import until
from tests.world import Tenancy, make_tenant, simple_reps

LEAD = {"id": "a1", "contact": {"name": "Ada", "email": "Ada@Example.com", "lang": "de"}, "budget": 12.50}
OTHER = "whsec_" + "Z" * 43 + "="
HMAC = """
rename: {mail: email}
webhook:
  scheme: hmac-sha256
  signature_header: X-Signature
  timestamp_header: X-Time
  signed: "v0:{timestamp}:{body}"
  prefix: "v0="
  leads: data.people
"""


@pytest.fixture
async def api(connections: Connections) -> AsyncIterator[Api]:
    async with serving_api(connections) as running:
        yield running


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> Tenancy:
    return await make_tenant(conn, simple_reps(1), name="acme")


async def stored(conn: asyncpg.Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in await conn.fetch("select * from lead order by lead_id")]


async def test_a_signed_webhook_is_a_lead_once_with_values_from_deep_inside(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy
) -> None:
    door = await make_door(api, conn, tenant.tenant_id, WEBHOOK, name="crm")
    replies = [await door.webhook(LEAD, webhook_id="msg_1") for _ in range(2)]
    assert [(one.status, one.document) for one in replies] == [(200, {"leads": 1})] * 2
    (lead,) = await stored(conn)
    assert (lead["source"], lead["external_id"], lead["name"], lead["email"]) == ("crm", "a1", "Ada", "ada@example.com")
    assert json.loads(lead["attributes"]) == {"contact": {"lang": "de"}, "budget": 12.5}, "nothing is there twice"
    assert (await tenant.states())["waiting"] == 1


async def test_without_an_id_of_its_own_a_lead_has_that_of_its_webhook(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy
) -> None:
    door = await make_door(api, conn, tenant.tenant_id, WEBHOOK)
    for webhook_id in ("msg_1", "msg_1", "msg_2"):
        assert (await door.webhook({"name": "Ada"}, webhook_id=webhook_id)).status == 200
    assert [lead["external_id"] for lead in await stored(conn)] == ["msg_1", "msg_2"]
    assert (await door.webhook([{"name": "B"}, {"name": "C"}], webhook_id="msg_3")).document == {"leads": 2}
    assert [lead["external_id"] for lead in await stored(conn)][2:] == ["msg_3-0", "msg_3-1"]


@pytest.mark.parametrize(
    "change",
    [
        {"ago_s": 600},
        {"ago_s": -600},
        {"secret": OTHER},
        {"drop": "webhook-signature"},
        {"drop": "webhook-timestamp"},
        {"drop": "webhook-id"},
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": "soon"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,ü"},
        {"webhook-signature": "v2,AAAA"},
        {"webhook-signature": ""},
        {"webhook-id": "a.b"},
    ],
    ids=str,
)
async def test_who_has_not_signed_now_gets_nothing_in(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy, change: dict[str, Any]
) -> None:
    door = await make_door(api, conn, tenant.tenant_id, WEBHOOK)
    body = json.dumps(LEAD).encode()
    options = {name: value for name, value in change.items() if name in ("ago_s", "secret")}
    headers = signed(body, **options) | {name: value for name, value in change.items() if name.startswith("webhook-")}
    headers.pop(change.get("drop", ""), None)
    reply = await door.post(data=body, headers={"Content-Type": "application/json", **headers})
    assert (reply.status, reply.kind) == (401, "application/problem+json"), reply
    assert reply.document["type"].endswith("bad-signature")
    assert await stored(conn) == []


async def test_one_byte_of_the_body_more_is_not_what_was_signed(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy
) -> None:
    door = await make_door(api, conn, tenant.tenant_id, WEBHOOK)
    body = json.dumps(LEAD).encode()
    reply = await door.post(data=body + b" ", headers={"Content-Type": "application/json", **signed(body)})
    assert reply.status == 401
    twice = CIMultiDict([*signed(body).items(), ("webhook-id", "msg_2")])
    async with api.session.post(api.url + door.path, data=body, headers=twice) as answer:
        assert answer.status == 401
    assert await stored(conn) == []


async def test_an_old_secret_holds_until_it_ends(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy, database_url: str, tmp_path: Path
) -> None:
    door = await make_door(api, conn, tenant.tenant_id, WEBHOOK, name="crm")
    line = CommandLine(sources_command, database_url)
    rotated = await line.json("rotate", "crm", "--tenant", "acme", "--old-holds-for", "30d")

    async def new_holds() -> bool:
        return (await door.webhook(LEAD, secret=rotated["secret"])).status == 200

    await until(new_holds, "the new secret holds")
    assert (await door.webhook(LEAD)).status == 200
    await line.json("rotate", "crm", "--tenant", "acme", "--old-holds-for", "1s")

    async def old_is_gone() -> bool:
        return (await door.webhook(LEAD)).status == 401

    await until(old_is_gone, "the old secret does not hold")
    told = str([tuple(row) for row in await conn.fetch("select * from change")])
    shown = (await line.run("show", "crm", "--tenant", "acme", "--json")).output
    for secret in (SECRET, rotated["secret"]):
        assert secret not in told + shown
        assert secret.removeprefix("whsec_") not in told + shown


async def test_what_cannot_be_read_is_pointed_to_and_stays_visible_and_the_rest_is_stored(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy, database_url: str
) -> None:
    door = await make_door(api, conn, tenant.tenant_id, WEBHOOK, name="crm")
    body = [LEAD, {"contact": {"email": {"x": 1}}, "created_at": "4711 private"}, "x", {"contact": {"name": "Bob"}}]
    reply = await door.webhook(body, webhook_id="msg_7")
    assert reply.status == 422
    assert set(reply.pointers) == {"/1/contact/email", "/1/created_at", "/2"}
    assert [lead["name"] for lead in await stored(conn)] == ["Ada", "Bob"]
    shown = await CommandLine(sources_command, database_url).json("show", "crm", "--tenant", "acme")
    (reject,) = shown["rejects"]
    assert (reject["status"], reject["sent_id"]) == (422, "msg_7")
    assert reject["body_hash"] == hashlib.sha256(json.dumps(body).encode()).hexdigest()
    assert "/1/created_at" in reject["reason"]
    assert "4711" not in reject["reason"], "what the body says is not kept"
    assert (shown["taken"], shown["refused"]) == (2, 1)


async def test_wrong_signatures_do_not_push_out_what_was_refused_with_a_right_one(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy, database_url: str, connections: Connections
) -> None:
    from router.store.connections.connections import Part

    door = await make_door(api, conn, tenant.tenant_id, WEBHOOK, name="crm")
    await door.webhook("no lead", webhook_id="good_1")
    for number in range(2):
        await asyncio.gather(*(door.webhook(LEAD, secret=OTHER, webhook_id=f"bad_{number}") for _ in range(60)))
        await api.service.leads.book.write(connections, Part.DUTIES)
    shown = await CommandLine(sources_command, database_url).json("show", "crm", "--tenant", "acme")
    statuses = [one["status"] for one in shown["rejects"]]
    assert (statuses.count(401), statuses.count(422)) == (50, 1)
    assert shown["refused"] == 121


async def test_generic_signatures_and_lists_inside_a_body(api: Api, conn: asyncpg.Connection, tenant: Tenancy) -> None:
    secret = "a shared secret of theirs"
    door = await make_door(api, conn, tenant.tenant_id, HMAC, secret=secret)
    body = json.dumps({"data": {"people": [{"mail": "a@b.de"}, {"mail": "c@d.de"}]}}).encode()

    def headers(sent_at: int) -> dict[str, str]:
        text = f"v0:{sent_at}:".encode() + body
        signature = hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
        return {"X-Signature": f"v0={signature}", "X-Time": str(sent_at), "Content-Type": "application/json"}

    now = int(time.time())
    for _ in range(2):
        assert (await door.post(data=body, headers=headers(now))).document == {"leads": 2}
    assert [lead["email"] for lead in await stored(conn)] == ["a@b.de", "c@d.de"]
    assert (await door.post(data=body, headers=headers(now - 301))).status == 401
    assert (await door.post(data=body, headers={**headers(now), "X-Time": str(now + 1)})).status == 401


async def test_a_key_in_the_body_opens_and_is_not_kept(api: Api, conn: asyncpg.Connection, tenant: Tenancy) -> None:
    definition = Path("config/examples/source-google-ads.yaml").read_text("utf-8")
    door = await make_door(api, conn, tenant.tenant_id, definition, name="google", secret="the key of the form")
    body = {
        "google_key": "the key of the form",
        "lead_id": "TeSter-123",
        "campaign_id": 12345,
        "user_column_data": [
            {"column_name": "Full Name", "string_value": "Ada Lovelace", "column_id": "FULL_NAME"},
            {"column_name": "User Email", "string_value": "ada@example.com", "column_id": "EMAIL"},
        ],
    }
    assert (await door.post(json=body)).status == 200
    (lead,) = await stored(conn)
    assert (lead["external_id"], lead["name"], lead["email"]) == ("TeSter-123", "Ada Lovelace", "ada@example.com")
    assert "the key" not in str(lead)
    assert (await door.post(json={**body, "google_key": "another"})).status == 401
    assert (await door.post(json={"lead_id": "1"})).status == 401


async def test_nothing_is_acknowledged_before_it_is_durable(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = await make_door(api, conn, tenant.tenant_id, WEBHOOK)

    async def away(*_: Any) -> None:
        raise NotDurable("the database is away")

    monkeypatch.setattr(api.service.leads.singles, "hand_in", away)
    reply = await door.webhook(LEAD)
    assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
    monkeypatch.undo()
    assert (await door.webhook(LEAD)).status == 200
    assert len(await stored(conn)) == 1


async def test_a_preview_shows_what_will_be_stored(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy, database_url: str, tmp_path: Path
) -> None:
    door = await make_door(api, conn, tenant.tenant_id, WEBHOOK, name="crm")
    body = json.dumps(
        [LEAD, {"name": "Bob", "phone": "+49 30 1234567", "source": "theirs"}, {"priority": "x"}]
    ).encode()
    headers = signed(body, "msg_9")
    files = {"source.yaml": WEBHOOK, "headers.txt": "\n".join(f"{name}: {value}" for name, value in headers.items())}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "body.json").write_bytes(body)
    line = CommandLine(sources_command, database_url)
    words = ["test", str(tmp_path / "source.yaml"), "--body", str(tmp_path / "body.json")]
    words += ["--headers", str(tmp_path / "headers.txt"), "--tenant", "acme", "--source", "crm"]
    previewed = await line.json(*words, code=1)
    assert previewed["signature"] == "valid"
    assert [one["pointer"] for one in previewed["rejects"]] == ["/2/priority"]
    assert await stored(conn) == [], "a preview stores nothing"
    reply = await door.post(data=body, headers={"Content-Type": "application/json", **headers})
    assert reply.pointers == ["/2/priority"]
    for shown, lead in zip(previewed["leads"], await stored(conn), strict=True):
        for field in ("source", "external_id", "name", "phone", "email", "priority"):
            assert shown.get(field) == lead[field], field
        assert json.loads(shown.get("attributes", "null")) == json.loads(lead["attributes"] or "null")
    (tmp_path / "body.json").write_bytes(body + b" ")
    assert "does not fit" in (await line.json(*words, code=1))["signature"]


async def test_known_sources_take_leads_while_the_database_cannot_be_asked_for_them(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = await make_door(api, conn, tenant.tenant_id, WEBHOOK)
    assert (await door.webhook(LEAD)).status == 200

    async def away(*_: object) -> None:
        raise ConnectionRefusedError("away")

    recent: Recent[str, Any] = api.service.leads.sources._sources
    monkeypatch.setattr(recent, "_find", away)
    monkeypatch.setattr("router.http.recent.monotonic", lambda: time.monotonic() + 600)
    assert (await door.webhook(LEAD)).status == 200
    unknown = door.path[:-1] + ("A" if door.path[-1] != "A" else "B")
    assert (await api.ask("POST", unknown, token="", data=b"{}")).status == 503


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    body=st.binary(max_size=200)
    | st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=20)
        | st.just("\0")
        | st.just("\ud800"),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["contact", "email", "name", "id", "attributes", "source", "created_at"])
                | st.text(max_size=5),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    ).map(lambda value: json.dumps(value).encode())
)
async def test_no_signed_body_makes_the_service_fail(open_door: Any, body: bytes) -> None:
    reply = await open_door.webhook(body)
    assert reply.status < 500, (body, reply)


@pytest.fixture
async def open_door(api: Api, conn: asyncpg.Connection, tenant: Tenancy) -> Any:
    return await make_door(api, conn, tenant.tenant_id, WEBHOOK)
