"""Cleanup: old rows go, sums stay, nothing that is still needed is touched, and the drain comes first."""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime

import asyncpg
import pytest

from ops.audit.audit import audit
from ops.cleanup.catalogue import CLEANED, TABLES
from ops.cleanup.cleaner import LeaseLost, Outcome
from ops.cleanup.plan import would_remove
from ops.doctor.checks import cleanup_overdue
from ops.doctor.scene import open_scene
from ops.status.document import document
from ops.status.status import status
from ops.text.translation import translator
from ops.why.collect import why
from ops.why.summary import summary
from router.settings.model import CleanupSettings
from router.store.assignments import Ending, FoundLead, LeadUnknown, end, find_lead
from router.store.cleanup import last_runs, take_lease
from router.store.connections.connections import Connections
from tests.cleaning import done, may_clean, script
from tests.postgres.cleanup_world import a_cleaner, a_past, age, clean, once, sane, tenants
from tests.support import connected, until
from tests.world import a_drain, lead, make_tenant, settle, simple_reps

ALWAYS = CleanupSettings(service="on", window="always")


async def test_archived_leads_stay_in_the_sums_and_the_audit_stays_clean(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    await a_past(conn, connections)
    before = await audit(conn)
    removed = await clean(connections, conn)
    assert removed["closed"] == 18  # 17 that were closed, and the one merged into the first of them
    assert removed["flight"] > 0
    states = await sane(conn)
    assert states["archived"] == 18 and states["closed"] == 0
    assert sum(states.values()) == before.accepted == 21
    found = await status(conn)
    assert found.balanced and found.states["archived"] == 18
    assert await conn.fetchval("select count(*) from lead") == 3
    assert await conn.fetchval("select count(*) from flight") == 0


async def test_what_is_young_stays(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await a_past(conn, connections, days=20)
    assert await clean(connections, conn) == {}
    assert (await tenant.states())["closed"] == 17
    await sane(conn)


async def test_a_dry_run_tells_what_is_then_removed_and_changes_nothing(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    await a_past(conn, connections)
    told = await would_remove(conn, await tenants(conn), ALWAYS)
    assert await would_remove(conn, await tenants(conn), ALWAYS) == told
    flat: dict[str, int] = {}
    for rows in told.values():
        for name, n in rows.items():
            flat[name] = flat.get(name, 0) + n
    assert flat == await clean(connections, conn) != {}
    assert await would_remove(conn, await tenants(conn), ALWAYS) == {}


async def test_flight_records_are_removed_before_leads_that_they_need(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_past(conn, connections)
    keeps = CleanupSettings(service="on", window="always", flight_records_days=1000)
    assert "closed" not in await clean(connections, conn, settings=keeps)
    assert (await tenant.states())["closed"] == 17
    await sane(conn)


async def test_rules_that_look_back_further_keep_their_leads(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_past(conn, connections)
    looks_back = "weights: {close_rate: {lookback_days: 900}}\nrules: [{name: all, match: {}, assign_to: group:all}]\n"
    await tenant.rules(looks_back)
    assert "closed" not in await clean(connections, conn)


async def test_the_drain_goes_on_and_its_records_can_be_run_again(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_past(conn, connections)
    await clean(connections, conn)
    await tenant.accept([lead(n) for n in range(100, 130)])
    await settle(a_drain(connections), tenant.tenant_id)
    states = await sane(conn)
    assert states["assigned"] == 33 and states["archived"] == 18


async def test_why_says_that_a_lead_is_archived(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await a_past(conn, connections)
    lead_id = await conn.fetchval("select min(lead_id) from closed")
    await clean(connections, conn)
    found = await find_lead(conn, "web/e0", (await tenants(conn))[0].name)
    assert found == FoundLead(tenant.tenant_id, lead_id)
    words = summary(await why(conn, found), translator("en"))
    assert words.startswith("Closed as") and "archived" in words
    duplicate = await find_lead(conn, "e21", (await tenants(conn))[0].name)
    assert f"a duplicate of lead {lead_id}" in summary(await why(conn, duplicate), translator("en"))
    kept = await conn.fetchval("select min(lead_id) from assignment")
    told = await why(conn, FoundLead(tenant.tenant_id, kept))
    assert told.record_gone is not None and "Assigned to" in summary(told, translator("en"))
    with pytest.raises(LeadUnknown):
        await find_lead(conn, "e999", (await tenants(conn))[0].name)


async def test_a_lead_that_is_archived_is_not_a_new_one_when_it_is_sent_again(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_past(conn, connections)
    await clean(connections, conn)
    again = await tenant.accept([lead(0), lead(5), lead(500), lead(0)])
    assert (again.new, again.repeated) == (1, 3)
    assert again.lead_ids[0] == again.lead_ids[3]
    await sane(conn)


async def test_locked_rows_are_passed_over_and_come_later(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    await a_past(conn, connections)
    async with connected(database_url) as foreign:
        transaction = foreign.transaction()
        await transaction.start()
        held = await foreign.fetch("select lead_id from closed order by closed_at limit 7 for update")
        merged = await foreign.fetchval("select into_lead_id from merged")
        await foreign.execute("select from lead where lead_id in (select lead_id from merged) for update")
        async with asyncio.timeout(60):
            removed = await clean(connections, conn)
        waiting = {row[0] for row in held} | {merged}
        assert {row[0] for row in await conn.fetch("select lead_id from closed")} == waiting
        assert removed["closed"] == 17 - len(waiting)
        await sane(conn)
        await transaction.rollback()
    assert (await clean(connections, conn))["closed"] == len(waiting) + 1
    assert (await sane(conn))["archived"] == 18


async def test_two_at_once_take_turns_and_remove_each_row_once(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    await a_past(conn, connections)
    tenant = (await tenants(conn))[0]
    small = CleanupSettings(service="on", window="always", batch_rows=2)
    both = (a_cleaner(connections, holder, settings=small).tenant(tenant) for holder in (1, 2))
    first, second = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(one).__name__ for one in (first, second)) == ["LeaseLost", "Result"]
    assert (await sane(conn))["archived"] == 18


async def test_the_right_to_clean_ends_by_itself(conn: asyncpg.Connection, connections: Connections) -> None:
    await a_past(conn, connections)
    assert await take_lease(conn, 99, 0.3)
    with pytest.raises(LeaseLost):
        await a_cleaner(connections).tenant((await tenants(conn))[0])
    await until(lambda: take_lease(conn, 1, 5), "the lease ends")
    assert (await a_cleaner(connections).tenant((await tenants(conn))[0])).removed["closed"] == 18


_VICTIM = """
import asyncio, sys, asyncpg
from tests.cleaning import done, may_clean, script
from tests.postgres.cleanup_world import just, tenants
from ops.cleanup.cleaner import Cleaner
from router.settings.model import CleanupSettings
from router.telemetry.instruments import Instruments
from opentelemetry.metrics import NoOpMeter

async def main():
    conn = await asyncpg.connect(sys.argv[1])
    settings = CleanupSettings(service="on", window="always", batch_rows=3)
    seen = lambda table, rows: print(table, rows, flush=True)
    cleaner = Cleaner(just(conn), settings, 7, "victim", Instruments(NoOpMeter("t")), seen=seen,
                      pause=lambda s: asyncio.sleep(0.2))
    await cleaner.tenant((await tenants(conn))[0])

asyncio.run(main())
"""


async def test_a_process_that_is_killed_in_the_middle_leaves_nothing_half_done(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await a_past(conn, connections)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _VICTIM, database_url, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while (line := await process.stdout.readline()) and not line.startswith(b"closed"):
            pass
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    states = await sane(conn)
    assert 0 < states["archived"] < 18
    assert (await last_runs(conn, [tenant.tenant_id]))[tenant.tenant_id].outcome is None
    await conn.execute("update cleanup_lease set until = now()")  # as if its minute were over
    await clean(connections, conn)
    assert (await sane(conn))["archived"] == 18
    outcomes = await conn.fetch("select outcome from cleanup_run where tenant_id <> 0 order by run_no")
    assert [row[0] for row in outcomes] == ["interrupted", "done"]


async def test_cleanup_gives_way_to_a_script_that_has_its_turn(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    await a_past(conn, connections)
    rests: list[float] = []

    async def pause(seconds: float) -> None:
        rests.append(seconds)

    settings = CleanupSettings(service="on", window="always", batch_rows=5, busy_share=0.01)
    async with script(database_url) as nightly:
        turn = await may_clean(nightly)
        assert turn["may_delete"] == 1000
        removed = await clean(connections, conn, settings=settings, pause=pause)
        await done(nightly, turn["turn"])
    assert removed["closed"] == 18 and max(rests) > 0.01


async def test_leads_that_wait_slow_cleanup_down(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await a_past(conn, connections)
    rests: list[float] = []

    async def pause(seconds: float) -> None:
        rests.append(seconds)

    settings = CleanupSettings(service="on", window="always", batch_rows=5, busy_share=0.01)
    await clean(connections, conn, settings=settings, pause=pause)
    idle = max(rests)
    await a_past_again(conn, connections, tenant.tenant_id)
    await tenant.accept([lead(n) for n in range(1000, 1010)])
    rests.clear()
    await clean(connections, conn, settings=settings, pause=pause)
    assert idle < 0.01 < max(rests)
    assert (await tenant.states())["waiting"] == 10


async def a_past_again(conn: asyncpg.Connection, connections: Connections, tenant_id: int) -> None:
    """More leads that were closed long ago."""
    for row in await conn.fetch("select lead_id from assignment where tenant_id = $1", tenant_id):
        await end(conn, tenant_id, row[0], Ending.WON)
    await settle(a_drain(connections), tenant_id)
    await age(conn, 800)


async def test_cleanup_stops_where_the_drain_gets_slower(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await a_past(conn, connections)
    await tenant.accept([lead(1000)])
    number = await conn.fetchval("select batch_no from lane")
    clock = datetime.now(UTC)

    async def pause(seconds: float) -> None:
        """The drain routes ten leads a second until cleanup begins, and one a second then."""
        nonlocal number, clock
        cleaned = await conn.fetchval("select exists (select from cleanup_run where removed <> '{}')")
        number += 1
        await conn.execute(
            """insert into flight (tenant_id, batch_no, at, ruleset, roster, rates, kind, leads, inputs)
               values ($1, $2, now(), 0, 0, 0, 'drain', $3, '')""",
            tenant.tenant_id, number, 1 if cleaned else 40,
        )  # fmt: skip
        await conn.execute("update lane set batch_no = $1", number)
        await asyncio.sleep(0.5)

    settings = CleanupSettings(service="on", window="always", batch_rows=1, brake_share=0.5)
    found = await a_cleaner(connections, settings=settings, pause=pause).tenant((await tenants(conn))[0])
    assert found.outcome is Outcome.BRAKE
    assert "leads/s" in found.note
    assert (await last_runs(conn, [tenant.tenant_id]))[tenant.tenant_id].outcome == "brake"


async def test_the_service_cleans_only_while_the_window_of_the_tenant_is_open(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_past(conn, connections)
    zone = (await tenants(conn))[0].time_zone
    hour = await conn.fetchval("select extract(hour from clock_timestamp() at time zone $1)::int", zone)
    shut, wide = f"{(hour + 3) % 24:02}:00-{(hour + 4) % 24:02}:00", f"{hour:02}:00-{(hour + 2) % 24:02}:00"
    await once(connections, CleanupSettings(service="on", window=shut))
    assert tenant.tenant_id not in await last_runs(conn, [tenant.tenant_id])
    await once(connections, CleanupSettings(window=wide, service="off"))
    assert (await tenant.states())["closed"] == 17
    await once(connections, CleanupSettings(service="on", window=wide))
    assert (await sane(conn))["archived"] == 18
    run = (await last_runs(conn, [tenant.tenant_id]))[tenant.tenant_id]
    assert (run.outcome, run.actor, run.removed["closed"]) == ("done", "here", 18)
    shown = document(await status(conn))["tenants"][0]["cleaned"]
    assert (shown["outcome"], shown["removed"]["closed"]) == ("done", 18)
    await once(connections, CleanupSettings(service="on", window=wide))
    assert (await last_runs(conn, [tenant.tenant_id]))[tenant.tenant_id] == run


async def test_a_window_that_closes_ends_the_work(conn: asyncpg.Connection, connections: Connections) -> None:
    await a_past(conn, connections)
    looks = iter([False, False, False, True])
    small = CleanupSettings(service="on", window="always", batch_rows=1)
    found = await a_cleaner(connections, settings=small).tenant((await tenants(conn))[0], closed=lambda: next(looks))
    assert found.outcome is Outcome.WINDOW and sum(found.removed.values()) == 3
    await sane(conn)


async def test_nothing_cleaned_for_days_is_found(conn: asyncpg.Connection, connections: Connections) -> None:
    await a_past(conn, connections)

    async def codes() -> list[str]:
        async with open_scene(conn) as scene:
            return [one.sentence for one in await cleanup_overdue.look(scene)]

    assert "was never cleaned up" in (await codes())[0]
    await clean(connections, conn)
    assert await codes() == []
    await conn.execute(
        "update cleanup_run set began_at = began_at - interval '5 d', ended_at = ended_at - interval '5 d'"
    )
    await conn.execute(
        """insert into cleanup_run (tenant_id, actor, ended_at, outcome, note)
           select tenant_id, 'x', now(), 'brake', 'slow' from tenant"""
    )
    found = (await codes())[0]
    assert "was last cleaned up 5 d 0 h ago; the last run ended as brake: slow" in found


async def test_each_table_of_the_schema_has_its_place_in_the_catalogue(conn: asyncpg.Connection) -> None:
    rows = await conn.fetch(
        """select relname from pg_class c where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
            and not relispartition and relname !~ '^_'"""
    )
    assert {row[0] for row in rows} == {table.name for table in TABLES}
    assert len(TABLES) == len({table.name for table in TABLES})
    assert set(CLEANED) == {"flight", "assignment_history", "closed", "change", "cleanup_run", "job"}


async def test_old_jobs_go_with_the_rows_that_they_rejected(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await conn.execute(
        """insert into job (tenant_id, job_id, kind, started_by, started_at, alive_at, ended_at, state, file_name,
                            file_encoding, file, file_bytes)
           select $1, 'j' || n, 'check_import', 'me', now(), at, at, 'done', 'r.csv', 'utf-8', 'x', 1
             from generate_series(0, 9) n, lateral (select now() - make_interval(days => n) as at) began""",
        tenant.tenant_id,
    )
    await clean(connections, conn)
    assert await conn.fetchval("select string_agg(job_id, ' ' order by job_id) from job") == "j0 j1 j2 j3 j4 j5 j6"


async def test_old_changes_go_but_not_the_last_word_on_a_setting(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_past(conn, connections)
    await conn.execute("delete from change")
    await conn.execute(
        """insert into change (tenant_id, at, actor, action, subject, after) values
           ($1, now() - interval '900 d', 'a', 'configure', 'x', '1'),
           ($1, now() - interval '900 d', 'a', 'configure', 'x', '2'),
           ($1, now() - interval '900 d', 'a', 'park', 'lead 1', ''),
           ($1, now(), 'a', 'park', 'lead 2', '')""",
        tenant.tenant_id,
    )
    removed = await clean(connections, conn)
    assert removed["change"] == 2
    assert [row[0] for row in await conn.fetch("select after from change order by id")] == ["2", ""]
