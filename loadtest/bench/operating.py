"""What people wait for: an import, an explanation, the audit; and the memory of a router under a long backlog."""

import asyncio
import csv
import json
import os
import random
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

import psutil

from loadtest.bench import world as worlds
from loadtest.bench.figures import Figure, figure
from loadtest.bench.stage import NotClean, Room, Stage
from loadtest.bench.world import SQL, World
from loadtest.shell import PROGRAM, PROJECT
from ops.why.collect import why
from ops.why.document import document
from router.store.assignments import find_lead

_LOOK_EVERY_S = 0.05
_COLUMNS = (
    *("external_id", "source", "Received", "name", "Mobile", "email", "company"),
    *("region", "industry", "product", "Budget"),
)
MAPPING = "time_zone: Asia/Shanghai\ndefault_phone_region: CN\nrename: {Received: created_at, Mobile: phone}\n"


async def large_backlog(stage: Stage) -> list[Figure]:
    """router_rss, audit_1m, doctor_1m, replay_1m, why_p99: all on one world, drained by the command."""
    world = World(leads=stage.size(1_000_000, 20_000), reps=5_000, group_size=250)
    async with stage.room() as room:
        [tenant_id] = made = await worlds.make(room.conn, world)
        await worlds.refill(room.conn, world, made)
        stage.say(f"drains {world.leads:,} leads")
        begin = perf_counter()
        summary, megabytes = await command(room, "drain", "--until-idle", "--json")
        drained_s = perf_counter() - begin
        if summary["assigned"] != world.leads:
            raise NotClean(f"{summary['assigned']:,} of {world.leads:,} leads were assigned")
        stage.say("audits them")
        audits = [await room.audited() for _ in range(stage.rounds)]
        stage.say("looks for what is wrong")
        doctors = [await _examined(room) for _ in range(stage.rounds)]
        stage.say("replays them")
        replays, replay_megabytes = await _replayed(room, world, stage.rounds)
        whys = await _explained(room, tenant_id, stage.size(300, 30))
    replay_note = f"`lead-router replay --set rep.r0.available=no`, {world.in_words}"
    p99 = whys[len(whys) * 99 // 100] * 1000
    median = f"median {whys[len(whys) // 2] * 1000:.0f} ms"
    return [
        figure("router_rss", [megabytes], f"largest resident size of `lead-router drain`, {world.in_words}"),
        figure("audit_1m", audits, world.in_words),
        figure("doctor_1m", doctors, world.in_words),
        figure("doctor_vs_audit", [one / two for one, two in zip(doctors, audits, strict=True)], world.in_words),
        figure("replay_1m", replays, f"{replay_note}; largest resident size {replay_megabytes:.0f} MB"),
        figure("replay_1m_vs_drain", [one / drained_s for one in replays], f"their drain: {drained_s:.1f} s"),
        figure("why_p99", [p99], f"{len(whys)} leads at random, {world.in_words}; {median}"),
    ]


async def _examined(room: Room) -> float:
    """Seconds of `lead-router doctor`, its start included."""
    begin = perf_counter()
    await command(room, "doctor", "--json", found=1)
    return perf_counter() - begin


async def _replayed(room: Room, world: World, rounds: int) -> tuple[list[float], float]:
    """Seconds of replays without one rep, each of all leads, and the largest resident size (MB). Raises NotClean."""
    runs, largest = list[float](), 0.0
    for _ in range(rounds):
        begin = perf_counter()
        done, megabytes = await command(
            room, "replay", "--tenant", "bench1", "--set", "rep.r0.available=no", "--limit", "0", "--json"
        )
        runs.append(perf_counter() - begin)
        largest = max(largest, megabytes)
        after = sum(row["after"] for row in done["reps"] + done["waiting_at_end"])
        if after != world.leads or done["not_run"]["batches"] or not done["different_leads"]:
            raise NotClean(f"{after:,} of {world.leads:,} leads were assigned in the replay, or wait")
    return runs, largest


async def _explained(room: Room, tenant_id: int, most: int) -> list[float]:
    """Seconds of single explanations, ascending."""
    found = []
    for row in await SQL.some_leads.fetch(room.conn, tenant_id=tenant_id, limit=most):
        begin = perf_counter()
        document(await why(room.conn, await find_lead(room.conn, str(row[0]), None)))
        found.append(perf_counter() - begin)
    return sorted(found)


async def import_csv(stage: Stage) -> list[Figure]:
    """import_csv: `lead-router leads import`, its start included; new leads, and then the same file again."""
    rows = stage.size(100_000, 5_000)
    world = World(leads=1)
    rates, again = list[float](), list[float]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
        write_csv(folder / "leads.csv", rows)
        file, mapping = folder / "leads.csv", folder / "mapping.yaml"
        words = ("leads", "import", file, "--tenant", "bench1", "--mapping", mapping, "--json")
        for _ in range(stage.rounds):
            async with stage.room() as room:
                await worlds.make(room.conn, world)
                await room.conn.execute("truncate lead")
                for kept, expected in ((rates, "new"), (again, "repeated")):
                    begin = perf_counter()
                    done, _ = await command(room, *words)
                    kept.append(rows / (perf_counter() - begin))
                    if done[expected] != rows:
                        raise NotClean(f"{done[expected]:,} of {rows:,} rows were {expected}: {done}")
                await room.audited()
    note = (
        f"{rows:,} rows with phone, e-mail, name and company, 5% repeats, half of them with a customer who was there; "
        f"the same file again: {sorted(again)[len(again) // 2]:,.0f} leads/s"
    )
    return [figure("import_csv", rates, note)]


def write_csv(path: Path, rows: int) -> None:
    """A file of leads for MAPPING, of which a twentieth come from people who came before."""
    rng = random.Random(4)
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(_COLUMNS)
        for number in range(rows):
            person = number if number % 20 else rng.randrange(number + 1)
            out.writerow(
                [
                    f"L{number:07}",
                    ("Google", "google ", "WeChat", "展会")[number % 4],
                    f"2026-03-{1 + number % 28:02} {number % 24:02}:{number % 60:02}:00",
                    f"Person {person}",
                    f"138{person:08}",
                    f"person{person}@example{person % 5000}.com",
                    f"Company {person % 5000}",
                    ("Shanghai", "上海", "Hangzhou", "Beijing")[number % 4],
                    f"industry{number % worlds.INDUSTRIES}",
                    f"product{number % worlds.PRODUCTS}",
                    str(rng.randrange(100_000)),
                ]
            )


async def command(room: Room, *words: str | Path, found: int = 0) -> tuple[dict[str, Any], float]:
    """What `lead-router … --json` says on the room's database, and its largest resident size in MB, looked at often.

    Raises NotClean when it fails; exit code `found` is no failure.
    """
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "LEAD_ROUTER_DATABASE_URL": room.url}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, *map(str, words)),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    speaking = asyncio.create_task(process.communicate())
    largest = 0
    while not speaking.done():
        with suppress(psutil.NoSuchProcess):
            largest = max(largest, psutil.Process(process.pid).memory_info().rss)
        await asyncio.wait([speaking], timeout=_LOOK_EVERY_S)
    said, errors = await speaking
    if process.returncode not in (0, found):
        raise NotClean(f"lead-router {words[0]}: exit code {process.returncode}: {errors.decode()[-500:]}")
    return json.loads(said), largest / 1_000_000
