"""`python -m loadtest.growth`: how many bytes of the database a lead costs, by what becomes of it.

Imports leads of the demo with the product's own commands, routes them to 200 reps who are always on duty, and ends all
that a rep has; weighs all tables and indexes after each step. Embedded servers in a temporary folder.
"""

import asyncio
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import click

from loadtest.datasets import demo as data
from loadtest.shell import Shell
from ops.cli.context import console
from ops.embedded.servers import open_servers
from router.settings.model import Settings
from router.store.assignments import Ending, end
from router.store.statements import load
from router.store.tenants import tenant_named

TENANT = "growth"
RULES = """\
default_phone_region: CN
rules:
  - {name: known-customer, match: {known_customer: true}, assign_to: owner}
  - {name: everything, match: {}, assign_to: group:all}
"""
_SQL = load("bench")


def _files(folder: Path, leads: int) -> data.DemoFiles:
    """Leads of the demo, a roster and rules by which all of them are assigned."""
    folder.chmod(0o755)
    files = data.write(folder / "demo", datetime.now(UTC), data.SEED, leads)
    files.rules.write_text(RULES, encoding="utf-8")
    reps = "".join(f"r{number},all\n" for number in range(200))
    files.reps.write_text(f"rep_id,groups\n{reps}", encoding="utf-8")
    return files


async def weigh(leads: int) -> None:
    """Prints bytes a lead after import, routing and endings, with the five largest tables of each step."""
    with tempfile.TemporaryDirectory(prefix="lead-router-growth-") as name:
        folder = Path(name)
        files = _files(folder, leads)
        tenant = ("--tenant", TENANT)
        async with open_servers(Settings(data_dir=folder / "servers")) as urls:
            conn, shell = await asyncpg.connect(urls.database), Shell(urls, console())
            await shell.json("tenants", "add", TENANT, "--time-zone", data.BUSINESS_ZONE.key)
            await shell.json("reps", "import", files.reps, *tenant)
            await shell.json("rules", "apply", files.rules, *tenant, "--anyway")
            before = await _sizes(conn)
            await shell.json("leads", "import", files.leads, *tenant, "--mapping", files.mapping)
            after = _say("waiting", leads, before, await _sizes(conn))
            done = await shell.json("drain", "--until-idle", *tenant)
            assigned = int(done["assigned"])
            after = _say("assigned", assigned, after, await _sizes(conn))
            tenant_id = (await tenant_named(conn, TENANT)).tenant_id
            for row in await _SQL.assigned_leads.fetch(conn, tenant_id=tenant_id):
                await end(conn, tenant_id, row["lead_id"], Ending.LOST)
            _say("closed", assigned, after, await _sizes(conn))
            await conn.close()


async def _sizes(conn: asyncpg.Connection) -> Mapping[str, int]:
    """Bytes of each table with its indexes, after vacuum: what stays."""
    await conn.execute("vacuum (analyze)")
    return {row["name"]: row["bytes"] for row in await _SQL.sizes_with_indexes.fetch(conn)}


def _say(step: str, leads: int, before: Mapping[str, int], after: Mapping[str, int]) -> Mapping[str, int]:
    grown = {name: size - before.get(name, 0) for name, size in after.items()}
    largest = sorted(grown.items(), key=lambda item: -item[1])[:5]
    parts = ", ".join(f"{name} {size / leads:,.0f}" for name, size in largest if size > 0)
    click.echo(f"{leads:,} {step}: {sum(grown.values()) / leads:+,.0f} bytes a lead: {parts}")
    return after


@click.command()
@click.option("--leads", type=click.IntRange(1_000), default=20_000, show_default=True)
def main(leads: int) -> None:
    """Weigh the database after import, routing and endings."""
    asyncio.run(weigh(leads))


if __name__ == "__main__":
    main()
