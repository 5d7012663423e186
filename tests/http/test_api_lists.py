"""Groups, lists of leads and handovers over HTTP: what the commands say, and no contact for who may see none."""

import json

from ops.cli.groups import groups as groups_command
from ops.cli.handover import handover as handover_command
from ops.cli.leads_list import list_ as leads_command
from router.domain.access import TokenRole
from tests.http.test_api_operating import World, ended, world
from tests.world import CATCH_ALL

__all__ = ["world"]


async def test_leads_are_listed_as_by_the_command_in_pages_without_a_gap(world: World) -> None:
    await world.leads(*range(1, 10))
    told = await world.line(leads_command).json("--tenant", "acme", "--state", "assigned")
    first = (await world.api.get("/v1/leads:list?state=assigned&limit=4")).document
    rest = (await world.api.get(f"/v1/leads:list?state=assigned&after={first['next']}")).document
    assert [one["lead_id"] for one in first["leads"] + rest["leads"]] == [one["lead_id"] for one in told["leads"]]
    assert rest["next"] is None
    viewer = await world.token(TokenRole.VIEWER)
    seen = json.dumps((await world.api.get("/v1/leads:list", token=viewer)).document)
    assert "@example.com" not in seen
    assert "13800000" not in seen
    assert "@example.com" in json.dumps((await world.api.get("/v1/leads:list")).document)


async def test_lists_that_cannot_be_are_refused(world: World) -> None:
    assert (await world.api.get("/v1/leads:list?rep=r001&reason=screening")).status == 422
    assert sorted((await world.api.get("/v1/leads:list?state=gone&reason=none&limit=0")).pointers) == [
        "?limit",
        "?reason",
        "?state",
    ]
    assert (await world.api.get("/v1/leads:list?after=x")).pointers == ["?after"]
    assert (await world.api.get("/v1/leads:list?rep=nobody")).status == 404
    assert (await world.api.get("/v1/leads:list?group=nobody")).status == 404


async def test_groups_are_those_of_the_command(world: World) -> None:
    await world.leads(1, 2, 3, 4)
    told = await world.line(groups_command).json("--tenant", "acme")
    shown = (await world.api.get("/v1/groups")).document
    assert shown["groups"] == told["groups"]
    members = (await world.api.get("/v1/groups/ALL")).document
    assert [one["rep_id"] for one in members["members"]] == ["r001", "r002", "r003"]
    assert (await world.api.get("/v1/groups/nobody")).status == 404


async def test_a_reps_leads_are_handed_over_with_a_preview(world: World) -> None:
    await world.leads(*range(1, 10))
    before = await world.acme.counts()
    told = await world.line(handover_command).json("--from", "r001", "--tenant", "acme", "--to", "r002", "--dry-run")
    wanted = {"from": "r001", "to": "r002", "why": "left"}
    shown = await world.api.post("/v1/handovers", wanted | {"dry_run": True})
    assert (shown.status, shown.document) == (200, told)
    assert await world.acme.counts() == before
    manager = await world.token(TokenRole.MANAGER)
    started = await world.api.post("/v1/handovers", wanted, token=manager)
    assert started.status == 202, started
    world.api.token = manager
    job = await ended(world.api, started.headers["Location"])
    assert (job["state"], job["result"]["moved"], job["done"]) == ("done", before["r001"], before["r001"]), job
    after = await world.acme.counts()
    assert after == {"r002": before["r001"] + before["r002"], "r003": before["r003"]}
    assert any(actor.startswith("token:test manager#") for actor, _ in await world.changes())


async def test_a_handover_that_cannot_be_is_refused_before_it_starts(world: World) -> None:
    await world.acme.rules(CATCH_ALL)
    [theirs] = await world.leads(1, of=world.other)
    assert (await world.api.post("/v1/handovers", {"from": "r001"})).pointers == ["/to"]
    assert (await world.api.post("/v1/handovers", {"from": "r001", "to": "r002", "by_rules": True})).pointers == ["/to"]
    assert (await world.api.post("/v1/handovers", {"from": "nobody", "by_rules": True})).status == 404
    named = {"from": "r001", "by_rules": True, "leads": [theirs]}
    assert (await world.api.post("/v1/handovers", named)).status == 404
    wrong = await world.api.post("/v1/handovers", {"from": 7, "leads": [], "too": "r1"})
    assert sorted(wrong.pointers) == ["/from", "/leads", "/too"]
