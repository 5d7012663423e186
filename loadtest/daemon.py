"""A running `lead-router` command beside us: its log, its listener, its signals."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from loadtest.shell import PROGRAM, PROJECT
from loadtest.until import until

SERVE_DRAIN = ("serve", "--role", "drain")

# A start takes seconds, and several of them at once on a machine that does other things, many.
_SAID_S = 90.0


class Daemon:
    """A running `lead-router` command; its log is read so that nothing blocks it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log: list[dict[str, Any]] = []
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr
        async for line in self.process.stderr:
            try:
                self.log.append(json.loads(line))
            except ValueError:
                self.log.append({"event": line.decode()})

    def events(self) -> list[str]:
        return [str(line.get("event")) for line in self.log]

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(next(line["port"] for line in self.log if line.get("event") == "listening"))

    @property
    def api_port(self) -> int | None:
        """Where its API listens, None = not yet."""
        ports = [line["port"] for line in self.log if line.get("event") == "API listening"]
        return int(ports[-1]) if ports else None

    async def get(self, path: str) -> tuple[int, str]:
        """Status and text that its listener answers, once it listens."""
        if "listening" not in self.events():
            await self.said("listening")
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.port}{path}") as answer:
            return answer.status, await answer.text()

    async def said(self, event: str) -> None:
        """Until the event stands in the log."""

        async def seen() -> bool:
            assert self.alive, self.log
            return event in self.events()

        await until(seen, f"{event!r} in the log", _SAID_S)

    def hear(self, number: signal.Signals) -> None:
        """Sends the signal, if it still runs."""
        if self.alive:
            self.process.send_signal(number)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends the signal, if it still runs; returns the exit code."""
        self.hear(number)
        return await self.ended()

    async def ended(self) -> int:
        """The exit code, when it is over."""
        code = await self.process.wait()
        await self._reader
        return code


async def started(url: str, *words: str, **settings: object) -> Daemon:
    """Starts `lead-router serve --role drain` (or other words) on this database; the caller ends it.

    Settings are named as in the environment, in lower case: `drain_batch_leads=20`; a name in capitals is a variable
    as it is.
    """
    named = {name if name.isupper() else f"LEAD_ROUTER_{name.upper()}": str(value) for name, value in settings.items()}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LEAD_ROUTER_")}
    own = {
        "LEAD_ROUTER_DATABASE_URL": url,
        "LEAD_ROUTER_LISTEN_PORT": "0",
        "LEAD_ROUTER_API_PORT": "0",
        "LEAD_ROUTER_CONSOLE_PORT": "0",
        "PYTHONPATH": str(PROJECT),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        *(words or SERVE_DRAIN),
        cwd=PROJECT,
        env=inherited | own | named,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    return Daemon(process)


@asynccontextmanager
async def serving(url: str, *words: str, **settings: object) -> AsyncIterator[Daemon]:
    """As `started`; killed at the end if it still runs."""
    daemon = await started(url, *words, **settings)
    try:
        yield daemon
    finally:
        daemon.hear(signal.SIGKILL)
        await daemon.ended()
