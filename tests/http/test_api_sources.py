"""Sources managed over HTTP as on the command line: an address that takes leads, secrets shown once."""

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from ops.cli.sources import list_, show
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.http.doors import FORM, SECRET, WEBHOOK, Door, signed
from tests.http.support import Api, make_token, serving_api
from tests.world import Tenancy, make_tenant, simple_reps

PATH = "/v1/sources"


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> Tenancy:
    return await make_tenant(conn, simple_reps(1), name="acme")


@pytest.fixture
async def api(connections: Connections, conn: asyncpg.Connection, tenant: Tenancy) -> AsyncIterator[Api]:
    async with serving_api(connections) as running:
        running.token = await make_token(conn, tenant.tenant_id)
        yield running


async def test_a_form_that_is_added_takes_leads_until_it_is_removed(
    api: Api, conn: asyncpg.Connection, database_url: str
) -> None:
    added = await api.post(PATH, {"name": "site", "file": FORM})
    assert (added.status, added.document["secret"]) == (201, None), added
    fields = {"your-name": "Ada", "tel": "030 1234567"}
    assert (await Door(api, added.document["path"]).post(data=fields)).status == 200
    shown = (await api.get(f"{PATH}/site")).document
    told = await CommandLine(show, database_url).json("site", "--tenant", "acme")
    assert (shown["file"], shown["paths"], shown["source"]) == (FORM, told["paths"], "site")
    listed = (await api.get(PATH)).document["sources"]
    assert [one["source"] for one in listed] == [
        one["source"] for one in await CommandLine(list_, database_url).json("--tenant", "acme")
    ]
    assert (await api.post(PATH, {"name": "site", "file": FORM})).status == 409
    changed = await api.ask("PUT", f"{PATH}/site", json={"file": FORM + "# new\n", "why": "new field"})
    assert changed.document["file"].endswith("# new\n")
    assert (await api.ask("PUT", f"{PATH}/site", json={"file": WEBHOOK})).status == 409
    rotated = await api.post(f"{PATH}/site/rotate", {"old_holds_s": 3600})
    assert (await Door(api, rotated.document["path"]).post(data=fields | {"message": "x"})).status == 200
    assert len((await api.get(f"{PATH}/site")).document["paths"]) == 2
    assert (await api.ask("DELETE", f"{PATH}/site?why=gone")).status == 204
    assert (await api.get(f"{PATH}/site")).status == 404
    assert await conn.fetchval("select count(*) from lead") == 2


async def test_the_secret_of_a_webhook_is_shown_once_and_can_be_the_senders(api: Api, conn: asyncpg.Connection) -> None:
    added = await api.post(PATH, {"name": "crm", "file": WEBHOOK})
    secret = added.document["secret"]
    assert added.headers["Cache-Control"] == "no-store"
    body = b'{"id": "1", "contact": {"name": "Ada", "email": "ada@example.com"}}'
    door = Door(api, added.document["path"])
    sent = {"Content-Type": "application/json", **signed(body, secret=secret)}
    assert (await door.post(data=body, headers=sent)).status == 200
    given = await api.post(f"{PATH}/crm/rotate", {"secret": SECRET})
    assert (given.document["secret"], given.document["path"]) == (None, None)
    shown = await api.get(f"{PATH}/crm")
    assert len(shown.document["secrets"]) == 2
    changes = str(await conn.fetch("select * from change"))
    for text in (str(shown.document), changes):
        assert secret not in text
        assert SECRET not in text


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "x", "file": "form: ["}, "line 1"),
        ({"name": "x", "file": FORM, "secret": SECRET}, "/secret"),
        ({"name": "x", "file": WEBHOOK, "secret": "short"}, "/secret"),
        ({"name": "a\u0007b", "file": FORM}, "/name"),
        ({"name": "x", "file": "a: \u0000"}, "/file"),
        ({"name": " ", "file": FORM}, "/name"),
    ],
)
async def test_what_is_wrong_with_a_source_is_pointed_to(api: Api, body: dict[str, Any], pointer: str) -> None:
    refused = await api.post(PATH, body)
    assert (refused.status, refused.pointers) == (422, [pointer]), refused
    assert (await api.get(PATH)).document["sources"] == []


async def test_what_a_source_would_make_of_a_body_is_shown_and_nothing_is_stored(
    api: Api, conn: asyncpg.Connection
) -> None:
    body = "your-name=Ada&tel=030+1234567"
    tested = (await api.post(f"{PATH}:test", {"file": FORM, "body": body})).document
    assert (tested["signature"], tested["trapped"], tested["rejects"]) == (None, False, [])
    assert tested["leads"][0]["name"] == "Ada"
    secret = (await api.post(PATH, {"name": "crm", "file": WEBHOOK})).document["secret"]
    sent = json.dumps({"data": {"id": "7", "person": {"name": "Ada", "mobile": "+49301234567"}}})
    headers = signed(sent.encode(), secret=secret)
    asked = {"file": WEBHOOK, "source": "crm", "body": sent, "headers": headers}
    believed = (await api.post(f"{PATH}:test", asked)).document
    assert (believed["signature"], len(believed["leads"])) == ("valid", 1), believed
    forged = (await api.post(f"{PATH}:test", asked | {"body": sent + " "})).document
    assert forged["signature"] != "valid"
    broken = (await api.post(f"{PATH}:test", {"file": WEBHOOK, "body": "{"})).document
    assert (broken["leads"], len(broken["rejects"])) == ([], 1)
    assert (await api.post(f"{PATH}:test", {"file": "form: [", "body": ""})).status == 422
    assert await conn.fetchval("select count(*) from lead") == 0


async def test_a_source_of_another_tenant_is_not_there(api: Api, conn: asyncpg.Connection) -> None:
    other = await make_tenant(conn, simple_reps(1), name="other")
    foreign = await make_token(conn, other.tenant_id)
    assert (await api.post(PATH, {"name": "site", "file": FORM})).status == 201
    for method, path, more in (
        ("GET", "site", {}),
        ("PUT", "site", {"json": {"file": FORM}}),
        ("POST", "site/rotate", {"json": {}}),
        ("DELETE", "site", {}),
    ):
        assert (await api.ask(method, f"{PATH}/{path}", token=foreign, **more)).status == 404, method
