"""What a rep's token reaches over the API: its own rep and the leads of that rep now; and what managers look at."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from router.domain.access import TokenRole
from router.store.assignments import Ending, NotAssigned, end
from router.store.connections.connections import Connections
from router.store.roster import rep_number
from tests.http.support import Api, make_token, serving_api
from tests.support import until
from tests.world import CATCH_ALL, Tenancy, a_drain, lead, make_tenant, settle, simple_reps

RULES = CATCH_ALL.replace(
    "  - name: everyone",
    "  - name: mars\n    match: {region: Mars}\n    assign_to: group:mars\n    on_no_candidate: wait\n"
    "  - name: everyone",
)


@dataclass
class World:
    """A tenant whose two reps have two leads each; the API asks with the token of r001."""

    api: Api
    acme: Tenancy
    connections: Connections
    own: list[int]
    theirs: list[int]

    async def holder(self, lead_id: int) -> str | None:
        found: str | None = await self.acme.conn.fetchval(
            "select rep_id from assignment join rep using (tenant_id, rep_no) where lead_id = $1", lead_id
        )
        return found


@pytest.fixture
async def world(connections: Connections, conn: asyncpg.Connection, redis_url: str) -> AsyncIterator[World]:
    acme = await make_tenant(conn, simple_reps(2), RULES, name="acme")
    for number in range(2):
        await acme.accept([lead(number), lead(10 + number)])
        await settle(a_drain(connections), acme.tenant_id)
    rows = await conn.fetch(
        "select rep_id, array_agg(lead_id order by assigned_at, lead_id) as leads"
        " from assignment join rep using (tenant_id, rep_no) group by 1"
    )
    of = {row["rep_id"]: row["leads"] for row in rows}
    async with serving_api(connections) as api:
        api.token = await make_token(conn, acme.tenant_id, TokenRole.REP, rep_id="r001")
        yield World(api, acme, connections, of["r001"], of["r002"])


async def test_a_rep_s_token_sees_its_own_rep_and_leads_only(world: World) -> None:
    assert (await world.api.get("/v1/reps/r001")).document["now"]["open_leads"] == 2
    assert (await world.api.get("/v1/reps/r002")).status == 403
    assert (await world.api.get("/v1/assignments?rep=r002")).status == 403
    assert (await world.api.get(f"/v1/leads/{world.own[0]}")).document["owner"]["rep_id"] == "r001"
    said = {
        (reply.status, reply.document["detail"].replace(str(number), "N"))
        for number in (world.theirs[0], 999_999)
        for reply in (
            await world.api.get(f"/v1/leads/{number}"),
            await world.api.post(f"/v1/leads/{number}/end", {"how": "won"}),
        )
    }
    assert said == {(404, "there is no lead number N")}
    for path in ("/v1/leads:list", "/v1/reps", "/v1/status", "/v1/changes", "/v1/groups", "/v1/events?after=0"):
        assert (await world.api.get(path)).status == 403, path
    assert await world.holder(world.theirs[0]) == "r002"


async def test_a_rep_s_token_ends_own_leads_and_a_returned_one_is_out_of_its_reach(world: World) -> None:
    first, second = world.own
    done = await world.api.post(f"/v1/leads/{first}/end", {"how": "won", "note": "signed"})
    assert done.document == {"lead_id": first, "rep_id": "r001", "ended_as": "won"}
    assert (await world.api.post(f"/v1/leads/{first}/end", {"how": "won"})).status == 404
    assert (await world.api.post(f"/v1/leads/{second}/end", {"how": "returned"})).status == 200
    await settle(a_drain(world.connections), world.acme.tenant_id)
    assert await world.holder(second) == "r002"
    assert (await world.api.post(f"/v1/leads/{second}/end", {"how": "won"})).status == 404
    for path, body in ((f"/v1/leads/{second}/assign", {"to": "r001"}), ("/v1/assignments:end", {"endings": []})):
        assert (await world.api.post(path, body)).status == 403, path


async def test_a_rep_s_token_switches_its_own_availability_only(world: World) -> None:
    off = await world.api.ask("PUT", "/v1/reps/r001/availability", json={"available": False, "note": "ill"})
    assert (off.status, off.document["open_leads_left"][0]["open_leads"]) == (200, 2), off
    assert (await world.api.get("/v1/reps/r001")).document["available"] is False
    other = await world.api.ask("PUT", "/v1/reps/r002/availability", json={"available": False})
    assert other.status == 403
    assert (await world.api.ask("PATCH", "/v1/reps/r001", json={"max_open": 9999})).status == 403
    manager = await make_token(world.acme.conn, world.acme.tenant_id, TokenRole.MANAGER)
    changes = (await world.api.get("/v1/changes", token=manager)).document["changes"]
    assert [one["why"] for one in changes if one["actor"].startswith("token:test rep#")] == ["ill"], changes


async def test_a_rep_s_token_does_not_find_out_which_other_reps_there_are(world: World) -> None:
    for method, path in (("GET", ""), ("PUT", "/availability"), ("POST", "/presence"), ("DELETE", "/presence")):
        body = {"available": True} if method == "PUT" else None
        replies = [await world.api.ask(method, f"/v1/reps/{rep}{path}", json=body) for rep in ("r002", "r009")]
        said = {(reply.status, reply.document["detail"]) for reply in replies}
        assert said == {(403, "a rep's token speaks of its own rep only")}, (method, path)


@pytest.mark.parametrize(("order", "backwards"), [("oldest", False), ("newest", True)])
async def test_leads_of_a_rep_come_in_the_order_of_their_assignment_page_by_page(
    world: World, order: str, *, backwards: bool
) -> None:
    seen: list[int] = []
    after = ""
    while True:
        page = (await world.api.get(f"/v1/assignments?rep=r001&order={order}&limit=1{after}")).document
        seen += [one["lead_id"] for one in page["assignments"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == (world.own[::-1] if backwards else world.own)
    for wrong in ("order=oldest&after=x", "order=odd", "order=newest&after=WyIyMDI2LTAxLTAxVDAwOjAwOjAwIiwxXQ"):
        assert (await world.api.get(f"/v1/assignments?rep=r001&{wrong}")).status == 422, wrong


async def test_the_leads_that_have_waited_longest_come_first_whatever_their_priority(world: World) -> None:
    first = lead(30, region="Mars")
    await world.acme.accept([first])
    await world.acme.accept([lead(31, region="Mars", priority=9), lead(32)])
    await settle(a_drain(world.connections), world.acme.tenant_id)
    await world.acme.accept([lead(33, priority=5), lead(34)])
    await world.acme.conn.execute(
        "update lead_pool p set queued_at = now() - make_interval(mins => case l.external_id"
        " when 'e30' then 10 when 'e31' then 20 when 'e33' then 5 else 15 end)"
        " from lead l where l.tenant_id = p.tenant_id and l.lead_id = p.lead_id"
    )
    token = await make_token(world.acme.conn, world.acme.tenant_id, TokenRole.MANAGER)
    found = (await world.api.get("/v1/leads:oldest", token=token)).document["leads"]
    assert [one["external_id"] for one in found] == ["e31", "e34", "e30", "e33"]
    two = (await world.api.get("/v1/leads:oldest?limit=2", token=token)).document["leads"]
    assert [one["external_id"] for one in two] == ["e31", "e34"]
    assert found[0]["reason"] == "group_empty" and found[1]["reason"] == "ready"


async def test_reps_by_load_say_since_when_the_oldest_lead_is_open(world: World) -> None:
    token = await make_token(world.acme.conn, world.acme.tenant_id, TokenRole.MANAGER)
    await world.acme.roster(b"rep_id,available\nr002,no\n")
    page = (await world.api.get("/v1/reps:loads?limit=1", token=token)).document
    assert (page["matching"], page["summary"]["leads_of_away"], page["summary"]["away_with_leads"]) == (2, 2, 1)
    oldest = await world.acme.conn.fetchval(
        "select min(assigned_at) from assignment where lead_id = any($1)", world.theirs
    )
    [first] = page["reps"]
    assert first["rep_id"] == "r002" and first["away"] is True
    assert first["oldest_assigned_at"].startswith(oldest.strftime("%Y-%m-%dT%H:%M:%S"))
    following = (await world.api.get(f"/v1/reps:loads?limit=1&after={page['next']}", token=token)).document
    assert [one["rep_id"] for one in following["reps"]] == ["r001"] and following["next"] is None
    assert (await world.api.get("/v1/reps:loads?group=all&only=available", token=token)).document["matching"] == 1
    assert (await world.api.get("/v1/reps:loads?after=x", token=token)).status == 422


async def test_shares_of_a_group_are_counted_anew_where_they_are_asked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.listing.reps._SHARES_HOLD_S", 0.0)
    token = await make_token(world.acme.conn, world.acme.tenant_id, TokenRole.MANAGER)

    async def leads() -> int:
        found: int = (await world.api.get("/v1/groups/all/shares", token=token)).document["leads"]
        return found

    before = await leads()
    await world.acme.accept([lead(50)])
    await settle(a_drain(world.connections), world.acme.tenant_id)

    async def counted() -> bool:
        return await leads() == before + 1

    await until(counted, "the shares have the new lead")


@pytest.mark.parametrize("how", [Ending.LOST, Ending.RETURNED])
async def test_a_lead_that_went_to_another_rep_between_look_and_click_stays_with_that_rep(
    world: World, how: Ending
) -> None:
    conn, tenant_id = world.acme.conn, world.acme.tenant_id
    number = await rep_number(conn, tenant_id, "r001")
    with pytest.raises(NotAssigned, match="has gone to another rep; nothing was changed"):
        await end(conn, tenant_id, world.theirs[0], how, only_rep=number)
    assert await world.holder(world.theirs[0]) == "r002"
    assert await end(conn, tenant_id, world.own[0], how, only_rep=number) == number
