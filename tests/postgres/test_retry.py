"""Leads sent back in bulk: all of them, none twice, and never before the new ones."""

import asyncio
import json
import os
import re
import secrets
import signal
import sys
from datetime import UTC, datetime, timedelta
from functools import partial

import asyncpg
import pytest

from loadtest.shell import PROJECT
from ops.audit.audit import audit
from ops.cli.retry import retry as retry_command
from ops.waiting.retry import Ask, Done, Plan, Retry
from router.domain.reason import Reason
from router.store.connections.connections import Connections
from router.store.pauses import pause
from router.store.statements import load
from router.store.tenants import tenant_named
from tests.command_line import CommandLine
from tests.support import connected, until
from tests.workers import serving
from tests.world import Tenancy, a_drain, lead, make_tenant, settle, simple_reps

NO_RULE = """
rules:
  - {name: east, match: {region: [east]}, assign_to: "group:all"}
"""
ANY = Ask(None, None)


async def parked(tenant: Tenancy, reason: Reason, first: int, count: int, at: str = "clock_timestamp()") -> None:
    """Leads `first` … that were parked for a reason."""
    source = [lead(number, invalid="nobody can be reached") for number in range(first, first + count)]
    await tenant.accept(source)
    await tenant.conn.execute(
        f"update parked set reason = $1, detail = '', parked_at = {at} where detail = 'nobody can be reached'",
        reason.value,
    )


def a_retry(conn: asyncpg.Connection, at_once: int = 2000) -> Retry:
    return Retry(conn, lambda: secrets.randbits(63), at_once=at_once)


async def retried(conn: asyncpg.Connection, ask: Ask = ANY, at_once: int = 2000) -> tuple[Plan, Done]:
    """Plans and does it for the tenant acme."""
    work, done = a_retry(conn, at_once), Done()
    plan = await work.plan(await tenant_named(conn, "acme"), ask)
    await work.run(plan, ask, "ann", "mended", done, lambda: None)
    return plan, done


async def changes(conn: asyncpg.Connection) -> list[tuple[str, ...]]:
    rows = await conn.fetch("select actor, action, subject, before, after, why from change order by id")
    return [tuple(row) for row in rows]


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> Tenancy:
    return await make_tenant(conn, simple_reps(3, max_open=100_000, max_per_day=100_000))


async def test_parked_leads_of_a_reason_go_back_in_parts_and_get_a_rep(
    tenant: Tenancy, conn: asyncpg.Connection, connections: Connections
) -> None:
    await parked(tenant, Reason.INTERNAL_ERROR, 0, 25)
    await parked(tenant, Reason.NO_MATCHING_RULE, 100, 4)
    plan, done = await retried(conn, Ask(Reason.INTERNAL_ERROR, None), at_once=10)
    assert (plan.parked, plan.waiting, plan.left) == ({"internal_error": 25}, {}, {})
    assert (done.sent_back, done.looked_at_again, done.locked) == (25, 0, 0)
    told = ("ann", "retry", "reason internal_error", "10 leads parked", "to be decided", "mended")
    assert [row[3] for row in await changes(conn)] == ["10 leads parked", "10 leads parked", "5 leads parked"]
    assert (await changes(conn))[0] == told
    assert (await audit(conn)).ok
    await settle(a_drain(connections), tenant.tenant_id)
    assert {state: n for state, n in (await tenant.states()).items() if n} == {"assigned": 25, "parked": 4}
    assert (await audit(conn)).ok
    assert await conn.fetchval("select count(*) from wake_key") == 0


async def test_whoever_returned_a_lead_does_not_get_it_after_a_retry(
    tenant: Tenancy, conn: asyncpg.Connection, connections: Connections
) -> None:
    await parked(tenant, Reason.NOBODY_AVAILABLE, 0, 6)
    numbers = [row["rep_no"] for row in await conn.fetch("select rep_no from rep where rep_id <> 'r003'")]
    await conn.execute("update parked set excluded = $1", numbers)
    await retried(conn)
    await settle(a_drain(connections), tenant.tenant_id)
    assert await tenant.counts() == {"r003": 6}


async def test_a_lead_that_was_parked_for_its_age_is_not_parked_again_at_once(
    tenant: Tenancy, conn: asyncpg.Connection, connections: Connections
) -> None:
    await tenant.roster(simple_reps(3, max_open=0))
    drain = a_drain(connections)
    long_ago = datetime.now(UTC) - timedelta(days=31)
    await tenant.accept([lead(1)], long_ago)
    await settle(drain, tenant.tenant_id, long_ago)
    await settle(drain, tenant.tenant_id)
    assert (await tenant.states())["parked"] == 1
    await retried(conn, Ask(Reason.ALL_AT_OPEN_CAP, None))
    await settle(drain, tenant.tenant_id)
    assert await conn.fetchval("select queued_at > now() - interval '1 hour' and wake_key <> 0 from lead_pool")


async def test_waiting_leads_are_looked_at_again_once_and_keep_their_age(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(1), NO_RULE)
    drain = a_drain(connections)
    await tenant.accept(lead(number, region="west") for number in range(7))
    await settle(drain, tenant.tenant_id)
    queued = await conn.fetch("select lead_id, queued_at from lead_pool order by 1")
    assert not (await drain.drain_tenant(tenant.tenant_id)).leads
    plan, done = await retried(conn, Ask(Reason.NO_MATCHING_RULE, None), at_once=3)
    assert (plan.waiting, done.looked_at_again) == ({"no_matching_rule": 7}, 7)
    assert (await audit(conn)).ok
    assert (await settle(drain, tenant.tenant_id)).refused.total() == 7
    assert await conn.fetch("select lead_id, queued_at from lead_pool order by 1") == queued
    assert (await retried(conn, Ask(Reason.GROUP_EMPTY, None)))[1].seen == 0
    assert (await audit(conn)).ok


async def test_since_leaves_the_older_ones(tenant: Tenancy, conn: asyncpg.Connection) -> None:
    await parked(tenant, Reason.INTERNAL_ERROR, 0, 3, "clock_timestamp() - interval '2 days'")
    await parked(tenant, Reason.INTERNAL_ERROR, 10, 2)
    _, done = await retried(conn, Ask(None, datetime.now(UTC) - timedelta(hours=1)))
    assert done.sent_back == 2


async def test_invalid_leads_and_those_parked_by_hand_go_back_only_by_name(
    tenant: Tenancy, conn: asyncpg.Connection
) -> None:
    await parked(tenant, Reason.LEAD_INVALID, 0, 3)
    await parked(tenant, Reason.SCREENING, 10, 2)
    await parked(tenant, Reason.INTERNAL_ERROR, 20, 1)
    plan, done = await retried(conn)
    assert (plan.left, done.sent_back) == ({"lead_invalid": 3, "screening": 2}, 1)
    assert (await retried(conn, Ask(Reason.LEAD_INVALID, None)))[1].sent_back == 3


async def test_a_locked_lead_is_passed_over_and_counted(
    tenant: Tenancy, conn: asyncpg.Connection, database_url: str
) -> None:
    await parked(tenant, Reason.INTERNAL_ERROR, 0, 5)
    async with connected(database_url) as holder, holder.transaction():
        await holder.execute("select from parked order by lead_id limit 2 for update")
        async with asyncio.timeout(60):
            _, done = await retried(conn)
        assert (done.sent_back, done.locked) == (3, 2)
    assert (await retried(conn))[1].sent_back == 2
    assert (await audit(conn)).ok


async def test_a_locked_waiting_lead_is_passed_over_and_counted(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1), NO_RULE)
    await tenant.accept(lead(number, region="west") for number in range(3))
    await settle(a_drain(connections), tenant.tenant_id)
    async with connected(database_url) as holder, holder.transaction():
        await holder.execute("select from lead_pool order by lead_id limit 1 for update")
        async with asyncio.timeout(60):
            _, done = await retried(conn)
    assert (done.looked_at_again, done.locked) == (2, 1)


async def test_a_retry_that_ends_in_the_middle_is_finished_by_the_same_again(
    tenant: Tenancy, conn: asyncpg.Connection, connections: Connections
) -> None:
    await parked(tenant, Reason.INTERNAL_ERROR, 0, 20)
    work, done = a_retry(conn, at_once=5), Done()
    plan = await work.plan(await tenant_named(conn, "acme"), ANY)

    def stop_soon() -> None:
        if done.seen == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await work.run(plan, ANY, "ann", "", done, stop_soon)
    assert done.sent_back == 10
    assert {state: n for state, n in (await tenant.states()).items() if n} == {"waiting": 10, "parked": 10}
    assert (await retried(conn))[1].sent_back == 10
    await settle(a_drain(connections), tenant.tenant_id)
    assert (await tenant.states())["assigned"] == 20
    assert (await audit(conn)).ok


async def test_ctrl_c_ends_the_command_in_good_order_and_the_same_again_does_the_rest(
    tenant: Tenancy, conn: asyncpg.Connection, database_url: str
) -> None:
    await parked(tenant, Reason.INTERNAL_ERROR, 0, 12_000)
    command = (sys.executable, "-c", "from ops.cli import main; main()", "retry", "--tenant", "acme", "--json")
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=PROJECT,
        env={**os.environ, "LEAD_ROUTER_DATABASE_URL": database_url},
        stdout=asyncio.subprocess.PIPE,
        # Tests that run in a shell's background have it ignored, and what they start inherits that.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    await until(lambda: conn.fetchval("select exists (select from lead_pool)"), "the first part is sent back")
    process.send_signal(signal.SIGINT)
    output, _ = await process.communicate()
    assert process.returncode == 130
    told, states = json.loads(output), await tenant.states()
    assert (told["stopped"], states["waiting"] + states["parked"]) == (True, 12_000)
    assert 0 <= states["waiting"] - told["sent_back"] <= 2000  # a part whose commit was under way
    assert states["parked"] > 0
    await retried(conn)
    assert (await tenant.states())["waiting"] == 12_000
    assert (await audit(conn)).ok


async def test_each_part_begins_where_the_last_ended_and_sorts_nothing(conn: asyncpg.Connection) -> None:
    where = {"tenant_id": 1, "since": None, "limit": 2000, "after_lead_id": 7}
    late = {"upto_batch": 9, "after_wake_key": 3, "after_rank": 0, "after_queued_at": datetime(2026, 3, 2, tzinfo=UTC)}
    retries = load("retry")
    async with conn.transaction():
        await retries.in_order.execute(conn)
        for statement, extra in (
            (retries.parked_next, {"reasons": ["internal_error"]}),
            (retries.waiting_next, {"wake_keys": list(range(500)), **late}),
        ):
            arguments = where | extra
            rows = await conn.fetch(f"explain {statement.sql}", *(arguments[name] for name in statement.parameters))
            plan = "\n".join(row[0] for row in rows)
            assert "Sort" not in plan
            assert re.search(r"Index Cond: .*(ROW\(|lead_id >)", plan), plan


async def test_two_who_retry_at_once_send_every_lead_back_once(
    tenant: Tenancy, conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    await parked(tenant, Reason.INTERNAL_ERROR, 0, 300)
    async with connected(database_url) as other:
        both = await asyncio.gather(retried(conn, at_once=20), retried(other, at_once=20))
    assert sum(done.sent_back for _, done in both) == 300
    await settle(a_drain(connections), tenant.tenant_id)
    assert (await tenant.states())["assigned"] == 300
    assert (await audit(conn)).ok


async def test_a_flood_of_retries_does_not_go_before_new_leads(
    tenant: Tenancy, conn: asyncpg.Connection, connections: Connections
) -> None:
    flood, new = 20_000, 2_000
    await parked(tenant, Reason.INTERNAL_ERROR, 0, flood)
    await tenant.conn.execute("update lead set priority = 5")
    await retried(conn)
    drain = a_drain(connections)
    came = flood
    while (await tenant.states())["waiting"]:
        if came < flood + new:
            await tenant.accept(lead(number) for number in range(came, came + 200))
            came += 200
        await drain.drain_tenant(tenant.tenant_id, batch_limit=1)
    when = await conn.fetch(
        """select external_id >= 'e' || $1 and length(external_id) = length('e' || $1) as fresh, batch_no, count(*)
             from assignment join lead using (tenant_id, lead_id) group by 1, 2 order by 2""",
        str(flood),
    )
    last_new = max(row["batch_no"] for row in when if row["fresh"])
    before = sum(row["count"] for row in when if not row["fresh"] and row["batch_no"] <= last_new)
    assert sum(row["count"] for row in when) == flood + new
    # Ten batches with 200 new leads each: each new one in the first batch after it came.
    assert last_new <= 11
    assert before <= 10 * 250 + 1000 < flood / 2
    assert (await audit(conn)).ok


async def test_new_leads_are_routed_at_once_while_a_daemon_works_off_a_flood(
    tenant: Tenancy, conn: asyncpg.Connection, database_url: str
) -> None:
    await parked(tenant, Reason.INTERNAL_ERROR, 0, 20_000)
    async with serving(database_url, drain_batch_leads=200) as daemon, connected(database_url) as other:
        await daemon.said("started")
        sending = asyncio.create_task(retried(other))

        async def begun() -> bool:
            return bool(await conn.fetchval("select exists (select from assignment)"))

        await until(begun, "the first of the flood is assigned")
        await tenant.accept(lead(number) for number in range(30_000, 30_100))
        await sending

        async def over() -> bool:
            return (await tenant.states())["assigned"] == 20_100

        await until(over, "the flood is routed too", deadline_s=120)
    later = await conn.fetchval(
        """with batch as (select batch_no, external_id >= 'e30000' and length(external_id) = 6 as fresh
                            from assignment join lead using (tenant_id, lead_id))
           select count(*) from batch where batch_no > (select max(batch_no) from batch where fresh)"""
    )
    assert later > 5_000, "the new leads had to wait for most of the flood"
    assert (await audit(conn)).ok


async def test_what_was_sent_back_is_found_without_a_hint(
    tenant: Tenancy, conn: asyncpg.Connection, connections: Connections
) -> None:
    drain = a_drain(connections)
    await parked(tenant, Reason.INTERNAL_ERROR, 0, 3)
    assert await drain.tenants_with_work() == [tenant.tenant_id]  # new rules
    await settle(drain, tenant.tenant_id)
    assert await drain.tenants_with_work() == []
    await retried(conn)
    assert await drain.tenants_with_work() == [tenant.tenant_id]


async def test_a_dry_run_counts_by_tenant_and_reason_and_changes_nothing(
    tenant: Tenancy, conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    await parked(tenant, Reason.INTERNAL_ERROR, 0, 1200)
    other = await make_tenant(conn, simple_reps(1), NO_RULE, name="other")
    await other.accept([lead(5000, region="west")])
    await settle(a_drain(connections), other.tenant_id)
    before = [await tenant.states(), await other.states(), await conn.fetch("select * from lane order by 1")]
    command = CommandLine(retry_command, database_url)
    told = await command.json("--since", "1h", "--dry-run")
    assert (told["dry_run"], told["sent_back"]) == (True, 0)
    acme, second = told["tenants"]
    assert (acme["tenant"], acme["parked"], acme["waiting"]) == ("acme", {"internal_error": 1200}, {})
    assert acme["expected"]["batches"] == [1, 3]
    assert (second["tenant"], second["waiting"]) == ("other", {"no_matching_rule": 1})
    text = (await command.run("--since", "1h", "--dry-run")).stdout
    assert "nothing changed (--dry-run)" in text
    assert "acme: expected to be decided within 1 to 3 batches" in text
    assert before == [await tenant.states(), await other.states(), await conn.fetch("select * from lane order by 1")]
    assert await changes(conn) == []


async def test_the_command_does_it_and_says_so(tenant: Tenancy, conn: asyncpg.Connection, database_url: str) -> None:
    await parked(tenant, Reason.INTERNAL_ERROR, 0, 3)
    await parked(tenant, Reason.LEAD_INVALID, 10, 2)
    command = CommandLine(retry_command, database_url)
    done = await command.run("--tenant", "acme", "--why", "mended")
    assert done.exit_code == 0, done.output
    assert "3 sent back, 0 to be retried" in done.stdout
    assert "acme: 2 stay parked; to send them back, add --reason lead_invalid" in done.stdout
    assert [row[-1] for row in await changes(conn)] == ["mended"]
    nothing = await command.run("--reason", "internal_error")
    assert (nothing.exit_code, "no lead to retry" in nothing.stdout) == (0, True)


async def test_in_a_pause_they_go_back_and_it_is_said_what_they_wait_for(
    tenant: Tenancy, conn: asyncpg.Connection, database_url: str
) -> None:
    await parked(tenant, Reason.INTERNAL_ERROR, 0, 3)
    await pause(conn, await tenant_named(conn, "acme"), timedelta(hours=1), "ann", "CRM upgrade")
    told = await CommandLine(retry_command, database_url).json("--tenant", "acme")
    assert told["sent_back"] == 3
    assert "CRM upgrade" in told["tenants"][0]["held_by"]


async def test_a_lane_that_somebody_keeps_is_said_and_keeps_back_its_tenant_only(
    tenant: Tenancy, conn: asyncpg.Connection, database_url: str
) -> None:
    await parked(tenant, Reason.INTERNAL_ERROR, 0, 3)
    other = await make_tenant(conn, simple_reps(1), name="other")
    await parked(other, Reason.INTERNAL_ERROR, 10, 2)
    async with connected(database_url) as holder, holder.transaction():
        await holder.execute("select from lane where tenant_id = $1 for update", tenant.tenant_id)
        told = await CommandLine(retry_command, database_url).json("--reason", "internal_error", code=1)
    assert (told["sent_back"], told["lanes_locked"]) == (2, ["acme"])
    assert (await tenant.states())["parked"] == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say which leads"),
        (("--reason", "no_idea"), "no_idea"),
        (("--reason", "'; drop table parked; --"), "drop table"),
        (("--tenant", "nobody"), "there is no tenant 'nobody'"),
        (("--since", "yesterday"), "invalid time 'yesterday'"),
        (("--since", "2026-03-02T12:00"), "has no offset"),
        (("--since", "0001-01-01T00:00+14:00"), "invalid time"),
        (("--since", "999999999d"), "between 1s and 3650d"),
        (("--tenant", "acme", "--why", "x" * 1001), "1,001 characters"),
    ],
)
async def test_what_cannot_be_asked_for_is_refused(
    tenant: Tenancy, database_url: str, arguments: tuple[str, ...], said: str
) -> None:
    refused = await CommandLine(retry_command, database_url).run(*arguments)
    assert (refused.exit_code, said in refused.stderr) == (2, True), refused.output
