"""`make observe` as a person meets it: it says where to look, shows what is sent, and Ctrl-C leaves nothing running."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from loadtest.shell import PROJECT
from ops.embedded.embedded import stopped
from tests.debian import install
from tests.e2e.commands import python
from tests.support import until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(420)]

SAYS_S, ENDS_S = 180.0, 60.0


async def answers(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as reply:
            return reply.status == 200
    except aiohttp.ClientError:
        return False


async def test_what_it_prints_is_there_until_ctrl_c_and_nothing_after_it(reachable_folder: Path) -> None:
    install()
    folder = reachable_folder / "observed"
    code, output, errors = await python("-m", "loadtest.demo", "--data-dir", folder, "--leads", "600")
    assert code == 0, errors + output
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest.observe", "--data-dir", str(folder), "--times", "15"),
        cwd=PROJECT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    said: list[str] = []
    reading = asyncio.create_task(read(process, said))
    try:

        async def a_ticket() -> bool:
            assert process.returncode is None, "".join(said)
            text = "".join(said)
            after = text.partition("to tickets: LeadRouterGroupEmpty: demo: ")[2]  # the runbook is on a line of its own
            return "runbooks/alerts/LeadRouterGroupEmpty.md" in after

        await until(a_ticket, f"a ticket is shown with its runbook; until now: {said}", SAYS_S)
        text = "".join(said)
        urls = [re.search(rf"^{name} +(http://127\.0\.0\.1:\d+)", text, re.MULTILINE) for name in NAMES]
        bases = [found[1] for found in urls if found]
        assert len(bases) == len(NAMES), text
        looked_at = [f"{base}{path}" for base, path in zip(bases, NAMES.values(), strict=True)]
        assert [await answers(url) for url in looked_at] == [True] * len(looked_at), looked_at
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of its processes

        async def ended() -> bool:
            return process.returncode is not None

        await until(ended, f"Ctrl-C ends everything; until now: {said}", ENDS_S)
        assert process.returncode == 0, "".join(said)
        assert [await answers(url) for url in looked_at] == [False] * len(looked_at), looked_at
    finally:
        if process.returncode is None:
            process.kill()
        await reading
        await stopped(folder)


NAMES = {"metrics": "/metrics", "API": "/docs", "Prometheus": "/-/ready", "Alertmanager": "/-/ready"}
"""What is printed, with a path that answers where it runs."""


async def read(process: asyncio.subprocess.Process, said: list[str]) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        said.append(line.decode())
