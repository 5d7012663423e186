"""A shell in which the commands of a page are typed one after the other, as a reader would."""

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.commands import PROJECT

PROGRAM = "from ops.cli import main; main(prog_name='lead-router')"


@dataclass(frozen=True, slots=True)
class Typed:
    """What a command printed on both streams, and its exit code."""

    lines: tuple[str, ...]
    code: int


class Terminal:
    """A bash that goes on: what `cd` and `export` change holds for the next command."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def types(self, command: str) -> Typed:
        """Runs a command to its end."""
        assert self._process.stdin
        assert self._process.stdout
        mark = f"end-{uuid.uuid4().hex}"
        # `eval`: a mistake of syntax ends the command, not the shell.
        self._process.stdin.write(f"eval {_quoted(command)} </dev/null\nprintf '\\n%s %s\\n' {mark} $?\n".encode())
        await self._process.stdin.drain()
        lines = list[str]()
        while (line := (await self._process.stdout.readline()).decode()) and not line.startswith(mark):
            lines.append(line.rstrip("\n"))
        assert line, f"the shell has ended: {lines}"
        # The line break before the mark is not the command's; where the command ends without one, it is its own.
        return Typed(tuple(lines[:-1] if lines and not lines[-1] else lines), int(line.split()[1]))


def _quoted(command: str) -> str:
    return "'" + command.replace("'", "'\\''") + "'"


@asynccontextmanager
async def terminal(folder: Path, **environment: str) -> AsyncIterator[Terminal]:
    """A shell in a folder that is made, where `lead-router` is found, and only `environment` is configured."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    program = programs / "lead-router"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{PROGRAM}" "$@"\n')
    program.chmod(0o755)
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LEAD_ROUTER_", "LC_", "LANG", "COLUMNS", "MAKE", "MFLAGS"))
    }
    process = await asyncio.create_subprocess_exec(
        *("bash", "--noprofile", "--norc"),
        cwd=folder,
        env=inherited
        | {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(PROJECT), "LC_ALL": "C.UTF-8"}
        | {"HOME": str(folder), "USER": "ann", "LOGNAME": "ann"}
        | environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Terminal(process)
    finally:
        assert process.stdin
        process.stdin.close()
        await process.wait()
