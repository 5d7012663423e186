"""`lead-router up` as a new user starts it after the demo: it says where the console is, and lets them in."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from loadtest.shell import PROGRAM
from ops.embedded.embedded import stopped
from tests.e2e.commands import PROJECT, python
from tests.support import until

LEADS = 200
_STARTED_S = 180.0


@asynccontextmanager
async def up(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`lead-router up` on a data folder, at free ports; stopped as Ctrl-C does it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LEAD_ROUTER_")}
    ports = {f"LEAD_ROUTER_{name}_PORT": "0" for name in ("LISTEN", "API", "CONSOLE")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, "--data-dir", str(folder), "up"),
        cwd=PROJECT,
        env=inherited | ports | {"PYTHONPATH": str(PROJECT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def says(process: asyncio.subprocess.Process, *patterns: str) -> list[str]:
    """The first group of each pattern, once all of them were printed."""
    assert process.stdout
    text = ""
    async with asyncio.timeout(_STARTED_S):
        while not all(re.search(pattern, text, re.M) for pattern in patterns):
            line = await process.stdout.readline()
            assert line, f"it ended: {text}"
            text += line.decode()
    return [match[1] for pattern in patterns if (match := re.search(pattern, text, re.M))]


@pytest.mark.timeout(600)
async def test_the_demo_ends_with_the_console_and_up_serves_it_to_whoever_has_the_token_that_it_shows(
    reachable_folder: Path,
) -> None:
    folder = reachable_folder / "up-demo"
    code, output, errors = await python("-m", "loadtest.demo", "--data-dir", folder, "--leads", str(LEADS))
    assert code == 0, errors + output
    last = output.strip().splitlines()[-1]
    assert f"lead-router --data-dir {folder} up" in last and "http://127.0.0.1:8382/" in last, last
    async with up(folder) as process:
        url, token = await says(process, r"^console: (http://\S+)", r"^  (lr_\S+)$")
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            headers = {"Sec-Fetch-Site": "same-origin"}
            form = {"token": token, "back": "/runbook/groups_empty"}
            async with session.post(f"{url}login", data=form, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
            shown = ""

            async def is_there() -> bool:
                nonlocal shown
                async with session.get(url) as answer:
                    shown = await answer.text()
                    return answer.status == 200

            await until(is_there, "the first page is there", _STARTED_S)
        assert "Are leads flowing?" in shown
        # Some rows of the demo's file are rejected on purpose.
        accepted = re.search(r"of (\d+) accepted", shown)
        assert accepted and 0.9 * LEADS < int(accepted[1]) <= LEADS, accepted
    await stopped(folder)
