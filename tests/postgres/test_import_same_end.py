"""However a file is imported, the database ends the same: shuffled, twice, at once, cut off and run again."""

import csv
import random
import signal
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from loadtest.datasets import bpic2012, olist, x_education
from router.store import tenants
from tests.postgres.test_import_files import Cli, write_csv
from tests.support import until
from tests.support_data import real_data

LEADS = """
    select lead_id, source, external_id, created_at, name, phone, email, company, declared_customer, region, industry,
           product, campaign, ad_id, landing_page, priority, attributes::text, customer_id
      from lead where tenant_id = $1
"""
FILES = {
    "olist/olist_marketing_qualified_leads_dataset.csv": (olist.MAPPING, 8_000),
    "bpic2012/applications.csv": (bpic2012.MAPPING, 13_087),
    "x_education/Leads.csv": (x_education.MAPPING, 9_240),
}


async def picture(conn: asyncpg.Connection, tenant_id: int, *, times: bool = True) -> dict[str, Any]:
    """What a tenant's intake ended in, without what may differ: numbers, and which of two repeats came first.

    Leads by identity with all their facts (`times` = also when they were created); customers as sets of leads;
    each set of leads that are one enquiry; how many wait and how many are parked.
    """
    rows = await conn.fetch(LEADS, tenant_id)
    name = {row["lead_id"]: (row["source"], row["external_id"]) for row in rows}
    customers: dict[int, set[tuple[str, str]]] = {}
    for row in rows:
        if row["customer_id"]:
            customers.setdefault(row["customer_id"], set()).add(name[row["lead_id"]])
    enquiries: dict[int, set[tuple[str, str]]] = {}
    for lead_id, into in await conn.fetch("select lead_id, into_lead_id from merged where tenant_id = $1", tenant_id):
        enquiries.setdefault(into, {name[into]}).add(name[lead_id])
    facts = [tuple(row)[1:3] + tuple(row)[3 if times else 4 : -1] for row in rows]
    counted = {
        table: await conn.fetchval(f"select count(*) from {table} where tenant_id = $1", tenant_id)
        for table in ("lead_pool", "merged", "parked")
    }
    keys = "select count(distinct customer_id) from customer_key where tenant_id = $1"
    return {
        "leads": sorted(facts, key=repr),
        "customers": sorted(map(sorted, customers.values())),
        "enquiries": sorted(map(sorted, enquiries.values())),
        "known customers": await conn.fetchval(keys, tenant_id),
        **counted,
    }


async def imported_the_hard_way(
    cli: Cli, conn: asyncpg.Connection, tenant: str, files: list[Path], mapping: list[str]
) -> None:
    """The first file is cut off on its way; then all at once, that one too; then that one again.

    Rows that are the same rows in every file differ from nothing.
    """
    tenant_id = (await tenants.add(conn, tenant, "UTC")).tenant_id
    stored = "select count(*) from lead where tenant_id = $1"

    async def begun() -> bool:
        return bool(await conn.fetchval(stored, tenant_id))

    # In so many parts that it is not over when a busy machine comes to end it.
    arguments = ("leads", "import", str(files[0]), "--tenant", tenant, *mapping, "--batch", "4")
    killed = await cli.start(*arguments)
    await until(begun, "the first leads are stored")
    killed.kill()
    await killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    cut_off = await conn.fetchval(stored, tenant_id)
    done = await cli.at_once(files, *mapping, tenant=tenant)
    done.append(await cli.load(files[0], *mapping, tenant=tenant))
    for code, said, errors in done:
        assert (code in (0, 1), said.get("differing")) == (True, 0), (code, said, errors[-600:])
    leads = await conn.fetchval(stored, tenant_id)
    assert 0 < cut_off < leads
    # Leads of the batch that was cut off may appear after the kill: its commit was on the way.
    assert leads - cut_off - 4 <= sum(said["new"] for _, said, _ in done) <= leads - cut_off
    assert done[-1][1]["new"] == 0


def dirt() -> list[list[str]]:
    """Enquiries of 150 customers, each written in several ways; some are sent two or three times within the hour."""
    chance, rows = random.Random(7), []
    for n in range(700):
        person, copies = n % 150, chance.choice([1, 1, 1, 2, 3])
        for copy in range(copies):
            number = f"1380013{person:04}"
            phone = chance.choice([number, f"+86{number}", f"0086 {number[:3]}-{number[3:]}"])
            email = f"user{person}@example.com"
            time = f"2026-{1 + n // 28 % 10:02}-{1 + n % 28:02} {n // 280:02}:{copy * 20:02}:00"
            source = chance.choice(["Google", "google", " GOOGLE", "谷歌"])
            row = [f"L{n}-{copy}", source, time, f"客户{person}", phone, chance.choice([email, email.upper()])]
            rows.append([*row, f"p{n}", chance.choice(["上海", "Shanghai", "ＳＨＡＮＧＨＡＩ"]), "'; drop table lead"])
    rows += [["", "web", "", "nobody", "", "", "", "", ""], ["X", "web", "soon", "", "", "", "", "", ""]]
    return rows


HEADER = ["external_id", "source", "created_at", "name", "phone", "email", "product", "region", "note"]
DIRT_MAPPING = """
time_zone: Asia/Shanghai
default_phone_region: CN
values: {source: {谷歌: google}, region: {上海: Shanghai}}
"""


async def test_generated_dirt_ends_as_the_same_database(
    database_url: str, conn: asyncpg.Connection, tmp_path: Path
) -> None:
    cli, rows = Cli(database_url), dirt()
    (tmp_path / "m.yaml").write_text(DIRT_MAPPING)
    mapping = ["--mapping", str(tmp_path / "m.yaml")]
    straight = (await tenants.add(conn, "straight", "UTC")).tenant_id
    code, said, errors = await cli.load(write_csv(tmp_path / "s.csv", rows, HEADER), *mapping, tenant="straight")
    assert (code, said["rejected"]) == (1, 2), errors
    files = []
    for seed, (encoding, delimiter) in enumerate([("gb18030", ";"), ("utf-16", "\t"), ("utf-8-sig", "|")]):
        random.Random(seed).shuffle(rows)
        files.append(tmp_path / f"shuffled{seed}.csv")
        with files[-1].open("w", newline="", encoding=encoding) as out:
            csv.writer(out, delimiter=delimiter).writerows([HEADER, *rows])
    await imported_the_hard_way(cli, conn, "hard", files, mapping)
    expected = await picture(conn, straight)
    assert await picture(conn, straight + 1) == expected
    assert len(expected["leads"]) == len(rows) - 2
    assert len(expected["customers"]) == expected["known customers"] == 150
    assert expected["lead_pool"] == 700
    assert {lead[0] for lead in expected["leads"]} == {"google"}


@pytest.mark.data
@pytest.mark.parametrize("name", FILES)
async def test_real_files_end_as_the_same_database(
    database_url: str, conn: asyncpg.Connection, tmp_path: Path, name: str
) -> None:
    text, leads = FILES[name]
    cli, path = Cli(database_url), real_data().parent / name
    (tmp_path / "m.yaml").write_text(text)
    mapping = ["--mapping", str(tmp_path / "m.yaml"), "--batch", "2000"]
    rejects = ["--rejects", str(tmp_path / "rejects.csv")]
    straight = (await tenants.add(conn, "straight", "UTC")).tenant_id
    code, said, errors = await cli.load(path, *mapping, *rejects, tenant="straight")
    assert (code, said["rows"], said["new"]) == (0, leads, leads), errors
    with path.open(newline="", encoding="utf-8-sig") as opened:
        header, *rows = csv.reader(opened)
    files = []
    for seed in (1, 2):
        random.Random(seed).shuffle(rows)
        files.append(write_csv(tmp_path / f"shuffled{seed}.csv", rows, header))
    await imported_the_hard_way(cli, conn, "hard", files, mapping)
    times = "created_at" in text
    expected = await picture(conn, straight, times=times)
    assert await picture(conn, straight + 1, times=times) == expected
    assert len(expected["leads"]) == expected["lead_pool"] == leads
