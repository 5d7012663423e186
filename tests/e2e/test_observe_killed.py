"""`make observe` that is killed leaves no service behind, which would route the demo's leads and keep the ports."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from loadtest.shell import PROJECT
from tests.support import until

pytestmark = pytest.mark.timeout(240)

OBSERVER = """
import asyncio, sys
from pathlib import Path
from loadtest.observe.service import service
from ops.embedded.urls import Urls

async def main():
    async with service(Urls(sys.argv[1], None), Path(sys.argv[2]), 1) as serving:
        print(serving.process.pid, flush=True)
        await serving.ended()

asyncio.run(main())
"""


def runs(pid: int) -> bool:
    """Whether the process is there, and is none that has ended and was not waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="a process can watch another one on Linux")
async def test_the_service_ends_in_order_when_who_started_it_is_killed(database_url: str, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OBSERVER, database_url, str(tmp_path)), cwd=PROJECT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    pid = int(await asyncio.wait_for(process.stdout.readline(), 120))
    try:
        assert runs(pid)
        process.send_signal(signal.SIGKILL)
        await process.wait()

        async def gone() -> bool:
            return not runs(pid)

        await until(gone, "the service has ended")
        lines = (tmp_path / "service.log").read_text(encoding="utf-8").splitlines()
        events = [json.loads(line).get("event") for line in lines if line.startswith("{")]
        assert any("stop" in str(event) for event in events), events[-5:]
    finally:
        if runs(pid):
            os.kill(pid, signal.SIGKILL)
