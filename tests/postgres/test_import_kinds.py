"""An import says what it took each column, date and file for, and stores nothing that it only guessed."""

from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import openpyxl

from ops.cli.leads import import_
from router.store import tenants
from tests.command_line import CommandLine

COLUMNS = """
    select external_id, name, email, created_at, region, product, attributes::text
      from lead where source = $1 order by external_id
"""


async def test_an_import_says_what_the_columns_became_and_what_it_decided(
    database_url: str, conn: asyncpg.Connection, tmp_path: Path
) -> None:
    await tenants.add(conn, "acme", "Asia/Shanghai")
    command = CommandLine(import_, database_url)
    path = tmp_path / "leads.csv"

    # Capitals, a column in Chinese, German dates, blank rows, windows-1252: one command, nothing lost in silence.
    text = (
        "External ID;Source;Name;Email;Created_at;Telefon;Product;;\r\n"
        "1;fair;José;ann@example.com;04/03/2026 09:30;13812345670;Avaliação;;\r\n;;;;;;;;\r\n"
        "2;fair;Ben;ben@example.com;29/2/2024;13812345671;Manutenção;;\r\n"
        "3;fair;Cleo;cleo@example.com;02-03-2026;13812345672;Instalação;;\r\n"
    )
    path.write_bytes(text.encode("cp1252"))
    said = await command.json(str(path), "--tenant", "acme", code=1)
    assert (said["encoding"], said["delimiter"], said["new"], said["rejected"]) == ("cp1252", ";", 2, 1)
    assert (said["blank_rows"], said["time_zone"], said["times_without_offset"]) == (1, "Asia/Shanghai", 2)
    became = {one["column"]: one["became"] for one in said["columns"]}
    fields = ("external_id", "source", "name", "email", "created_at", "attribute", "product")
    columns = ("External ID", "Source", "Name", "Email", "Created_at", "Telefon", "Product")
    assert became == dict(zip(columns, fields, strict=True))
    assert [one["suggestion"] for one in said["columns"] if one["suggestion"]] == ["phone"]
    assert "created_at: {format: dmy}" in said["rejects"][0]["reason"]
    first, second = await conn.fetch(COLUMNS, "fair")
    assert tuple(first)[1:6] == (
        *("José", "ann@example.com", datetime(2026, 3, 4, 1, 30, tzinfo=UTC), None, "Avaliação"),
    )
    assert second["created_at"] == datetime(2024, 2, 28, 16, tzinfo=UTC)

    shown = (await command.run(str(path), "--tenant", "acme", "--check")).output
    for part in ("windows-1252, semicolon-separated", "(kept as attribute)", 'rename: {"Telefon": phone}'):
        assert part in shown, shown
    for part in ("1 blank row skipped", "2 times without offset read in Asia/Shanghai", "line 5, Created_at: "):
        assert part in shown, shown

    # A workbook: the sheet that is named, ids and times as they are in its cells.
    book = openpyxl.Workbook()
    sheet = book.create_sheet("Leads")
    sheet.append(["external_id", "source", "created_at", "name"])
    sheet.append([118174012345, "book", datetime(2026, 3, 2, 9, 30), "王芳"])  # noqa: DTZ001 (as workbooks have it)
    book.save(tmp_path / "leads.xlsx")
    said = await command.json(str(tmp_path / "leads.xlsx"), "--tenant", "acme", "--sheet", "leads")
    assert (said["sheet"], said["new"]) == ("Leads", 1)
    (row,) = await conn.fetch(COLUMNS, "book")
    assert tuple(row)[:4] == ("118174012345", "王芳", None, datetime(2026, 3, 2, 1, 30, tzinfo=UTC))

    # What cannot be told is asked for, and nothing is stored.
    path.write_bytes("external_id,name\n1,Dvořák\n2,Jiří\n".encode("cp1250"))
    result = await command.run(str(path), "--tenant", "acme")
    assert (result.exit_code, "name it with --encoding" in result.output) == (2, True), result.output
    assert await conn.fetchval("select count(*) from lead") == 3


async def test_what_is_deeper_in_json_is_imported_and_a_misspelt_path_is_reported(
    database_url: str, conn: asyncpg.Connection, tmp_path: Path
) -> None:
    await tenants.add(conn, "acme", "Asia/Shanghai")
    command = CommandLine(import_, database_url)
    path, mapping = tmp_path / "scans.ndjson", tmp_path / "mapping.yaml"
    path.write_text(
        '{"badge": "X1", "contact": {"name": "Bob", "mail": "bob@x.example", "age": 41}}\n', encoding="utf-8"
    )

    # Without a mapping it is said what the rows have, not only what they lack.
    shown = (await command.run(str(path), "--tenant", "acme", "--check")).output
    assert "the rows have badge, contact; say in a mapping what they mean: --mapping M.yaml" in shown

    mapping.write_text(
        "rename: {badge: external_id, contact.name: name, contact.mail: email, contact.fone: phone}\n"
        "constants: {source: expo}\n",
        encoding="utf-8",
    )
    shown = (await command.run(str(path), "--tenant", "acme", "--mapping", str(mapping), "--check")).output
    assert "no row has what the mapping names: 'contact.fone'" in shown
    said = await command.json(str(path), "--tenant", "acme", "--mapping", str(mapping))
    assert (said["new"], said["unseen"]) == (1, ["contact.fone"])
    (row,) = await conn.fetch(COLUMNS, "expo")
    assert tuple(row)[:3] == ("X1", "Bob", "bob@x.example")
    assert row["attributes"] == '{"contact": {"age": 41}}'
