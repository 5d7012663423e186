"""The import beside itself as it was before customer keys were kept in a cheaper way: both from this repository."""

import asyncio
import json
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import asyncpg

from loadtest.bench.figures import Figure, figure, per_second, ratios
from loadtest.bench.operating import MAPPING, write_csv
from loadtest.bench.stage import NotClean, Stage
from loadtest.shell import PROGRAM, PROJECT

BEFORE = "99d61a62bbb98906a77eec8b2802d3da78e7dffc"
"""The last commit before."""


class _Run(NamedTuple):
    """How long an import took, and the processor time of the command, both in seconds and with its start."""

    seconds: float
    processor_s: float


async def import_vs_before(stage: Stage) -> list[Figure]:
    """import_vs_before: `lead-router leads import` of one file, in turns with the code of the commit BEFORE."""
    rows = stage.size(100_000, 5_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
        write_csv(folder / "leads.csv", rows)
        async with _code_before(folder / "before") as before:
            if before is None:
                why = f"cannot be measured: this is no clone of the repository with the commit {BEFORE[:10]}"
                return [figure("import_vs_before", [0.0], why)]
            now, then = await _in_turns(stage, folder, rows, [PROJECT, before])
    note = f"{rows:,} rows as for import_csv: {_in_words(rows, now)}; before: {_in_words(rows, then)}"
    return [figure("import_vs_before", ratios([one.seconds for one in then], [one.seconds for one in now]), note)]


async def _in_turns(stage: Stage, folder: Path, rows: int, codes: Sequence[Path]) -> list[list[_Run]]:
    """The runs of each code; the first round does not count, and who begins changes from round to round."""
    runs: list[list[_Run]] = [[] for _ in codes]
    for turn in range(stage.rounds + (not stage.quick)):
        order = list(range(len(codes)))
        for which in order if turn % 2 else reversed(order):
            seen = await _imported(stage, folder, rows, codes[which])
            if turn or stage.quick:
                runs[which].append(seen)
    return runs


async def _imported(stage: Stage, folder: Path, rows: int, code: Path) -> _Run:
    """Into a fresh database that the code itself has migrated. Raises NotClean unless all rows are new leads."""
    url = stage.url.replace("/lead_router?", "/bench_import?")
    admin = await asyncpg.connect(stage.url)
    try:
        await admin.execute("drop database if exists bench_import with (force)")
        await admin.execute("create database bench_import")
        await _command(code, url, "migrate")
        await _command(code, url, "tenants", "add", "bench1", "--time-zone", "Asia/Shanghai")
        await admin.execute("checkpoint")
        begin, spent = perf_counter(), _processor_s()
        words = ("leads", "import", folder / "leads.csv", "--tenant", "bench1", "--mapping", folder / "mapping.yaml")
        done = await _command(code, url, *words)
        seen = _Run(perf_counter() - begin, _processor_s() - spent)
        if done["new"] != rows:
            raise NotClean(f"{done['new']:,} of {rows:,} rows were new: {done}")
        await admin.execute("drop database bench_import with (force)")
        return seen
    finally:
        await admin.close()


async def _command(code: Path, url: str, *words: str | Path) -> Any:
    """What that code's `lead-router … --json` says. Raises NotClean when it fails."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, *map(str, words), "--json"),
        cwd=code,
        env={**os.environ, "PYTHONPATH": str(code), "LEAD_ROUTER_DATABASE_URL": url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, errors = await process.communicate()
    if process.returncode:
        raise NotClean(f"lead-router {words[0]} of {code}: exit code {process.returncode}: {errors.decode()[-500:]}")
    return json.loads(said)


@asynccontextmanager
async def _code_before(folder: Path) -> AsyncIterator[Path | None]:
    """The repository's files as of BEFORE; None where there is no git, or the commit is not in this clone."""
    if shutil.which("git") is None or await _git("worktree", "add", "--detach", str(folder), BEFORE):
        yield None
        return
    try:
        yield folder
    finally:
        await _git("worktree", "remove", "--force", str(folder))


async def _git(*words: str) -> int:
    process = await asyncio.create_subprocess_exec(
        *("git", "-C", str(PROJECT), *words), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait()


def _processor_s() -> float:
    """Of all commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _in_words(rows: int, runs: Sequence[_Run]) -> str:
    processor_s = sorted(one.processor_s for one in runs)[len(runs) // 2]
    return f"{per_second(rows, [one.seconds for one in runs])}, {processor_s:.1f} s of processor time of the command"
