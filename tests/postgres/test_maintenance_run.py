"""`lead-router maintenance run`: a command of others runs in its turn, and never beyond it."""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import psutil
import pytest

from ops.maintenance.command import End, run_command
from tests.cleaning import all_runs, may_clean, script
from tests.e2e.commands import PROJECT, lead_router
from tests.postgres.test_connections import as_role
from tests.support import until
from tests.world import lead, make_tenant, simple_reps

RUN = ("maintenance", "run", "--tenant", "acme")


async def run(url: str, *words: str) -> tuple[int, str, str]:
    return await lead_router(*RUN, *words, LEAD_ROUTER_DATABASE_URL=url)


@asynccontextmanager
async def started(url: str, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command, running; killed at the end with what it left."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LEAD_ROUTER_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from ops.cli import main; main()", *RUN, *words),
        cwd=PROJECT,
        env=environment | {"LEAD_ROUTER_DATABASE_URL": url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def has_turn(conn: asyncpg.Connection) -> bool:
    return any(one.has_turn for one in await all_runs(conn))


async def begun(conn: asyncpg.Connection, file: Path) -> int:
    """Until the command runs; the process id that it wrote to the file."""

    async def written() -> bool:
        return file.exists() and file.read_text().endswith("\n")

    await until(written, "the command runs")
    assert await has_turn(conn)
    return int(file.read_text())


def ended(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    return True


async def test_a_command_runs_in_its_turn_with_what_it_may_do_and_gives_the_turn_back(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    code, output, errors = await run(
        database_url, "--for", "5m", "--rows", "777", "--", "sh", "-c", "env | grep LEAD_ROUTER_MAIN; exit 7"
    )
    assert (code, errors) == (7, "")
    told = dict(line.removeprefix("LEAD_ROUTER_MAINTENANCE_").split("=", 1) for line in output.splitlines())
    assert (told["TENANT"], told["ROWS"], told["SECONDS"]) == ("acme", "777", "300")
    assert told["UNTIL"].endswith("+00:00") and told["TURN"].isdigit()
    [one] = await all_runs(conn)
    assert (one.name, one.turns, one.turn, one.overruns, one.lapses) == ("sh", 1, None, 0, 0)


async def test_the_command_may_be_ours_and_machines_read_one_document(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    own = (sys.executable, "-c", "from ops.cli import main; main()", "status")
    code, output, errors = await run(database_url, "--name", "nightly", "--json", "--", *own)
    assert code == 0, errors
    document = json.loads(output)
    assert (document["ran"], document["exit_code"], document["ended"], document["name"]) == (
        True,
        0,
        "exited",
        "nightly",
    )
    assert "= accepted" in errors, "what the command says goes to stderr"


async def test_without_a_turn_the_command_is_not_run(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(number) for number in range(250)])
    touch = ("--", "touch", str(tmp_path / "ran"))
    code, _, errors = await run(database_url, "--wait", "2s", *touch)
    assert code == 1 and "no turn within" in errors and "200 leads of acme could be placed now" in errors
    code, output, _ = await run(database_url, "--dry-run", *touch)
    assert code == 1 and "not now: at least 200 leads" in output
    code, output, _ = await run(database_url, "--wait", "1s", "--json", *touch)
    assert code == 1 and json.loads(output)["ran"] is False
    await conn.execute("delete from lead_pool")
    code, output, _ = await run(database_url, "--dry-run", *touch)
    assert code == 0 and "there would be a turn now; would run: touch" in output
    assert not (tmp_path / "ran").exists() and not await has_turn(conn)


async def test_a_command_that_waits_runs_as_soon_as_the_leads_are_placed(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(number) for number in range(250)])
    async with started(database_url, "--", "touch", str(tmp_path / "ran")) as process:

        async def refused() -> bool:
            return any(one.refusals for one in await all_runs(conn))

        await until(refused, "it is told to wait")
        assert not (tmp_path / "ran").exists()
        await conn.execute("delete from lead_pool")
        assert await process.wait() == 0
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("ignores", [False, True])
async def test_at_the_deadline_the_command_and_its_children_are_ended(tmp_path: Path, ignores: bool) -> None:
    trap = "trap '' TERM; " if ignores else ""
    script_ = f"{trap}sh -c '{trap}echo $$ > {tmp_path}/child; sleep 600' & wait; sleep 600"

    async def keep() -> bool:
        return True

    noted = tmp_path / "child"
    for seconds in (1.0, 5.0, 25.0):
        outcome = await run_command(("sh", "-c", script_), {}, seconds, keep, grace_s=0.5)
        assert (outcome.end, outcome.code) == (End.DEADLINE, 124)
        # A busy machine may have needed all of its time until there is a child.
        if noted.exists() and noted.read_text():
            break
    child = int(noted.read_text())

    async def gone() -> bool:
        return ended(child)

    await until(gone, "the child is gone")


async def test_the_deadline_ends_a_command_of_the_command_line(conn: asyncpg.Connection, database_url: str) -> None:
    await make_tenant(conn, simple_reps(1))
    code, output, errors = await run(database_url, "--for", "1s", "--json", "--", "sleep", "600")
    assert code == 124 and "its time was over" in errors
    assert json.loads(output)["ended"] == "deadline"
    assert not await has_turn(conn)


async def test_a_command_whose_turn_another_could_have_by_now_is_ended() -> None:
    async def keep() -> bool:
        return False

    outcome = await run_command(("sleep", "600"), {}, 60, keep, beat_s=0.05)
    assert (outcome.end, outcome.code) == (End.TURN_LOST, 124)


async def test_a_database_that_is_away_for_moments_ends_no_command() -> None:
    async def keep() -> bool:
        raise OSError("away")

    outcome = await run_command(("sleep", "0.5"), {}, 60, keep, beat_s=0.05)
    assert (outcome.end, outcome.code) == (End.EXITED, 0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
async def test_signals_reach_the_command_and_the_turn_is_given_back(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    await make_tenant(conn, simple_reps(1))
    sleeps = f"import os, time, signal; signal.signal(signal.SIGINT, signal.SIG_DFL); print(os.getpid(), file=open({str(tmp_path / 'pid')!r}, 'w'), flush=True); time.sleep(600)"  # noqa: E501
    async with started(database_url, "--", sys.executable, "-c", sleeps) as process:
        pid = await begun(conn, tmp_path / "pid")
        process.send_signal(number)
        assert await process.wait() == code
        assert ended(pid)
    assert not await has_turn(conn)


async def test_a_killed_wrapper_takes_its_command_along_and_its_turn_lapses_before_the_deadline(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    await make_tenant(conn, simple_reps(1))
    sleeps = f"echo $$ > {tmp_path / 'pid'}; exec sleep 600"
    async with started(database_url, "--for", "1h", "--", "sh", "-c", sleeps) as process:
        pid = await begun(conn, tmp_path / "pid")
        process.kill()
        await process.wait()

        async def gone() -> bool:
            return ended(pid)

        if sys.platform == "linux":
            await until(gone, "the command is gone, too")
        [one] = await all_runs(conn)
        assert one.ends_at is not None and one.until is not None
        assert (one.ends_at - one.now).total_seconds() <= 60 < (one.until - one.now).total_seconds()
        await conn.execute("update maintenance_run set alive_until = clock_timestamp()")
        async with script(database_url, "other") as other:
            assert (await may_clean(other))["may_delete"] == 1000


@pytest.mark.direct
async def test_a_role_with_few_rights_can_use_it_and_without_them_learns_what_is_missing(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    role = f"crm_{random.getrandbits(40):x}"
    await conn.execute(f"create role {role} login")
    try:
        url = as_role(database_url, role)
        code, _, errors = await run(url, "--", "true")
        assert code == 2 and "grant the role usage on the schema lead_router" in errors
        await conn.execute(
            f"grant usage on schema lead_router to {role};"
            f"grant execute on all functions in schema lead_router to {role}"
        )
        code, output, errors = await run(url, "--", "echo", "cleans")
        assert (code, output, errors) == (0, "cleans\n", "")
        [one] = await all_runs(conn)
        assert (one.role, one.name) == (role, "echo")
    finally:
        await conn.execute(f"drop owned by {role}; drop role {role}")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--", "no-such-command-anywhere"], "no such command"),
        (["--for", "2d", "--", "true"], "the longest turn is 24h"),
        (["--for", "soon", "--", "true"], "invalid duration 'soon'"),
        (["--rows", "0", "--", "true"], "--rows"),
        (["--tenant", "acne", "--", "true"], "there is no tenant 'acne'"),
        (["--wait", "5s"], "COMMAND"),
    ],
)
async def test_what_cannot_be_run_is_said_at_once(
    conn: asyncpg.Connection, database_url: str, words: list[str], says: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    code, _, errors = await run(database_url, *words)
    assert code == 2 and says in errors, errors
    assert await all_runs(conn) == []
