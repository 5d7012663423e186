"""The import beside a bare COPY of what it writes: the limit of any import into these tables."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import asyncpg

from loadtest.bench import world as worlds
from loadtest.bench.figures import Figure, figure, per_second, ratios
from loadtest.bench.operating import MAPPING, command, write_csv
from loadtest.bench.stage import NotClean, Room, Stage
from loadtest.bench.world import World

# They stay: the limit is that of leads whose customers are all there.
_MADE_BEFOREHAND = frozenset({"customer", "customer_key"})


async def import_vs_copy(stage: Stage) -> list[Figure]:
    """import_vs_copy: `lead-router leads import` of a file, its start included, beside COPY of the rows that it wrote
    into the same tables, with their indexes and in one transaction, without those of the customers.
    """
    rows = stage.size(100_000, 5_000)
    imports, copies, tables = list[float](), list[float](), list[str]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
        write_csv(folder / "leads.csv", rows)
        for _ in range(stage.rounds):
            async with stage.room() as room:
                await worlds.make(room.conn, World(leads=1))
                await room.conn.execute("truncate lead, lead_pool")
                before = await _counts(room.conn)
                imports.append(await _imported(room, folder, rows))
                after = await _counts(room.conn)
                tables = [name for name in after if after[name] > before[name] and name not in _MADE_BEFOREHAND]
                copies.append(await _copied(room.conn, folder, tables))
                if await _counts(room.conn) != after:
                    raise NotClean("COPY did not write what the import wrote")
    note = (
        f"{rows:,} rows as for import_csv: {per_second(rows, imports)}; COPY (binary) of the rows of "
        f"{', '.join(tables)} into the same tables: {per_second(rows, copies)}"
    )
    return [figure("import_vs_copy", ratios(copies, imports), note)]


async def _imported(room: Room, folder: Path, rows: int) -> float:
    words = ("leads", "import", folder / "leads.csv", "--tenant", "bench1", "--mapping", folder / "mapping.yaml")
    await room.conn.execute("checkpoint")
    begin = perf_counter()
    done, _ = await command(room, *words, "--json")
    seconds = perf_counter() - begin
    if done["new"] != rows:
        raise NotClean(f"{done['new']:,} of {rows:,} rows were new: {done}")
    return seconds


async def _copied(conn: "asyncpg.Connection[asyncpg.Record]", folder: Path, tables: Sequence[str]) -> float:
    for table in tables:
        await conn.copy_from_table(table, output=folder / table, format="binary")
    await conn.execute(f"truncate {', '.join(tables)}")
    await conn.execute("checkpoint")
    begin = perf_counter()
    async with conn.transaction():
        for table in tables:
            await conn.copy_to_table(table, source=folder / table, format="binary")
    return perf_counter() - begin


async def _counts(conn: "asyncpg.Connection[asyncpg.Record]") -> dict[str, int]:
    """Rows of each table that is no partition."""
    names = await conn.fetch(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') "
        "and not relispartition order by relname"
    )
    return {name: await conn.fetchval(f'select count(*) from "{name}"') for (name,) in names}
