"""Imports over HTTP: listing them, taking one back, unmerging a lead, and rosters as workbooks."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import openpyxl
import pytest

from ops.api.bodies import WORKBOOK_TYPE
from ops.api.means import Means
from ops.api.operations import api_operations
from ops.cli import main
from router.domain.access import TokenRole
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.http.support import Api, make_token, serving_api
from tests.http.test_api_operating import World
from tests.support import until
from tests.world import make_tenant, simple_reps

LEADS = """external_id,source,created_at,name,phone,product
1,web,2026-11-20T10:00:00+08:00,Ann,+8613812345601,pump
2,web,2026-11-20T11:00:00+08:00,Ann,+8613812345601,pump
3,web,2026-11-20T12:00:00+08:00,Ben,+8613812345602,pump
"""


@pytest.fixture
async def world(
    connections: Connections, conn: asyncpg.Connection, database_url: str, redis_url: str
) -> AsyncIterator[World]:
    acme = await make_tenant(conn, simple_reps(3), name="acme")
    other = await make_tenant(conn, simple_reps(3), name="other")
    async with serving_api(connections, api_operations(Means(redis_url))) as api:
        api.token = await make_token(conn, acme.tenant_id)
        yield World(api, acme, other, connections, database_url)


async def imported(world: World, folder: Path, text: str = LEADS) -> int:
    """Imports leads as a command does; the import's number."""
    file = folder / "leads.csv"
    file.write_text(text)
    await CommandLine(main, world.url).json("leads", "import", str(file), "--tenant", "acme")
    listed = await world.api.get("/v1/imports?limit=1")
    return int(listed.document["imports"][0]["import"])


async def ended(api: Api, started: Any) -> Any:
    """The job that was started, once it is over."""
    assert started.status == 202, started
    found: list[Any] = []

    async def over() -> bool:
        found[:] = [(await api.get(started.headers["Location"])).document]
        return bool(found[0]["state"] != "running")

    await until(over, "the job ends")
    return found[0]


async def test_imports_are_listed_in_pages_and_only_those_of_the_tenant(world: World, tmp_path: Path) -> None:
    numbers = [await imported(world, tmp_path, LEADS.replace("web", f"web{n}")) for n in range(3)]
    first = (await world.api.get("/v1/imports?limit=2")).document
    rest = (await world.api.get(f"/v1/imports?limit=2&after={first['next']}")).document
    assert [one["import"] for one in first["imports"] + rest["imports"]] == numbers[::-1]
    assert rest["next"] is None
    one = (await world.api.get(f"/v1/imports/{numbers[0]}")).document
    assert (one["rows"], one["new"], one["merged"], one["removed"], one["undone_at"]) == (3, 3, 1, 0, None)
    assert one["file"].endswith("leads.csv")
    alien = await make_token(world.other.conn, world.other.tenant_id)
    assert (await world.api.get("/v1/imports", token=alien)).document["imports"] == []
    for path in (f"/v1/imports/{numbers[0]}", "/v1/imports/x"):
        assert (await world.api.get(path, token=alien)).status == 404
    assert (await world.api.post(f"/v1/imports/{numbers[0]}/undo", {}, token=alien)).status == 404
    assert (await world.api.get("/v1/imports?after=!")).pointers == ["?after"]


async def test_an_import_is_counted_and_then_taken_back_but_for_what_a_rep_has(world: World, tmp_path: Path) -> None:
    await world.acme.rules("rules:\n  - {name: pumps, match: {product: [valve]}, assign_to: group:all}\n")
    number = await imported(world, tmp_path)
    ben = await world.acme.conn.fetchval("select lead_id from lead where external_id = '3'")
    assert (await world.api.post(f"/v1/leads/{ben}/assign", {"to": "r001"})).status == 200
    dry = await world.api.post(f"/v1/imports/{number}/undo", {"dry_run": True})
    assert dry.status == 200, dry
    assert dry.document["removed"] == {"waiting": 1, "merged": 1, "parked": 0}
    assert dry.document["stays"] == {"assigned": 1}
    assert [(one["lead_id"], one["rep_id"]) for one in dry.document["leads"]] == [(ben, "r001")]
    assert (await world.api.get(f"/v1/imports/{number}")).document["removed"] == 0

    job = await ended(world.api, await world.api.post(f"/v1/imports/{number}/undo", {"why": "wrong mapping"}))
    assert (job["state"], job["kind"], job["done"]) == ("done", "undo_import", 3), job
    assert job["result"]["removed"] == {"waiting": 1, "merged": 1, "parked": 0}
    one = (await world.api.get(f"/v1/imports/{number}")).document
    assert (one["removed"], one["undone_by"]) == (2, world.admin)
    assert (world.admin, "leads undo-import") in await world.changes()
    again = await ended(world.api, await world.api.post(f"/v1/imports/{number}/undo", {}))
    assert again["result"]["removed"] == {"waiting": 0, "merged": 0, "parked": 0}


async def test_a_merged_lead_is_unmerged_once_and_others_are_refused(world: World, tmp_path: Path) -> None:
    await imported(world, tmp_path)
    rows = await world.acme.conn.fetch("select external_id, lead_id from lead")
    ids = {row["external_id"]: row["lead_id"] for row in rows}
    done = await world.api.post(f"/v1/leads/{ids['2']}/unmerge", {"why": "two machines"})
    assert (done.status, done.document) == (200, {"lead_id": ids["2"], "was_merged_into": ids["1"]})
    assert (await world.api.post(f"/v1/leads/{ids['2']}/unmerge", {})).status == 409
    assert (await world.api.post("/v1/leads/999999999/unmerge", {})).status == 404
    assert (world.admin, "leads unmerge") in await world.changes()
    for role in (TokenRole.VIEWER, TokenRole.MANAGER, TokenRole.INTAKE):
        reply = await world.api.post(f"/v1/leads/{ids['1']}/unmerge", {}, token=await world.token(role))
        assert reply.status == 403, role


def workbook(*rows: tuple[object, ...], second: tuple[tuple[object, ...], ...] = ()) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for row in second:
        (book["reps"] if "reps" in book.sheetnames else book.create_sheet("reps")).append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


async def test_a_roster_comes_as_a_workbook_and_a_wrong_cell_is_named_with_its_line(world: World) -> None:
    header = ("rep_id", "name", "available", "groups", "max_open")
    body = workbook(("notes",), second=(header, ("w1", "王伟", True, "all", 20.0)))
    sent = {"data": body, "headers": {"Content-Type": WORKBOOK_TYPE}}
    done = await world.api.post("/v1/reps:import?sheet=reps", **sent)
    assert (done.status, done.document["added"]) == (200, ["w1"]), done
    assert (await world.api.get("/v1/reps/w1")).document["max_open"] == 20
    other = await world.api.post("/v1/reps:import?sheet=none", **sent)
    assert other.status == 422, other
    assert "none" in other.document["detail"]
    assert "/tmp" not in str(other.document)
    wrong = workbook(header, ("w2", "x", "perhaps", "all", 1))
    reply = await world.api.post("/v1/reps:import", data=wrong, headers={"Content-Type": "application/octet-stream"})
    assert reply.pointers == ["line 2"], reply
    assert "perhaps" in str(reply.document)


async def test_a_roster_that_leaves_nobody_available_is_refused_unless_it_is_meant(world: World) -> None:
    gone = b"rep_id,available,groups\nr001,no,all\nr002,no,all\nr003,no,all\n"
    sent = {"data": gone, "headers": {"Content-Type": "text/csv"}}
    dry = await world.api.post("/v1/reps:import?dry_run=true", **sent)
    assert (dry.status, dry.document["nobody_available"]) == (200, True)
    refused = await world.api.post("/v1/reps:import", **sent)
    assert refused.status == 409, refused
    assert "anyway" in refused.document["detail"]
    assert (await world.api.get("/v1/reps/r001")).document["available"] is True
    done = await world.api.post("/v1/reps:import?anyway=true", **sent)
    assert (done.status, done.document["groups_without_available"]) == (200, ["all"]), done


async def test_reps_whose_group_no_rule_names_are_in_the_answer(world: World) -> None:
    sent = {"data": b"rep_id,available,groups\nx1,yes,al\n", "headers": {"Content-Type": "text/csv"}}
    done = await world.api.post("/v1/reps:import", **sent)
    assert done.document["unnamed_groups"] == [{"group": "al", "reps": ["x1"], "did_you_mean": "all"}]
