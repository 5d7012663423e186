"""Webhooks for events, managed over HTTP as on the command line: secrets are shown once, nothing of other tenants."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from ops.cli.webhooks import list_
from router.domain.access import TokenRole
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.http.support import Api, make_token, serving_api
from tests.postgres.test_webhooks import assigned, delivering, settled
from tests.sink import a_sink, names_of
from tests.world import make_tenant, simple_reps

PATH = "/v1/event-webhooks"
URL = "https://crm.example.com/hooks/s3cr3t"


@pytest.fixture
async def api(connections: Connections) -> AsyncIterator[Api]:
    async with serving_api(connections) as running:
        yield running


async def test_a_webhook_from_its_adding_to_its_removing(
    api: Api, conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant, _ = await assigned(conn, connections, 3)
    everybody = await make_token(conn)
    api.token = await make_token(conn, tenant.tenant_id)
    async with a_sink() as sink:
        wanted = {"url": sink.url, "types": ["lead.assigned"], "after": "oldest", "allow_private": True}
        assert (await api.post(PATH, wanted)).status == 403, "a tenant's token reaches no private address"
        added = await api.post(f"{PATH}?tenant=acme", wanted, token=everybody)
        assert (added.status, added.headers["Cache-Control"]) == (201, "no-store"), added
        number, secret = added.document["webhook"], added.document["secret"]
        one = f"{PATH}/{number}"
        assert (await api.post(f"{one}/test")).document["ok"]
        async with delivering(connections):
            await settled(tenant, number)
        listed = (await api.get(PATH)).document["webhooks"]
        told = await CommandLine(list_, database_url).json("--tenant", "acme")
        # The same moment: Z is +00:00.
        assert [{**row, "delivered_at": None} for row in listed] == [{**row, "delivered_at": None} for row in told]
        assert (listed[0]["state"], listed[0]["delivered"]) == ("works", 3)
        rotated = await api.post(f"{one}/rotate", {"overlap_s": 3600})
        assert rotated.document["secret"] not in (None, secret)
        assert (await api.post(f"{one}/disable", {"why": "moving"})).document["disabled_why"] == "moving"
        assert (await api.post(f"{one}/enable", {"after": "newest"})).document["enabled"]
        for again, events in (({"after": "oldest"}, 3), ({"after": "0", "until": "1-1"}, 1), ({"dead": True}, 0)):
            assert (await api.post(f"{one}/redeliver", again)).document["events"] == events
        assert (await api.get(f"{one}/dead")).document == {"webhook": number, "dead": []}
        sink.answer = lambda _: 500
        assert (await api.post(f"{one}/test")).document["error"] == "answered 500"
        assert (await api.ask("DELETE", f"{one}?why=over")).status == 204
    assert (await api.get(PATH)).document["webhooks"] == []
    changes = str(await conn.fetch("select * from change"))
    assert secret not in changes
    assert rotated.document["secret"] not in changes
    assert "token:test admin#" in changes


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"url": "ftp://x"}, "/url"),
        ({"url": "https://127.0.0.1/x"}, "/url"),
        ({"url": "https://127.1/x"}, "/url"),
        ({"url": "http://localhost:9000/x"}, "/url"),
        ({"url": "https://user:pw@example.com"}, "/url"),
        ({"url": URL, "types": ["lead.exploded"]}, "/types"),
        ({"url": URL, "secret": "short"}, "/secret"),
        ({"url": URL, "after": "yesterday"}, "/after"),
        ({"url": URL, "after": "999-0"}, "/after"),
        ({}, "/url"),
    ],
)
async def test_what_is_wrong_with_a_webhook_is_pointed_to(
    api: Api, conn: asyncpg.Connection, body: dict[str, Any], pointer: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    api.token = await make_token(conn, tenant.tenant_id)
    refused = await api.post(PATH, body)
    assert (refused.status, refused.pointers) == (422, [pointer]), refused
    assert await conn.fetchval("select count(*) from webhook") == 0


async def test_a_name_that_leads_inside_is_refused_without_saying_where_it_leads(
    api: Api, conn: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.getaddrinfo", names_of("crm.internal", "10.1.2.3"))
    tenant = await make_tenant(conn, simple_reps(1))
    everybody = await make_token(conn)
    api.token = await make_token(conn, tenant.tenant_id)
    refused = await api.post(PATH, {"url": "http://crm.internal/x"})
    assert (refused.status, refused.pointers) == (422, ["/url"]), refused
    assert "crm.internal leads to an address that is not public" in str(refused.document)
    assert "allow_private" in str(refused.document) and "10.1.2.3" not in str(refused.document)
    meant = {"url": "http://crm.internal/x", "allow_private": True}
    added = await api.post(f"{PATH}?tenant=acme", meant, token=everybody)
    assert (added.status, added.document["warning"]) == (201, None), added
    later = await api.post(PATH, {"url": "https://later.example/x"})
    assert later.status == 201 and "later.example cannot be looked up right now" in later.document["warning"]
    # At delivery: the error of a webhook is shown to users of the API, too.
    await conn.execute("update webhook set allow_private = false")
    tried = await api.post(f"{PATH}/{added.document['webhook']}/test")
    assert "leads to an address that is not public" in tried.document["error"], tried
    assert "10.1.2.3" not in tried.document["error"]


async def test_a_webhook_of_another_tenant_or_none_is_not_there(api: Api, conn: asyncpg.Connection) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    other = await make_tenant(conn, simple_reps(1), name="other")
    own, foreign = await make_token(conn, tenant.tenant_id), await make_token(conn, other.tenant_id)
    number = (await api.post(PATH, {"url": URL}, token=own)).document["webhook"]
    assert "s3cr3t" not in str((await api.get(PATH, token=own)).document)
    asked: list[tuple[str, str, Any]] = [
        ("POST", f"/{number}/test", None),
        ("GET", f"/{number}/dead", None),
        ("DELETE", f"/{number}", None),
    ]
    asked += [("POST", f"/{number}/{what}", {}) for what in ("enable", "disable", "rotate")]
    asked += [("POST", f"/{number}/redeliver", {"dead": True})]
    for method, path, body in asked:
        for token, where in ((foreign, path), (own, path.replace(f"/{number}", "/999999999999999", 1))):
            more: dict[str, Any] = {} if body is None else {"json": body}
            assert (await api.ask(method, PATH + where, token=token, **more)).status == 404, (method, where)
    assert len((await api.get(PATH, token=own)).document["webhooks"]) == 1
    viewer = await make_token(conn, tenant.tenant_id, TokenRole.MANAGER)
    assert (await api.get(PATH, token=viewer)).status == 403


@pytest.mark.parametrize("body", [{}, {"ids": ["evt_1_1"], "dead": True}, {"ids": ["x"]}, {"after": "x"}])
async def test_what_is_to_be_delivered_again_has_to_be_said(
    api: Api, conn: asyncpg.Connection, body: dict[str, Any]
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    api.token = await make_token(conn, tenant.tenant_id)
    number = (await api.post(PATH, {"url": URL})).document["webhook"]
    assert (await api.post(f"{PATH}/{number}/redeliver", body)).status == 422
