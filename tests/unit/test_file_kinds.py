"""Files as people have them are read, or refused with what would be right; never read wrongly in silence."""

import gc
import io
import json
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from router.intake.encoding_guess import guess
from router.intake.lead_file import FileUnusable, LeadFile

TABLE = "external_id\tcreated_at\n1\t2026-03-02T09:30:00+08:00\n"
RECORD = {"external_id": "1", "created_at": "2026-03-02T09:30:00+08:00"}


def rows_of(path: Path, content: str | bytes, sheet: str | None = None) -> list[dict[str, object]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with LeadFile(path, sheet=sheet) as file:
        return [dict(row.cells) for row in file.rows() if not row.problem]


def workbook(sheets: Mapping[str, list[list[Any]]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize("name", ["leads.CSV", "leads.txt", "leads.tsv", "leads.xls", "leads.xlsx"])
def test_a_table_is_read_whatever_its_name_ends_in(tmp_path: Path, name: str) -> None:
    assert rows_of(tmp_path / name, TABLE) == [RECORD]


@pytest.mark.parametrize("name", ["array.json", "array.ndjson", "leads.jsonl", "leads.json", "leads.txt"])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_json_array_is_read_like_json_lines(tmp_path: Path, name: str, indent: int | None, encoding: str) -> None:
    records = [RECORD, {"external_id": 2, "note": 'a "b", [c] {d} \\ 客户', "deep": {"x": [1, {"y": []}]}}]
    array = json.dumps(records, indent=indent, ensure_ascii=False).encode(encoding)
    assert rows_of(tmp_path / name, array) == records
    lines = "\n".join(json.dumps(one) for one in records).encode(encoding)
    assert rows_of(tmp_path / name, lines) == records


@settings(max_examples=100)
@given(
    records=st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.lists(st.integers())), max_size=8)
)
def test_every_element_of_an_array_arrives_as_it_was_written(
    records: list[dict[str, object]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    padded = [{"external_id": str(number), "long": "x" * 30_000, **one} for number, one in enumerate(records)]
    content = json.dumps(padded, ensure_ascii=True, indent=1)
    assert rows_of(tmp_path_factory.mktemp("array") / "a.json", content) == padded


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[{"a": 1}, {"b": ', "not closed: the file was cut off"),
        ('[{"a": 1}] x', "follows the JSON array"),
        ('[{"a": "' + "x" * 2_000_000 + '"}]', "more than 1,048,576 characters"),
    ],
)
def test_an_array_that_is_not_whole_is_refused(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(FileUnusable, match=said):
        rows_of(tmp_path / "a.json", content)


def test_a_workbook_says_what_its_cells_say(tmp_path: Path) -> None:
    moment = datetime(2026, 3, 2, 9, 30)  # noqa: DTZ001 (as workbooks have it)
    cells = [118174012345, moment, "王伟\n(上海)", 13812345679.0, 1.5, True, None]
    table: list[list[Any]] = [
        ["external_id", "created_at", "name", "phone", "score", "vip", None],
        cells,
        [],
        ["x2", None, "Ann"],
    ]
    path = tmp_path / "leads.xlsx"
    rows = rows_of(path, workbook({"Leads": table, "Other": [["a"]]}))
    first = {"external_id": "118174012345", "created_at": "2026-03-02 09:30:00", "name": "王伟\n(上海)"}
    assert rows[0] == {**first, "phone": "13812345679", "score": "1.5", "vip": "yes"}
    assert (rows[1]["external_id"], rows[1]["name"], rows[1]["vip"]) == ("x2", "Ann", "")
    with LeadFile(path) as file:
        assert [row.line for row in file.rows()] == [2, 4]
        assert (file.sheet, file.blank_rows, file.encoding) == ("Leads", 1, "utf-8-sig")
        assert "Other" in file.notes[0]
    content = workbook({"Leads": table, "Other": [["external_id"], ["7"]]})
    assert rows_of(path, content, "other") == [{"external_id": "7"}]
    with pytest.raises(FileUnusable, match="has no sheet 'Third'; its sheets are Leads, Other"):
        rows_of(path, content, "Third")


def packed(parts: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"xl/sharedStrings.xml": b" " * (49 << 20)}, "unpacks to"),
        ({"xl/styles.xml": b" " * (17 << 20)}, "unpacks to"),
        ({"xl/worksheets/sheet1.xml": b"<row>" + b"x" * (5 << 20)}, "a row of .* has more than"),
        ({"xl/sharedStrings.xml": b" " * 300_000 + b"<!DOCTYPE x [<!ENTITY a 'b'>]>"}, "document type"),
        ({}, "cannot be read"),
    ],
)
def test_a_hostile_workbook_is_refused_before_it_is_unpacked(
    tmp_path: Path, parts: dict[str, bytes], said: str
) -> None:
    content = packed({"xl/workbook.xml": b"<workbook/>", **parts})
    with pytest.raises(FileUnusable, match=said):
        rows_of(tmp_path / "a.xlsx", content)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.xlsx"]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("external_id,name,,\n1,Ann,,\n", [{"external_id": "1", "name": "Ann"}]),
        ("external_id,name,,\n1,Ann\n", [{"external_id": "1", "name": "Ann"}]),
        ("external_id,name,,\n1,Ann,,x\n", [{"external_id": "1", "name": "Ann", "column 4": "x"}]),
        ("external_id,,name\n1,,Ann\n", [{"external_id": "1", "name": "Ann"}]),
        ("external_id;source;name;;\r\nX-2;web;Lin;;\r\n", [{"external_id": "X-2", "source": "web", "name": "Lin"}]),
        ("\ufeffsep=;\r\nexternal_id;name\r\nX-1;a,b\r\n", [{"external_id": "X-1", "name": "a,b"}]),
        ("sep=|\nexternal_id|name\n1|x;y\n", [{"external_id": "1", "name": "x;y"}]),
        ("\n;;\nexternal_id;a;b\n1;x;y\n;;;\n\n;;\n", [{"external_id": "1", "a": "x", "b": "y"}]),
        ("external_id,x,x,x (2)\n1,a,b,c\n", [{"external_id": "1", "x": "a", "x (3)": "b", "x (2)": "c"}]),
        ("external_id, Source \n1,web\n", [{"external_id": "1", "Source": "web"}]),
    ],
)
def test_what_is_empty_or_doubled_hurts_nobody(tmp_path: Path, content: str, wanted: list[dict[str, object]]) -> None:
    assert rows_of(tmp_path / "leads.csv", content) == wanted


def test_blank_rows_are_counted_and_are_no_rejects(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_text("external_id;source;name\r\nX-3;web;Lin\r\n;;\r\n ; ;\r\n\r\nX-4;web;Lu\r\n", newline="")
    with LeadFile(path) as file:
        assert [row.problem for row in file.rows()] == ["", ""]
        assert file.blank_rows == 3


TEXTS = {
    "cp1252": ["Avaliação;José;São Paulo", "Müller;Straße;Jürgen", "François;Élodie", "AVALIAÇÃO", "Søren;Ærø", "10 €"],
    "cp1251": ["Иванов Пётр, Москва", "Заявка на обслуживание"],
    "big5": ["王小明;詢問報價", "台北市 陳先生 想了解設備"],
    "cp949": ["김민수;서울;문의합니다", "이영희 부산"],
    "cp932": ["田中太郎;お問い合わせ", "東京 株式会社テスト"],
    "euc_jp": ["田中太郎;お問い合わせ"],
    "gb18030": ["王芳;是;华东", "想了解报价请回电", "VIP客户 张伟", "北京市朝阳区 赵婷婷 咨询", "María;王伟"],
    "cp1250": ["Jiří Dvořák", "Wałęsa Łódź", "Kovács Ödön kérő"],
    "cp1254": ["Şahin Yıldız İstanbul"],
    "cp1253": ["Γιώργος Παπαδόπουλος"],
    "cp1256": ["محمد علي"],
    "cp1255": ["שלום עולם"],
    "koi8-r": ["Иванов Пётр, Москва"],
}
ASKED = ("cp1250", "cp1254", "cp1253", "cp1256", "cp1255", "koi8-r")


@pytest.mark.parametrize(("encoding", "text"), [(name, text) for name, texts in TEXTS.items() for text in texts])
def test_a_legacy_encoding_is_recognised_or_asked_for(encoding: str, text: str) -> None:
    found = guess(f"1;{text};x\n2;{text};y\n".encode(encoding)).encoding
    assert found == (None if encoding in ASKED else encoding)


words = st.sampled_from(
    [(name, word) for name, texts in TEXTS.items() for text in texts for word in text.replace(";", " ").split()]
)


@settings(max_examples=300)
@given(words, st.sampled_from(["", "A", "1", "x "]), st.sampled_from(["", "B", ",", " y"]))
def test_no_single_word_is_stored_as_another(word: tuple[str, str], before: str, after: str) -> None:
    encoding, text = word
    data = f"1;{before}{text}{after}\n".encode(encoding)
    found = guess(data).encoding
    assert found is None or data.isascii() or data.decode(found) == data.decode(encoding)


@pytest.mark.parametrize("name", ["a.csv", "a.ndjson"])
def test_a_wrong_encoding_is_said_at_once_and_not_row_by_row(tmp_path: Path, name: str) -> None:
    line = '{"name": "王芳 客户"}\n' if name.endswith("json") else "external_id,name\n1,王芳 客户\n2,想了解报价\n"
    (tmp_path / name).write_bytes(line.encode("gb18030") * 5)
    with pytest.raises(FileUnusable, match=r"rows are not valid UTF-8; nothing was read\. It is probably GB18030"):
        LeadFile(tmp_path / name, encoding="utf-8")


def test_a_cell_at_the_end_of_a_sheet_does_not_keep_an_import_busy(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.cell(1, 1, "external_id")
    sheet.cell(1_000_000, 1, "x")
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(FileUnusable, match="more than 10,000 blank rows"):
        LeadFile(tmp_path / "a.xlsx")


HOSTILE = {
    "wide.csv": b"external_id" + b",c" * 500_000 + b"\n",
    "cells.csv": b"external_id,a\n" + b"1" + b",\xf0\x9f\x98\x80" * 150_000 + b"\n",
    "nested.ndjson": b'{"external_id": "1", "x": [' + b"[]," * 300_000 + b"[]]}\n",
    "keys.ndjson": b'{"external_id": "1", ' + b'"' + b"k" * 900_000 + b'": 1}\n',
}
_MEASURE = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from router.intake.lead_file import FileUnusable, LeadFile
from router.intake.lead_import import Taken, import_leads
from router.intake.normalise import LeadReader
from router.rules.mapping import FileMapping

class Nothing:
    def prepare(self, leads): return None
    async def take(self, leads, prepared, lines=()): return Taken(len(leads), 0, 0, 0)

async def run():
    with LeadFile(Path(sys.argv[1])) as file:
        reader = LeadReader(FileMapping(), datetime(2026, 11, 23, tzinfo=UTC), "CN")
        kept = []
        await import_leads(Nothing(), file, reader, lambda row, column, reason: None, 5000, lambda done: None)
try:
    asyncio.run(run())
except FileUnusable as error:
    print(str(error)[:300])
# Of this program alone: `ru_maxrss` also counts what the process was before it became this one.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
print(int(peak.split()[1]) // 1024)
"""


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_file_does_not_eat_the_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    header, _, line = HOSTILE[name].rpartition(b"external_id,a\n")
    path.write_bytes(header + (b"external_id,a\n" if name == "cells.csv" else b"") + line * 40)
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) < 300, done.stdout


def saved(book: Any) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize("name", ["leads.csv", "leads.xls", "leads.txt", "leads", "leads.json", "leads.XLSX"])
def test_a_workbook_is_read_whatever_its_name_ends_in(tmp_path: Path, name: str) -> None:
    content = workbook({"leads": [["external_id"], ["1"]]})
    assert rows_of(tmp_path / name, content) == [{"external_id": "1"}]


def test_the_first_sheet_that_is_shown_is_read_and_hidden_ones_are_named(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(
        io.BytesIO(workbook({"old": [["external_id"], ["0"]], "leads": [["external_id"], ["1"]]}))
    )
    book["old"].sheet_state = "hidden"
    assert rows_of(tmp_path / "a.xlsx", saved(book)) == [{"external_id": "1"}]
    with LeadFile(tmp_path / "a.xlsx") as file:
        assert any("old (hidden)" in note for note in file.notes)
    assert rows_of(tmp_path / "a.xlsx", saved(book), sheet="old") == [{"external_id": "0"}]


@pytest.mark.parametrize("formula", ["=A1&A1", "=IF(1>0,2,3)", "=VLOOKUP(A1,B:C,2,0)"])
def test_a_formula_that_was_never_calculated_is_no_empty_cell(tmp_path: Path, formula: str) -> None:
    content = workbook({"leads": [["external_id", "phone"], ["1", formula]]})
    with pytest.raises(FileUnusable, match="cell B2 has a formula without a value"):
        rows_of(tmp_path / "a.xlsx", content)


def with_values(content: bytes, old: bytes, new: bytes) -> bytes:
    """The workbook with another text in its first sheet."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(out, "w") as target:
        for part in source.infolist():
            data = source.read(part)
            if part.filename == "xl/worksheets/sheet1.xml":
                assert old in data, data
                data = data.replace(old, new)
            target.writestr(part, data)
    return out.getvalue()


def test_a_formula_with_a_value_is_its_value_and_one_that_gives_an_empty_text_is_empty(tmp_path: Path) -> None:
    content = workbook({"leads": [["external_id", "name"], ["1", "=A2"]]})
    raw = zipfile.ZipFile(io.BytesIO(content)).read("xl/worksheets/sheet1.xml")
    cell = raw[raw.index(b'<c r="B2"') :]
    cell = cell[: cell.index(b"</c>") + 4]
    number = with_values(content, cell, b'<c r="B2"><f>A2</f><v>42</v></c>')
    assert rows_of(tmp_path / "a.xlsx", number) == [{"external_id": "1", "name": "42"}]
    empty = with_values(content, cell, b'<c r="B2" t="str"><f>IF(A2=1,"","x")</f><v></v></c>')
    assert rows_of(tmp_path / "a.xlsx", empty)[0]["external_id"] == "1"


def test_cells_that_are_merged_over_rows_have_their_value_in_each_of_them(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["external_id", "region", "name"],
        ["1", "East", "Ann"],
        ["2", None, "Ben"],
        ["3", None, None],
        ["4", None, "Cleo"],
    ]
    book = openpyxl.load_workbook(io.BytesIO(workbook({"leads": rows})))
    book["leads"].merge_cells("B2:B4")
    book["leads"].merge_cells("A1:A1")
    read = rows_of(tmp_path / "a.xlsx", saved(book))
    assert [one.get("region", "") for one in read] == ["East", "East", "East", ""]
    with LeadFile(tmp_path / "a.xlsx") as file:
        assert "2 cells of merged cells got the value that is shown for them" in file.notes


def test_a_name_that_is_merged_over_two_rows_is_no_value(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook({"leads": [["external_id", "name"], [None, "x"], ["1", "Ann"]]})))
    book["leads"].merge_cells("A1:A2")
    assert [one["external_id"] for one in rows_of(tmp_path / "a.xlsx", saved(book))] == ["", "1"]


def test_a_workbook_says_what_its_cells_show(tmp_path: Path) -> None:
    rows: list[list[Any]] = [["external_id", "name"], [42, "Ann_x000D_\nExample"], ["b_x0041_", None], [7, None]]
    book = openpyxl.load_workbook(io.BytesIO(workbook({"leads": rows})))
    sheet = book["leads"]
    sheet["A2"].number_format = "000000"
    sheet.row_dimensions[4].hidden = True
    read = rows_of(tmp_path / "a.xlsx", saved(book))
    assert read == [
        {"external_id": "000042", "name": "Ann\nExample"},
        {"external_id": "b_x0041_", "name": ""},
        {"external_id": "7", "name": ""},
    ]
    with LeadFile(tmp_path / "a.xlsx") as file:
        assert any("1 hidden row" in note for note in file.notes)
        assert not file.from_1904


def test_a_workbook_that_counts_from_1904_says_so(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook({"leads": [["external_id", "created_at"], ["1", 44621.5]]})))
    book.epoch = CALENDAR_MAC_1904
    (tmp_path / "a.xlsx").write_bytes(saved(book))
    with LeadFile(tmp_path / "a.xlsx") as file:
        assert file.from_1904


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("xl/workbook.bin", "a binary workbook of Excel"),
        ("content.xml", "an OpenDocument file"),
        ("Index/Document.iwa", "a document of Apple Numbers"),
        ("leads.csv", "a ZIP archive; unpack it"),
    ],
)
def test_an_archive_of_another_program_is_named(tmp_path: Path, part: str, said: str) -> None:
    with pytest.raises(FileUnusable, match=said):
        rows_of(tmp_path / "leads.xlsx", packed({part: b"x"}))


def test_a_strict_workbook_is_refused_and_not_read_as_an_empty_one(tmp_path: Path) -> None:
    strict = b'<workbook xmlns="http://purl.oclc.org/ooxml/spreadsheetml/main"/>'
    with pytest.raises(FileUnusable, match="strict Open XML"):
        rows_of(tmp_path / "a.xlsx", packed({"xl/workbook.xml": strict}))


@pytest.mark.parametrize(
    "start", ["<table border=1>", "<meta charset=utf-8>", "<!-- x -->", "MIME-Version: 1.0", "<TR><TD>"]
)
def test_a_table_of_a_web_page_is_no_table_whatever_its_name(tmp_path: Path, start: str) -> None:
    with pytest.raises(FileUnusable, match="is a web page or XML"):
        rows_of(tmp_path / "leads.xls", f"{start}<tr><td>external_id</td></tr>")


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["leads.json", "leads.csv", "leads.txt"])
def test_the_array_of_an_answer_of_an_api_is_read(tmp_path: Path, indent: int | None, encoding: str, name: str) -> None:
    whole: dict[str, Any] = {
        "total": 2,
        "next": None,
        "data": [RECORD, {"external_id": "2", "tags": [{"a": 1}]}],
        "more": {"x": []},
    }
    assert rows_of(tmp_path / name, json.dumps(whole, indent=indent).encode(encoding)) == whole["data"]


def test_a_lead_that_has_arrays_is_a_lead(tmp_path: Path) -> None:
    lead = {"external_id": "1", "items": [{"sku": 1}], "contacts": [{"a": 1}]}
    for records in ([lead], [lead, lead]):
        assert rows_of(tmp_path / "a.ndjson", "\n".join(map(json.dumps, records))) == records
    damaged = '{"external_id": "1", "items": [{"sku": 1}], }\n' + json.dumps(lead)
    assert rows_of(tmp_path / "b.ndjson", damaged) == [lead]
    assert rows_of(tmp_path / "c.ndjson", "".join(f"{json.dumps(lead)},\n" for _ in range(2))) == [lead, lead]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (json.dumps({"external_id": "1", "name": "Ann"}, indent=1), "is one JSON object over several lines"),
        ('{"data": [\n{"external_id": "1"}\n]', "is not closed: the file was cut off"),
        ('{"data": [\n{"external_id": "1"},\n{"exter', "is not closed: the file was cut off"),
    ],
)
def test_json_that_is_no_list_of_leads_is_refused_as_a_whole(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(FileUnusable, match=said):
        rows_of(tmp_path / "a.json", content)


def test_a_few_words_that_are_nearly_utf_8_are_asked_for_by_their_own_name(tmp_path: Path) -> None:
    with pytest.raises(FileUnusable, match=r"likely: GB18030"):
        rows_of(tmp_path / "a.csv", "external_id,company,note\n2,一些解公,一一\n".encode("gb18030"))


def test_heights_of_rows_are_not_kept_in_memory(tmp_path: Path) -> None:
    """LibreOffice writes the height of every row: a sheet of a million rows took 400 MiB more."""
    out = io.BytesIO()
    plain = zipfile.ZipFile(io.BytesIO(workbook({"leads": [["external_id"]]})))
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        for part in plain.infolist():
            data = plain.read(part)
            if part.filename == "xl/worksheets/sheet1.xml":
                form = 'ht="12.8" customFormat="false" customHeight="false" hidden="false" outlineLevel="0"'
                rows = "".join(
                    f'<row r="{n}" {form}><c r="A{n}" t="inlineStr"><is><t>L{n}</t></is></c></row>'
                    for n in range(2, 60_000)
                )
                data = data.replace(b"</sheetData>", rows.encode() + b"</sheetData>")
            target.writestr(part.filename, data)
    path = tmp_path / "a.xlsx"
    path.write_bytes(out.getvalue())
    gc.collect()
    tracemalloc.start()
    try:
        with LeadFile(path) as file:
            assert len(list(islice(file.rows(), 5))) == 5
        assert tracemalloc.get_traced_memory()[1] < 30 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("external_id,name\n1,MÃ¼ller\n2,JosÃ©\n3,AVALIAÇÃO\n", "MÃ¼ller"),
        ("external_id,name\n1,å¼\u00a0ä¸‰\n", "å¼\u00a0ä¸‰"),
        ("external_id,name\n1,Müller\n2,AVALIAÇÃO\n3,São\n", None),
        ("external_id,name\n1,张三\n2,Ã©\n3,李四\n", None),
    ],
)
def test_texts_that_were_encoded_twice_are_noticed(tmp_path: Path, text: str, said: str | None) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    with LeadFile(tmp_path / "a.csv") as file:
        assert any(repr(said) in note and "encoded twice" in note for note in file.notes) == (said is not None)


def test_cells_that_are_written_as_formulas_are_their_texts(tmp_path: Path) -> None:
    """`="00123"` keeps a spreadsheet from making a number of it; as an id it would be another lead."""
    wrapped = '="external_id",name,note\n="00123",="Ann","=""a,b"""\n00124,="x,=1+1\n'
    assert rows_of(tmp_path / "a.csv", wrapped) == [
        {"external_id": "00123", "name": "Ann", "note": "a,b"},
        {"external_id": "00124", "name": '="x', "note": "=1+1"},
    ]


def test_one_lead_that_has_a_list_is_a_lead(tmp_path: Path) -> None:
    path = tmp_path / "one.ndjson"
    for lead in ('{"external_id": "1", "results": [{"a": 1}]}', '{"id": "1", "Phone": "1", "data": [{"a": 1}]}'):
        path.write_text(lead + "\n")
        with LeadFile(path) as file:
            assert [row.cells for row in file.rows()] == [json.loads(lead)]
