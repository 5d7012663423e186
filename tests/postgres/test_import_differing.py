"""The same id with other content is never silent, and never overwrites what is stored."""

import csv
import random
from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from router.domain.lead_in import LeadIn
from router.intake.lead_check import Checking
from router.rules.match_rules import MatchRules
from router.rules.spelling import Synonym
from router.store import tenants
from router.store.leads import accept
from router.store.synonyms import import_synonyms
from tests.postgres.test_import_accept import NOON, lead
from tests.postgres.test_import_files import Cli, write_csv

HEADER = ["external_id", "source", "created_at", "name", "phone", "region", "note"]
EVERYTHING = ("lead", "lead_pool", "merged", "parked", "customer_key")
CONTENT = "select created_at, name, phone, region, attributes::text from lead where tenant_id = $1 order by external_id"
Rows = list[list[str]]


@pytest.fixture
def cli(database_url: str) -> Cli:
    return Cli(database_url)


@pytest.fixture
async def acme(conn: asyncpg.Connection) -> int:
    return (await tenants.add(conn, "acme", "Asia/Shanghai")).tenant_id


def row(number: int, **other: str) -> list[str]:
    said = {"external_id": f"L{number}", "source": "web", "created_at": f"2026-03-02T09:30:{number % 60:02}+08:00"}
    said |= {"name": f"客户{number}", "phone": f"+861380013{number:04}", "region": "east", "note": "first"}
    return list((said | other).values())


async def everything(conn: asyncpg.Connection) -> list[int]:
    return [await conn.fetchval(f"select count(*) from {table}") for table in EVERYTHING]


async def test_an_edited_row_is_counted_and_named_and_the_stored_lead_stays(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    code, said, errors = await cli.load(write_csv(tmp_path / "a.csv", [row(n) for n in range(20)], HEADER))
    assert (code, said["new"], said["differing"], said["differences"]) == (0, 20, 0, []), errors
    before = await conn.fetch(CONTENT, acme), await everything(conn)
    edited = [row(n, note="second") for n in range(16)]
    edited += [row(16, phone="", region="EAST "), row(17, name="Bo", region="west"), row(18, created_at=""), row(19)]
    file = write_csv(tmp_path / "b.csv", edited, HEADER)
    for check in (["--check"], []):
        code, said, errors = await cli.load(file, *check)
        assert (code, said["new"], said["repeated"], said["differing"]) == (0, 0, 20, 2), errors
        assert said["differences"] == [
            {"line": 18, "source": "web", "external_id": "L16", "fields": ["phone"]},
            {"line": 19, "source": "web", "external_id": "L17", "fields": ["name", "region"]},
        ]
        assert (await conn.fetch(CONTENT, acme), await everything(conn)) == before
    for check in (["--check"], []):
        out = await cli.said("leads", "import", str(file), "--tenant", "acme", *check)
        assert "2 existing leads differ from this file; the stored version was kept:\n" in out
        assert "  line 18, L16: phone\n  line 19, L17: name, region\n" in out
        assert "edits are ignored; a different person needs a different external_id" in out


async def test_two_people_with_one_id_in_one_file_are_named_whether_or_not_they_share_a_batch(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    rows = [row(1), row(2), row(1, name="somebody else"), row(3), row(1), row(2, phone="138", created_at="")]
    file = write_csv(tmp_path / "a.csv", rows, HEADER)
    expected = [
        {"line": 4, "source": "web", "external_id": "L1", "fields": ["name"]},
        {"line": 7, "source": "web", "external_id": "L2", "fields": ["phone"]},
    ]
    for batch in ("1", "2", "100"):
        code, said, errors = await cli.load(file, "--check", "--batch", batch)
        assert (code, said["new"], said["repeated"], said["differing"]) == (0, 3, 3, 2), errors
        assert said["differences"] == expected
        assert await everything(conn) == [0] * 5
        tenant = f"batch-{batch}"
        tenant_id = (await tenants.add(conn, tenant, "UTC")).tenant_id
        code, said, errors = await cli.load(file, "--batch", batch, tenant=tenant)
        assert (code, said["new"], said["repeated"], said["differing"]) == (0, 3, 3, 2), errors
        assert said["differences"] == expected
        assert [one["name"] for one in await conn.fetch(CONTENT, tenant_id)] == ["客户1", "客户2", "客户3"]
        await conn.execute("truncate lead, lead_pool, merged, parked, customer_key")


async def test_people_without_what_their_id_is_made_of_are_rejected_and_come_in_once_mended(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    (tmp_path / "m.yaml").write_text(
        "external_id: {columns: [Mobile, Mail, created_at], may_be_empty: [Mail]}\nrename: {Mobile: phone, Mail: email}"
    )
    day = "2026-03-02T09:30:00Z"
    rows = [[day, "Ann", "", ""], [day, "Bo", "", ""], [day, "Cy", "+8613800138000", ""]]
    file = write_csv(tmp_path / "a.csv", rows, ["created_at", "name", "Mobile", "Mail"])
    code, said, errors = await cli.load(file, "--mapping", str(tmp_path / "m.yaml"))
    assert (code, said["new"], said["repeated"], said["rejected"]) == (1, 1, 0, 2), errors
    rejects = tmp_path / "a.csv.rejects.csv"
    with rejects.open(newline="", encoding="utf-8") as opened:
        header, *rejected = csv.reader(opened)
    assert [one[:2] for one in rejected] == [["2", "Mobile"], ["3", "Mobile"]]
    rejected[0][5], rejected[1][5] = "+8613900139000", "+8613900139001"
    code, said, errors = await cli.load(write_csv(rejects, rejected, header), "--mapping", str(tmp_path / "m.yaml"))
    assert (code, said["new"]) == (0, 2), errors
    assert await conn.fetchval("select array_agg(name order by name) from lead") == ["Ann", "Bo", "Cy"]


async def test_many_differences_are_all_counted_and_only_the_first_are_named(
    cli: Cli, acme: int, tmp_path: Path
) -> None:
    await cli.load(write_csv(tmp_path / "a.csv", [row(n) for n in range(150)], HEADER))
    file = write_csv(tmp_path / "b.csv", [row(n, name="Bo") for n in range(150)], HEADER)
    code, said, errors = await cli.load(file)
    assert (code, said["differing"], len(said["differences"])) == (0, 150, 100), errors
    out = await cli.said("leads", "import", str(file), "--tenant", "acme")
    assert out.count(": name\n") == 10
    assert "  … and 140 more; --json has the first 100\n" in out


async def test_lines_are_right_when_a_batch_is_halved_because_of_a_row_that_cannot_be_stored(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    await cli.load(write_csv(tmp_path / "a.csv", [row(n) for n in range(10)], HEADER))
    await conn.execute(
        "create function refuse(text) returns text language plpgsql as $$ begin"
        " if $1 = 'poison' then raise data_exception using message = 'poisoned'; end if; return $1; end $$"
    )
    await conn.execute("alter table lead add check (refuse(name) = name)")
    rows = [row(n, name="Bo" if n % 5 == 4 else f"客户{n}") for n in range(10)] + [row(11), row(12, name="poison")]
    code, said, errors = await cli.load(write_csv(tmp_path / "b.csv", rows, HEADER))
    assert (code, said["new"], said["repeated"], said["rejected"]) == (1, 1, 10, 1), errors
    assert [one["line"] for one in said["differences"]] == [6, 11]


async def test_leads_that_came_before_their_words_were_made_one_do_not_differ_for_that(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    rows = [row(1, region="上海"), row(2, region="上海")]
    await cli.load(write_csv(tmp_path / "a.csv", rows, HEADER))
    await import_synonyms(
        conn, acme, [Synonym("region", "上海", "Shanghai")], "me", replace=False, renames_sources=False
    )
    file = write_csv(tmp_path / "b.csv", [rows[0], row(2, region="上海", name="Bo")], HEADER)
    for check in (["--check"], []):
        code, said, errors = await cli.load(file, *check)
        assert (code, [one["fields"] for one in said["differences"]]) == (0, [["name"]]), errors
    assert await conn.fetchval("select region from lead where external_id = 'L1'") == "上海"


def versions(seed: int) -> Rows:
    """300 rows with 90 ids; some say what was said before, some something else in one or two fields."""
    chance, rows = random.Random(seed), []
    for _ in range(300):
        number = chance.randrange(90)
        other = {"name": "Bo", "phone": "+8613900139000", "region": "west", "note": "second"}
        fields = chance.sample(sorted(other), chance.choice([0, 0, 1, 2]))
        rows.append(row(number, **{name: other[name] for name in fields}))
    return rows


async def test_what_is_counted_is_what_differs_from_what_is_stored_however_many_import_at_once(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    rows = versions(7)
    files = []
    for seed in (1, 2):
        random.Random(seed).shuffle(rows)
        files.append(write_csv(tmp_path / f"{seed}.csv", rows, HEADER))
    both = await cli.at_once(files, "--batch", "7")
    assert [code for code, _, _ in both] == [0, 0], both
    stored = {one["external_id"]: (one["name"], one["phone"], one["region"]) for one in await conn.fetch(STORED, acme)}
    expected = [one for one in rows if (one[3], one[4], one[5]) != stored[one[0]]]
    assert len(expected) > 100
    assert sum(said["differing"] for _, said, _ in both) == 2 * len(expected)
    for check in (["--check"], []):
        code, said, errors = await cli.load(files[0], *check)
        assert (code, said["repeated"], said["differing"]) == (0, 300, len(expected)), errors
        named = [(one["external_id"], tuple(one["fields"])) for one in said["differences"]]
        assert named == oracle(files[0], stored)[:100]


STORED = "select external_id, name, phone, region from lead where tenant_id = $1"


def oracle(file: Path, stored: dict[str, tuple[Any, ...]]) -> list[tuple[str, tuple[str, ...]]]:
    with file.open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    names = ("name", "phone", "region")
    found = []
    for one in rows:
        was = dict(zip(names, stored[one["external_id"]], strict=True))
        if fields := tuple(name for name in names if one[name] != was[name]):
            found.append((one["external_id"], fields))
    return found


@pytest.mark.parametrize("seed", range(5))
async def test_a_check_and_an_import_agree_on_generated_files_with_the_first_word_winning(
    conn: asyncpg.Connection, acme: int, seed: int
) -> None:
    chance = random.Random(seed)
    leads = [version(chance) for _ in range(200)]
    first: dict[str, LeadIn] = {}
    expected = Counter[int]()
    for place, one in enumerate(leads):
        before = first.setdefault(one.external_id, one)
        expected[place] = sum(now != was for now, was in zip(one[3:14], before[3:14], strict=True))
        expected[place] += one.created_at not in (None, before.created_at)
    await accept(conn, acme, leads[:70])
    with Checking(conn, acme, MatchRules()) as checking:
        looked = [(await checking.take(leads[at : at + 30])).differing for at in range(70, 200, 30)]
    taken = [(await accept(conn, acme, leads[at : at + 30])).differing for at in range(70, 200, 30)]
    assert [list(found) for found in looked] == [list(found) for found in taken]
    counted = {70 + 30 * at + one.place: len(one.fields) for at, found in enumerate(taken) for one in found}
    assert counted == {place: count for place, count in expected.items() if count and place >= 70}


def version(chance: random.Random) -> LeadIn:
    facts: dict[str, Any] = {
        field: chance.choice([None, "a", "b"]) for field in LeadIn._fields[3:14] if chance.random() < 0.1
    }
    at = chance.choice([None, NOON])
    return lead(f"x{chance.randrange(60)}", **facts)._replace(created_at=at)
