"""Leads in batches over HTTP, beside the import of a file with the same leads."""

import csv
import json
import tempfile
from pathlib import Path
from time import perf_counter

import aiohttp

from loadtest.bench.figures import Figure, figure, per_second, ratios
from loadtest.bench.operating import MAPPING, command, write_csv
from loadtest.bench.posted_to import new_tenant, service
from loadtest.bench.stage import NotClean, Room, Stage

_BATCH = 25_000
_LINES = {"Content-Type": "application/x-ndjson"}


async def batches(stage: Stage) -> list[Figure]:
    """http_batch_vs_import."""
    rows = stage.size(100_000, 5_000)
    posted, imported = list[float](), list[float]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
        write_csv(folder / "leads.csv", rows)
        bodies = _bodies(folder / "leads.csv")
        for _ in range(stage.rounds + 1):
            async with stage.room() as room:
                posted.append(await _posted(room, bodies, rows))
            async with stage.room() as room:
                imported.append(await _imported(room, folder, rows))
    note = (
        f"{rows:,} leads in batches of {_BATCH:,} JSON lines, one after another: {per_second(rows, posted[1:])}; "
        f"`lead-router leads import` of the same leads as CSV, its start included: {per_second(rows, imported[1:])}"
    )
    return [figure("http_batch_vs_import", ratios(imported[1:], posted[1:]), note)]


def _bodies(file: Path) -> list[bytes]:
    with file.open(encoding="utf-8", newline="") as opened:
        lines = [_line(row) for row in csv.DictReader(opened)]
    return ["\n".join(lines[at : at + _BATCH]).encode() for at in range(0, len(lines), _BATCH)]


def _line(row: dict[str, str]) -> str:
    """The row as the mapping of the import reads it."""
    budget, received, mobile = row.pop("Budget"), row.pop("Received"), row.pop("Mobile")
    created_at = f"{received.replace(' ', 'T')}+08:00"
    lead = {**row, "created_at": created_at, "phone": f"+86{mobile}", "attributes": {"Budget": budget}}
    return json.dumps(lead, ensure_ascii=False)


async def _posted(room: Room, bodies: list[bytes], rows: int) -> float:
    """Seconds until all batches are answered. Raises NotClean unless all leads are new and stored."""
    tenant_id = await new_tenant(room)
    async with service(room, tenant_id) as address, aiohttp.ClientSession() as session:
        headers, new = {**address.headers("0"), **_LINES}, 0
        begin = perf_counter()
        for body in bodies:
            async with session.post(f"{address.url}:batch", data=body, headers=headers) as answer:
                said = await answer.json(content_type=None)
            if answer.status != 202:
                raise NotClean(f"a batch was answered with {answer.status}: {str(said)[:300]}")
            new += said["stored"] - said["duplicates"]
        seconds = perf_counter() - begin
    if new != rows:
        raise NotClean(f"{new:,} of {rows:,} leads were new")
    await room.audited()
    return seconds


async def _imported(room: Room, folder: Path, rows: int) -> float:
    await new_tenant(room)
    words = ("leads", "import", folder / "leads.csv", "--tenant", "bench1", "--mapping", folder / "mapping.yaml")
    begin = perf_counter()
    done, _ = await command(room, *words, "--json")
    seconds = perf_counter() - begin
    if done["new"] != rows:
        raise NotClean(f"{done['new']:,} of {rows:,} rows were new: {done}")
    await room.audited()
    return seconds
