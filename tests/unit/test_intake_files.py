"""Rows of files become the leads they mean, or are rejected with column and reason."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.domain.lead_in import LeadIn
from router.intake import text_lines
from router.intake.emails import is_address
from router.intake.lead_file import FileUnusable, LeadFile
from router.intake.normalise import LeadReader, Rejected
from router.rules.mapping import FileMapping, check_columns, parse_mapping, read_mapping
from router.rules.problems import InvalidFile

NOW = datetime(2026, 11, 23, tzinfo=UTC)

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


def lead(row: dict[str, object], mapping: str = "") -> LeadIn:
    return LeadReader(parse_mapping(mapping, "m.yaml"), NOW, "CN").read(row)


def why(row: dict[str, object], mapping: str = "") -> tuple[str, str]:
    with pytest.raises(Rejected) as rejected:
        lead(row, mapping)
    return rejected.value.column, str(rejected.value)


def test_a_row_becomes_a_lead_with_every_field_in_its_place() -> None:
    row: dict[str, object] = {
        "mql": " x1 ",
        "created_at": "2026-03-02 09:30",
        "name": " Ann ",
        "phone": "138 0013 8000",
        "email": " Ann@Example.COM ",
        "customer_id": "C7",
        "region": "Select",
        "industry": "-",
        "priority": "5",
        "budget": "100",
        "secret": "x",
        "attributes": '{"plan": [1, 2]}',
    }
    mapping = """
        rename: {mql: external_id}
        constants: {source: fair, campaign: spring}
        time_zone: Asia/Shanghai
        empty: [Select, "-"]
        drop: [secret]
    """
    read = lead(row, mapping)
    assert read == LeadIn(
        *("fair", "x1", datetime(2026, 3, 2, 1, 30, tzinfo=UTC), "Ann", "+8613800138000", "ann@example.com"),
        declared_customer="C7",
        campaign="spring",
        priority=5,
        attributes='{"budget":"100","plan":[1,2]}',
    )


def test_unknown_columns_can_be_left_out() -> None:
    assert lead({"external_id": "1", "budget": "9"}, "unknown_columns: drop").attributes is None


def test_malformed_contacts_stay_as_they_came_and_tie_nobody() -> None:
    read = lead({"external_id": "1", "phone": "call me", "email": "Ann at home"})
    assert (read.phone, read.email, sorted(read.malformed)) == ("call me", "Ann at home", ["email", "phone"])


def test_a_lead_without_contact_is_fine_unless_the_mapping_requires_one() -> None:
    assert lead({"external_id": "1"}).invalid is None
    assert "cannot be reached" in (lead({"external_id": "1"}, "require_contact: true").invalid or "")
    for contact, text in (("phone", "13800138000"), ("email", "ann@co.cn"), ("customer_id", "x")):
        assert lead({"external_id": "1", contact: text}, "require_contact: true").invalid is None
    for contact, text in (("phone", "138****8000"), ("email", "a***@co.cn"), ("customer_id", "0")):
        read = lead({"external_id": "1", contact: text}, "require_contact: true")
        assert "cannot be reached" in (read.invalid or "")


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        ({"external_id": " "}, "external_id", "is empty"),
        ({}, "external_id", "is empty"),
        ({"external_id": "x" * 256}, "external_id", "256 characters; at most 255"),
        ({"external_id": "1", "name": "x" * 10_001}, "name", "10,001 characters"),
        ({"external_id": "1", "landing_page": "x" * 2_001}, "landing_page", "2,001 characters"),
        ({"external_id": "1", "name": "a\0b"}, "name", "NUL"),
        ({"external_id": "1", "note": "a\0b"}, "note", "NUL"),
        ({"external_id": "1", "deep": {"a": ["\0"]}}, "attributes", "NUL"),
        ({"external_id": "1", "name": "a\udcff"}, "name", "not valid in the encoding"),
        ({"external_id": "1", "note": "a\udcff"}, "note", "not valid in the encoding"),
        ({"external_id": "1", "note": "x" * 100_001}, "", "characters of attributes"),
        ({"external_id": "1", "priority": "high"}, "priority", "not a whole number"),
        ({"external_id": "1", "priority": "1000001"}, "priority", "not a whole number"),
        ({"external_id": "1", "priority": "٣"}, "priority", "not a whole number"),
        ({"external_id": "1", "created_at": "soon"}, "created_at", "is not a time"),
        ({"external_id": "1", "created_at": 5}, "created_at", "is not a time"),
        ({"external_id": True}, "external_id", "must be a text, not bool"),
        ({"external_id": "1", "name": ["Ann"]}, "name", "must be a text, not list"),
        ({"external_id": "1", "attributes": "[1]"}, "attributes", "JSON object"),
        ({"external_id": "1", "attributes": "{"}, "attributes", "JSON object"),
    ],
)
def test_a_row_that_cannot_be_a_lead_says_column_and_reason(row: dict[str, object], column: str, reason: str) -> None:
    named, said = why(row)
    assert (named, reason in said) == (column, True), said


def test_the_reason_names_the_column_of_the_file_not_our_field() -> None:
    assert why({"id": "1", "when": "soon"}, "rename: {id: external_id, when: created_at}")[0] == "when"


def test_numbers_of_json_are_taken_as_texts() -> None:
    read = lead({"external_id": 12345678901234567890, "phone": 13800138000, "priority": -3})
    assert (read.external_id, read.phone, read.priority) == ("12345678901234567890", "+8613800138000", -3)


def test_a_backslash_before_u0000_is_text_not_a_nul() -> None:
    assert json.loads(lead({"external_id": "1", "note": r"\u0000"}).attributes or "") == {"note": r"\u0000"}


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        *((text, True) for text in ("a@b.cn", "a.b+c@d-e.co.uk", "名@例子.中国")),
        *((text, False) for text in ("a@b", "a@@b.cn", "a b@c.cn", "a@b.cn, c@d.cn", "@b.cn", "a@.cn")),
        ("a" * 250 + "@b.cn", False),
    ],
)
def test_what_an_email_address_looks_like(text: str, fine: bool) -> None:
    assert is_address(text) is fine


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
columns = st.sampled_from(
    ["external_id", "name", "phone", "email", "created_at", "priority", "attributes", "x", "备注"]
)


@settings(max_examples=300)
@given(st.dictionaries(columns, anything | st.text(alphabet="a@.+0123456789\0\ud800 ", max_size=20)))
def test_no_row_breaks_the_reader_and_what_it_reads_can_be_stored(row: dict[str, object]) -> None:
    try:
        read = lead(row)
    except Rejected:
        return
    for value in read:
        if isinstance(value, str):
            assert "\0" not in value
            value.encode()
    assert read.attributes is None or isinstance(json.loads(read.attributes), dict)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rename: {a: phne}", 'm.yaml:1: rename.a: unknown value phne; did you mean "phone"?'),
        ("time_zone: Asia/Shanghi", "m.yaml:1: time_zone: unknown time zone"),
        ("\nempty: [no]", "m.yaml:2: empty[0]: "),
        ("renam: {a: phone}", "renam: unknown field"),
        ("rename: {a: phone, b: phone}", "two columns mean phone"),
        ("rename: {a: source}\nconstants: {source: x}", "constants.source: is also the meaning of a column"),
        ("rename: {a: source}\ndrop: a", "is also under rename"),
        ("constants: {external_id: x}", "constants.external_id: unknown field"),
        ("default_phone_region: China", "default_phone_region"),
        ("unknown_columns: keep", "unknown_columns: unknown value"),
        ("rename: [a, b]", "rename: must be fields with values"),
        ("rename: {a: &x", "m.yaml:"),
    ],
)
def test_a_wrong_mapping_names_file_line_and_field(text: str, said: str) -> None:
    with pytest.raises(InvalidFile) as wrong:
        parse_mapping(text, "m.yaml")
    assert said in str(wrong.value)


def test_a_mapping_that_does_not_fit_the_file_says_so() -> None:
    plan = parse_mapping("rename: {Full name: name}\nconstants: {source: x}", "m.yaml")
    with pytest.raises(InvalidFile) as wrong:
        check_columns(plan, ["id", "full name", "source"])
    said = str(wrong.value)
    assert 'no column Full name; did you mean "full name"?' in said
    assert "source: comes from constants and from column" in said
    assert "external_id: no column is mapped to external_id" in said


def test_the_example_mapping_is_valid() -> None:
    assert read_mapping(Path(__file__).parents[2] / "config/examples/mapping.yaml").time_zone


def test_csv_cells_keep_quotes_newlines_and_scripts(write: Write) -> None:
    text = '\ufeffexternal_id,name\r\n1,"a ""b""\r\nc, d"\r\n\r\n2,👩‍🚀 مرحبا\r\n'
    with LeadFile(write("a.csv", text)) as file:
        rows = list(file.rows())
    assert [(row.line, row.cells["name"]) for row in rows] == [(2, 'a "b"\r\nc, d'), (5, "👩‍🚀 مرحبا")]


@pytest.mark.parametrize(
    ("line", "problem"),
    [("1", "1 cell where the header names 2"), ("1,2,3", "3 cells"), ('1,"a"b', "is not CSV")],
)
def test_a_broken_line_is_a_problem_of_that_line_alone(write: Write, line: str, problem: str) -> None:
    with LeadFile(write("a.csv", f"external_id,name\n0,x\n{line}\n")) as file:
        rows = list(file.rows())
    assert (rows[0].problem, rows[1].line) == ("", 3)
    assert problem in rows[1].problem


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b",,\n,,\n", "is empty"),
        ("a.csv", b"a\0,b\n", "a.csv:1: holds a NUL"),
        ("a.csv", b"a,b\n1,x\n2,y\0\n", "a.csv:3: holds a NUL"),
        ("a.csv", b'a,b\n1,x\n2,"y\n3,z\n', "a.csv:3: a quote is opened in this row and never closed"),
        ("a.csv", b"a,b\n1,x\n2", "a.csv:3: the file ends in the middle of this line"),
        ("a.csv", ",".join(f"c{i}" for i in range(3000)).encode(), "3,000 columns; at most 2,000 are allowed"),
        ("a.csv", b"a" + b"," * 5_000_000, "more than 1,048,576 characters"),
        ("a.csv", b"a,b\n1," + b"x" * 10_000_000 + b"\n", "a.csv:2: the row that begins here has more than"),
        ("a.csv", b'a,b\n1,"' + b"x\n" * 5_000_000 + b'"\n', "a.csv:2: the row that begins here has more than"),
        ("a.csv", b"PK\x03\x04\x14\0", "damaged workbook or ZIP archive"),
        ("a.csv", b"\x1f\x8b\x08", "gzip"),
        ("a.csv", b"<!DOCTYPE html><html>", "web page"),
        ("a.ndjson", b'{"external_id": "1"}\n{"external_id": "2', "a.ndjson:2: the file ends in the middle"),
        ("a.ndjson", b'{"external_id": "1\0"}\n', "a.ndjson:1: holds a NUL"),
        ("a.csv", b"a,b\n1,\x89PNG\r\n\x1a\n\0\0", "holds a NUL"),
        ("a.csv", b"a\xff\xfe\xfd,b\n", "encoding cannot be recognised with certainty .*--encoding"),
        ("a.xml", b"x", "what can be read: .csv, .tsv, .txt, .xlsx"),
        ("a.csv", b'"a,b', "cannot be read"),
    ],
)
def test_a_file_of_which_nothing_can_be_made_says_why(write: Write, name: str, content: bytes, said: str) -> None:
    with pytest.raises(FileUnusable, match=said):
        LeadFile(write(name, content))


def test_a_mapping_names_what_is_deeper_in_json_and_hears_of_what_no_row_has(write: Write) -> None:
    rows = b'{"id": 1, "contact": {"mail": "a@x.example", "age": 3}, "tags": [{"k": "a", "v": "b"}]}\n{"id": 2}\n'
    named = ["id", "contact.mail", "tags[k=a].v", "contact.meil", "not a path]"]
    with LeadFile(write("a.ndjson", rows), named) as file:
        assert file.unseen == set(named)
        first, second = (row.cells for row in file.rows())
        assert file.unseen == {"contact.meil", "not a path]"}
        assert file.first_fields == ("id", "contact", "tags")
    assert first == {
        "id": 1,
        "contact.mail": "a@x.example",
        "contact": {"age": 3},
        "tags[k=a].v": "b",
        "tags": [{"k": "a"}],
    }
    assert second == {"id": 2}


def test_a_field_of_the_very_name_comes_before_a_path(write: Write) -> None:
    with LeadFile(write("a.ndjson", b'{"a.b": 1, "a": {"b": 2}}\n'), ["a.b"]) as file:
        [row] = file.rows()
    assert row.cells == {"a.b": 1, "a": {"b": 2}}


def test_a_table_has_no_names_that_no_row_had(write: Write) -> None:
    with LeadFile(write("a.csv", b"external_id\n1\n"), ["x"]) as file:
        assert list(file.rows())
        assert file.unseen == set()


def test_json_lines_are_read_alike_and_broken_ones_alone_are_problems(write: Write) -> None:
    content = b'\xef\xbb\xbf{"external_id": "1"}\n\n[1]\n{"a": \n{"n": "\xff"}\n{"external_id": 2}'
    with LeadFile(write("a.ndjson", content)) as file:
        rows = list(file.rows())
    assert [(row.line, bool(row.problem)) for row in rows] == [(1, False), (3, True), (4, True), (5, True), (6, False)]


def test_an_endless_line_does_not_eat_the_memory(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_lines, "MAX_ROW", 100)
    path = write("a.ndjson", '{"external_id": 2}\n{"a": "' + "x" * 1000 + '"}\n')
    with pytest.raises(FileUnusable, match=r"a\.ndjson:2: the row that begins here has more than 100 characters"):
        LeadFile(path)


class _Counting(io.FileIO):
    """Counts the bytes that are read, of all files."""

    total = 0

    def readinto(self, buffer: Any, /) -> int | None:
        read = super().readinto(buffer)
        _Counting.total += read or 0
        return read


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030"])
def test_an_import_reads_its_file_twice_and_no_more(
    write: Write, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    content = "external_id,name\n" + "".join(f"{i},客户公司\n" for i in range(200_000))
    path = write("a.csv", content.encode(encoding))
    monkeypatch.setattr(Path, "open", lambda path, mode: io.BufferedReader(_Counting(path, mode)))
    monkeypatch.setattr(_Counting, "total", 0)
    with LeadFile(path) as file:
        assert sum(1 for _ in file.rows()) == 200_000
        # Beside it the lines that show the encoding, where it is not UTF-8.
        assert _Counting.total <= 2 * file.size + 1_200_000


def test_a_folder_named_like_a_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(FileUnusable, match="is a folder"):
        LeadFile(tmp_path / "a.csv")


texts = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@settings(max_examples=100)
@given(rows=st.lists(st.tuples(st.integers(1, 10**6), texts, texts), min_size=1, max_size=6))
def test_csv_and_json_lines_say_the_same(
    rows: list[tuple[int, str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    names = ("external_id", "name", "remark")
    folder = tmp_path_factory.mktemp("files")
    with (folder / "a.csv").open("w", newline="", encoding="utf-8") as out:
        csv.writer(out, quoting=csv.QUOTE_ALL).writerows([names, *rows])
    lines = (json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)
    (folder / "a.ndjson").write_text("".join(lines))
    reader = LeadReader(FileMapping(), NOW)
    read = []
    for suffix in ("csv", "ndjson"):
        with LeadFile(folder / f"a.{suffix}") as file:
            read.append([reader.read(row.cells) for row in file.rows()])
    assert read[0] == read[1]
