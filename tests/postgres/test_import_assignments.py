"""What a CRM has assigned already is taken over: leads, reps, owners, loads, close rates; again it changes nothing."""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from ops.audit.audit import audit
from ops.cli.leads_end import end as leads_end
from ops.cli.leads_import_assignments import import_assignments
from ops.replay.overrides import read_override
from ops.replay.run import replay
from ops.replay.variants import Changes
from ops.replay.verify import verify
from ops.text.translation import translator
from ops.why.collect import why
from ops.why.document import document
from ops.why.text import describe
from router.outbox.cursor import START
from router.outbox.feed import read_events
from router.store.assignments import Ending, FoundLead, end
from router.store.connections.connections import Connections
from router.store.tenants import tenant_named
from tests.command_line import CommandLine
from tests.support import connected, until
from tests.world import (
    CATCH_ALL,
    Tenancy,
    a_drain,
    lead,
    make_tenant,
    reps_csv,
    settle,
    simple_reps,
    zone_away_from_midnight,
)

NOW = datetime.now(UTC)
LONG_AGO = (NOW - timedelta(days=20)).isoformat()
EARLIER = (NOW - timedelta(days=21)).isoformat()
HEADER = "external_id,source,name,email,product,rep_id,assigned_at,outcome,ended_at,reason"


def a_file(folder: Path, *rows: str, header: str = HEADER) -> str:
    path = folder / "crm.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return str(path)


def row(number: int, rep: str, at: str = LONG_AGO, more: str = ",,") -> str:
    return f"e{number},web,N{number},n{number}@example.com,p,{rep},{at},{more}"


async def loads(tenant: Tenancy) -> dict[str, tuple[int, int]]:
    """(open, today) by rep, as stored."""
    rows = await tenant.conn.fetch("select rep_id, open, today from rep_load join rep using (tenant_id, rep_no)")
    return {one["rep_id"]: (one["open"], one["today"]) for one in rows}


async def test_open_leads_of_the_crm_count_as_open_and_those_of_today_as_todays(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(2), zone=await zone_away_from_midnight(conn))
    today = datetime.now(UTC).isoformat()
    file = a_file(tmp_path, row(1, "r001"), row(2, "r001", today), row(3, "r002", LONG_AGO, f"won,{today},fine"))
    command = CommandLine(import_assignments, database_url)
    looked = await command.run(file, "--tenant", "acme", "--dry-run")
    assert "3 assignments would be taken over, 0 taken over before, 0 rejected" in looked.output, looked.output
    assert await conn.fetchval("select count(*) from lead") == 0
    done = await command.json(file, "--tenant", "acme")
    assert (done["new"], done["open"], done["closed"], done["owners"]) == (3, 2, 1, 3)
    assert await loads(tenant) == {"r001": (2, 1), "r002": (0, 0)}
    assert (await tenant.states())["closed"] == 1
    assert (await audit(conn)).violations == []
    again = await command.run(file, "--tenant", "acme")
    assert "0 assignments taken over, 3 taken over before, 0 rejected" in again.output
    assert "nothing changed: what the file says is so already" in again.output
    assert await loads(tenant) == {"r001": (2, 1), "r002": (0, 0)}


async def test_caps_hold_for_what_comes_after_and_the_audit_blames_nobody_for_what_the_crm_did(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    reps = reps_csv(["r001,Ann,yes,UTC,all,2,1", "r002,Bo,yes,UTC,all,4,50"])
    tenant = await make_tenant(conn, reps, zone=await zone_away_from_midnight(conn))
    today = datetime.now(UTC).isoformat()
    rows = [row(n, "r001", today) for n in range(5)]
    await CommandLine(import_assignments, database_url).json(a_file(tmp_path, *rows), "--tenant", "acme")
    await tenant.accept([lead(n, product="x") for n in range(100, 110)])
    await settle(a_drain(connections), tenant.tenant_id)
    assert await tenant.counts() == {"r001": 5, "r002": 4}
    assert (await audit(conn)).violations == []
    assert (await verify(conn, await tenant_named(conn, "acme"))).differences == []


async def test_a_replay_counts_open_and_todays_leads_of_the_crm_as_the_router_did(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(2), zone=await zone_away_from_midnight(conn))
    await tenant.accept([lead(100, product="x")])
    await settle(a_drain(connections), tenant.tenant_id)
    today = datetime.now(UTC).isoformat()
    ended = [row(4, "r002", LONG_AGO, f"won,{today},"), row(5, "r002", LONG_AGO, f"lost,{LONG_AGO},")]
    rows = [row(1, "r001"), row(2, "r001", today), row(3, "r002", today, f"won,{today},fine"), *ended]
    await CommandLine(import_assignments, database_url).json(a_file(tmp_path, *rows), "--tenant", "acme")
    last = await conn.fetchval("select lead_id from lead where external_id = 'e1'")
    stored = await loads(tenant)
    changes = Changes(overrides=[read_override("rep.r001.weight=2")])
    simulation = (await replay(conn, await tenant_named(conn, "acme"), changes)).simulation
    numbers = {one["rep_no"]: one["rep_id"] for one in await conn.fetch("select rep_no, rep_id from rep")}
    for found in (simulation.recorded_loads, simulation.lane.loads):
        counted = {rep: (int(found.open_counts[no]), int(found.today_counts[no])) for no, rep in numbers.items()}
        assert counted == stored
    await end(conn, tenant.tenant_id, last, Ending.WON)
    await tenant.accept([lead(101, product="y")])
    await settle(a_drain(connections), tenant.tenant_id)
    simulation = (await replay(conn, await tenant_named(conn, "acme"), changes)).simulation
    assert int(simulation.recorded_loads.open_counts.sum()) == sum(now for now, _ in (await loads(tenant)).values())


async def test_the_next_lead_of_the_customer_goes_to_the_rep_of_its_latest_one(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    later = (NOW - timedelta(days=2)).isoformat()
    rows = [
        f"e1,web,Ann,ann@example.com,p,r003,{LONG_AGO},,,",
        f"e2,web,Ann,ann@example.com,q,r002,{later},,,",
        f"e3,web,Ann,ann@example.com,r,r001,{LONG_AGO},,,",
    ]
    await CommandLine(import_assignments, database_url).json(a_file(tmp_path, *rows), "--tenant", "acme")
    await tenant.accept([lead(9, email="ann@example.com", product="new")])
    await settle(a_drain(connections), tenant.tenant_id)
    got = await conn.fetchval(
        "select rep_id from assignment join lead using (tenant_id, lead_id) join rep using (tenant_id, rep_no) "
        "where external_id = 'e9'"
    )
    assert got == "r002"
    assert (await audit(conn)).violations == []


async def test_leads_that_wait_or_are_parked_here_are_given_and_what_went_on_here_stands(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    await tenant.accept([lead(1, product="a"), lead(2, invalid="no contact"), lead(3, product="c")])
    file = a_file(tmp_path, *(row(n, "r001") for n in range(1, 5)))
    command = CommandLine(import_assignments, database_url)
    done = await command.json(file, "--tenant", "acme")
    assert (done["new"], done["taken"]) == (1, 3)
    assert await tenant.states() == {"waiting": 0, "assigned": 4, "parked": 0, "merged": 0, "closed": 0}
    ids = {r[0]: r[1] for r in await conn.fetch("select external_id, lead_id from lead")}
    await end(conn, tenant.tenant_id, ids["e1"], Ending.RETURNED)
    await end(conn, tenant.tenant_id, ids["e2"], Ending.LOST)
    await settle(a_drain(connections), tenant.tenant_id)
    assert await tenant.counts() == {"r001": 2, "r002": 1}
    again = await command.json(file, "--tenant", "acme")
    assert (again["new"], again["taken"], again["already"], again["moved_on"]) == (0, 0, 2, 2)
    assert await tenant.counts() == {"r001": 2, "r002": 1}
    assert (await audit(conn)).violations == []


async def test_rows_that_contradict_what_is_here_are_rejected(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(1, product="a"), lead(2, product="b")])
    await settle(a_drain(connections), tenant.tenant_id)
    await tenant.roster(simple_reps(2))
    ahead = (NOW + timedelta(hours=5)).isoformat()
    file = a_file(
        tmp_path,
        row(1, "r002"),
        row(2, "r001", LONG_AGO, f"won,{LONG_AGO},"),
        row(3, "nobody"),
        row(4, "r001", ""),
        row(5, "r001", ahead),
        row(6, "r001", LONG_AGO, "won,,"),
        row(7, "r001", LONG_AGO, f",{LONG_AGO},"),
        row(8, "r001", LONG_AGO, "returned,,"),
        row(9, "r001"),
        row(9, "r002"),
        row(10, "r001", LONG_AGO, f"won,{EARLIER},"),
    )
    result = await CommandLine(import_assignments, database_url).run(file, "--tenant", "acme")
    assert result.exit_code == 1, result.output
    for words in (
        "line 2, rep_id: the lead is with another rep here",
        "line 3, outcome: this rep has the lead here, open",
        "line 4, rep_id: there is no rep 'nobody' in the roster",
        "line 5, assigned_at: is empty",
        "line 6, assigned_at:",
        "line 7, ended_at: is empty: when was it won?",
        "line 8, outcome: is empty, and the row says when it ended",
        "line 9, outcome: 'returned' is not one of open, won, lost",
        "line 11, rep_id: line 10 has this lead",
        "line 12, ended_at: is before assigned_at 20",
    ):
        assert words in result.output, result.output
    assert "1 assignment taken over" in result.output
    assert (await audit(conn)).violations == []


async def test_the_crm_hears_of_it_and_can_tell_it_from_new_work(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    file = a_file(tmp_path, row(1, "r001"), row(2, "r001", LONG_AGO, f"won,{LONG_AGO},"))
    await CommandLine(import_assignments, database_url).json(file, "--tenant", "acme")
    page = await read_events(conn, tenant.tenant_id, START, limit=10)
    told = [(one.type, one.data["external_id"], one.data.get("by"), one.data.get("outcome")) for one in page.events]
    assert told == [
        ("lead.assigned", "e1", "import", None),
        ("lead.assigned", "e2", "import", None),
        ("lead.ended", "e2", None, "won"),
    ]


async def test_a_tenant_without_rules_is_told_so_before_anything_is_stored(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    from router.store import tenants

    await tenants.add(conn, "bare", "UTC")
    result = await CommandLine(import_assignments, database_url).run(a_file(tmp_path, row(1, "r1")), "--tenant", "bare")
    assert (result.exit_code, "has no rules yet" in result.output) == (2, True)


async def test_close_rates_count_what_the_crm_won_before(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    from router.drain.close_rates import refresh
    from router.store.rates import load_rates

    rules = "weights: {close_rate: {segment: product, lookback_days: 90}}\n" + CATCH_ALL
    tenant = await make_tenant(conn, simple_reps(2), rules)
    ended = (NOW - timedelta(days=10)).isoformat()
    rows = [row(n, "r001", LONG_AGO, f"{'won' if n < 3 else 'lost'},{ended},") for n in range(4)]
    await CommandLine(import_assignments, database_url).json(a_file(tmp_path, *rows), "--tenant", "acme")
    version = await refresh(conn, await tenant_named(conn, "acme"), datetime.now(UTC))
    assert version
    rates = await load_rates(conn, tenant.tenant_id, version)
    assert {(tally.leads, tally.wins) for tally in rates.by_segment["p"].values()} == {(4, 3)}
    assert (await audit(conn)).violations == []


@pytest.mark.direct
async def test_killed_in_the_middle_nothing_is_half_done_and_the_second_run_does_the_rest(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(5, max_open=100_000, max_per_day=100_000))
    await tenant.accept([lead(n, product="x") for n in range(100_000, 100_500)])
    total, drain, stop = 12_000, a_drain(connections, ready=20), asyncio.Event()
    file = a_file(tmp_path, *(row(n, f"r00{n % 5 + 1}", LONG_AGO) for n in range(total)))

    async def draining() -> None:
        while not stop.is_set():
            await drain.drain_tenant(tenant.tenant_id)

    beside = asyncio.create_task(draining())
    environment = {**os.environ, "LEAD_ROUTER_DATABASE_URL": database_url}
    main = "from ops.cli import main; main()"
    arguments = ["leads", "import-assignments", file, "--tenant", "acme", "--json"]
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-c", main, *arguments, env=environment, stdout=asyncio.subprocess.DEVNULL
    )

    async def begun() -> bool:
        async with connected(database_url) as other:
            given = await other.fetchval("select count(*) from assignment where seq >= 0 and rule_no is null")
            return int(given) > 2000

    await until(begun, "two parts are done")
    victim.send_signal(signal.SIGKILL)
    await victim.wait()
    taken = await conn.fetchval("select count(*) from lead where external_id ~ '^e[0-9]{1,5}$'")
    assert 0 < taken < total
    assert (await audit(conn)).violations == []
    try:
        # Not as JSON: the drain logs to the same stdout.
        done = await CommandLine(import_assignments, database_url).run(file, "--tenant", "acme")
    finally:
        stop.set()
        await beside
    assert f"{total - taken:,} assignments taken over, {taken:,} taken over before, 0 rejected" in done.output
    await settle(drain, tenant.tenant_id)
    assert (await audit(conn)).violations == []
    assert sum((await tenant.counts()).values()) == total + 500


@pytest.mark.direct
async def test_endings_that_are_killed_in_the_middle_are_done_once_by_the_second_run(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(5, max_open=100_000, max_per_day=100_000))
    total = 12_000
    file = a_file(tmp_path, *(row(n, f"r00{n % 5 + 1}", LONG_AGO) for n in range(total)))
    # Not as JSON: where it takes long, a line in the log says how far it is.
    assert (await CommandLine(import_assignments, database_url).run(file, "--tenant", "acme")).exit_code == 0
    ends = tmp_path / "ends.csv"
    ends.write_text("external_id,outcome\n" + "".join(f"e{n},{('won', 'returned')[n % 2]}\n" for n in range(total)))
    environment = {**os.environ, "LEAD_ROUTER_DATABASE_URL": database_url}
    arguments = ["-c", "from ops.cli import main; main()", "leads", "end", str(ends), "--tenant", "acme", "--json"]
    victim = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env=environment, stdout=asyncio.subprocess.DEVNULL
    )

    async def begun() -> bool:
        async with connected(database_url) as other:
            return int(await other.fetchval("select count(*) from assignment_history")) > 0

    await until(begun, "a part is done")
    victim.send_signal(signal.SIGKILL)
    await victim.wait()
    ended = await conn.fetchval("select count(*) from assignment_history")
    assert 0 < ended < total
    assert (await audit(conn)).violations == []
    done = await CommandLine(leads_end, database_url).run(str(ends), "--tenant", "acme")
    assert f"{total - ended:,} assignments ended" in done.output
    assert f"{ended:,} ended before, 0 rejected" in done.output
    assert await tenant.states() == {"waiting": 6000, "assigned": 0, "parked": 0, "merged": 0, "closed": 6000}
    assert (await audit(conn)).violations == []


async def test_a_row_is_not_counted_as_done_because_an_earlier_one_of_its_lead_was_rejected(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    file = a_file(tmp_path, row(1, "nobody"), row(1, "r001"), row(1, "r001"), row(2, "nobody"), row(2, "nobody"))
    done = await CommandLine(import_assignments, database_url).run(file, "--tenant", "acme")
    assert "1 assignment taken over, 1 taken over before, 3 rejected" in done.output, done.output
    assert await tenant.states() == {"waiting": 0, "assigned": 1, "parked": 0, "merged": 0, "closed": 0}


async def test_an_import_that_repeats_another_one_says_so_in_the_list_of_imports(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    await make_tenant(conn, simple_reps(1))
    file = a_file(tmp_path, row(1, "r001"), row(2, "r001"))
    command = CommandLine(import_assignments, database_url)
    for _ in range(2):
        assert (await command.run(file, "--tenant", "acme")).exit_code == 0
    noted = await conn.fetch("select import_no, new, repeated from lead_import_part order by import_no")
    assert [(one["new"], one["repeated"]) for one in noted] == [(2, 0), (0, 2)]


async def test_leads_of_the_same_customers_come_in_while_an_import_waits_for_the_lane(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    file = a_file(tmp_path, row(1, "r001"), row(2, "r001"))
    async with connected(database_url) as blocker:
        async with blocker.transaction():
            await blocker.execute("select from lane for update")
            run = asyncio.create_task(CommandLine(import_assignments, database_url).run(file, "--tenant", "acme"))
            await until(lambda: _waits_for_the_lane(conn), "the import waits for the lane")
            await asyncio.wait_for(tenant.accept([lead(7, email="n1@example.com")], NOW), 30)
            # It gave its locks back and tries again; before, it had given up.
            await until(lambda: _waits_for_the_lane(conn), "the import waits for the lane again")
        done = await run
    assert done.exit_code == 0, done.output
    assert await conn.fetchval("select count(*) from assignment") == 2


async def _waits_for_the_lane(conn: asyncpg.Connection) -> bool:
    found: int = await conn.fetchval(
        "select count(*) from pg_locks where not granted and pid <> pg_backend_pid() "
        "and pid in (select pid from pg_stat_activity where datname = current_database())"
    )
    return found > 0


async def test_why_says_what_the_crm_had_assigned_and_from_when_and_not_that_a_person_assigned_it(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    won = row(2, "r002", "2026-02-01T09:00:00Z", "won,2026-02-02T09:00:00Z,fine")
    file = a_file(tmp_path, row(1, "r001", "2026-02-01T08:00:00Z"), won)
    await CommandLine(import_assignments, database_url).json(file, "--tenant", "acme", "--author", "lee")
    ids = [one["lead_id"] for one in await conn.fetch("select lead_id from lead order by external_id")]
    zone = await conn.fetchval("select time_zone from tenant")
    assert zone == "UTC"
    here, over = [await why(conn, FoundLead(tenant.tenant_id, lead_id)) for lead_id in ids]
    texts = [[part.text for part in describe(one, translator("en")) if hasattr(part, "text")] for one in (here, over)]
    assert f"taken over from the CRM by lee ({file})" in texts[0][2] and "2026-02-01 08:00:00" in texts[0][2]
    for text, rep, at in ((texts[0], "r001", "2026-02-01 08:00:00"), (texts[1], "r002", "2026-02-01 09:00:00")):
        [line] = [line for line in text if line.startswith(f"  {at}  taken over from the CRM by lee ({file}): {rep}")]
        assert line.endswith(f"had it from {at}")
        assert not any("manually" in line for line in text), text
    for one in (here, over):
        assert [event.at for event in one.timeline] == sorted(event.at for event in one.timeline)
        said = document(one)
        assert said["decision"]["by_hand"] is None and said["decision"]["taken_over"]["actor"] == "lee"
        assert said["timeline"][0]["what"] == "taken_over" and not said.get("by_hand")
        assert not any(event.get("by_hand") for event in said["timeline"])
    chinese = " ".join(part.text for part in describe(here, translator("zh")) if hasattr(part, "text"))
    assert f"由 lee 从 CRM 接管（{file}）" in chinese
