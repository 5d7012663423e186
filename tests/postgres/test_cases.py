"""Inputs that went wrong once, each as small as can be, through the command: what is right, or what is said.

The names are those of the cases; cases that are not here are named in the tests of their subject.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ops.cli.leads import import_
from ops.cli.reps import import_ as import_reps
from router.store import tenants
from tests.command_line import CommandLine

AT = "2026-03-02T09:30:00+08:00"
FAIR = "test@test.com a@a.com na@na.com none@none.com nao@tem.com xxx@xxx.com test@fb.com 123@123.com noemail@gmail.com"


@dataclass(frozen=True)
class Case:
    """A file, with its mapping; what `--json` has of it, and what leads have, by external id."""

    name: str
    text: str | bytes
    says: dict[str, Any]
    file: str = "leads.csv"
    mapping: str = ""
    code: int = 0
    stored: dict[str, dict[str, Any]] = field(default_factory=dict)
    customers: int | None = None


CASES = [
    Case(
        "column-name-with-space",
        f"id,Source ,created_at\n1,web,{AT}\n",
        {"new": 1},
        mapping='rename: {id: external_id, "Source ": source}',
        stored={"1": {"source": "web"}},
    ),
    Case(
        "columns-in-capitals",
        f"external_id,Name,Email,Phone,Company,Source,Region,Created_at\n"
        f"1,Ann Example,ann@example.com,+8613812345670,Example Ltd,web,Shanghai,{AT}\n",
        {"new": 1},
        stored={"1": {"email": "ann@example.com", "phone": "+8613812345670", "source": "web", "attributes": None}},
    ),
    Case(
        "date-formats",
        "external_id,created_at\n1,2026/3/2 9:30\n2,2026年3月2日 9:30\n3,29/2/2024 01:16\n4,46083.3958333333\n"
        "5,1772415000000\n6,02-03-2026 09:30:15\n7,2026-03-02 09:30 AM\n",
        {"new": 6, "rejected": 1, "time_zone": "Asia/Shanghai"},
        code=1,
    ),
    Case(
        "duplicate-column-names",
        f"external_id,created_at,name,Create Date,Create Date\n1,{AT},Ann Example,x,y\n",
        {"new": 1},
        mapping="unknown_columns: drop",
        stored={"1": {"attributes": None}},
    ),
    Case("empty-column-names", f"external_id,created_at,name,,\n1,{AT},Ann Example,,\n", {"new": 1}),
    Case(
        "email-spellings",
        "external_id,source,name,email\nE-1,web,Lin,lin@example.com\nE-2,web,Lin,lin@example.com\u200b\n"
        "E-3,web,Lin,mailto:lin@example.com\n",
        {"new": 3, "merged": 2},
        stored={one: {"email": "lin@example.com"} for one in ("E-1", "E-2", "E-3")},
        customers=1,
    ),
    Case(
        "invisible-characters",
        "external_id,source,name,region\nR-1,web,n,Shanghai\u200b\n",
        {"new": 1},
        stored={"R-1": {"region": "shanghai"}},
    ),
    Case(
        "excel-extras/sep-line",
        "\ufeffsep=;\nexternal_id;source;name;phone\nX-1;web;Lin;+8613900000501\n",
        {"new": 1, "delimiter": ";"},
    ),
    Case("excel-extras/trailing", "external_id;source;name;phone;;\nX-2;web;Lin;+8613900000502;;\n", {"new": 1}),
    Case(
        "excel-extras/blank-rows",
        "external_id;source;name\nX-3;web;Lin\n;;\n;;\n\nX-4;web;Lu\n",
        {"new": 2, "blank_rows": 3, "rejected": 0},
    ),
    *(
        Case(f"file-kinds/{name}", f"external_id\tcreated_at\n1\t{AT}\n", {"new": 1, "delimiter": "\t"}, file=name)
        for name in ("leads.CSV", "leads.txt", "leads.xls", "leads.xlsx")
    ),
    *(
        Case(f"json-file-names/{name}", f'[{{"external_id": "1", "created_at": "{AT}"}}]', {"new": 1}, file=name)
        for name in ("array.json", "array.ndjson", "array.jsonl")
    ),
    Case(
        "masked-contacts",
        "external_id,source,phone,email\n1,douyin,138****1234,\n2,douyin,138xxxx1234,\n3,douyin,,z***@qq.com\n"
        "4,douyin,,z***@qq.com\n",
        {"new": 4, "merged": 0},
        mapping="default_phone_region: CN",
        customers=0,
    ),
    Case(
        "placeholder-email",
        "external_id,source,name,email\n"
        + "".join(f"{number},fair,P{number},{FAIR.split()[number % 9]}\n" for number in range(36)),
        {"new": 36, "merged": 0, "parked": 4},
        customers=0,
    ),
    Case(
        "placeholder-customer-id",
        "external_id,source,customer_id\n" + "".join(f"{n},hotline,{['0', 'NULL', 'N/A'][n % 3]}\n" for n in range(12)),
        {"new": 12, "merged": 0},
        customers=0,
    ),
    Case(
        "ids-rounded-by-a-spreadsheet",
        "external_id,source,customer_id\n1.18174E+11,hubspot,\nA-1,hubspot,1.23457E+12\nA-2,hubspot,C-7\n",
        {"new": 1, "rejected": 2},
        code=1,
    ),
    Case(
        "numbers-from-a-spreadsheet",
        "external_id,name,phone\n1,Ann,13812345679\n2,Ann,13812345679.0\n3,Ann,1.3812345679E10\n4,Ann,1.38E+10\n",
        {"new": 4, "merged": 2},
        mapping="default_phone_region: CN",
        customers=1,
    ),
    Case(
        "numbers-without-plus",
        "external_id,name,phone\n1,Ann,4915100000017\n2,Ann,+49 151 00000017\n3,Ann,0151 00000017\n",
        {"new": 3, "merged": 2},
        mapping="default_phone_region: DE",
        customers=1,
    ),
    Case(
        "local-numbers",
        "external_id,source,name,phone,region\nL-1,web,Lin,62340001,Beijing\nL-2,web,Zhao,62340001,Shanghai\n",
        {"new": 2},
        mapping="default_phone_region: CN",
        customers=0,
    ),
    Case(
        "unreadable-phones",
        "external_id,source,phone\n1,web,see notes\n2,web,13800001234/13900001234\n3,web,13800001234 (spouse)\n",
        {"new": 3, "parked": 3},
        mapping="default_phone_region: CN\nrequire_contact: true",
        customers=0,
    ),
    *(
        Case(
            f"repeats-depend-on-order/{name}",
            "external_id,source,created_at,customer_id,product\n" + "".join(rows),
            {"new": 3, "merged": 1},
        )
        for rows in [
            [
                "A,web,2026-03-02T10:00:00+08:00,C1,pump\n",
                "B,web,2026-03-03T06:00:00+08:00,C1,pump\n",
                "C,web,2026-03-04T02:00:00+08:00,C1,pump\n",
            ]
        ]
        for name, rows in (("in-time-order", rows), ("other-order", [rows[0], rows[2], rows[1]]))
    ),
    Case(
        "a-column-that-names-another-zone",
        "id,Created (UTC)\n1,2026-03-02 09:30\n",
        {"new": 1, "times_without_offset": 1, "zone_doubt": "'Created (UTC)' says UTC"},
        mapping='rename: {id: external_id, "Created (UTC)": created_at}',
    ),
    Case(
        "cells-that-failed",
        "external_id,source,region,industry\n1,web,#N/A,NULL\n2,web,east,\\N\n",
        {"new": 2, "failed_cells": {"region": 1, "industry": 2}},
        stored={"1": {"region": None, "industry": None}, "2": {"region": "east"}},
    ),
    Case(
        "ids-with-decimals",
        "external_id,source,customer_id\n1001.0,web,77.0\n1001,web,77\n1002,web,77\n",
        {"new": 2, "repeated": 1, "merged": 1},
        customers=1,
    ),
    Case(
        "quote-that-takes-rows",
        'external_id,source,note,name\n1,web,"12 inch,Ann\n2,web,12",Ben\n3,web,x,Cleo\n',
        {"new": 1, "rejected": 1},
        code=1,
    ),
    Case(
        "years-of-two-digits-in-front",
        "external_id,created_at\n1,26.03.20\n2,26.03.25\n",
        {"new": 0, "rejected": 2},
        code=1,
    ),
    Case(
        "windows-1252-read-as-chinese",
        "external_id;created_at;name;product\n1;2026-03-02T10:00:00-03:00;Ana;Avaliação\n"
        "2;2026-03-02T10:05:00-03:00;José;Manutenção\n".encode("cp1252"),
        {"new": 2, "encoding": "cp1252"},
        stored={"2": {"name": "José", "product": "Manutenção"}},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_case_that_went_wrong_once_is_right(
    case: Case, conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    await tenants.add(conn, "acme", "Asia/Shanghai")
    path, mapping = tmp_path / case.file, tmp_path / "mapping.yaml"
    path.write_bytes(case.text if isinstance(case.text, bytes) else case.text.encode())
    mapping.write_text(case.mapping)
    said = await CommandLine(import_, database_url).json(
        str(path), "--tenant", "acme", "--mapping", str(mapping), code=case.code
    )
    assert {name: said[name] for name in case.says} == case.says
    for external_id, wanted in case.stored.items():
        row = await conn.fetchrow("select * from lead where external_id = $1", external_id)
        assert row is not None
        assert {name: row[name] for name in wanted} == wanted
    if case.customers is not None:
        assert await conn.fetchval("select count(distinct customer_id) from lead") == case.customers


ROSTERS = {
    "semicolon": (b"rep_id;name;available;groups\nc1;Ann;yes;all\n", "", 0),
    "gbk": ("rep_id,name,available,groups\nc2,王芳,是,华东\n".encode("gb18030"), "", 0),
    "numbers": (b'rep_id,available,weight,max_open,leave\nc3,TRUE,"1,5",20.0,2026/10/1-2026/10/7\n', "", 0),
    "zone": (b"rep_id,available,time_zone\nc3,TRUE,GMT+8\n", "Asia/Shanghai", 2),
    "empty": (b"rep_id,available\nc4,\n", "available", 2),
}


@pytest.mark.parametrize("name", ROSTERS)
async def test_a_roster_that_was_refused_or_read_wrongly_is_right(
    name: str, conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    """The case roster-files."""
    await tenants.add(conn, "acme", "Asia/Shanghai")
    content, said, code = ROSTERS[name]
    (tmp_path / "reps.csv").write_bytes(content)
    result = await CommandLine(import_reps, database_url).run(str(tmp_path / "reps.csv"), "--tenant", "acme")
    assert (result.exit_code, said in result.output) == (code, True), result.output
    assert "Etc/GMT" not in result.output


async def test_the_same_id_from_another_source_is_noticed(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    """The case source-edited-doubles-a-lead."""
    await tenants.add(conn, "acme", "Asia/Shanghai")
    command, said = CommandLine(import_, database_url), []
    for day, source in (("monday", "phone"), ("tuesday", "email")):
        (tmp_path / f"{day}.csv").write_text(f"external_id,source,phone\nINC1,{source},+8613812345601\n")
        said.append((await command.run(str(tmp_path / f"{day}.csv"), "--tenant", "acme")).output)
    assert "has the external_id of a lead from another source" in said[1]
    assert "another source" not in said[0]


async def test_a_table_below_a_title_is_refused_with_the_line_of_its_names(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    await tenants.add(conn, "acme", "Asia/Shanghai")
    (tmp_path / "leads.csv").write_text("Leads of March\n\nexternal_id,source\n1,web\n")
    result = await CommandLine(import_, database_url).run(str(tmp_path / "leads.csv"), "--tenant", "acme")
    assert (result.exit_code, "line 3 seems to have the names" in result.output) == (2, True), result.output
    (tmp_path / "leads.csv").write_text("external_id^source\n1^web\n")
    result = await CommandLine(import_, database_url).run(str(tmp_path / "leads.csv"), "--tenant", "acme")
    assert (result.exit_code, "name that as the delimiter" in result.output) == (2, True), result.output
