"""Some processes of one peer, started before the measurement and let go together."""

import asyncio
import sys
from collections.abc import Sequence
from time import perf_counter

from loadtest.bench.stage import NotClean
from loadtest.peers.work import Setting
from loadtest.peers.worker import order
from loadtest.shell import PROJECT

_DEADLINE_S = 900.0


async def run_processes(name: str, url: str, setting: Setting, tenants: Sequence[int]) -> float:
    """Seconds from the word to begin until the last has nothing left. Raises NotClean when one fails."""
    started = [await _start(name) for _ in range(setting["processes"])]
    try:
        async with asyncio.timeout(_DEADLINE_S):
            await asyncio.gather(*(_say(one, order(url, setting, tenants), b"ready\n", name) for one in started))
            begin = perf_counter()
            await asyncio.gather(*(_say(one, b"go\n", b"done\n", name) for one in started))
            return perf_counter() - begin
    finally:
        for one in started:
            if one.returncode is None:
                one.kill()
            await one.wait()


async def _start(name: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "loadtest.peers.worker", name)
    return await asyncio.create_subprocess_exec(*command, cwd=PROJECT, stdin=pipe, stdout=pipe)


async def _say(process: asyncio.subprocess.Process, words: bytes, answer: bytes, name: str) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(words)
    await process.stdin.drain()
    if (said := await process.stdout.readline()) != answer:
        raise NotClean(f"a process of {name} said {said!r} instead of {answer!r}")
