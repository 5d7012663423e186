"""Locust in processes of its own: started, waited for, and what it said of itself."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.load import plan as plans
from loadtest.load.samples import begins
from loadtest.load.schedule import length_s
from loadtest.ports import free_port
from loadtest.shell import PROJECT
from loadtest.until import until

_START_S = 90.0
_MARGIN_S = 30.0


class GeneratorFailed(Exception):
    """Locust did not run as it should; the message says where its log is."""


@dataclass(frozen=True, slots=True)
class Generator:
    """The master's process, and the log of all of them."""

    process: asyncio.subprocess.Process
    plan: plans.Plan
    log: Path

    async def begun(self) -> float:
        """When the first worker began, seconds since 1970, once all have. Raises GeneratorFailed."""
        folder = Path(self.plan.folder)

        async def all_there() -> bool:
            if self.process.returncode is not None:
                raise GeneratorFailed(f"Locust ended with {self.process.returncode} before it began: {self._last()}")
            return len(begins(folder)) >= self.plan.workers

        try:
            await until(all_there, f"{self.plan.workers} workers of Locust have begun", _START_S, 0.05)
        except AssertionError as error:
            raise GeneratorFailed(f"{error}: {self._last()}") from None
        return min(begins(folder))

    async def done(self) -> None:
        """When the schedule is over and everything is answered or given up. Raises GeneratorFailed."""
        try:
            async with asyncio.timeout(planned_s(self.plan) + self.plan.timeout_s + _MARGIN_S):
                code = await self.process.wait()
        except TimeoutError:
            raise GeneratorFailed(f"Locust did not end: {self._last()}") from None
        if code:
            raise GeneratorFailed(f"Locust ended with {code}: {self._last()}")

    def warned(self) -> bool:
        """Whether Locust itself said that a worker was too busy."""
        return "CPU usage above" in self.log.read_text(encoding="utf-8", errors="replace")

    def _last(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "; ".join([str(self.log), *lines[-3:]])


def planned_s(plan: plans.Plan) -> float:
    """How long the schedule is."""
    return max(plan.due_s, default=0.0) if plan.due_s else length_s(plan.pieces)


@asynccontextmanager
async def generating(plan: plans.Plan, log: Path) -> AsyncIterator[Generator]:
    """Locust with a master and the plan's workers; killed at the end if it still runs."""
    file = Path(plan.folder) / "plan.json"
    plans.write(plan, file)
    port, users = str(free_port()), str(plan.workers)
    with log.open("wb") as opened:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "locust", "--locustfile", str(PROJECT / "loadtest/locustfile.py")),
            *("--headless", "--only-summary", "--exit-code-on-error", "0", "--processes", users),
            *("--users", users, "--spawn-rate", users, "--master-bind-host", "127.0.0.1"),
            *("--master-bind-port", port, "--master-port", port),
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": str(PROJECT), plans.VARIABLE: str(file)},
            stdout=opened,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Generator(process, plan, log)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, 9)
            await process.wait()
