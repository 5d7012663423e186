"""Running our commands as a user does: other processes, in the project, with no servers configured."""

import asyncio
import os
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]
KEPT = ("LEAD_ROUTER_DATA",)


async def python(*words: str | Path, **environment: str) -> tuple[int, str, str]:
    """Runs Python with these words; answers exit code, stdout and stderr."""
    inherited = {
        name: value for name, value in os.environ.items() if name in KEPT or not name.startswith("LEAD_ROUTER_")
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *map(str, words),
        cwd=PROJECT,
        env=inherited | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return process.returncode or 0, output.decode(), errors.decode()


async def lead_router(*words: str | Path, **environment: str) -> tuple[int, str, str]:
    """Runs `lead-router` with these words; answers exit code, stdout and stderr."""
    return await python("-c", "from ops.cli import main; main()", *words, **environment)
