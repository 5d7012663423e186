"""A rep's leads handed over: each once, with its customer, within the caps, whoever stops it or works beside it."""

import asyncio
import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from ops.audit.audit import audit
from ops.cli.handover import handover as handover_command
from ops.replay.overrides import read_override
from ops.replay.report import changes_by_kind
from ops.replay.run import replay
from ops.replay.variants import Changes
from ops.replay.verify import verify
from router.manual.by_hand import CannotGive
from router.manual.handover import Done, Handover
from router.manual.handover_plan import Asked, NoRoom, Plan, Preview, plan_handover, preview
from router.outbox.cursor import START
from router.outbox.event import EventType
from router.outbox.feed import read_events
from router.store.assignments import Ending, end
from router.store.connections.connections import Connections
from router.store.flights import read_flight
from router.store.roster import RepUnknown
from router.store.tenants import tenant_named
from tests.command_line import CommandLine
from tests.support import connected
from tests.world import Tenancy, a_drain, lead, make_tenant, no_redis, reps_csv, settle

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(seconds=1)
RULES = """
rules:
  - {name: known, match: {known_customer: true}, assign_to: owner}
  - {name: east, match: {region: [east]}, assign_to: "group:all"}
  - {name: west, match: {region: [west]}, assign_to: "group:r1"}
"""


async def a_tenant(
    conn: asyncpg.Connection, connections: Connections, *others: str, leads: int = 6, regions: str = "east"
) -> Tenancy:
    """`r1` has leads e0, e1 …, of four customers. The others come later: `rep_id,available,max_open,max_per_day`."""
    tenant = await make_tenant(conn, reps_csv(["r1,Ann,yes,UTC,all;r1,99,99"]), RULES)
    arrivals = [lead(n, region=regions, declared_customer=f"c{n % 4}", product=f"p{n}") for n in range(leads)]
    await tenant.accept(arrivals, NOON)
    await settle(a_drain(connections), tenant.tenant_id, NOON)
    rows = (row.split(",") for row in others)
    await tenant.roster(reps_csv(f"{no},{no},{on},UTC,all,{most},{day}" for no, on, most, day in rows))
    assert await tenant.counts() == {"r1": leads}
    return tenant


async def planned(tenant: Tenancy, **asked: object) -> Plan:
    wanted = Asked(**{"from_rep": "r1", **asked})  # type: ignore[arg-type]
    return await plan_handover(tenant.conn, no_redis(), tenant.tenant_id, wanted, LATER)


async def hand_over(tenant: Tenancy, at_once: int = 2, now: datetime | None = LATER, **asked: object) -> Done:
    done, tokens = Done(), iter(range(1, 1000))
    work = Handover(tenant.conn, lambda: next(tokens), "ann", "r1 has left", now, at_once)
    await work.run(await planned(tenant, **asked), done)
    return done


async def previewed(tenant: Tenancy, **asked: object) -> Preview:
    return await preview(tenant.conn, no_redis(), await planned(tenant, **asked))


async def owners(tenant: Tenancy) -> dict[str, int]:
    rows = await tenant.conn.fetch(
        "select rep_id, count(*) from customer_owner join rep using (tenant_id, rep_no) group by 1"
    )
    return {row[0]: row[1] for row in rows}


async def test_all_leads_of_a_rep_go_to_another_with_their_customers_and_the_books_are_right(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_tenant(conn, connections, "r2,no,9,9")
    credits = await conn.fetch("select * from group_share")
    done = await hand_over(tenant, to_rep="r2")
    assert (len(done.moved), done.passed_over) == (6, [])
    assert await tenant.counts() == {"r2": 6} and await owners(tenant) == {"r2": 4}
    assert await conn.fetch("select * from group_share") == credits
    loads = await conn.fetch("select rep_id, open, today from rep_load join rep using (tenant_id, rep_no) order by 1")
    assert [tuple(row) for row in loads] == [("r1", 0, 6), ("r2", 6, 6)]
    assert await conn.fetchval("select array_agg(distinct outcome) from assignment_history") == ["handed_over"]
    found = await read_flight(conn, tenant.tenant_id, 2)
    assert found and (found.kind, found.flight.actor, found.flight.note) == ("hand", "ann", "r1 has left")
    changes = await conn.fetch(
        "select actor, subject, before, after, why from change where action = 'handover' order by id"
    )
    assert [tuple(row) for row in changes] == [("ann", "rep r1", "2 leads", "rep r2", "r1 has left")] * 3
    # The customer's next lead goes where the customer is.
    await tenant.roster(reps_csv(["r2,yes"], "rep_id,available"))
    await tenant.accept([lead(100, declared_customer="c0", product="other")], LATER)
    await settle(a_drain(connections), tenant.tenant_id, LATER)
    assert await tenant.counts() == {"r2": 7}
    assert (await audit(conn, sample=20)).violations == []
    assert (await hand_over(tenant, to_rep="r2")).seen == 0


async def happened(conn: asyncpg.Connection, tenant: Tenancy, kind: EventType) -> dict[int, object]:
    """The events of a type: by lead, the rep of whom they tell."""
    page = await read_events(conn, tenant.tenant_id, START, limit=1000)
    return {one.lead_id: one.data for one in page.events if one.type == kind}


async def test_the_crm_hears_of_every_lead_that_is_handed_over(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_tenant(conn, connections, "r2,no,9,9")
    leads = [row[0] for row in await conn.fetch("select lead_id from assignment")]
    await hand_over(tenant, to_rep="r2")
    told = await happened(conn, tenant, EventType.REASSIGNED)
    assert sorted(told) == sorted(leads)
    assert all("r1" in str(data) and "r2" in str(data) for data in told.values()), told


async def test_the_crm_hears_of_every_lead_that_goes_back_to_the_rules(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_tenant(conn, connections, "r2,yes,9,9")
    leads = [row[0] for row in await conn.fetch("select lead_id from assignment")]
    await hand_over(tenant)
    told = await happened(conn, tenant, EventType.RETURNED)
    assert sorted(told) == sorted(leads)
    assert all("r1" in str(data) for data in told.values()), told


@pytest.mark.parametrize(
    ("cap", "words", "raised"),
    [("4,9", "0 of 4 open", "--max-open 6"), ("9,4", "0 of 4 leads of today", "--max-per-day 6")],
)
async def test_no_cap_is_exceeded_and_the_refusal_has_the_numbers(
    conn: asyncpg.Connection, connections: Connections, cap: str, words: str, raised: str
) -> None:
    tenant = await a_tenant(conn, connections, f"r2,no,{cap}")
    plan = await planned(tenant, to_rep="r2")
    assert str(plan.refusal).endswith(f"lead-router reps set r2 --tenant acme {raised}")
    assert "has room for 4 of 6 leads" in str(plan.refusal) and words in str(plan.refusal)
    fits = await planned(tenant, to_rep="r2", as_many_as_fit=True)
    assert (fits.refusal, fits.leads, fits.to_move) == (None, 6, 4)
    with pytest.raises(NoRoom):
        await hand_over(tenant, to_rep="r2")
    assert await tenant.counts() == {"r1": 6}
    assert (await hand_over(tenant, at_once=3, to_rep="r2", as_many_as_fit=True)).seen == 4
    assert await tenant.counts() == {"r1": 2, "r2": 4}
    assert (await hand_over(tenant, to_rep="r2", as_many_as_fit=True)).seen == 0
    assert (await audit(conn, sample=20)).violations == []


async def test_a_cap_that_is_lowered_after_the_plan_holds_too(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_tenant(conn, connections, "r2,no,9,9")
    plan, done = await planned(tenant, to_rep="r2"), Done()
    await tenant.roster(reps_csv(["r2,3"], "rep_id,max_open"))
    with pytest.raises(NoRoom, match="has room for 1 of 2"):
        await Handover(conn, lambda: 7, "ann", "", LATER, 2).run(plan, done)
    assert len(done.moved) == 2 and await tenant.counts() == {"r1": 4, "r2": 2}
    assert (await audit(conn, sample=20)).violations == []


async def test_by_the_rules_nobody_gets_a_lead_back_and_the_customer_goes_where_the_lead_goes(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_tenant(conn, connections, "r2,yes,9,9", "r3,yes,9,9")
    seen = await previewed(tenant)
    assert {rep: n for (rep, _), n in seen.reps.items()} == {"r2": 3, "r3": 3}
    assert await tenant.counts() == {"r1": 6}
    done = await hand_over(tenant)
    assert len(done.moved) == 6 and (await tenant.states())["waiting"] == 6
    assert (await audit(conn)).violations == []
    await settle(a_drain(connections), tenant.tenant_id, LATER)
    assert await tenant.counts() == {rep: n for (rep, _), n in seen.reps.items()}
    given = await conn.fetch("select lead_id, rep_id from assignment join rep using (tenant_id, rep_no)")
    assert {one.lead_id: one.rep_id for one in seen.placements} == {row[0]: row[1] for row in given}
    assert "r1" not in await owners(tenant) and sum((await owners(tenant)).values()) == 4
    assert (await audit(conn, sample=20)).violations == []


async def test_where_only_the_same_rep_could_take_them_the_preview_says_that_they_would_wait(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_tenant(conn, connections, "r2,yes,9,9", leads=3, regions="west")
    seen = await previewed(tenant)
    assert (seen.reps, seen.others) == ({}, {("waiting", "nobody_available"): 3})
    await hand_over(tenant)
    await settle(a_drain(connections), tenant.tenant_id, LATER)
    assert (await tenant.states())["waiting"] == 3


@pytest.mark.parametrize("to_rep", ["r2", None])
async def test_who_is_interrupted_calls_it_again_and_it_does_the_rest(
    conn: asyncpg.Connection, connections: Connections, to_rep: str | None
) -> None:
    tenant = await a_tenant(conn, connections, "r2,no,9,9")
    done, plan = Done(), await planned(tenant, to_rep=to_rep)

    def stop(seen: int) -> None:
        if seen == 4:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await Handover(conn, lambda: 7, "ann", "", LATER, 2).run(plan, done, stop)
    assert len(done.moved) == 4 and (await tenant.counts())["r1"] == 2
    again = await hand_over(tenant, to_rep=to_rep)
    assert len(again.moved) == 2 and not {*again.moved} & {*done.moved}
    assert "r1" not in await tenant.counts()
    assert await conn.fetchval("select count(*) from assignment_history") == 6
    assert (await audit(conn, sample=20)).violations == []


@pytest.mark.parametrize("to_rep", ["r2", None])
async def test_a_locked_lead_stays_and_holds_up_no_other(
    conn: asyncpg.Connection, connections: Connections, database_url: str, to_rep: str | None
) -> None:
    tenant = await a_tenant(conn, connections, "r2,no,9,9")
    locked = await conn.fetchval("select min(lead_id) from assignment")
    async with connected(database_url) as other, other.transaction():
        await other.execute("select from assignment where lead_id = $1 for update", locked)
        done = await hand_over(tenant, at_once=1, to_rep=to_rep)
    assert (len(done.moved), done.passed_over) == (5, [locked])
    assert (await hand_over(tenant, to_rep=to_rep)).moved == [locked]
    assert (await audit(conn, sample=20)).violations == []


async def test_leads_that_the_rep_is_given_meanwhile_are_not_chased(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_tenant(conn, connections, "r2,no,99,99")
    plan, done = await planned(tenant, to_rep="r2"), Done()
    await tenant.accept([lead(50, region="east")], NOON)
    await settle(a_drain(connections), tenant.tenant_id, NOON)
    await Handover(conn, lambda: 7, "ann", "", LATER, 4).run(plan, done)
    assert await tenant.counts() == {"r1": 1, "r2": 6} and len(done.moved) == 6


async def test_endings_and_a_router_beside_it_break_no_book(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await a_tenant(conn, connections, "r2,yes,60,999", "r3,yes,99,999", leads=60)
    leads = [row[0] for row in await conn.fetch("select lead_id from assignment order by lead_id desc")]

    async def ends() -> None:
        async with connected(database_url) as other:
            for lead_id in leads[:20]:
                await end(other, tenant.tenant_id, lead_id, Ending.WON)

    async def routes() -> None:
        async with connected(database_url) as other:
            beside = Tenancy(other, tenant.tenant_id)
            for n in range(200, 240):
                await beside.accept([lead(n, region="east")])
                await a_drain(connections).drain_tenant(tenant.tenant_id)

    to_r2 = hand_over(tenant, at_once=5, now=None, to_rep="r2", as_many_as_fit=True)
    done, _, _ = await asyncio.gather(to_r2, ends(), routes(), return_exceptions=True)
    assert isinstance(done, Done | NoRoom), done
    await hand_over(tenant, at_once=7, now=None)
    await settle(a_drain(connections), tenant.tenant_id)
    found = await audit(conn, sample=1000)
    assert found.violations == []
    assert sum((await tenant.states()).values()) == 100


async def test_what_cannot_be_is_refused(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await a_tenant(conn, connections, "r2,yes,9,9")
    with pytest.raises(RepUnknown):
        await planned(tenant, to_rep="r9")
    with pytest.raises(RepUnknown):
        await planned(tenant, from_rep="r9")
    with pytest.raises(CannotGive, match="already"):
        await planned(tenant, to_rep="r1")
    await tenant.roster(reps_csv(["r2,no"], "rep_id,active"))
    with pytest.raises(CannotGive, match="not active"):
        await planned(tenant, to_rep="r2")


async def test_a_preview_of_nothing_has_no_empty_table(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    await a_tenant(conn, connections, "r2,yes,0,99")
    arguments = ("--from", "r1", "--tenant", "acme", "--to", "r2", "--dry-run")
    text = await CommandLine(handover_command, database_url).run(*arguments)
    assert text.exit_code == 1 and "room for 0 of 6 leads" in text.stdout
    assert "leads of r1 to" not in text.stdout


async def test_the_command_previews_moves_and_reports(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    tenant = await a_tenant(conn, connections, "r2,yes,4,99", "r3,yes,99,99")
    command = CommandLine(handover_command, database_url)
    base = ("--from", "r1", "--tenant", "acme")
    seen = await command.json(*base, "--by-rules", "--dry-run")
    assert (seen["moved"], sum(one["leads"] for one in seen["preview"]["reps"])) == (0, 6)
    text = await command.run(*base, "--to", "r2", "--dry-run")
    assert text.exit_code == 1 and "has room for 4 of 6 leads" in text.stdout and "nothing changed" in text.stdout
    refused = await command.run(*base, "--to", "r2")
    assert refused.exit_code == 1 and "nothing was changed" in refused.output
    assert await tenant.counts() == {"r1": 6}
    file = tmp_path / "moved.csv"
    moved = await command.run(*base, "--to", "r2", "--lead", "e0", "--lead", "web/e1", "--csv", str(file))
    assert moved.exit_code == 0 and "2 leads of rep r1 handed over to rep r2" in moved.stdout
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig"))))
    assert [(row["external_id"], row["rep_id"]) for row in rows] == [("e0", "r2"), ("e1", "r2")]
    again = await command.json(*base, "--to", "r2", "--lead", "e0", "--lead", "e1")
    assert (again["moved"], again["already_handed_over"], again["elsewhere"]) == (0, 2, [])
    foreign = await command.json("--from", "r2", "--tenant", "acme", "--by-rules", "--lead", "e5", code=1)
    assert foreign["elsewhere"][0]["rep_id"] == "r1"
    part = await command.json(*base, "--to", "r2", "--as-many-as-fit", code=1)
    assert (part["leads"], part["moved"]) == (4, 2)
    shown = await command.run(*base, "--by-rules", "--csv", "-", "--why", "gone")
    assert shown.exit_code == 0, shown.output
    assert [row["state"] for row in csv.DictReader(io.StringIO(shown.stdout))] == ["waiting", "waiting"]
    assert (
        await tenant.counts() == {"r2": 4} and "no lead to hand over" in (await command.run(*base, "--by-rules")).stdout
    )
    for wrong in (
        (*base,),
        (*base, "--to", "r2", "--by-rules"),
        (*base, "--by-rules", "--as-many-as-fit"),
        (*base, "--by-rules", "--lead", "nothing"),
        (*base, "--by-rules", "--csv", str(file)),
        (*base, "--by-rules", "--csv", "-", "--json"),
        (*base, "--to", "r9"),
        ("--from", "r9", "--tenant", "acme", "--by-rules"),
        ("--from", "r1", "--tenant", "none", "--by-rules"),
    ):
        assert (await command.run(*wrong)).exit_code == 2, wrong


@pytest.mark.parametrize("to_rep", ["r2", None])
async def test_a_replay_finds_hand_overs_where_they_were(
    conn: asyncpg.Connection, connections: Connections, to_rep: str | None
) -> None:
    tenant = await a_tenant(conn, connections, "r2,yes,9,99", "r3,yes,9,99")
    await hand_over(tenant, at_once=4, to_rep=to_rep)
    await settle(a_drain(connections), tenant.tenant_id, LATER)
    await tenant.accept([lead(100 + n, region="east") for n in range(4)], LATER + timedelta(seconds=1))
    await settle(a_drain(connections), tenant.tenant_id, LATER + timedelta(seconds=1))
    named = await tenant_named(conn, "acme")
    checked = await verify(conn, named)
    assert checked.ok and checked.leads >= 10 + 6 * (to_rep is not None)
    assert changes_by_kind(await replay(conn, named, Changes(None, []))).total() == 0
    gone = await replay(conn, named, Changes(None, [read_override("rep.r3.active=no")]))
    assert changes_by_kind(gone).total() > 0
