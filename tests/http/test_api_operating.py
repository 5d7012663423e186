"""Operating over HTTP: each operation does what its command does, and refuses what is wrong with a pointer."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ops.api.means import Means
from ops.api.operations import api_operations
from ops.cli.commands import customers as customers_command
from ops.cli.commands import reps as reps_command
from ops.cli.commands import rules as rules_command
from ops.cli.commands import tenants as tenants_command
from ops.cli.doctor import doctor as doctor_command
from ops.cli.status import status as status_command
from ops.cli.why import why as why_command
from router.domain.access import TokenRole, parse_token
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.http.support import Api, make_token, serving_api
from tests.support import until
from tests.world import CATCH_ALL, Tenancy, a_drain, lead, make_tenant, reps_csv, settle, simple_reps

FULL = CATCH_ALL.replace(
    "  - name: everyone", "  - name: nobody\n    match: {region: Mars}\n    assign_to: group:mars\n  - name: everyone"
)


def named(token: str) -> str:
    """How changes name an admin's token: by its name, and by the id that tells it from others of that name."""
    shown = parse_token(token)
    assert shown
    return f"token:test admin#{shown.token_id}"


@dataclass
class World:
    """Two tenants; `api` asks as an admin of the first one, acme."""

    api: Api
    acme: Tenancy
    other: Tenancy
    connections: Connections
    url: str

    def line(self, command: Any) -> CommandLine:
        """A command on the same database."""
        return CommandLine(command, self.url)

    async def token(self, role: TokenRole, rep_id: str | None = None) -> str:
        """Of the first tenant."""
        return await make_token(self.acme.conn, self.acme.tenant_id, role, rep_id=rep_id)

    async def leads(self, *numbers: int, of: Tenancy | None = None) -> list[int]:
        """Accepts and routes leads; their numbers."""
        tenancy = of or self.acme
        await tenancy.accept([lead(n, phone=f"+86138000000{n:02}", email=f"p{n}@example.com") for n in numbers])
        await settle(a_drain(self.connections), tenancy.tenant_id)
        rows = await tenancy.conn.fetch("select lead_id from lead where tenant_id = $1 order by 1", tenancy.tenant_id)
        return [row[0] for row in rows]

    @property
    def admin(self) -> str:
        """How changes name its token."""
        return named(self.api.token)

    async def changes(self) -> list[tuple[str, str]]:
        """(actor, action) of all that was done."""
        rows = (await self.api.get("/v1/changes?limit=1000")).document["changes"]
        return [(row["actor"], row["action"]) for row in rows]


@pytest.fixture
async def world(
    connections: Connections, conn: asyncpg.Connection, database_url: str, redis_url: str
) -> AsyncIterator[World]:
    acme = await make_tenant(conn, simple_reps(3), name="acme")
    other = await make_tenant(conn, simple_reps(3), name="other")
    async with serving_api(connections, api_operations(Means(redis_url))) as api:
        api.token = await make_token(conn, acme.tenant_id)
        yield World(api, acme, other, connections, database_url)


async def test_leads_of_a_rep_come_in_pages_without_a_gap(world: World) -> None:
    await world.leads(*range(1, 16))
    seen: list[int] = []
    after = ""
    while True:
        page = await world.api.get(f"/v1/assignments?rep=r001&limit=2{after}")
        assert page.status == 200, page
        seen += [one["lead_id"] for one in page.document["assignments"]]
        if page.document["next"] is None:
            break
        after = f"&after={page.document['next']}"
    held = await world.acme.conn.fetch(
        "select lead_id from assignment join rep using (tenant_id, rep_no) where tenant_id = $1 and rep_id = 'r001'",
        world.acme.tenant_id,
    )
    assert seen == sorted(row[0] for row in held)
    assert seen
    assert (await world.api.get("/v1/assignments?rep=r999")).status == 404
    assert (await world.api.get("/v1/assignments?rep=r001&after=!")).pointers == ["?after"]
    wrong = await world.api.get("/v1/assignments?limit=0&page=2")
    assert sorted(wrong.pointers) == ["?limit", "?page", "?rep"]


async def test_an_ended_lead_is_closed_and_a_returned_one_waits(world: World) -> None:
    won, returned, *_ = await world.leads(1, 2, 3)
    assert (await world.api.post(f"/v1/leads/{won}/end", {"how": "won"})).document["ended_as"] == "won"
    assert (await world.api.post(f"/v1/leads/{returned}/end", {"how": "returned"})).status == 200
    assert await world.acme.states() == {"waiting": 1, "assigned": 1, "parked": 0, "merged": 0, "closed": 1}
    again = await world.api.post(f"/v1/leads/{won}/end", {"how": "won"})
    assert (again.status, "closed" in again.document["detail"]) == (409, True)
    assert (await world.api.post(f"/v1/leads/{won}/end", {"how": "eaten"})).pointers == ["/how"]
    assert (world.admin, "end") in await world.changes()


async def test_a_lead_given_by_hand_goes_to_that_rep(world: World) -> None:
    [one] = await world.leads(1)
    before = await world.acme.counts()
    to = next(rep for rep in ("r001", "r002") if rep not in before)
    given = await world.api.post(f"/v1/leads/{one}/assign", {"to": to, "note": "asked for her"})
    assert given.document["from_rep_id"] in before, given
    assert await world.acme.counts() == {to: 1}
    assert (await world.api.post(f"/v1/leads/{one}/assign", {"to": to})).status == 409
    assert (await world.api.post(f"/v1/leads/{one}/assign", {"to": "r999"})).status == 404
    wrong = await world.api.post(f"/v1/leads/{one}/assign", {"too": "r001", "note": 7})
    assert sorted(wrong.pointers) == ["/note", "/to", "/too"]


async def test_no_number_leads_to_another_tenants_data(world: World) -> None:
    [theirs] = await world.leads(1, of=world.other)
    customer = await world.acme.conn.fetchval("select customer_id from lead where lead_id = $1", theirs)
    before = [tuple(row) for row in await world.acme.conn.fetch("select * from assignment")]
    asked = [
        await world.api.get(f"/v1/leads/{theirs}/why"),
        await world.api.post(f"/v1/leads/{theirs}/end", {"how": "lost"}),
        await world.api.post(f"/v1/leads/{theirs}/assign", {"to": "r001"}),
        await world.api.post(f"/v1/leads/{theirs}/park", {"why": "mine"}),
        await world.api.post(f"/v1/leads/{theirs}/unpark", {"why": "mine"}),
        await world.api.get(f"/v1/customers/{customer}?by=number"),
    ]
    assert [reply.status for reply in asked] == [404] * 6
    assert [tuple(row) for row in await world.acme.conn.fetch("select * from assignment")] == before
    for path in ("/v1/status", "/v1/doctor", "/v1/changes", "/v1/blockers", "/v1/tenants", "/v1/tokens"):
        reply = await world.api.get(path)
        assert reply.status == 200, (path, reply)
        assert '"other"' not in json.dumps(reply.document), path


async def test_another_tenants_merge_token_and_job_are_not_there(world: World) -> None:
    await world.leads(1, 2, of=world.other)
    conn = world.acme.conn
    rows = await conn.fetch("select customer_id from lead where tenant_id = $1 order by 1", world.other.tenant_id)
    token = await make_token(conn, world.other.tenant_id)
    merged = await world.api.post(f"/v1/customers/{rows[0][0]}/merge", {"customer_id": rows[1][0]}, token=token)
    assert merged.status == 200, merged
    job = await world.api.post("/v1/jobs", {"kind": "audit"}, token=token)
    assert job.status == 202
    assert (await world.api.post(f"/v1/customer-merges/{merged.document['merge_id']}/unmerge", {})).status == 404
    assert (await world.api.get(f"/v1/jobs/{job.document['id']}")).status == 404
    assert (await world.api.ask("DELETE", f"/v1/tokens/{token.split('_')[2]}")).status == 404
    undone = await world.api.post(
        f"/v1/customer-merges/{merged.document['merge_id']}/unmerge", {"note": "two brothers"}, token=token
    )
    assert (undone.status, undone.document["leads"]) == (200, 1)


async def test_customers_are_shown_as_the_command_shows_them(world: World) -> None:
    await world.leads(1, 2)
    conn = world.acme.conn
    one, two = [row[0] for row in await conn.fetch("select customer_id from lead order by 1")]
    assert (await world.api.post(f"/v1/customers/{one}/merge", {"customer_id": two, "note": "same"})).status == 200
    shown = await world.api.get("/v1/customers/%2B8613800000001")
    told = await world.line(customers_command).json("show", "+8613800000001", "--tenant", "acme")
    assert shown.document["customer_id"] == told["customer_id"]
    assert [one["lead_id"] for one in shown.document["leads"]] == [one["lead_id"] for one in told["leads"]]
    assert shown.document["merges"][0]["actor"] == world.admin
    assert (await world.api.post(f"/v1/customers/{one}/merge", {"customer_id": one})).status == 409
    assert (await world.api.get("/v1/customers/nobody@example.com")).status == 404


async def test_reps_are_listed_and_set_as_by_the_command(world: World) -> None:
    first = await world.api.get("/v1/reps?limit=2")
    rest = await world.api.get(f"/v1/reps?limit=2&after={first.document['next']}")
    listed = first.document["reps"] + rest.document["reps"]
    told = await world.line(reps_command).json("list", "--tenant", "acme")
    assert listed == told
    assert rest.document["next"] is None
    changed = {"available": False, "weight": 1.5, "max_open": None, "groups": ["all", "east"], "note": "ill"}
    done = await world.api.ask("PATCH", "/v1/reps/r002", json=changed)
    assert done.document["fields"] == {"available": 1, "groups": 1, "max_open": 1, "weight": 1}, done
    rep = (await world.api.get("/v1/reps/r002")).document
    assert (rep["available"], rep["weight"], rep["max_open"], rep["groups"]) == (False, 1.5, None, ["all", "east"])
    wrong = await world.api.ask(
        "PATCH", "/v1/reps/r002", json={"working_hours": "whenever", "leave": "soon", "weight": 1.23456}
    )
    assert (wrong.status, sorted(wrong.pointers)) == (422, ["/leave", "/weight", "/working_hours"])
    assert (await world.api.ask("PATCH", "/v1/reps/r002", json={"note": "x"})).status == 422
    assert (await world.api.ask("PATCH", "/v1/reps/r2", json={"available": True})).status == 404
    assert (world.admin, "roster") in await world.changes()


async def test_the_rosters_versions_are_listed_and_rolled_back_as_by_the_command(world: World) -> None:
    changed = {"weight": 2, "time_zone": "Europe/Berlin", "email": "rep@example.com", "note": "moved"}
    done = await world.api.ask("PATCH", "/v1/reps/r002", json=changed)
    assert (done.status, done.document["always_on_duty"]) == (200, ["r002"]), done
    first = await world.api.get("/v1/rosters?limit=1")
    rest = await world.api.get(f"/v1/rosters?after={first.document['next']}")
    listed = first.document["rosters"] + rest.document["rosters"]
    told = await world.line(reps_command).json("history", "--tenant", "acme")
    assert [(one["version"], one["changed"], one["in_force"]) for one in listed] == [(2, 1, True), (1, 0, False)]
    assert [(one["note"], one["author"]) for one in listed] == [(one["note"], one["author"]) for one in told]
    shown = (await world.api.get("/v1/rosters/2")).document
    assert shown["changed"][0]["fields"]["weight"] == {"old": 1, "new": 2}
    assert (await world.api.get("/v1/rosters/3")).status == (await world.api.get("/v1/rosters/0")).status == 404
    of_rep = (await world.api.get("/v1/reps/r002/history")).document["versions"]
    assert [(one["version"], one["fields"] is None) for one in of_rep] == [(2, False), (1, True)]
    assert (await world.api.get("/v1/reps/r999/history")).status == 404
    viewer = await world.token(TokenRole.VIEWER)
    masked = (await world.api.get("/v1/reps/r002/history", token=viewer)).document["versions"][0]["fields"]["email"]
    assert "rep@example.com" not in str(masked)
    assert (await world.api.post("/v1/rosters:rollback", {"version": 1}, token=viewer)).status == 403
    dry = await world.api.post("/v1/rosters:rollback", {"version": 1, "dry_run": True})
    assert (dry.document["dry_run"], dry.document["version"]) == (True, 2), dry
    back = await world.api.post("/v1/rosters:rollback", {"note": "by mistake"})
    assert (back.document["version"], back.document["previous"]) == (3, 2), back
    rep = (await world.api.get("/v1/reps/r002")).document
    assert (rep["weight"], rep["time_zone"], rep["email"]) == (1, "UTC", None)
    assert (await world.api.post("/v1/rosters:rollback", {"version": 99})).status == 404


async def test_a_rollback_over_http_that_leaves_nobody_available_wants_to_be_meant(world: World) -> None:
    for rep, available in (("r001", False), ("r002", False), ("r003", False), ("r001", True)):
        await world.api.ask("PATCH", f"/v1/reps/{rep}", json={"available": available})
    refused = await world.api.post("/v1/rosters:rollback", {})
    assert refused.status == 409, refused
    assert (await world.api.post("/v1/rosters:rollback", {"anyway": True})).document["nobody_available"]


async def test_who_goes_away_over_http_keeps_leads_and_is_told_how_to_hand_them_over(world: World) -> None:
    await world.leads(*range(1, 7))
    done = await world.api.ask("PATCH", "/v1/reps/r002", json={"active": False})
    (left,) = done.document["open_leads_left"]
    assert (left["rep_id"], left["open_leads"]) == ("r002", 2)
    assert "handover --from=r002" in left["command"]
    rep = (await world.api.get("/v1/reps/r002")).document
    assert (rep["now"]["standing"], rep["now"]["open_leads"], rep["now"]["received"]) == ("inactive", 2, 2)


async def test_a_roster_is_imported_whole_or_not_at_all(world: World) -> None:
    csv = reps_csv(["r001,Rep 1,no,UTC,all,5,5", "r009,New,yes,UTC,,5,5"])
    headers = {"Content-Type": "text/csv"}
    dry = await world.api.post("/v1/reps:import?dry_run=true", data=csv, headers=headers)
    assert (dry.document["added"], dry.document["dry_run"]) == (["r009"], True), dry
    assert (await world.api.get("/v1/reps/r009")).status == 404
    done = await world.api.post("/v1/reps:import?missing=inactive&note=new", data=csv, headers=headers)
    assert (done.document["added"], done.document["missing"]) == (["r009"], 2)
    assert done.document["in_no_group"] == ["r009"]
    broken = csv + b"\nr010,X,perhaps,UTC,all,many,1\nr001,Y,yes,UTC,all,1,1"
    wrong = await world.api.post("/v1/reps:import", data=broken, headers=headers)
    assert (wrong.status, wrong.pointers) == (422, ["line 4", "line 4", "line 5"]), wrong
    assert (await world.api.post("/v1/reps:import", data=b"")).status in (400, 415)
    assert (await world.api.post("/v1/reps:import", {"reps": []})).status == 415
    assert (await world.api.post("/v1/reps:import?missing=all", data=csv, headers=headers)).pointers == ["?missing"]


async def test_a_reps_token_sends_its_own_heartbeat_only(world: World, redis_url: str) -> None:
    token = await world.token(TokenRole.REP, "r001")
    unused = await world.api.post("/v1/reps/r001/presence", token=token)
    assert (unused.status, "presence" in unused.document["detail"]) == (409, True), unused
    await world.acme.rules(CATCH_ALL + "presence:\n  groups: [all]\n  ttl: 90s\n")
    assert (await world.api.post("/v1/reps/r002/presence", token=token)).status == 403

    async def counts() -> bool:
        return (await world.api.post("/v1/reps/r001/presence", token=token)).status == 200

    await until(counts, "the new rules are read")
    there = await world.api.post("/v1/reps/r001/presence", token=token)
    assert there.document == {"rep_id": "r001", "present": True, "seconds": 90.0}
    gone = await world.api.ask("DELETE", "/v1/reps/r001/presence", token=token)
    assert gone.document == {"rep_id": "r001", "present": False, "seconds": None}


async def test_rules_are_checked_compared_applied_and_rolled_back(world: World) -> None:
    yaml = {"Content-Type": "application/yaml"}
    checked = await world.api.post("/v1/rulesets:check", data=FULL, headers=yaml)
    assert (checked.document["ok"], checked.document["rules"]) == (True, 3), checked
    assert any("mars" in one["message"] for one in checked.document["findings"])
    compared = await world.api.post("/v1/rulesets:diff", data=FULL, headers=yaml)
    assert len(compared.document["changes"]) == 1, compared
    dry = await world.api.post("/v1/rulesets?dry_run=1", data=FULL, headers=yaml)
    assert (dry.document["version"], dry.document["dry_run"], dry.document["stopped"]) == (1, True, True)
    applied = await world.api.post("/v1/rulesets?note=Mars&anyway=1", data=FULL, headers=yaml)
    assert (applied.document["version"], applied.document["new_groups"]) == (2, ["mars"])
    told = await world.line(rules_command).json("list", "--tenant", "acme")
    assert (told[0]["version"], told[0]["author"], told[0]["note"]) == (2, world.admin, "Mars")
    assert (await world.api.get("/v1/rulesets/2")).document["source"] == FULL
    back = await world.api.post("/v1/rulesets:rollback", {"version": 1, "note": "13 sent Mars to nobody"})
    assert back.document["version"] == 3, back
    listed = await world.api.get("/v1/rulesets?limit=2")
    rest = await world.api.get(f"/v1/rulesets?after={listed.document['next']}")
    assert [one["version"] for one in listed.document["rulesets"] + rest.document["rulesets"]] == [3, 2, 1]
    assert (await world.api.post("/v1/rulesets:rollback", {"version": 99})).status == 404
    assert (await world.api.get("/v1/rulesets/99")).status == 404
    assert (await world.api.get("/v1/rulesets/last")).status == 404


async def test_rules_with_warnings_are_applied_only_when_that_is_said_as_by_the_command(
    world: World, tmp_path: Path
) -> None:
    yaml = {"Content-Type": "application/yaml"}
    stopped = await world.api.post("/v1/rulesets", data=FULL, headers=yaml)
    assert (stopped.status, stopped.pointers) == (409, ["line 9"]), stopped
    assert 'rule "nobody": group "mars" does not exist' in stopped.document["detail"]
    file = tmp_path / "rules.yaml"
    file.write_text(FULL)
    told = await world.line(rules_command).run("apply", str(file), "--tenant", "acme", "--json")
    assert (told.exit_code, json.loads(told.stdout)["stopped"]) == (1, True)
    assert (await world.api.get("/v1/rulesets/active")).document["version"] == 1
    assert (await world.api.post("/v1/rulesets?anyway=true", data=FULL, headers=yaml)).document["version"] == 2
    # What is in force is not news.
    assert (await world.api.post("/v1/rulesets", data=FULL, headers=yaml)).document["version"] == 2


async def test_rules_are_not_put_over_a_version_that_came_in_between(world: World) -> None:
    yaml = {"Content-Type": "application/yaml"}
    for wrong in (0, 7):
        refused = await world.api.post(f"/v1/rulesets?anyway=1&if_version={wrong}", data=FULL, headers=yaml)
        assert (refused.status, f"made for version {wrong}" in refused.document["detail"]) == (409, True)
    assert (await world.api.post("/v1/rulesets?anyway=1&if_version=1", data=FULL, headers=yaml)).status == 200
    assert (await world.api.post("/v1/rulesets:rollback", {"version": 1, "if_version": 1})).status == 409
    back = await world.api.post("/v1/rulesets:rollback", {"version": 1, "if_version": 2})
    assert back.document["version"] == 3


async def test_any_two_versions_of_the_rules_are_compared(world: World) -> None:
    await world.acme.rules(FULL)
    found = await world.api.get("/v1/rulesets/2/diff")
    assert (found.document["base"], [one["kind"] for one in found.document["changes"]]) == (1, ["added"])
    back = await world.api.get("/v1/rulesets/1/diff?base=2")
    assert [(one["kind"], one["rule"]) for one in back.document["changes"]] == [("removed", "nobody")]
    assert (await world.api.get("/v1/rulesets/2/diff?base=2")).document["changes"] == []
    assert len((await world.api.get("/v1/rulesets/1/diff")).document["changes"]) == 2, "from no rules"
    for wrong, status in (("9/diff", 404), ("x/diff", 404), ("2/diff?base=9", 404), ("2/diff?base=0", 422)):
        assert (await world.api.get(f"/v1/rulesets/{wrong}")).status == status, wrong


async def test_a_check_leaves_the_leads_out_where_that_is_asked_for(world: World) -> None:
    yaml = {"Content-Type": "application/yaml"}
    for query, compared in (("", True), ("?leads=0", False)):
        checked = await world.api.post(f"/v1/rulesets:check{query}", data=FULL, headers=yaml)
        lints = {one["lint"] for one in checked.document["findings"]}
        assert ("nothing_seen" in lints) is compared and "unknown_group" in lints, lints


async def test_rules_come_with_the_lists_that_they_name(world: World) -> None:
    rules = CATCH_ALL.replace(
        "  - name: everyone",
        "  - name: near\n    match: {region: {in_file: lists/near.txt}}\n    assign_to: group:all\n  - name: everyone",
    )
    alone = await world.api.post("/v1/rulesets", {"rules": rules})
    assert alone.status == 422
    lists = {"lists/near.txt": "Berlin\nPotsdam\n"}
    given = {"rules": rules, "lists": lists}
    checked = await world.api.post("/v1/rulesets:check", given)
    assert (checked.document["problems"], checked.document["rules"]) == ([], 3), checked
    assert [one["kind"] for one in (await world.api.post("/v1/rulesets:diff", given)).document["changes"]]
    applied = await world.api.post("/v1/rulesets", given)
    assert applied.document["version"] == 2, applied
    assert (await world.api.get("/v1/rulesets/active")).document["lists"] == lists
    # What is stored is used where no list is given.
    more = {"rules": rules.replace("name: near", "name: close")}
    assert (await world.api.post("/v1/rulesets", more)).document["version"] == 3
    misspelt = await world.api.post("/v1/rulesets", given | {"lists": lists | {"lists/neer.txt": "Bonn"}})
    assert misspelt.pointers == ["/lists/lists~1neer.txt"]
    hostile = await world.api.post("/v1/rulesets", given | {"lists": {"lists/near.txt": "a\u0000b"}})
    assert (hostile.status, hostile.pointers) == (422, ["/lists/lists~1near.txt"])
    assert (await world.api.post("/v1/rulesets", {"rules": rules, "list": lists})).pointers == ["/list"]


async def test_rules_that_are_wrong_are_refused_with_every_line(world: World) -> None:
    broken = "rules:\n  - name: a\n    match: {colour: red}\n    assign_to: everyone\n"
    yaml = {"Content-Type": "application/yaml"}
    checked = await world.api.post("/v1/rulesets:check", data=broken, headers=yaml)
    assert (checked.status, checked.document["ok"]) == (200, False)
    assert [one["line"] for one in checked.document["problems"]] == [3, 4]
    for path in ("/v1/rulesets", "/v1/rulesets:diff"):
        wrong = await world.api.post(path, data=broken, headers=yaml)
        assert (wrong.status, wrong.pointers) == (422, ["line 3", "line 4"])
    zone = await world.api.post("/v1/rulesets", data=CATCH_ALL + "business_time_zone: Asia/Shanghai\n", headers=yaml)
    assert (zone.status, "business_time_zone" in zone.document["detail"]) == (422, True)
    assert (await world.api.post("/v1/rulesets", data=b"\xff\xfe", headers=yaml)).status == 400
    assert (await world.api.post("/v1/rulesets", data=b"a" * 9_000_000, headers=yaml)).status == 413


async def test_a_parked_lead_comes_back_alone_or_with_many(world: World) -> None:
    await world.acme.rules(CATCH_ALL.replace("match: {}", "match: {region: Mars}"))
    one, two, three = await world.leads(1, 2, 3)
    for number in (one, two, three):
        parked = await world.api.post(f"/v1/leads/{number}/park", {"why": "asked not to be called"})
        assert (parked.status, parked.document["reason"]) == (200, "screening"), parked
    assert (await world.api.post(f"/v1/leads/{one}/park", {"why": "again"})).status == 409
    assert (await world.api.post(f"/v1/leads/{one}/park", {"why": " "})).pointers == ["/why"]
    back = await world.api.post(f"/v1/leads/{one}/unpark", {"why": "by mistake"})
    assert back.document["was_parked_for"] == "screening"
    dry = await world.api.post("/v1/leads:retry", {"reason": "screening", "dry_run": True})
    assert (dry.status, dry.document["tenants"][0]["parked"]) == (200, {"screening": 2}), dry
    started = await world.api.post("/v1/leads:retry", {"reason": "screening", "why": "checked"})
    assert started.status == 202
    job = await ended(world.api, started.headers["Location"])
    assert (job["state"], job["result"]["sent_back"], job["done"]) == ("done", 2, 2), job
    assert (await world.acme.states())["waiting"] == 3
    done = await world.changes()
    assert {(world.admin, "park"), (world.admin, "unpark"), (world.admin, "retry")} <= set(done)


async def test_a_paused_tenant_stands_still_until_it_is_resumed(world: World) -> None:
    paused = await world.api.post("/v1/pause", {"seconds": 600, "why": "CRM upgrade"})
    assert (paused.status, paused.document["replaced"]) == (200, None), paused
    await world.leads(1)
    assert (await world.acme.states())["waiting"] == 1
    found = await world.line(status_command).json("--tenant", "acme")
    assert found["tenants"][0]["paused"]["by"] == world.admin
    again = await world.api.post("/v1/pause", {"seconds": 60, "why": "longer"})
    assert again.document["replaced"]["why"] == "CRM upgrade"
    resumed = await world.api.ask("DELETE", "/v1/pause?why=done")
    assert (resumed.document["resumed"], resumed.document["was"]["why"]) == (True, "longer")
    assert (await world.api.ask("DELETE", "/v1/pause")).document["resumed"] is False
    wrong = await world.api.post("/v1/pause", {"seconds": 0, "why": ""})
    assert sorted(wrong.pointers) == ["/seconds", "/why"]


async def test_tenants_are_added_by_who_is_for_all_of_them(world: World) -> None:
    new = {"name": "third", "time_zone": "Asia/Shanghai"}
    assert (await world.api.post("/v1/tenants", new)).status == 403
    everybody = await make_token(world.acme.conn)
    added = await world.api.post("/v1/tenants", new, token=everybody)
    assert (added.status, added.document["time_zone"]) == (201, "Asia/Shanghai"), added
    told = await world.line(tenants_command).json("list")
    first = await world.api.get("/v1/tenants?limit=2", token=everybody)
    rest = await world.api.get(f"/v1/tenants?after={first.document['next']}", token=everybody)
    assert first.document["tenants"] + rest.document["tenants"] == told
    assert [one["name"] for one in (await world.api.get("/v1/tenants")).document["tenants"]] == ["acme"]
    other_zone = await world.api.post("/v1/tenants", new | {"time_zone": "UTC"}, token=everybody)
    assert other_zone.status == 409
    assert (await world.api.post("/v1/tenants", new | {"time_zone": "Mars/Base"}, token=everybody)).status == 422
    made = await world.api.get("/v1/changes?tenant=third", token=everybody)
    assert [(one["actor"], one["action"]) for one in made.document["changes"] if one["tenant"] == "third"] == [
        (named(everybody), "tenants add")
    ]


async def test_a_tenants_admin_makes_tokens_for_that_tenant_alone(world: World) -> None:
    made = await world.api.post("/v1/tokens", {"name": "website", "role": "intake", "expires_in_s": 86_400})
    assert (made.status, made.document["tenant"], made.headers["Cache-Control"]) == (201, "acme", "no-store")
    secret = made.document["token"]
    assert (await world.api.get("/v1/token", token=secret)).document["may"] == ["hand in leads"]
    listed = await world.api.get("/v1/tokens")
    assert secret.rpartition("_")[2] not in json.dumps(listed.document)
    assert made.document["id"] in [one["id"] for one in listed.document["tokens"]]
    everything = await world.api.post("/v1/tokens", {"name": "all", "role": "admin", "all_tenants": True})
    assert everything.status == 403
    assert (await world.api.post("/v1/tokens", {"name": "x", "role": "rep"})).pointers == ["/rep"]
    wrong = await world.api.post("/v1/tokens", {"name": "", "role": "king", "expires_in_s": 0})
    assert sorted(wrong.pointers) == ["/expires_in_s", "/name", "/role"]
    gone = await world.api.ask("DELETE", f"/v1/tokens/{made.document['id']}?why=left")
    assert gone.document["revoked_at"] is not None
    assert (await world.api.ask("DELETE", f"/v1/tokens/{made.document['id']}")).status == 404
    assert {(world.admin, "create token"), (world.admin, "revoke token")} <= set(await world.changes())


async def test_why_status_and_doctor_say_what_the_commands_say(world: World) -> None:
    [one] = await world.leads(1)
    shown = (await world.api.get(f"/v1/leads/{one}/why")).document
    told = await world.line(why_command).json(str(one))
    moved = ("as_of", "since")
    assert {**shown, **dict.fromkeys(moved)} == {**told, **dict.fromkeys(moved)}
    assert (await world.api.get(f"/v1/leads/{one}/why?rep=r001")).document["rep"]["rep_id"] == "r001"
    assert (await world.api.get(f"/v1/leads/{one}/why?rep=r999")).status == 404
    assert (await world.api.get(f"/v1/leads/{one}/why?batch=999")).status == 404
    states = (await world.api.get("/v1/status")).document["states"]
    assert states == (await world.line(status_command).json("--tenant", "acme"))["states"]
    doctor = (await world.api.get("/v1/doctor?only=groups_empty,reps_without_group")).document
    assert sorted(one["code"] for one in doctor["checks"]) == ["groups_empty", "reps_without_group"], doctor
    assert (await world.api.get("/v1/doctor?only=nonsense")).pointers == ["?only"]
    of_lead = (await world.api.get(f"/v1/doctor?lead={one}")).document
    asked = await world.line(doctor_command).run("--lead", str(one), "--json")
    assert of_lead["lead"] == json.loads(asked.stdout)["lead"]
    assert (await world.api.get("/v1/doctor?lead=999999999999")).status == 404


async def test_changes_come_in_pages_without_a_gap(world: World) -> None:
    for number in range(7):
        assert (await world.api.ask("PATCH", "/v1/reps/r001", json={"max_open": number})).status == 200
    whole = (await world.api.get("/v1/changes?limit=1000")).document
    seen: list[Any] = []
    after = ""
    while True:
        page = (await world.api.get(f"/v1/changes?limit=2{after}")).document
        seen = page["changes"] + seen
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == whole["changes"]
    assert (await world.api.get("/v1/changes?since=0001-01-01T00:00:00Z")).pointers == ["?since"]


async def ended(api: Api, location: str) -> Any:
    """The job once it has ended."""
    found: list[Any] = []

    async def over() -> bool:
        found[:] = [(await api.get(location)).document]
        return bool(found[0]["state"] != "running")

    await until(over, "the job ends", 60)
    return found[0]


async def test_many_endings_in_one_request_are_judged_one_by_one_and_sent_again_change_nothing(world: World) -> None:
    one, two, three = await world.leads(1, 2, 3)
    asked = {
        "note": "export of Monday",
        "endings": [
            {"lead_id": one, "how": "won"},
            {"external_id": "e2", "source": "web", "how": "returned", "note": "not mine"},
            {"external_id": "nothing", "how": "lost"},
            {"lead_id": three, "how": "lost", "rep_id": "nobody"},
            {"lead_id": one, "how": "lost"},
        ],
    }
    looked = await world.api.post("/v1/assignments:end", {**asked, "dry_run": True})
    assert (looked.status, looked.document["ended"]) == (207, {"won": 1, "lost": 0, "returned": 1})
    done = await world.api.post("/v1/assignments:end", asked)
    assert (done.status, done.document["ended"]) == (207, {"won": 1, "lost": 0, "returned": 1})
    assert [(one["index"], one["field"]) for one in done.document["refused"]] == [
        (2, "external_id"),
        (3, "rep_id"),
        (4, "how"),
    ]
    again = await world.api.post("/v1/assignments:end", {**asked, "endings": asked["endings"][:2]})
    assert (again.status, again.document["ended"], again.document["already"]) == (
        200,
        {"won": 0, "lost": 0, "returned": 0},
        2,
    )
    notes = await world.acme.conn.fetch("select lead_id, note from assignment_history where outcome <> 'handed_over'")
    assert {(row[0], row[1]) for row in notes} == {(one, "export of Monday"), (two, "not mine")}


async def test_an_ending_before_its_assignment_is_refused_and_moves_nothing(world: World) -> None:
    one, two = await world.leads(1, 2)
    began = await world.acme.conn.fetchval("select assigned_at from assignment where lead_id = $1", two)
    # Other clocks are a little behind.
    behind = (began - timedelta(seconds=30)).isoformat()
    endings = [
        {"lead_id": one, "how": "won", "ended_at": (began - timedelta(days=2)).isoformat()},
        {"lead_id": two, "how": "won", "ended_at": behind},
    ]
    done = await world.api.post("/v1/assignments:end", {"endings": endings})
    assert (done.status, done.document["ended"]["won"]) == (207, 1), done.document
    [refused] = done.document["refused"]
    assert (refused["index"], refused["field"]) == (0, "ended_at")
    assert refused["reason"].startswith("is before assigned_at 20"), refused
    assert await world.acme.conn.fetchval("select count(*) from assignment where lead_id = $1", one) == 1
    row = await world.acme.conn.fetchrow("select ended_at, assigned_at from assignment_history where lead_id = $1", two)
    assert row and row[0] == row[1] == began


async def test_an_ending_that_names_no_lead_or_a_time_to_come_is_pointed_at(world: World) -> None:
    for endings, pointer in (
        ([{"how": "won"}], "/endings/0"),
        (
            [{"lead_id": 1, "how": "won"}, {"lead_id": 2, "how": "won", "ended_at": "2099-01-01T00:00:00Z"}],
            "/endings/1/ended_at",
        ),
    ):
        refused = await world.api.post("/v1/assignments:end", {"endings": endings})
        assert refused.status == 422
        assert refused.document["errors"][0]["pointer"] == pointer
