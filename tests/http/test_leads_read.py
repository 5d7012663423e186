"""Looking at a lead over HTTP: where it is and why, for its own tenant only, contacts for those who may see them."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from router.domain.access import TokenRole
from router.store.connections.connections import Connections
from tests.http.support import Api, make_token, serving_api
from tests.world import Tenancy, a_drain, make_tenant, settle, simple_reps

LEAD = {"external_id": "L/1", "source": "Web", "name": "Ann", "phone": "+8613800138000", "email": "ann@example.com"}


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> Tenancy:
    return await make_tenant(conn, simple_reps(1, max_open=1))


@pytest.fixture
async def api(connections: Connections, conn: asyncpg.Connection, tenant: Tenancy) -> AsyncIterator[Api]:
    async with serving_api(connections) as running:
        running.token = await make_token(conn, tenant.tenant_id)
        yield running


async def test_a_lead_shows_its_owner_and_what_happened(api: Api, tenant: Tenancy, connections: Connections) -> None:
    number = (await api.post("/v1/leads", LEAD)).document["id"]
    assert (await api.get(f"/v1/leads/{number}")).document["state"] == "waiting"
    await settle(a_drain(connections), tenant.tenant_id)
    found = (await api.get(f"/v1/leads/{number}")).document
    assert (found["state"], found["owner"]) == ("assigned", {"rep_id": "r001", "name": "Rep 1"})
    assert [event["what"] for event in found["timeline"]] == ["received", "assigned"]
    assert found["timeline"][1]["rep"]["rep_id"] == "r001"
    assert (await api.get("/v1/leads?source=WEB&external_id=L/1")).document == found


async def test_a_lead_that_waits_shows_the_reason_and_what_it_waits_for(
    api: Api, tenant: Tenancy, connections: Connections
) -> None:
    await api.post("/v1/leads", LEAD)
    number = (await api.post("/v1/leads", {"external_id": "2", "source": "web"})).document["id"]
    await settle(a_drain(connections), tenant.tenant_id)
    found = (await api.get(f"/v1/leads/{number}")).document
    assert (found["state"], found["reason"], found["owner"]) == ("waiting", "all_at_open_cap", None)
    assert found["waits_for"]
    assert found["reason_text"]


async def test_phones_and_addresses_are_for_those_who_may_see_them(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy
) -> None:
    number = (await api.post("/v1/leads", LEAD)).document["id"]
    for role, phone, email in (
        (TokenRole.VIEWER, "***00", "a***@example.com"),
        (TokenRole.MANAGER, "+8613800138000", "ann@example.com"),
    ):
        token = await make_token(conn, tenant.tenant_id, role)
        for path in (f"/v1/leads/{number}", "/v1/leads?source=web&external_id=L/1"):
            reply = await api.get(path, token=token)
            assert (reply.document["phone"], reply.document["email"]) == (phone, email)
            assert role is not TokenRole.VIEWER or "13800138" not in str(reply.document)


async def test_leads_of_others_are_not_there(api: Api, conn: asyncpg.Connection) -> None:
    number = (await api.post("/v1/leads", LEAD)).document["id"]
    other = await make_tenant(conn, simple_reps(1), name="other")
    token = await make_token(conn, other.tenant_id)
    assert (await api.get(f"/v1/leads/{number}", token=token)).status == 404
    assert (await api.get("/v1/leads?source=web&external_id=L/1", token=token)).status == 404


async def test_an_id_of_another_form_or_an_unknown_one_says_what_it_looks_like_and_where_it_is_found(api: Api) -> None:
    for path, form, found in (
        ("/v1/leads/{}", "4711", "GET /v1/leads?source=SOURCE&external_id=ID"),
        ("/v1/leads/{}/why", "4711", "GET /v1/leads?source=SOURCE&external_id=ID"),
        ("/v1/imports/{}", "12", "GET /v1/imports lists them"),
        ("/v1/events/{}", "evt_1042_17", "GET /v1/events:latest"),
        ("/v1/event-webhooks/{}", "1", "GET /v1/event-webhooks lists them"),
        ("/v1/rulesets/{}", "3", "GET /v1/rulesets lists them"),
        ("/v1/rosters/{}", "3", "GET /v1/rosters lists them"),
    ):
        wrong = await api.get(path.format("abc"))
        assert wrong.status == 404, wrong
        said = wrong.document["detail"]
        assert "'abc'" in said and form in said and found in said, said
    for path in ("/v1/leads/{}", "/v1/leads/{}/why", "/v1/imports/{}", "/v1/event-webhooks/{}"):
        unknown = await api.get(path.format("999999"))
        said = unknown.document["detail"]
        assert (unknown.status, "999999" in said, "GET /v1/" in said) == (404, True, True), unknown
    other = await api.get("/v1/leads?source=web&external_id=nothing")
    assert other.status == 404 and "GET /v1/leads:list?source=SOURCE" in other.document["detail"]


@pytest.mark.parametrize("number", ["0", "x", "99999999999999999999", "-1", "1.0", "%00", "\u0661"])
async def test_what_is_no_lead_is_404(api: Api, number: str) -> None:
    assert (await api.get(f"/v1/leads/{number}")).status == 404


@pytest.mark.parametrize(
    "query", ["", "?source=web", "?external_id=1", "?source=web&external_id=", "?source=a&source=b&external_id=1"]
)
async def test_both_parts_of_an_identity_are_needed(api: Api, query: str) -> None:
    assert (await api.get(f"/v1/leads{query}")).status == 422
