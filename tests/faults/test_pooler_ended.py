"""Tests that run through PgBouncer (`tests.pgbouncer`) while it ends itself."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.servers

PROJECT = Path(__file__).parents[2]
# In the first run: what PgBouncer's own fault does to a test.
TESTS = """
import os, pathlib, signal, time

here = pathlib.Path(__file__).parent
settings = os.environ["LEAD_ROUTER_TEST_POOLER_FOLDER"] + "/pgbouncer.ini"

def command(process):
    try:
        return (process / "cmdline").read_text()
    except OSError:
        return ""  # it has ended meanwhile

def running():
    return [int(process.name) for process in pathlib.Path("/proc").glob("[0-9]*") if settings in command(process)]

def test_fails_while_it_is_down():
    if not (here / "ended").exists():
        (here / "ended").touch()
        [before] = running()
        os.kill(before, signal.SIGKILL)
        while running() in ([], [before]):  # until it is started again
            time.sleep(0.01)
        raise ConnectionError("closed in the middle of operation")

def test_passes():
    with open(here / "runs", "a") as runs:
        runs.write("x")
"""
BROKEN = "\ndef test_broken():\n    assert False\n"


@pytest.mark.parametrize(("broken", "code"), [("", 0), (BROKEN, 1)], ids=["only by its end", "by itself too"])
async def test_an_end_of_pgbouncer_fails_no_run_and_hides_no_failure(tmp_path: Path, broken: str, code: int) -> None:
    (tmp_path / "test_through.py").write_text(TESTS + broken)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    pytest_of = [sys.executable, "-m", "pytest", "-q", "--rootdir", str(tmp_path), "-c", str(tmp_path / "pytest.ini")]
    running = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "tests.pgbouncer", *pytest_of, str(tmp_path)],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=PROJECT,
        env={**os.environ, "LEAD_ROUTER_TEST_DATABASE_URL": "postgresql://postgres@/postgres?host=/nowhere&port=1"},
    )
    said = (await asyncio.wait_for(running.communicate(), 120))[0].decode()
    assert running.returncode == code, said
    assert "is started again" in said
    assert (tmp_path / "runs").read_text() == "x", "what passed runs once"
