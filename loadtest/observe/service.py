"""The service beside those who watch it: a `lead-router serve` that writes its log to a file and is ended in order,
also when we are killed.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.child import ending_with_us
from loadtest.ports import free_port_near
from loadtest.shell import PROGRAM, PROJECT
from loadtest.until import until
from ops.embedded.urls import Urls
from router.settings.model import Settings

_STARTED_S = 90.0
_STOP_S = 10.0
_SHOWN = 5
# Shorter ones would be of leads that a batch is about to take.
_SHORTEST_STALL_S = 6.0


class ServiceEnded(Exception):
    """The service ended by itself; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running one, and its log."""

    process: asyncio.subprocess.Process
    log: Path

    async def ended(self) -> None:
        """Waits for its end, which is not expected. Raises ServiceEnded."""
        code = await self.process.wait()
        last = self.log.read_text(encoding="utf-8").splitlines()[-_SHOWN:]
        raise ServiceEnded("\n".join([f"the service ended with {code}:", *last]))

    @property
    def port(self) -> int:
        """Where its metrics and probes are."""
        return self._logged("listening") or 0

    @property
    def api_port(self) -> int:
        """Where its API is."""
        return self._logged("API listening") or 0

    @property
    def listens(self) -> bool:
        """Whether both are there."""
        return bool(self.port and self.api_port)

    def _logged(self, event: str) -> int | None:
        return next((int(line["port"]) for line in self._lines() if line.get("event") == event), None)

    def _lines(self) -> list[dict[str, Any]]:
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


@asynccontextmanager
async def service(urls: Urls, folder: Path, times: int) -> AsyncIterator[Service]:
    """A service with all roles, which looks `times` as often as usual, until the end of the block."""
    file = folder / "service.log"
    with file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            ending_with_us(PROGRAM),
            "serve",
            env=_environment(urls, times),
            stderr=log,
            stdout=log,
            start_new_session=True,  # Ctrl-C is for us: then it is ended in order
        )
    started = Service(process, file)
    try:
        await _listens(started)
        yield started
    finally:
        await _stopped(process)


async def _listens(started: Service) -> None:
    async def there() -> bool:
        if started.process.returncode is not None:
            await started.ended()
        return started.listens

    await until(there, "the service listens", _STARTED_S, every_s=0.1)


async def _stopped(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _environment(urls: Urls, times: int) -> Mapping[str, str]:
    outer = {name: value for name, value in os.environ.items() if not name.startswith("LEAD_ROUTER_")}
    usual = Settings()
    own = {
        "DATABASE_URL": urls.database,
        **({"REDIS_URL": urls.redis} if urls.redis else {}),
        "LOG_FORMAT": "json",
        "LISTEN_PORT": free_port_near(usual.listen.port),
        "API_PORT": free_port_near(usual.api.port),
        "CONSOLE_PORT": free_port_near(usual.console.port),
        "METRICS_LOOK_EVERY_S": usual.metrics.look_every_s / times,
        "STALLS_LOOK_EVERY_S": usual.stalls.look_every_s / times,
        "STALLS_AFTER_S": max(usual.stalls.after_s / times, _SHORTEST_STALL_S),
        "STALLS_OLDEST_AFTER_S": usual.stalls.oldest_after_s / times,
    }
    return outer | {"PYTHONPATH": str(PROJECT)} | {f"LEAD_ROUTER_{name}": str(value) for name, value in own.items()}
