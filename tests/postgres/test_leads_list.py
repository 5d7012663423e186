"""Lists of leads: everybody finds the leads they ask for, each once, however long the list is and whatever moves."""

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest

from ops.cli.leads_list import list_
from ops.listing.cursor import CursorInvalid
from ops.listing.lead_filter import FiltersConflict, LeadFilter, State
from ops.listing.lead_row import LeadRow
from ops.listing.leads import GroupUnknown, Page, list_leads
from router.domain.lead_in import LeadIn
from router.store.assignments import Ending, FoundLead, end
from router.store.connections.connections import Connections
from router.store.parking import park
from router.store.pauses import pause
from router.store.roster import RepUnknown
from router.store.tenants import tenant_named
from tests.command_line import CommandLine
from tests.world import Tenancy, a_drain, lead, make_tenant, no_redis, reps_csv, settle

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
RULES = """
rules:
  - {name: east, match: {region: [east]}, assign_to: "group:east"}
  - {name: west, match: {region: [west]}, assign_to: "group:west"}
"""


async def pages(tenant: Tenancy, size: int = 100, **asked: object) -> list[LeadRow]:
    """All pages of a list, one after the other."""
    found: list[LeadRow] = []
    after = None
    while True:
        page = await one(tenant, size, after, **asked)
        assert len(page.leads) <= size
        found += page.leads
        if page.next is None:
            return found
        after = page.next


async def one(tenant: Tenancy, size: int = 100, after: str | None = None, **asked: object) -> Page:
    wanted = LeadFilter(**asked)  # type: ignore[arg-type]
    return await list_leads(tenant.conn, no_redis(), tenant.tenant_id, wanted, after=after, limit=size)


def names(found: list[LeadRow]) -> list[str]:
    return [row.external_id for row in found]


async def a_tenant(conn: asyncpg.Connection, connections: Connections) -> Tenancy:
    """Leads e0–e9 accepted an hour apart: 0–2 at r1, 3–5 wait for group west, 6 no rule, 7 merged, 8 invalid, 9 new.

    e0 is won.
    """
    tenant = await make_tenant(
        conn, reps_csv(["r1,Ann,yes,UTC,east,9,9", "r2,=cmd(),no,UTC,west,9,9"]), RULES, name="acme"
    )
    drain = a_drain(connections)
    for n in range(6):
        await tenant.accept([lead(n, region="east" if n < 3 else "west")], NOON + n * timedelta(hours=1))
    await tenant.accept([lead(6, region="moon", phone="+8613800138000", name="=1+1")], NOON + timedelta(hours=6))
    await tenant.accept([lead(7, region="moon", phone="+8613800138000", name="=1+1")], NOON + timedelta(hours=7))
    await tenant.accept([lead(8, invalid="no contact")], NOON + timedelta(hours=8))
    await settle(drain, tenant.tenant_id, NOON + timedelta(hours=8))
    await end(conn, tenant.tenant_id, await number(tenant, 0), Ending.WON, NOON + timedelta(hours=8))
    await tenant.accept([LeadIn(source="fair", external_id="e9", region="east")], NOON + timedelta(hours=9))
    return tenant


async def number(tenant: Tenancy, n: int) -> int:
    found: int = await tenant.conn.fetchval("select lead_id from lead where external_id = $1", f"e{n}")
    return found


async def test_every_lead_is_listed_with_where_it_is_and_why(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_tenant(conn, connections)
    found = {row.external_id: row for row in await pages(tenant)}
    assert list(found) == [f"e{n}" for n in range(9, -1, -1)]
    assert {name: (row.state, row.reason or row.outcome or row.rep_id) for name, row in found.items()} == {
        "e0": (State.CLOSED, "won"),
        "e1": (State.ASSIGNED, "r1"),
        "e2": (State.ASSIGNED, "r1"),
        "e3": (State.WAITING, "nobody_available"),
        "e4": (State.WAITING, "nobody_available"),
        "e5": (State.WAITING, "nobody_available"),
        "e6": (State.WAITING, "no_matching_rule"),
        "e7": (State.MERGED, None),
        "e8": (State.PARKED, "lead_invalid"),
        "e9": (State.WAITING, "ready"),
    }
    assert found["e3"].waits_for == "a rep in group west" and found["e3"].next_attempt_at is not None
    assert found["e3"].parks_at == found["e3"].next_attempt_at and found["e1"].parks_at is None
    assert found["e7"].merged_into == found["e6"].lead_id
    assert found["e8"].detail == "no contact"
    assert (found["e0"].rep_id, found["e1"].rep_name) == ("r1", "Ann")
    assert found["e3"].accepted_at == NOON + timedelta(hours=3)
    assert (found["e6"].person.phone, found["e6"].person.name) == ("+8613800138000", "=1+1")


ASKED: list[tuple[dict[str, object], str]] = [
    ({"state": State.WAITING}, "96543"),
    ({"state": State.ASSIGNED}, "21"),
    ({"state": State.PARKED}, "8"),
    ({"state": State.MERGED}, "7"),
    ({"state": State.CLOSED}, "0"),
    ({"reason": "nobody_available"}, "543"),
    ({"reason": "lead_invalid"}, "8"),
    ({"reason": "ready"}, "9"),
    ({"reason": "no_matching_rule", "state": State.WAITING}, "6"),
    ({"reason": "all_at_open_cap"}, ""),
    ({"rep": "r1"}, "21"),
    ({"rep": "r2"}, ""),
    ({"group": "West"}, "543"),
    ({"group": "west", "reason": "no_matching_rule"}, ""),
    ({"source": "fair"}, "9"),
    ({"source": "fair", "state": State.ASSIGNED}, ""),
    ({"source": "web", "rep": "r1"}, "21"),
    ({"since": NOON + timedelta(hours=4)}, "987654"),
    ({"until": NOON + timedelta(hours=4)}, "3210"),
    ({"since": NOON + timedelta(hours=4), "until": NOON + timedelta(hours=6), "state": State.WAITING}, "54"),
    ({"since": NOON + timedelta(days=9)}, ""),
    ({"until": NOON - timedelta(days=9)}, ""),
]


@pytest.mark.parametrize("few", [20_000, 0])
async def test_a_list_has_what_was_asked_for_and_nothing_else_page_by_page(
    conn: asyncpg.Connection, connections: Connections, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr("router.store.lead_lists._FEW", few)
    tenant = await a_tenant(conn, connections)
    for asked, expected in ASKED:
        for size in (1, 2, 100):
            assert names(await pages(tenant, size, **asked)) == [f"e{n}" for n in expected], (asked, size)


async def test_a_walk_through_pages_shows_no_lead_twice_and_skips_none_while_leads_come_and_move(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_tenant(conn, connections)
    first = await one(tenant, 3)
    await tenant.accept([lead(100 + n, region="east") for n in range(5)], NOON + timedelta(hours=10))
    await settle(a_drain(connections), tenant.tenant_id, NOON + timedelta(hours=10))
    rest: list[LeadRow] = []
    after = first.next
    while after is not None:
        page = await one(tenant, 3, after)
        rest += page.leads
        after = page.next
    assert names([*first.leads, *rest]) == [f"e{n}" for n in range(9, -1, -1)]


async def test_no_more_leads_are_shown_as_waiting_for_the_batch_than_there_is_room_for(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_tenant(conn, connections)
    await tenant.roster(reps_csv(["r2,r2,yes,UTC,west,2,9"]))
    for size in (1, 2, 9):
        assert names(await pages(tenant, size, reason="ready")) == ["e9", "e4", "e3"]
        assert names(await pages(tenant, size, reason="ready", group="west", source="web")) == ["e4", "e3"]
    assert names(await pages(tenant, 1, reason="all_at_open_cap")) == ["e5"]
    assert len(await pages(tenant, group="west")) == 3


async def test_in_a_pause_all_that_waits_is_paused(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await a_tenant(conn, connections)
    await pause(conn, await tenant_named(conn, "acme"), timedelta(hours=1), "ann", "a fair")
    assert names(await pages(tenant, 2, reason="paused")) == ["e9", "e6", "e5", "e4", "e3"]
    assert names(await pages(tenant, 2, reason="nobody_available")) == []


async def test_a_parked_lead_and_a_waiting_one_of_the_same_reason_are_in_one_list(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_tenant(conn, connections)
    await conn.execute(
        "with one as (delete from lead_pool where lead_id = $1 returning lead_id) "
        "insert into parked (tenant_id, lead_id, reason, parked_at) "
        "select $2, lead_id, 'nobody_available', now() from one",
        await number(tenant, 4),
        tenant.tenant_id,
    )
    assert names(await pages(tenant, 1, reason="nobody_available")) == ["e5", "e4", "e3"]


async def test_what_cannot_be_combined_or_is_unknown_is_refused_and_said(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_tenant(conn, connections)
    for asked, words in (
        ({"rep": "r1", "state": State.WAITING}, "state waiting and rep cannot be combined"),
        ({"rep": "r1", "reason": "ready"}, "rep and reason ready cannot be combined"),
        ({"reason": "ready", "state": State.PARKED}, "reason ready: only waiting leads"),
        ({"reason": "nobody_available", "state": State.CLOSED}, "only waiting or parked leads"),
        ({"group": "west", "state": State.ASSIGNED}, "state assigned and group"),
        ({"reason": "database_busy"}, "lead-router blockers"),
        ({"reason": "nonsense"}, "unknown reason"),
        ({"since": NOON, "until": NOON}, "must be before"),
    ):
        with pytest.raises(FiltersConflict, match=words):
            await one(tenant, **asked)
    with pytest.raises(RepUnknown):
        await one(tenant, rep="nobody")
    with pytest.raises(GroupUnknown, match="did you mean 'west'"):
        await one(tenant, group="wets")
    for cursor in ("", "x", "bjEuLTE", "bjEuMQ==", "é", "9" * 500):
        with pytest.raises(CursorInvalid):
            await one(tenant, after=cursor)


async def test_one_tenants_list_has_no_lead_of_another(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await a_tenant(conn, connections)
    other = await make_tenant(conn, reps_csv(["r1,r1,yes,UTC,east,9,9"]), RULES, name="other")
    await other.accept([lead(1, region="east")], NOON)
    assert len(await pages(tenant, 3)) == 10 and len(await pages(other)) == 1
    assert names(await pages(other, reason="ready")) == ["e1"]


async def test_parked_by_hand_leads_are_found_by_screening(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await a_tenant(conn, connections)
    await park(conn, FoundLead(tenant.tenant_id, await number(tenant, 5)), "ann", "a test")
    assert names(await pages(tenant, reason="screening")) == ["e5"]


async def test_the_command_pages_writes_csv_that_no_spreadsheet_runs_and_says_what_is_wrong(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    await a_tenant(conn, connections)
    command = CommandLine(list_, database_url)
    first = await command.json("--tenant", "acme", "--limit", "4")
    second = await command.json("--tenant", "acme", "--limit", "9", "--after", first["next"])
    assert [one["external_id"] for one in first["leads"] + second["leads"]] == [f"e{n}" for n in range(9, -1, -1)]
    assert second["next"] is None and second["leads"][0]["state"] == "waiting"
    msgspec.convert(second["leads"], list[LeadRow])
    file = tmp_path / "leads.csv"
    assert (await command.run("--tenant", "acme", "--csv", str(file))).exit_code == 0
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig"))))
    assert [row["external_id"] for row in rows] == [f"e{n}" for n in range(9, -1, -1)]
    assert rows[3]["name"] == "'=1+1" and rows[3]["phone"] == "'+8613800138000"
    shown = await command.run("--tenant", "acme", "--csv", "-", "--limit", "2")
    assert [row["external_id"] for row in csv.DictReader(io.StringIO(shown.stdout))] == ["e9", "e8"]
    text = (await command.run("--tenant", "acme", "--limit", "3")).stdout
    assert "nobody_available" not in text and "--after " in text
    assert "no lead matches" in (await command.run("--tenant", "acme", "--rep", "r2")).stdout
    for wrong in (
        ("--rep", "r1", "--state", "parked"),
        ("--after", "x"),
        ("--rep", "r9"),
        ("--group", "north"),
        ("--csv", str(file)),
        ("--csv", "-", "--json"),
        ("--limit", "0"),
        ("--limit", "99999", "--json"),
        ("--since", "24"),
        ("--reason", "database_busy"),
    ):
        result = await command.run("--tenant", "acme", *wrong)
        assert result.exit_code == 2, (wrong, result.output)


async def test_who_waits_for_an_owner_is_tried_again_when_the_rules_fall_back(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    known = "{name: known, match: {known_customer: true}, assign_to: owner, fall_back_after: 30m}"
    rules = f'rules:\n  - {known}\n  - {{name: all, match: {{}}, assign_to: "group:all"}}\n'
    tenant = await make_tenant(conn, reps_csv(["r1,Rep,yes,UTC,all,10,10"]), rules)
    for number, available in ((1, "yes"), (2, "no")):
        await tenant.roster(reps_csv([f"r1,Rep,{available},UTC,all,10,10"]))
        await tenant.accept([lead(number, declared_customer="c", product=str(number))])
        await settle(a_drain(connections), tenant.tenant_id)
    (found,) = await pages(tenant, state=State.WAITING)
    assert found.next_attempt_at is not None
    assert (found.next_chance_at, found.next_chance_reps) == (found.next_attempt_at, None)
    assert found.parks_at is not None and found.parks_at > found.next_attempt_at
    shown = (await CommandLine(list_, database_url).run("--tenant", "acme", "--state", "waiting")).output
    assert "tried again" in " ".join(shown.split()), shown
