"""Imports of contacts as people have them: strangers stay strangers, and what could not be read is said."""

import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from router.store import tenants
from tests.postgres.test_import_files import Cli

HEADER = "external_id,created_at,source,name,phone,email,customer_id"
MASKED = ["138****1234", "138****1234", "138-****-1234", "138xxxx1234", "13812****34"]
UNREADABLE = ["1.39E+10", "1.39E+10", "1.38E+10", "see notes", "13800001234/13900001234", "138****1234", "Wechat: abc"]
FILLERS = ["email@email.com", "test@test.com", "a@a.com", "na@na.com", "none@none.com", "nao@tem.com", "xxx@xxx.com"]


@pytest.fixture
def cli(database_url: str) -> Cli:
    return Cli(database_url)


@pytest.fixture
async def acme(conn: asyncpg.Connection) -> int:
    return (await tenants.add(conn, "acme", "Asia/Shanghai")).tenant_id


def row(number: int, *, phone: str = "", email: str = "", customer: str = "", name: str | None = None) -> str:
    when = f"2026-03-02T{number // 60:02}:{number % 60:02}:00+08:00"
    return f"{number},{when},fair,{f'Person {number}' if name is None else name},{phone},{email},{customer}"


def written(folder: Path, rows: list[str], region: str | None = "CN", more: str = "") -> list[str]:
    """The file with its mapping, as words of the command."""
    (folder / "leads.csv").write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
    lines = [f"default_phone_region: {region}"] if region else []
    (folder / "mapping.yaml").write_text("\n".join([*lines, more or "require_contact: false"]), encoding="utf-8")
    return ["--mapping", str(folder / "mapping.yaml")]


async def imported(cli: Cli, folder: Path, rows: list[str], *more: str, **plan: Any) -> dict[str, Any]:
    words = written(folder, rows, **plan)
    code, said, errors = await cli.load(folder / "leads.csv", *words, *more)
    assert code == 0, errors
    return said


async def customers(conn: asyncpg.Connection) -> list[int | None]:
    """Of the leads, in the order of their ids."""
    rows = await conn.fetch("select customer_id from lead order by external_id::int")
    return [found["customer_id"] for found in rows]


async def test_masked_contacts_tie_nobody_and_are_counted_by_column(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    rows = [row(n, phone=text) for n, text in enumerate(MASKED)] + [row(n, email="z***@qq.com") for n in (5, 6)]
    for more in (["--check"], []):
        said = await imported(cli, tmp_path, rows, *more)
        unreadable = {name: (one["unreadable"], one["given"]) for name, one in said["unreadable"].items()}
        assert unreadable == {"phone": (5, 5), "email": (2, 2)}
        assert said["unreadable"]["phone"]["examples"][0] == {"line": 2, "text": "138****1234"}
    assert said["merged"] == 0
    assert await customers(conn) == [None] * 7
    stored = await conn.fetch("select phone, email from lead order by external_id::int")
    assert [one["phone"] or one["email"] for one in stored] == [*MASKED, "z***@qq.com", "z***@qq.com"]


async def test_unreadable_phones_are_said_with_a_hint_and_nobody_counts_as_reachable(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    rows = [row(n, phone=text) for n, text in enumerate([*UNREADABLE, "13800001234 (spouse)"])]
    words = written(tmp_path, rows, more="require_contact: true")
    code, out, errors = await cli.run("leads", "import", str(tmp_path / "leads.csv"), "--tenant", "acme", *words)
    assert code == 0, errors
    assert "phone: 8 of 8 are not valid phone numbers; kept as text, not used to find the customer" in out
    assert "e.g. line 2: 1.39E+10; line 3: 1.39E+10; line 4: 1.38E+10" in out
    assert "default_phone_region" not in out
    assert await conn.fetchval("select count(*) from parked where reason = 'lead_invalid'") == 8
    said = await imported(cli, tmp_path, [row(20, phone="13800001234")], region=None)
    assert "default_phone_region" in said["unreadable"]["phone"]["hint"]


async def test_placeholder_ids_and_addresses_swallow_no_lead(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    ids = ["0"] * 8 + ["NULL"] * 2 + ["N/A"] * 2
    rows = [row(n, customer=text, name="") for n, text in enumerate(ids)]
    rows += [row(n, email=text) for n, text in enumerate([one for one in FILLERS for _ in range(4)], 20)]
    rows.append(row(60, email="test@fb.com"))
    said = await imported(cli, tmp_path, rows)
    assert (said["new"], said["merged"], said["parked"]) == (41, 0, 1)
    assert (said["unreadable"]["customer_id"]["unreadable"], said["unreadable"]["email"]["unreadable"]) == (12, 29)
    assert set(await customers(conn)) == {None}
    assert "test lead" in await conn.fetchval("select detail from parked")


async def test_an_id_or_a_contact_of_many_different_people_is_noticed_before_it_ties_them(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    rows = [row(n, phone=f"138001380{n:02}", customer="C-100") for n in range(12)]
    rows += [row(n, email="fair@expo.example") for n in range(12, 20)]
    for more in (["--check"], []):
        said = await imported(cli, tmp_path, rows, *more, "--batch", "5000")
        shared = {one["key"]: one["people"] for one in said["shared"]}
        assert shared == {"customer_id C-100": 6, "email fair@expo.example": 6}
        assert said["shared_keys"] == 2
    found = await customers(conn)
    assert len(set(found[:12])) == 12
    assert set(found[12:]) == {None}
    again = await cli.said("customers", "check", str(tmp_path / "leads.csv"), "--tenant", "acme", "--json")
    assert json.loads(again)["shared"] == []


async def test_an_account_whose_people_are_of_one_company_stays_one_customer(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    rows = [row(n, phone=f"138001380{n:02}", email=f"p{n}@acme.example", customer="ACME") for n in range(12)]
    said = await imported(cli, tmp_path, rows)
    assert said["shared"] == []
    assert len(set(await customers(conn))) == 1


async def test_two_customers_with_contacts_in_one_lead_are_named_with_the_command_that_merges_them(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    await imported(cli, tmp_path, [row(1, phone="13800138001"), row(2, email="ann@co.example")])
    first, second = await customers(conn)
    both = [row(3, phone="13800138001", email="ann@co.example")]
    checked = await imported(cli, tmp_path, both, "--check")
    words = ["--tenant", "acme", "--json", *written(tmp_path, both)]
    looked = await cli.said("customers", "check", str(tmp_path / "leads.csv"), *words)
    assert json.loads(looked)["overlaps"] == checked["overlaps"]
    words = written(tmp_path, both)
    out = await cli.said("leads", "import", str(tmp_path / "leads.csv"), "--tenant", "acme", *words)
    command = f"lead-router customers merge {first} {second} --tenant acme"
    assert f"line 2, 3: belongs to customer {first}, and its email to customer {second}: {command}" in out
    [found] = checked["overlaps"]
    assert (found["customer_id"], found["other_customer_id"], found["key"]) == (first, second, "email ann@co.example")
    code, out, errors = await cli.run("customers", "show", str(first), "--by", "number", "--tenant", "acme")
    assert code == 0, errors
    assert f"its email ann@co.example is of customer {second}; if they are one: {command}" in " ".join(out.split())
    code, _, errors = await cli.run(*command.split()[1:])
    assert code == 0, errors
    assert len(set(await customers(conn))) == 1


async def test_one_person_whose_number_is_written_in_many_ways_is_one_customer(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    for region, texts in (
        ("DE", ["4915100000017", "+49 151 00000017", "0151 00000017"]),
        ("CN", ["13812345670", "13812345670.0", "1.3812345670E10", "86 138-1234-5670", "'13812345670"]),
        ("AR", ["+54 9 11 2345 6781", "011 15 2345-6781", "11 2345 6781"]),
    ):
        await conn.execute("delete from lead")
        await imported(cli, tmp_path, [row(n, phone=text) for n, text in enumerate(texts)], region=region)
        found = await customers(conn)
        assert len(set(found)) == 1, (region, found)
        assert found[0] is not None


async def test_local_numbers_of_two_cities_are_two_people(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    said = await imported(cli, tmp_path, [row(1, phone="62340001"), row(2, phone="62340001")])
    assert await customers(conn) == [None, None]
    assert said["unreadable"]["phone"]["unreadable"] == 2


async def test_spellings_of_an_address_are_one_person(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    texts = ["lin@example.com", "lin@example.com\u200b", "mailto:lin@example.com", "<Lin@example.com>"]
    said = await imported(cli, tmp_path, [row(n, email=text, name="Lin") for n, text in enumerate(texts)])
    assert (len(set(await customers(conn))), said["merged"], said["unreadable"]) == (1, 3, {})
