"""Running the real command line as a user would, with each command shown before what it says."""

import asyncio
import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from ops.embedded.urls import Urls

PROGRAM = "from ops.cli import main; main(prog_name='lead-router')"
PROJECT = Path(__file__).parents[1]


class CommandFailed(Exception):
    """A command of the session did not end well; the message names it and its exit code."""


class Shell:
    """A session on given servers: every command reaches them, whatever is configured around it."""

    def __init__(self, urls: Urls, console: Console) -> None:
        self._console = console
        self._environment = _environment(os.environ, urls)

    async def run(self, *words: str | Path, most_lines: int | None = None) -> None:
        """Shows the command and what it says, at most so many lines. Raises CommandFailed unless it ends with 0."""
        self._console.print(f"\n$ lead-router {shlex.join(map(str, words))}", style="bold cyan", markup=False)
        sys.stdout.flush()
        if most_lines is None:
            await self._ended(words, None)
            return
        lines = (await self._ended(words, asyncio.subprocess.PIPE)).decode().splitlines()
        left_out = len(lines) - most_lines
        shown = [*lines[: most_lines - 1], f"… {left_out} more lines", lines[-1]] if left_out > 0 else lines
        self._console.print("\n".join(shown), markup=False)

    async def json(self, *words: str | Path) -> Any:
        """What the command says with `--json`, without showing it. Raises CommandFailed."""
        return json.loads(await self._ended((*words, "--json"), asyncio.subprocess.PIPE))

    async def _ended(self, words: tuple[str | Path, ...], stdout: int | None) -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, *map(str, words), stdout=stdout, env=self._environment
        )
        try:
            output, _ = await process.communicate()
        except asyncio.CancelledError:
            # Ctrl-C reaches the command too; it must be gone before its servers are.
            await process.wait()
            raise
        if process.returncode:
            raise CommandFailed(f"lead-router {shlex.join(map(str, words))}: exit code {process.returncode}")
        return output or b""


def _environment(outer: Mapping[str, str], urls: Urls) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(PROJECT), outer.get("PYTHONPATH")]))
    inner = {**outer, "PYTHONPATH": path, "LEAD_ROUTER_DATABASE_URL": urls.database}
    return inner | ({"LEAD_ROUTER_REDIS_URL": urls.redis} if urls.redis else {})
