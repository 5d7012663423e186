"""The audit finds every kind of violation when it is planted, and nothing where nothing is wrong."""

import asyncio
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from ops.audit.audit import Step, audit
from ops.audit.kinds import DERIVED, KINDS
from ops.cli.audit import audit as audit_command
from router.store.statements import load
from router.store.tenants import TenantUnknown
from tests.command_line import CommandLine
from tests.postgres import audit_world as world
from tests.postgres.audit_world import BATCH_1
from tests.support import connected

HELPERS = {"hold_partitions", "settings", "states", "rulesets_used", "sample_of_flights", "given_in"}
HOUR = timedelta(hours=1)
LATER = BATCH_1 + timedelta(days=7)

# What is planted, the kinds that it is, and a word that an example must show.
PLANTED: dict[str, tuple[str, set[str], str]] = {
    "a row of a tenant that is not there": (
        "insert into parked (tenant_id, lead_id, reason, parked_at) values (99, 1, 'paused', now())",
        {"unknown_tenant"},
        "tenant 99",
    ),
    "the primary key of assignments is gone": (
        "alter table assignment drop constraint assignment_pkey",
        {"uniqueness_not_enforced"},
        "table assignment",
    ),
    "a pool row deleted behind our back": (
        "delete from lead_pool where lead_id = 5",
        {"lead_without_state", "accepted_differs"},
        "lead 5",
    ),
    "a journal's file that lost leads": (
        "insert into journalled (tenant_id, journal_id, taken, drained, leads) values (1, 7, 10, 4, 3)",
        {"journal_differs"},
        "journal 7: took 10, drained 4, holds 3",
    ),
    "an assigned lead that is closed as well": (
        "insert into closed values (1, 1, now(), 'lost')",
        {"lead_in_two_states", "accepted_differs"},
        "lead 1: assigned and closed",
    ),
    "a lead deleted, its parked row left": (
        "delete from lead where lead_id = 7",
        {"state_without_lead", "accepted_differs"},
        "lead 7 in parked",
    ),
    "a lead deleted with its state, its past left": (
        "delete from lead where lead_id = 10; delete from lead_pool where lead_id = 10",
        {"state_without_lead"},
        "lead 10 in assignment_history",
    ),
    "one state lost and one invented, so that the sum is right": (
        "delete from lead_pool where lead_id = 5; insert into parked values (1, 999, 'paused', '', now())",
        {"lead_without_state", "state_without_lead"},
        "lead 999 in parked",
    ),
    "merged into a lead that is not there": (
        "update merged set into_lead_id = 999 where lead_id = 8",
        {"merged_into_missing"},
        "lead 8 into 999",
    ),
    "an archived lead that is not counted": (
        """insert into archived (tenant_id, lead_id, source, external_id, created_at, received_at, closed_at, outcome)
           values (1, 77, 'web', 'x', now(), now(), now(), 'won')""",
        {"archived_differs"},
        "0 counted, 1 there",
    ),
    "a removed lead that is not counted": (
        """insert into removed_lead (tenant_id, lead_id, source, external_id, created_at, received_at, import_no,
                                     change_id) values (1, 77, 'web', 'x', now(), now(), 1, 1)""",
        {"removed_differs"},
        "0 counted, 1 there",
    ),
    "merged into a merged lead": (
        "update merged set into_lead_id = 12 where lead_id = 8",
        {"merged_chain"},
        "lead 8 into 12 into 1",
    ),
    "a lead that waits as another customer's": (
        "update lead_pool set customer_id = 77 where lead_id = 5",
        {"customer_differs"},
        "lead 5: customer none, in lead_pool customer 77",
    ),
    "an owner of a customer that is part of another": (
        "insert into customer_merge (tenant_id, merged_at, actor, batch_no, customer_id, into_customer_id, keys, leads)"
        " values (1, now(), 'ann', 1, 100, 101, '{}', '{}')",
        {"customer_merged_away"},
        "owner rep 1",
    ),
    "an assignment of which no event says anything": (
        "update tenant set events_since = '2026-03-02 01:00Z';"
        "insert into event (tenant_id, type, at, batch_no, leads) values"
        " (1, 'lead.assigned', '2026-03-02 02:00Z', 1, '{1,2,4}'), (1, 'lead.ended', '2026-03-02 02:00Z', 1, '{3}')",
        {"event_missing"},
        "lead 3: assigned in batch 2",
    ),
    "the lane is gone": ("delete from lane", {"lane_missing"}, "tenant acme"),
    "two current assignments of a lead": (
        "alter table assignment drop constraint assignment_pkey;"
        "insert into assignment select tenant_id, lead_id, 3, customer_id, assigned_at, batch_no, 9 from assignment"
        " where lead_id = 1; update rep_load set open = open + 1, today = today + 1 where rep_no = 3",
        {"lead_assigned_twice", "uniqueness_not_enforced", "accepted_differs"},
        "lead 1: reps 1, 3",
    ),
    "two assignments at one place of a batch": (
        "update assignment set seq = 0 where lead_id = 2",
        {"seq_doubled"},
        "batch 1, place 0: leads 1, 2",
    ),
    "an assignment that ended and goes on": (
        "insert into assignment_history select a.*, now(), 'withdrawn' from assignment a where lead_id = 1",
        {"seq_doubled"},
        "batch 1, place 0",
    ),
    "a wake key that is not there": ("delete from wake_key", {"wake_key_unknown"}, "the first is 4"),
    "a parking by a batch that never was": (
        "update parked set last_batch_no = 77 where lead_id = 6",
        {"batch_unknown"},
        "batch 77: parking of 1 leads, the first is 6",
    ),
    "a refusal by a batch that never was": (
        "update lead_pool set last_batch_no = 78 where lead_id = 4",
        {"batch_unknown"},
        "batch 78: refusal",
    ),
    "an assignment by a batch that never was": (
        "update assignment set batch_no = 79 where lead_id = 3",
        {"batch_unknown"},
        "batch 79: assignment",
    ),
    "a past assignment by a batch that never was": (
        "update assignment_history set batch_no = 80 where lead_id = 9",
        {"batch_unknown"},
        "batch 80: past assignment",
    ),
    "a flight record lost": ("delete from flight where batch_no = 4", {"flight_missing"}, "batch 4"),
    "the first flight record lost": (
        "delete from flight where batch_no = 1",
        {"flight_missing", "batch_unknown"},
        "batch 1: assignment of 2 leads",
    ),
    "two flight records of a batch": (
        "insert into flight select 1, 1, '2026-03-02 02:30Z', 1, 1, 1, 'drain', 5, ''",
        {"flight_doubled"},
        "batch 1: 2 records",
    ),
    "the lane went back": ("update lane set batch_no = 3", {"flight_beyond_lane"}, "batch 4, the lane is at 3"),
    "a batch before the one before it": (
        "update flight set at = '2026-03-02 03:30Z' where batch_no = 4",
        {"flight_out_of_order"},
        "batch 4",
    ),
    "a batch after the lane's last instant": (
        "update lane set last_at = '2026-03-02 04:59Z'",
        {"flight_out_of_order"},
        "batch 4",
    ),
    "a lead that came at a time to come": (
        "update lead set received_at = clock_timestamp() + interval '1 day' where lead_id = 1",
        {"time_to_come"},
        "1 rows of lead",
    ),
    "an assignment with another instant than its batch": (
        "update assignment set assigned_at = assigned_at + interval '1 second' where lead_id = 1",
        {"assigned_at_wrong"},
        "lead 1",
    ),
    "a rep that never was": (
        "insert into customer_owner values (1, 101, 99)",
        {"unknown_rep"},
        "rep 99: 1 rows of customer_owner",
    ),
    "a rep who joined after the batch": (
        "delete from rep_row where rep_no = 2 and from_version = 1",
        {"unknown_rep"},
        "rep 2: 1 rows of past assignment under roster 1",
    ),
    "a group that never was": (
        "update assignment set group_no = 9 where lead_id = 1",
        {"unknown_group"},
        "group 9: 1 rows of assignment",
    ),
    "a version that never was": (
        "update flight set rates = 9 where batch_no = 4; update lane set roster = 8; update tenant set ruleset = 7",
        {"unknown_version"},
        "rates 9, named by flight",
    ),
    "two roster rows of a rep at once": (
        "insert into roster_version values (1, 3, now(), 'x'); update rep_row set to_version = 3 where rep_no = 3;"
        "insert into rep_row (tenant_id, rep_no, from_version, name, time_zone) values (1, 3, 2, 'Cy', 'UTC')",
        {"roster_overlap"},
        "rep 3: rows from version 1 and from version 2",
    ),
    "an open load too high": (
        "update rep_load set open = open + 1 where rep_no = 1",
        {"open_load_wrong"},
        "rep 1: load 3, inbox 0, really 2",
    ),
    "an ending that the inbox lost": (
        "delete from lane_inbox",
        {"open_load_wrong", "day_load_wrong"},
        "rep 3: load 1, inbox 0, really 0",
    ),
    "no load of a rep who has leads": (
        "delete from rep_load where rep_no = 2",
        {"open_load_wrong", "day_load_wrong"},
        "rep 2: load 0, inbox 0, really 1",
    ),
    "a day's load too low": (
        "update rep_load set today = today - 1 where rep_no = 2",
        {"day_load_wrong"},
        "rep 2 on 2026-03-02: load 1, inbox 0, really 2",
    ),
    "a load that stayed on yesterday": (
        "update rep_load set day = '2026-03-01', today = 0 where rep_no = 1",
        {"day_load_wrong"},
        "rep 1 on 2026-03-02: load 0, inbox 0, really 3",
    ),
    "more in a day than the rep's own cap": (
        "update rep_row set max_per_day = 1 where rep_no = 2",
        {"day_cap_exceeded"},
        "rep 2 on 2026-03-02: lead 3 of batch 2 made 2, the cap was 1",
    ),
    "more in a day than the ruleset's default": (
        "update ruleset set source = 'defaults: {max_per_day: 2}'",
        {"day_cap_exceeded"},
        "rep 1 on 2026-03-02: lead 10 of batch 1 made 3, the cap was 2",
    ),
    "more open than the rep's own cap": (
        "update rep_row set max_open = 0 where rep_no = 2",
        {"open_cap_exceeded"},
        "rep 2: lead 3 of batch 2 made 1 open, the cap was 0",
    ),
    "more open than the ruleset's default": (
        "update ruleset set source = 'defaults: {max_open: 2}'",
        {"open_cap_exceeded"},
        "rep 1: lead 10 of batch 1 made 3 open, the cap was 2",
    ),
    "credit out of nothing": (
        "update group_share set credit = '{-700,701}' where group_no = 1",
        {"credit_drift"},
        "group 1: credits add up to 1",
    ),
    "a ruleset that cannot be read": (
        "update ruleset set source = 'rules: ['",
        {"ruleset_unreadable"},
        "ruleset 1",
    ),
    "a ruleset whose default cap is no number": (
        "update ruleset set source = 'defaults: {max_open: many}'",
        {"ruleset_unreadable"},
        "'many' is not a whole number",
    ),
}


@pytest.fixture
async def acme(conn: asyncpg.Connection) -> asyncpg.Connection:
    """A connection to the consistent world; the session's zone is not the tenant's."""
    await world.build(conn)
    await conn.execute("set timezone = 'America/Santiago'")
    return conn


async def kinds(conn: asyncpg.Connection) -> set[str]:
    return {violation.kind.name for violation in (await audit(conn, sample=0)).violations}


async def test_a_clean_database_is_not_accused(acme: asyncpg.Connection) -> None:
    result = await audit(acme, sample=0)
    assert result.violations == []
    assert result.ok
    assert (result.accepted, result.states) == (world.ACCEPTED, world.STATES)


async def test_an_empty_database_is_not_accused(conn: asyncpg.Connection) -> None:
    result = await audit(conn)
    assert result.ok
    assert result.accepted == 0


@pytest.mark.parametrize("what", PLANTED)
async def test_a_planted_violation_is_found(acme: asyncpg.Connection, what: str) -> None:
    statement, expected, shown = PLANTED[what]
    await acme.execute(statement)
    result = await audit(acme, sample=0)
    assert {violation.kind.name for violation in result.violations} == expected
    assert shown in "; ".join(e for violation in result.violations for e in violation.examples)
    assert all(violation.count > 0 for violation in result.violations)


def test_the_list_of_kinds_is_closed() -> None:
    """Every statement is a kind, every kind has its statement, is planted here and told in docs/audit.md."""
    names = [kind.name for kind in KINDS]
    assert len(set(names)) == len(names)
    statements = {statement.name for statement in load("audit")}
    assert statements - HELPERS == set(names) - {kind.name for kind in DERIVED}
    planted = set().union(*(expected for _, expected, _ in PLANTED.values()))
    # The two of the replay are planted in the records of a real drain, in test_audit_replay.py.
    assert planted == set(names) - {"replay_differs", "record_differs"}
    told = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()
    assert [name for name in names if f"`{name}`" not in told] == []


async def test_violations_of_two_tenants_are_counted_together_and_named_apart(acme: asyncpg.Connection) -> None:
    await acme.execute("insert into tenant (tenant_id, name, time_zone) values (2, 'zeta', 'UTC')")
    await acme.execute("delete from lane")
    found = (await audit(acme, sample=0)).violations
    assert [(v.kind.name, v.count, v.examples) for v in found] == [
        ("lane_missing", 2, ("acme: tenant acme", "zeta: tenant zeta"))
    ]
    assert len((await audit(acme, "zeta", sample=0)).violations) == 1
    with pytest.raises(TenantUnknown):
        await audit(acme, "nobody")


async def test_a_place_may_be_given_from_the_instant_it_is_free(acme: asyncpg.Connection) -> None:
    """Rep 2 may have two open leads and has one: a third is right only when one has ended by then."""
    lead_id = await world.give(acme, 2, LATER)
    await world.end(acme, lead_id, LATER + HOUR, "won")
    await world.give(acme, 2, LATER + HOUR)
    assert await kinds(acme) == set()
    await acme.execute(
        "update assignment_history set ended_at = ended_at + interval '1 us' where lead_id = $1", lead_id
    )
    assert await kinds(acme) == {"open_cap_exceeded"}


async def test_a_returned_lead_counts_for_the_day_and_a_withdrawn_one_does_not(acme: asyncpg.Connection) -> None:
    """Rep 2 may have two leads a day."""
    await acme.execute("update rep_row set max_open = 9 where rep_no = 2")
    for outcome in ("returned", "withdrawn"):
        lead_id = await world.give(acme, 2, LATER)
        await world.end(acme, lead_id, LATER + HOUR, outcome)
    await world.give(acme, 2, LATER + HOUR)
    assert await kinds(acme) == set()
    await world.fold(acme)
    assert await kinds(acme) == set()
    await acme.execute("update assignment_history set outcome = 'returned' where lead_id = $1", lead_id)
    assert await kinds(acme) == {"day_cap_exceeded", "day_load_wrong"}


async def test_caps_are_judged_by_the_roster_of_the_batch(acme: asyncpg.Connection) -> None:
    """A cap lowered below the load accuses nobody of what was right before; a new lead above it does."""
    await acme.execute("insert into roster_version values (1, 3, now(), 'x')")
    await acme.execute("update rep_row set to_version = 3 where rep_no = 1")
    await acme.execute(
        "insert into rep_row (tenant_id, rep_no, from_version, name, time_zone, max_open) "
        "values (1, 1, 3, 'Ada', 'UTC', 1)"
    )
    assert await kinds(acme) == set()
    await world.give(acme, 1, LATER, roster=2)
    assert await kinds(acme) == set()
    await world.give(acme, 1, LATER + HOUR, roster=3)
    assert await kinds(acme) == {"open_cap_exceeded"}


async def test_the_day_is_the_tenants_business_day(acme: asyncpg.Connection) -> None:
    """Midnight in Shanghai is 16:00 UTC: two before it and two after it are two days, whatever the session's zone."""
    await acme.execute("update rep_row set max_open = 9 where rep_no = 2")
    midnight = LATER.replace(hour=16)
    for at in (midnight - HOUR, midnight - timedelta(microseconds=1), midnight, midnight + HOUR):
        await world.end(acme, await world.give(acme, 2, at), at + timedelta(minutes=1), "won")
    assert await kinds(acme) == set()
    await acme.execute("update tenant set time_zone = 'UTC'")
    assert "day_cap_exceeded" in await kinds(acme)


async def test_cap_is_exact_to_the_last_lead_of_a_batch(acme: asyncpg.Connection) -> None:
    """Four open are right by default (rep 1 has two); the fifth, last in its batch, is named with its numbers."""
    batch_no = 5
    for seq in range(2):
        await world.give(acme, 1, LATER, seq=seq, batch_no=batch_no if seq else None)
    assert await kinds(acme) == set()
    lead_id = await world.give(acme, 1, LATER, seq=2, batch_no=batch_no)
    (violation,) = (await audit(acme, sample=0)).violations
    assert violation.count == 1
    assert violation.examples == (f"acme: rep 1: lead {lead_id} of batch 5 made 5 open, the cap was 4",)


async def test_every_check_is_told_before_it_runs(acme: asyncpg.Connection) -> None:
    steps: list[Step] = []
    result = await audit(acme, sample=0, progress=steps.append)
    assert len(steps) == result.checks == steps[0].total
    assert [step.done for step in steps] == list(range(len(steps)))
    assert "open_cap_exceeded" in {step.check for step in steps if step.tenant == "acme"}


async def test_an_audit_while_others_write_accuses_nobody(acme: asyncpg.Connection, database_url: str) -> None:
    """It reads one snapshot: leads that change their state in the middle of it are counted once."""
    stop = asyncio.Event()
    async with connected(database_url) as other:
        writer = asyncio.create_task(world.keep_changing(other, stop))
        accepted = []
        try:
            for _ in range(8):
                result = await audit(acme, sample=0)
                assert result.violations == []
                accepted.append(result.accepted)
        finally:
            stop.set()
        rounds = await writer
    assert accepted == sorted(accepted)
    assert accepted[-1] > accepted[0]
    assert (await audit(acme, sample=0)).accepted == world.ACCEPTED + rounds


async def test_an_audit_gives_up_on_a_locked_table_instead_of_waiting_for_ever(
    acme: asyncpg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.audit.audit.LOCK_TIMEOUT_S", 0.1)
    async with connected(database_url) as other, other.transaction():
        await other.execute("lock table lead_pool in access exclusive mode")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await audit(acme, sample=0)


async def test_the_command_says_it_in_its_exit_code_and_in_json(acme: asyncpg.Connection, database_url: str) -> None:
    command = CommandLine(audit_command, database_url)
    told = await command.json("--sample", "0")
    assert told["ok"] is True
    assert told["violations"] == []
    assert told["accepted"] == sum(told["states"].values()) == world.ACCEPTED
    await acme.execute("delete from lead_pool where lead_id = 5")
    told = await command.json("--sample", "0", code=1)
    assert told["ok"] is False
    lost = next(v for v in told["violations"] if v["kind"] == "lead_without_state")
    assert lost["count"] == 1
    assert "lead 5" in lost["examples"][0]
    assert lost["means"]
    assert lost["do"]


async def test_the_command_shows_people_what_is_wrong(acme: asyncpg.Connection, database_url: str) -> None:
    await acme.execute("update rep_load set open = 9 where rep_no = 1")
    shown = await CommandLine(audit_command, database_url).run("--tenant", "acme", "--sample", "0")
    assert shown.exit_code == 1
    assert "open_load_wrong (promise 6): 1\n" in shown.stdout
    assert "- acme: rep 1: load 9, inbox 0, really 2\n" in shown.stdout
    unknown = await CommandLine(audit_command, database_url).run("--tenant", "nobody")
    assert unknown.exit_code == 2
    assert "acme" in unknown.stderr
