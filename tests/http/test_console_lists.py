"""The console's lists of leads: what acting on all of them means, and who sees which contacts."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from router.domain.access import TokenRole
from router.domain.lead_in import LeadIn
from router.store.connections.connections import Connections
from tests.http.console import Served, serving_console
from tests.http.support import make_token
from tests.world import CATCH_ALL, Tenancy, a_drain, lead, make_tenant, settle, simple_reps

RULES = CATCH_ALL.replace(
    "  - name: everyone",
    "  - name: nobody\n    match: {region: Mars}\n    assign_to: group:mars\n    on_no_candidate: wait\n"
    "  - name: everyone",
)
PHONE, EMAIL = "+8613800000077", "bob@example.org"
ROLES = (TokenRole.VIEWER, TokenRole.OPERATOR)


@dataclass
class World:
    """A tenant whose leads have contacts where none are asked for, and the console over it."""

    served: Served
    acme: Tenancy

    async def token(self, role: TokenRole) -> str:
        return await make_token(self.acme.conn, self.acme.tenant_id, role)


@pytest.fixture
async def world(connections: Connections, conn: asyncpg.Connection, redis_url: str) -> AsyncIterator[World]:
    acme = await make_tenant(conn, simple_reps(2), RULES, name="acme", zone="Asia/Shanghai")
    odd = {"name": f"Bob {PHONE}", "company": f"Bob <{EMAIL}>", "campaign": EMAIL, "product": PHONE}
    await acme.accept([lead(1, region="Mars", phone=PHONE, email=EMAIL, industry=f"of {PHONE}", **odd)])
    await acme.accept([lead(2, region="Mars", name="Bobby")])
    await acme.accept([LeadIn(source="web", external_id=EMAIL, region="Mars")])
    await settle(a_drain(connections), acme.tenant_id)
    async with serving_console(connections, redis_url) as served:
        yield World(served, acme)


@pytest.mark.parametrize(("state", "kind"), [("waiting", "park"), ("parked", "unpark")])
async def test_a_search_offers_no_action_on_all_leads_of_the_filter(world: World, state: str, kind: str) -> None:
    conn, tenant_id = world.acme.conn, world.acme.tenant_id
    async with world.served.browser(await world.token(TokenRole.OPERATOR)) as browser:
        if state == "parked":
            for number in await conn.fetch("select lead_id from lead where tenant_id = $1", tenant_id):
                page = await browser.get(f"/leads/{number[0]}")
                await browser.send(page, f"/leads/{number[0]}/park", why="x")
        path = f"/waiting/all/{kind}"
        assert f"{path}?state={state}" in (await browser.get(f"/leads?state={state}")).links
        searched = await browser.get(f"/leads?state={state}&q=Bob")
        assert len(searched.all("tr")) == 3
        assert [one for one in searched.links if one.startswith(path)] == []
        assert (await browser.get(f"{path}?state={state}&q=Bob")).status == 422
        asked = await browser.get(f"{path}?state={state}")
        assert asked.status == 200
        sent = await browser.send(asked, path, why="x", q="Bob")
        assert (sent.status, "search" in sent.words) == (422, True)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", ["/leads", "/leads.csv", "/leads?q=Bob", "/leads/{lead}"])
async def test_contacts_are_masked_wherever_they_stand(world: World, role: TokenRole, path: str) -> None:
    personal = role is TokenRole.OPERATOR
    async with world.served.browser(await world.token(role)) as browser:
        number = await world.acme.conn.fetchval("select lead_id from lead where external_id = 'e1'")
        page = await browser.get(path.format(lead=number))
        assert page.status == 200
        for contact in (PHONE, EMAIL):
            assert (contact in page.text) is personal, contact


async def test_the_link_to_the_file_says_how_far_it_goes(world: World) -> None:
    async with world.served.browser(await world.token(TokenRole.OPERATOR)) as browser:
        few = await browser.get("/leads")
        assert [one.text for one in few.all("a", **{"class": "csv"})] == ["CSV"]
        await world.acme.accept([lead(number) for number in range(10, 70)])
        many = await browser.get("/leads")
        assert [one.text for one in many.all("a", **{"class": "csv"})] == ["CSV (at most the newest 10,000)"]
