"""One process of a peer: `python -m loadtest.peers.worker NAME` with URL, setting and tenants as JSON on its input.

It says `ready`, waits for a line, routes until nothing is left, and says `done`: its start is not measured.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import import_module

from loadtest.peers.work import Setting, Work

Worker = Callable[[str, Setting, Sequence[int]], Awaitable[Work]]


async def _main(name: str) -> None:
    told = json.loads(await _line())
    worker: Worker = import_module(f"loadtest.peers.{name}").worker
    work = await worker(told["url"], told["setting"], told["tenants"])
    print("ready", flush=True)
    await _line()
    await work()
    print("done", flush=True)


async def _line() -> str:
    return await asyncio.to_thread(sys.stdin.readline)


def order(url: str, setting: Mapping[str, int], tenants: Sequence[int]) -> bytes:
    """What a worker reads first."""
    return json.dumps({"url": url, "setting": dict(setting), "tenants": list(tenants)}).encode() + b"\n"


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
