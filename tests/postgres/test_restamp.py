"""`leads restamp`: leads that a source stamped wrong get their right times and a rep, and the past stays explained."""

import asyncio
import json
import random
import secrets
import shlex
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from ops.audit.audit import audit
from ops.cli.commands import leads as leads_family
from ops.replay.report import changes_by_kind
from ops.replay.run import replay
from ops.replay.variants import Changes
from ops.replay.verify import verify
from ops.waiting.restamp import Done, Restamp
from ops.waiting.restamp_ask import Ask
from ops.why.collect import why
from ops.why.description import Happened
from router.domain.lead_in import LeadIn
from router.rules.file import read_rules
from router.store.assignments import Ending, end, find_lead
from router.store.connections.connections import Connections
from router.store.flights import RecordedFacts
from router.store.parking import park, unpark
from router.store.statements import load
from router.store.tenants import tenant_named
from tests.command_line import CommandLine
from tests.findings import findings
from tests.support import connected
from tests.world import Tenancy, a_drain, lead, make_tenant, settle, simple_reps

HOUR = timedelta(hours=1)
FRESH = """
rules:
  - {name: fresh, match: {created: {within: 2h}}, assign_to: "group:all"}
"""
REASON = ("--why", "the form wrote another zone")


def of_form(number: int, created_at: datetime) -> LeadIn:
    return lead(number, created_at=created_at)._replace(source="form")


async def clock(conn: asyncpg.Connection) -> datetime:
    at: datetime = await conn.fetchval("select clock_timestamp()")
    return at


async def waiting_tenant(conn: asyncpg.Connection, connections: Connections, number: int = 6) -> Tenancy:
    """Leads of `form` wait, 8 h behind; one of `web` was as late and waits; one of `form` was right and has a rep."""
    tenant = await make_tenant(conn, simple_reps(2), FRESH)
    now = await clock(conn)
    await tenant.accept(of_form(i, now - 8 * HOUR - timedelta(seconds=i)) for i in range(number))
    await tenant.accept([lead(900, created_at=now - 8 * HOUR), of_form(901, now)])
    await settle(a_drain(connections), tenant.tenant_id)
    assert await tenant.states() == {**(await tenant.states()), "waiting": number + 1, "assigned": 1}
    return tenant


def command(url: str) -> CommandLine:
    return CommandLine(leads_family, url)


async def restamped(url: str, *more: str, shift: str = "+8h", code: int = 0) -> dict[str, Any]:
    words = ("restamp", "--tenant", "acme", "--source", "form", "--shift", shift, *REASON, *more)
    found: dict[str, Any] = await command(url).json(*words, code=code)
    return found


async def ahead(conn: asyncpg.Connection, source: str = "form") -> set[int]:
    """By how many hours the leads of a source were created before they arrived."""
    rows = await conn.fetch(
        "select round(extract(epoch from l.received_at - l.created_at) / 3600)::int, "
        "coalesce(p.created_at = l.created_at, true) from lead l left join lead_pool p using (tenant_id, lead_id) "
        "where l.source = $1",
        source,
    )
    assert all(row[1] for row in rows), "a lead and its row in the pool differ"
    return {row[0] for row in rows}


async def proven(conn: asyncpg.Connection) -> None:
    """Audit and replay find nothing."""
    assert (await audit(conn, None, 1000)).violations == []
    verified = await verify(conn, await tenant_named(conn, "acme"))
    assert (verified.differences, verified.skipped.count) == ([], 0)


async def test_waiting_leads_get_their_right_time_and_a_rep_and_others_keep_theirs(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await waiting_tenant(conn, connections)
    dry = await restamped(database_url, "--dry-run")
    assert (dry["corrected"], dry["dry_run"]) == ({"waiting": 6, "parked": 0}, True)
    assert await ahead(conn) == {0, 8}
    assert await conn.fetchval("select count(*) from change") == 0
    done = await command(database_url).json(*shlex.split(dry["command"])[2:])
    assert done["corrected"] == {"waiting": 6, "parked": 0}
    assert (await ahead(conn), await ahead(conn, "web")) == ({0}, {8})
    await settle(a_drain(connections, seed=2), tenant.tenant_id)
    assert {state: n for state, n in (await tenant.states()).items() if n} == {"waiting": 1, "assigned": 7}
    await proven(conn)


async def test_it_is_said_that_repeats_are_not_decided_again(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(2), FRESH)
    now = await clock(conn)
    same = [of_form(i, now - 8 * HOUR - i * HOUR)._replace(phone="+8613800138000") for i in range(3)]
    await tenant.accept(same)
    assert await restamped(database_url, "--dry-run") == {
        **(await restamped(database_url, "--dry-run")),
        "repeats_not_decided_again": 2,
        "corrected": {"waiting": 1, "parked": 0},
    }
    words = ("restamp", "--tenant", "acme", "--source", "form", "--shift", "+8h", *REASON)
    said = await command(database_url).run(*words)
    assert "2 leads are merged into these, and stay so: which leads are repeats is not decided again" in said.output
    assert await ahead(conn) == {2, 8, 9}


async def test_routers_that_run_are_called_and_route_them_without_another_hand(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await waiting_tenant(conn, connections)
    drain = a_drain(connections, seed=2)
    await settle(drain, tenant.tenant_id)
    await restamped(database_url)
    due = await conn.fetchval("select next_visit_at <= clock_timestamp() from lane")
    assert due is True
    await settle(drain, tenant.tenant_id)
    assert (await tenant.states())["assigned"] == 7


async def test_no_lead_is_corrected_twice_and_the_second_run_says_why(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await waiting_tenant(conn, connections)
    await conn.execute("update tenant set ruleset = 0")
    await restamped(database_url)
    again = await restamped(database_url)
    assert (again["corrected"]["waiting"], again["corrected_before"], again["command"]) == (0, 6, None)
    assert await ahead(conn) == {0}
    more = await restamped(database_url, "--again")
    assert (more["corrected"]["waiting"], more["not_explained"]) == (0, 6)
    assert tenant.tenant_id and await ahead(conn) == {0}


async def test_a_second_correction_is_possible_when_it_is_asked_for_and_replays_know_both(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await waiting_tenant(conn, connections)
    await restamped(database_url, shift="+5h")
    await settle(a_drain(connections, seed=2), tenant.tenant_id)
    assert (await tenant.states())["waiting"] == 7
    done = await restamped(database_url, "--again", shift="+3h")
    assert (done["corrected"]["waiting"], await ahead(conn)) == (6, {0})
    await settle(a_drain(connections, seed=3), tenant.tenant_id)
    assert (await tenant.states())["assigned"] == 7
    await proven(conn)


async def test_leads_accepted_before_since_keep_their_times(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    await waiting_tenant(conn, connections)
    await conn.execute(
        "update lead set received_at = received_at - interval '2 h', created_at = created_at - interval '2 h' "
        "where external_id in ('e0', 'e1')"
    )
    assert (await restamped(database_url, "--since", "1h"))["corrected"]["waiting"] == 4


async def test_a_shift_that_explains_nothing_changes_nothing(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    await waiting_tenant(conn, connections)
    for shift in ("-8h", "+12h", "+20h"):
        done = await restamped(database_url, shift=shift)
        assert (done["corrected"]["waiting"], done["not_explained"]) == (0, 6)
    assert await conn.fetchval("select count(*) from lead_correction") == 0


async def test_stamps_ahead_are_set_back(conn: asyncpg.Connection, connections: Connections, database_url: str) -> None:
    tenant = await make_tenant(conn, simple_reps(2), FRESH.replace("{within: 2h}", "today"))
    now = await clock(conn)
    await tenant.accept(of_form(i, now + 24 * HOUR) for i in range(5))
    await settle(a_drain(connections), tenant.tenant_id)
    await restamped(database_url, shift="-24h")
    await settle(a_drain(connections, seed=2), tenant.tenant_id)
    assert (await tenant.states())["assigned"] == 5
    await proven(conn)


async def test_a_lead_that_somebody_has_locked_is_passed_over_and_the_next_run_corrects_it(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    await waiting_tenant(conn, connections)
    for table in ("lead_pool", "lead"):
        async with connected(database_url) as other, other.transaction():
            taken = await other.fetchval(
                f"select lead_id from {table} where source = 'form' and lead_id in (select lead_id from lead_pool) "
                "and not exists (select from lead_correction c where c.lead_id = "
                f"{table}.lead_id) order by lead_id limit 1 for update"
            )
            done = await restamped(database_url, code=1)
            assert (done["locked"], taken is not None) == (1, True)
        if table == "lead_pool":
            await conn.execute("delete from lead_correction where lead_id <> $1", taken)
            await conn.execute(
                "update lead set created_at = received_at - interval '8 h' where source = 'form' "
                "and lead_id in (select lead_id from lead_pool)"
            )
            await conn.execute(
                "update lead_pool p set created_at = l.created_at from lead l where l.lead_id = p.lead_id"
            )
    assert (await restamped(database_url))["corrected"]["waiting"] == 1
    assert await ahead(conn) == {0}


async def test_a_lane_that_stays_locked_is_told_and_nothing_was_changed(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    await waiting_tenant(conn, connections)
    async with connected(database_url) as other, other.transaction():
        await other.execute("select 1 from lane for update")
        done = await restamped(database_url, code=1)
    assert (done["lane_locked"], done["corrected"]["waiting"]) == (True, 0)
    assert await conn.fetchval("select count(*) from lead_correction") == 0


async def test_parked_leads_are_corrected_and_stay_parked_until_somebody_sends_them_back(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await waiting_tenant(conn, connections)
    parked = await find_lead(conn, "form/e3", "acme")
    await park(conn, parked, "ann", "asked not to be called")
    done = await restamped(database_url)
    assert done["corrected"] == {"waiting": 5, "parked": 1}
    await settle(a_drain(connections, seed=2), tenant.tenant_id)
    assert {s: n for s, n in (await tenant.states()).items() if n} == {"waiting": 1, "parked": 1, "assigned": 6}
    await unpark(conn, parked, "ann", "may be called")
    await settle(a_drain(connections, seed=3), tenant.tenant_id)
    assert (await tenant.states())["assigned"] == 7
    await proven(conn)


async def test_one_entry_of_the_change_log_tells_all_parts_with_an_example_and_why(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    await waiting_tenant(conn, connections)
    ask, done = Ask(await tenant_named(conn, "acme"), "form", 8 * HOUR), Done()
    await Restamp(conn, lambda: secrets.randbits(63), at_once=2).run(ask, "ann", "wrong zone", done, lambda: None)
    [change] = await conn.fetch("select * from change")
    assert (change["actor"], change["action"], change["why"]) == ("ann", "restamp", "wrong zone")
    assert change["subject"] == "leads of source form"
    assert "6 waiting leads shifted by +8h" in change["after"]
    assert change["before"].startswith("lead ") and change["before"].endswith("+00:00")


async def test_why_tells_of_the_correction_and_of_earlier_batches_with_the_time_of_then(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await waiting_tenant(conn, connections)
    found = await find_lead(conn, "form/e2", "acme")
    await restamped(database_url)
    await settle(a_drain(connections, seed=2), tenant.tenant_id)
    story = await why(conn, found)
    happened = [event.what for event in story.timeline]
    assert happened[-2:] == [Happened.CORRECTED, Happened.ASSIGNED]
    [event] = [one for one in story.timeline if one.what is Happened.CORRECTED]
    assert event.created is not None and event.created[1] - event.created[0] == 8 * HOUR
    assert story.lead.created_at == event.created[1]
    first = await why(conn, found, batch_no=1)
    assert first.record is not None and first.record.trouble is None and first.record.explanation is not None
    assert first.record.explanation.lead.created_at == event.created[0]


async def test_without_what_is_kept_the_audit_would_find_other_decisions(
    conn: asyncpg.Connection, connections: Connections, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await waiting_tenant(conn, connections)
    await restamped(database_url)
    await settle(a_drain(connections, seed=2), tenant.tenant_id)
    await proven(conn)
    monkeypatch.setattr(RecordedFacts, "at", lambda self, _batch: self.latest)
    assert (await audit(conn, None, 1000)).violations != []


async def test_a_replay_by_the_same_rules_makes_no_difference_where_times_were_corrected_between_batches(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await waiting_tenant(conn, connections)
    await tenant.accept([of_form(950, await clock(conn))])
    await settle(a_drain(connections, seed=2), tenant.tenant_id)
    await restamped(database_url)
    await settle(a_drain(connections, seed=3), tenant.tenant_id)
    [returned] = await conn.fetch("select lead_id from lead where external_id = 'e1'")
    await end(conn, tenant.tenant_id, returned[0], Ending.RETURNED)
    await settle(a_drain(connections, seed=4), tenant.tenant_id)
    rules = read_rules(FRESH, "rules")
    found = await replay(conn, await tenant_named(conn, "acme"), Changes(rules=rules))
    assert (found.skipped.count, changes_by_kind(found).total()) == (0, 0)
    since = await conn.fetchval("select max(at) from flight where batch_no < (select max(batch_no) from flight)")
    late = await replay(conn, await tenant_named(conn, "acme"), Changes(rules=rules), since)
    assert changes_by_kind(late).total() == 0


async def test_routers_and_corrections_at_the_same_time_lose_and_double_nothing(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await waiting_tenant(conn, connections, 300)
    rng = random.Random(7)
    stop = asyncio.Event()

    async def routing(seed: int) -> None:
        drain = a_drain(connections, seed=seed, ready=20)
        while not stop.is_set():
            await drain.drain_tenant(tenant.tenant_id)
            await asyncio.sleep(rng.random() / 100)

    async def correcting() -> None:
        async with connected(database_url) as other:
            ask, done = Ask(await tenant_named(other, "acme"), "form", 8 * HOUR), Done()
            work = Restamp(other, lambda: rng.getrandbits(63), at_once=15)
            await work.run(ask, "ann", "wrong zone", done, lambda: None)
            assert done.total + done.locked == 300
            stop.set()

    async with asyncio.TaskGroup() as group:
        for seed in (2, 3):
            group.create_task(routing(seed))
        group.create_task(correcting())
    await settle(a_drain(connections, seed=5), tenant.tenant_id)
    await restamped(database_url)
    await settle(a_drain(connections, seed=6), tenant.tenant_id)
    assert {s: n for s, n in (await tenant.states()).items() if n} == {"waiting": 1, "assigned": 301}
    await proven(conn)


async def test_the_finding_judges_the_source_by_what_arrived_and_prints_the_command(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(2), FRESH)
    now = await clock(conn)
    for i in range(25):
        at = now - timedelta(minutes=25 - i)
        await tenant.accept([of_form(i, at - 8 * HOUR - timedelta(seconds=5))], at)
    await settle(a_drain(connections), tenant.tenant_id)
    [found] = await findings(conn, "stamps_shifted")
    assert (found.severity, found.held_back) == ("critical", 25)
    assert found.command is not None
    words = shlex.split(found.command)
    assert words[:6] == ["lead-router", "leads", "restamp", "--tenant=acme", "--source=form", "--shift=+8h"]
    done = await command(database_url).json(*(word for word in words[2:] if word != "--dry-run"))
    assert done["corrected"]["waiting"] == 25
    await settle(a_drain(connections, seed=2), tenant.tenant_id)
    assert (await tenant.states())["assigned"] == 25
    [after] = await findings(conn, "stamps_shifted")
    assert (after.severity, after.held_back) == ("warning", 0), "the next leads will be wrong, too"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--shift", "8"], "invalid shift '8'"),
        (["--shift", "+10m"], "quarter hours"),
        (["--shift", "+99h"], "up to 26h"),
        (["--source", "fomr"], "no lead of source 'fomr'"),
        (["--tenant", "acmee"], "acmee"),
        (["--since", "yesterday"], "invalid time"),
        (["--why", " "], "give the reason"),
        (["--source", "a\x00b"], "nothing was changed"),
    ],
)
async def test_what_cannot_be_meant_is_refused_and_changes_nothing(
    conn: asyncpg.Connection, connections: Connections, database_url: str, wrong: list[str], told: str
) -> None:
    await waiting_tenant(conn, connections, 2)
    words = ["restamp", "--tenant", "acme", "--source", "form", "--shift", "+8h", *REASON, *wrong]
    result = await command(database_url).run(*words)
    assert (result.exit_code, told in result.output) == (2, True), result.output
    assert await conn.fetchval("select count(*) from lead_correction") == 0


async def test_a_lead_without_a_source_is_corrected_too(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1), FRESH)
    now = await clock(conn)
    await tenant.accept([of_form(1, now - 8 * HOUR)._replace(source="")])
    await settle(a_drain(connections), tenant.tenant_id)
    result = await command(database_url).run(
        "restamp", "--tenant", "acme", "--source=", "--shift", "+8h", "--dry-run", *REASON
    )
    assert "1 waiting of source (none) would be corrected by +8h" in result.stdout, result.output
    assert "do: lead-router leads restamp --tenant=acme --source= --shift=+8h" in result.stdout


async def test_a_part_costs_as_little_among_many_leads_of_which_the_server_knows_nothing_yet(
    conn: asyncpg.Connection,
) -> None:
    """The statistics of the tables are those of empty ones."""
    tenant = await make_tenant(conn, simple_reps(1), FRESH)
    await conn.execute(
        "insert into lead (tenant_id, source, external_id, created_at) "
        "select $1, 'form', n::text, now() from generate_series(1, 20000) n",
        tenant.tenant_id,
    )
    await conn.execute(
        "insert into lead_pool (tenant_id, lead_id, rank, queued_at, created_at, source) "
        "select tenant_id, lead_id, 0, received_at, created_at, source from lead"
    )
    first = await conn.fetchval("select min(lead_id) from lead") + 9_000
    asked = {"tenant_id": tenant.tenant_id, "lead_ids": list(range(first, first + 100)), "since": None, "limit": 100}
    asked |= {"first": first, "last": first + 99, "source": "form", "after_lead_id": first, "shift_s": 3600.0}
    asked |= {"wake_key": 1}
    family = load("restamp")
    async with conn.transaction():
        await family.steady_plans.execute(conn)
        for name in ("waiting_next", "take_waiting", "take_leads", "correct_leads", "correct_pool"):
            statement = getattr(family, name)
            explained = await conn.fetchval(
                f"explain (analyze, format json) {statement.sql}", *(asked[one] for one in statement.parameters)
            )
            assert _most_rows(json.loads(explained)[0]["Plan"]) <= 100, name


def _most_rows(plan: dict[str, Any]) -> float:
    """The most rows that a node of the plan touched."""
    own: float = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) * plan["Actual Loops"]
    return max([own, *(_most_rows(below) for below in plan.get("Plans", ()))])
