"""`make profile`: where the time of a drain goes, on both sides of the wire; everything goes to `build/profile/`.

A flame graph of the router (py-spy), what each statement cost (pg_stat_statements), write-ahead log by kind
(pg_get_wal_stats), and the plans of statements over a bound (auto_explain, in `server.log`).
"""

import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path

import asyncpg
import click

from loadtest.bench import world as worlds
from loadtest.bench.world import World
from loadtest.shell import PROGRAM, PROJECT
from ops.cli.context import EXIT_CANNOT_RUN, console
from ops.embedded.embedded import embedded, stopped
from ops.embedded.servers import apply_migrations
from router.store.statements import load
from router.telemetry.log_format import configure_logs

_SQL = load("profile")

SERVER = {
    "shared_buffers": "1GB",
    "max_wal_size": "16GB",
    "shared_preload_libraries": "pg_stat_statements,auto_explain",
    "track_io_timing": "on",
    "pg_stat_statements.track_planning": "on",
    "auto_explain.log_min_duration": "50ms",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_buffers": "on",
}


@click.command()
@click.option("--leads", type=click.IntRange(1000), default=300_000, show_default=True)
@click.option("--reps", type=click.IntRange(1), default=200, show_default=True)
@click.option("--rules", type=click.IntRange(5), default=30, show_default=True)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), default=Path("build/profile"))
def main(leads: int, reps: int, rules: int, output: Path) -> None:
    """Drain one tenant under a profiler."""
    configure_logs("error", "auto", "profile")
    output.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="lead-router-profile-"))
    # Root's servers run as another user, who must be able to enter.
    folder.chmod(0o755)
    try:
        code = asyncio.run(_profile(folder, World(leads, reps=reps, rules=rules), output.absolute()))
        shutil.copy(folder / "servers.log", output / "server.log")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code)


async def _profile(folder: Path, world: World, output: Path) -> int:
    out = console()
    async with embedded(folder, SERVER, linger_s=0.5) as urls:
        await apply_migrations(urls.database)
        conn = await worlds.connect(urls.database)
        await _SQL.extensions.execute(conn)
        made = await worlds.make(conn, world)
        await worlds.refill(conn, world, made)
        since = await _SQL.begin.value(conn)
        code = await _drain_under_py_spy(urls.database, output)
        if code == 0:
            await _report(conn, world, since, output)
        await conn.close()
    await stopped(folder)
    if code:
        out.print("py-spy could not watch the router: it needs the right to trace processes (root, or ptrace_scope 0)")
        return EXIT_CANNOT_RUN
    out.print(f"{world.in_words}: {output / 'flame.svg'}, statements.txt, wal.txt, server.log")
    return 0


async def _drain_under_py_spy(url: str, output: Path) -> int:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "LEAD_ROUTER_DATABASE_URL": url}
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("py-spy")), "record", "--rate", "500"),
        *("--output", str(output / "flame.svg")),
        *("--", sys.executable, "-c", PROGRAM, "drain", "--until-idle"),
        env=environment,
    )
    return await process.wait()


async def _report(conn: "asyncpg.Connection[asyncpg.Record]", world: World, since: str, output: Path) -> None:
    statements = await _SQL.statement_costs.fetch(conn)
    lines = [f"{'µs/lead':>8} {'calls':>7} {'ms/call':>8} {'rows':>9} {'WAL B/lead':>10}  statement"]
    lines += [
        f"{row['ms'] * 1000 / world.leads:8.2f} {row['calls']:7} {row['ms'] / row['calls']:8.3f} {row['rows']:9} "
        f"{row['wal'] / world.leads:10.0f}  {' '.join(row['query'].split())[:90]}"
        for row in statements
    ]
    (output / "statements.txt").write_text("\n".join(lines) + "\n")
    kinds = await _SQL.wal_by_kind.fetch(conn, since=since)
    text = [f"{row['bytes'] / world.leads:8.1f} bytes/lead  {row['kind']}" for row in kinds]
    (output / "wal.txt").write_text("\n".join(text) + "\n")
    out = console()
    out.print("\n".join(lines[:12]), highlight=False)
    out.print("\n".join(text[:10]), highlight=False)


if __name__ == "__main__":
    main()
