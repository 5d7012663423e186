"""Phones and e-mail addresses are seen by those who may see them, wherever they come out."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from router.domain.access import TokenRole
from router.store.connections.connections import Connections
from tests.http.support import Api, make_token, serving_api
from tests.world import Tenancy, a_drain, lead, make_tenant, reps_csv, settle

PHONE, MAIL = "13800138000", "lee@example.com"
HEADER = "rep_id,name,available,time_zone,groups,max_open,max_per_day,email,mobile,wecom_user_id"
REPS = reps_csv(
    [f"r001,Lee,yes,UTC,all,50,50,{MAIL},+86{PHONE},lee-wecom", "r002,Kim,no,UTC,all,50,50,kim@example.com,,"], HEADER
)


@dataclass
class World:
    """A tenant in which contacts stand everywhere where they can."""

    api: Api
    acme: Tenancy
    lead_id: int
    customer_id: int


@pytest.fixture
async def world(connections: Connections, conn: asyncpg.Connection) -> AsyncIterator[World]:
    acme = await make_tenant(conn, REPS, name="acme")
    page = f"https://example.com/form?phone={PHONE}&mail={MAIL}"
    await acme.accept([lead(1, phone=f"+86{PHONE}", email=MAIL, landing_page=page, campaign=f"from {MAIL}")])
    await settle(a_drain(connections), acme.tenant_id)
    row = await conn.fetchrow("select lead_id, customer_id from lead")
    assert row is not None
    async with serving_api(connections) as api:
        api.token = await make_token(conn, acme.tenant_id)
        note = f"call {MAIL} at {PHONE}"
        given = await api.post(f"/v1/leads/{row[0]}/end", {"how": "returned"})
        assert given.status == 200
        assert (await api.post(f"/v1/leads/{row[0]}/park", {"why": note})).status == 200
        assert (await api.ask("PATCH", "/v1/reps/r002", json={"max_open": 7, "note": note})).status == 200
        assert (await api.post("/v1/pause", {"seconds": 600, "why": note})).status == 200
        yield World(api, acme, row[0], row[1])


def places(world: World) -> list[str]:
    """Where personal data comes out."""
    return [
        f"/v1/leads/{world.lead_id}/why",
        "/v1/reps",
        "/v1/reps/r001",
        "/v1/changes",
        "/v1/status",
        f"/v1/customers/{world.customer_id}",
    ]


async def test_viewers_and_reps_see_no_contact_of_anybody(world: World) -> None:
    seen = {TokenRole.VIEWER: places(world), TokenRole.REP: ["/v1/reps/r001"]}
    for role, paths in seen.items():
        rep_id = "r001" if role is TokenRole.REP else None
        token = await make_token(world.acme.conn, world.acme.tenant_id, role, rep_id=rep_id)
        for path in paths:
            reply = await world.api.get(path, token=token)
            assert reply.status == 200, (path, reply)
            text = json.dumps(reply.document)
            assert PHONE not in text, path
            assert "@example.com" not in text, path
            assert "lee-wecom" not in text, path
        missing = await world.api.get("/v1/assignments?rep=nobody@example.com", token=token)
        assert "nobody@example.com" not in json.dumps(missing.document)


async def test_operators_see_them(world: World) -> None:
    token = await make_token(world.acme.conn, world.acme.tenant_id, TokenRole.OPERATOR)
    seen = [json.dumps((await world.api.get(path, token=token)).document) for path in places(world)]
    assert [PHONE in text or MAIL in text for text in seen] == [True] * 5 + [False], seen


async def test_what_is_masked_leaves_numbers_and_times_as_they_are(world: World) -> None:
    token = await make_token(world.acme.conn, world.acme.tenant_id, TokenRole.VIEWER)
    masked = (await world.api.get(f"/v1/leads/{world.lead_id}/why", token=token)).document
    whole = (await world.api.get(f"/v1/leads/{world.lead_id}/why")).document
    assert masked["lead"]["number"] == whole["lead"]["number"]
    assert masked["lead"]["external_id"] == "e1"
    assert [one["at"] for one in masked["timeline"]] == [one["at"] for one in whole["timeline"]]
    assert masked["parked"]["reason"] == "screening"
