"""Generated dirt: the same leads in any encoding, between any signs, in any spelling, are the same leads."""

import csv
import io
import unicodedata
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from router.intake.delimiter import DELIMITERS, DelimiterUnknown, delimiter_named
from router.intake.encoding import CARRIED, EncodingUnknown, display_name, text_encoding
from router.intake.lead_file import FileUnusable, LeadFile
from router.intake.normalise import LeadReader, Rejected
from router.intake.rejects import RejectsFile, is_rejects_file
from router.rules.mapping import parse_mapping
from router.rules.spelling import Synonym, plain, spellings

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ENCODINGS = ("utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be")
ENDS = ("\n", "\r\n", "\r")
ZONES = ("Asia/Shanghai", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata", "Australia/Lord_Howe")
REGIONS = {"Shanghai": ["Shanghai", "上海", "申城"], "hangzhou": ["hangzhou"], "北京": ["北京", "Peking", "bei jing"]}
TABLE = spellings(Synonym("region", word, name) for name, words in REGIONS.items() for word in words if word != name)
NAMES = ("王伟", "李娜 (上海)", "Ann Smith", 'O"Neil, J.', "张敏；销售|部", "两\n行", "a\tb", "；，。", "María")
WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


class Truth(NamedTuple):
    """A lead as it is, before somebody wrote it into a file."""

    external_id: str
    at: datetime
    name: str
    phone: str
    email: str
    region: str


truths = st.builds(
    Truth,
    st.integers(1, 10**9).map("L{}".format),
    st.integers(0, 25 * 365 * 86_400).map(lambda s: datetime(2001, 1, 1, tzinfo=UTC) + timedelta(seconds=s)),
    st.sampled_from(NAMES),
    st.integers(13800000000, 13899999999).map("+86{}".format),
    st.integers(1, 999).map("user{}@example.com".format),
    st.sampled_from(sorted(REGIONS)),
)


@st.composite
def written(draw: st.DrawFn, truth: Truth, zone: str) -> tuple[list[str], datetime]:
    """The lead as somebody might have written it, and when that says it came."""

    def one_of(*ways: Callable[[], str]) -> str:
        return draw(st.sampled_from(ways))()

    local = truth.at.astimezone(ZoneInfo(zone))
    # Who writes a local time without its offset says the first of two that are alike.
    offset = draw(st.booleans())
    said = truth.at if offset else local.replace(fold=0).astimezone(UTC)
    time = local.isoformat(sep=draw(st.sampled_from("T "))) if offset else local.replace(tzinfo=None).isoformat(sep=" ")
    word = draw(st.sampled_from(REGIONS[truth.region]))
    region = one_of(
        lambda: word,
        word.upper,
        lambda: word.title().translate(WIDE),
        lambda: word.replace(" ", "　 "),
        lambda: f" {word}\u00a0",
    )
    number = truth.phone[3:]
    phone = one_of(
        lambda: number,
        lambda: truth.phone,
        lambda: f"{number[:3]} {number[3:7]}-{number[7:]}",
        lambda: f"0086{number}",
        lambda: f"({truth.phone[:3]}) {number}",
        lambda: number.translate(WIDE),
    )
    email = one_of(lambda: truth.email, truth.email.upper, lambda: f"  {truth.email}\t")
    return [truth.external_id, time, truth.name, phone, email, region], said


def encoded(rows: list[list[str]], encoding: str, delimiter: str, end: str) -> bytes:
    text = io.StringIO()
    # Python quotes only those ends of lines that it writes itself.
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode(encoding)


def opened(path: Path, columns: Collection[str], encoding: str) -> LeadFile:
    """As a person does: a few words may be read in several encodings, and then the file's is asked for."""
    try:
        return LeadFile(path, columns)
    except FileUnusable as error:
        assert "name it with --encoding" in str(error) and encoding != "utf-8"
        return LeadFile(path, columns, encoding)


@settings(max_examples=150)
@given(data=st.data(), leads=st.lists(truths, min_size=1, max_size=8), zone=st.sampled_from(ZONES))
def test_dirty_files_say_what_their_leads_are(
    data: st.DataObject, leads: list[Truth], zone: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    drawn = [data.draw(written(lead, zone)) for lead in leads]
    encoding, delimiter, end = (data.draw(st.sampled_from(kinds)) for kinds in (ENCODINGS, DELIMITERS, ENDS))
    header = ["external_id", "created_at", "name", "Mobile", "email", "region"]
    content = encoded([header, *(row for row, _ in drawn)], encoding, delimiter, end)
    path = tmp_path_factory.mktemp("dirt") / "leads.csv"
    path.write_bytes(content)
    plan = parse_mapping(f"rename: {{Mobile: phone}}\ntime_zone: {zone}", "m.yaml")
    reader = LeadReader(plan, NOW, "CN", TABLE)
    with opened(path, plan.columns, encoding) as file:
        assert file.delimiter == delimiter
        if file.encoding != encoding:
            # The plainest that says the same.
            assert file.encoding == "utf-8"
            assert content == content.decode(encoding).encode()
        read = [reader.read(row.cells) for row in file.rows()]
    for lead, (_, said), got in zip(leads, drawn, read, strict=True):
        assert got[:2] == ("", lead.external_id)
        assert (got.created_at, got.name, got.phone, got.email) == (said, lead.name, lead.phone, lead.email)
        assert got.region == lead.region


hostile = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=30) | st.sampled_from(
    ["'; drop table lead; --", "\\N", "=cmd|'/c calc'!A1", "\u202egnp.exe", "👩‍🚀", "مرحبا", "𝕳", "\ufeff", "\u2028"]
)


@settings(max_examples=150)
@given(
    rows=st.lists(st.tuples(hostile, hostile), min_size=1, max_size=5),
    encoding=st.sampled_from(ENCODINGS),
    delimiter=st.sampled_from(DELIMITERS),
)
def test_hostile_texts_arrive_as_they_were_sent(
    rows: list[tuple[str, str]], encoding: str, delimiter: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("hostile") / "leads.csv"
    table = [["external_id", "name", "note"], *([str(i), *row] for i, row in enumerate(rows))]
    path.write_bytes(encoded(table, encoding, delimiter, "\r\n"))
    with LeadFile(path, encoding=encoding, delimiter=delimiter) as file:
        assert [tuple(row.cells.values()) for row in file.rows()] == [(str(i), *row) for i, row in enumerate(rows)]


chinese = st.text(
    alphabet="上海自动化设备有限公司销售经理王李张刘陈杨想了解报价请回电一二三的是在", min_size=1, max_size=12
)


@settings(max_examples=200)
@given(
    rows=st.lists(st.tuples(chinese | st.just("Acme"), chinese), min_size=1, max_size=5),
    plain_rows=st.integers(0, 3000),
)
def test_chinese_is_found_out_however_little_there_is_of_it(
    rows: list[tuple[str, str]], plain_rows: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    table = [["external_id", "company", "note"], *[["1", "Acme", "call back"]] * plain_rows, *(["2", *r] for r in rows)]
    content = encoded(table, "gb18030", ",", "\n")
    try:
        content.decode()
        assume(False)
    except UnicodeDecodeError:
        pass
    path = tmp_path_factory.mktemp("chinese") / "leads.csv"
    path.write_bytes(content)
    if len({sign for row in rows for text in row for sign in text if not sign.isascii()}) < 5:
        # So few characters may be frequent ones of Korean, or a word in Big5, too: then the person is asked.
        try:
            LeadFile(path).close()
        except FileUnusable as error:
            assert "GB18030" in str(error)
            return
    with LeadFile(path) as file:
        assert file.encoding == "gb18030"


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("external_id,name\n1,Müller\n2,Jürgen\n".encode("windows-1252"), "cp1252"),
        ("external_id,name\n1,客户\n".encode() * 50 + b"2,caf\xe9\n", "utf-8"),
        (b"external_id,name\n1,caf\xe9s\n", "cp1252"),
        # One rare character is all that speaks for Chinese: too little, the person is asked.
        ("external_id,region\n1,滬\n".encode("gb18030"), None),
        (b"\xff\xfe" + "external_id\n1\n".encode("utf-16-le"), "utf-16"),
        ("external_id,name\n1,一一一一\n".encode("utf-16-le"), "utf-16-le"),
        (b"external_id,name\n1,x\n", "utf-8"),
    ],
)
def test_damage_and_other_encodings_are_not_taken_for_chinese(
    tmp_path: Path, content: bytes, encoding: str | None
) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    if encoding is None:
        with pytest.raises(FileUnusable, match="name it with --encoding"):
            LeadFile(tmp_path / "a.csv")
        return
    with LeadFile(tmp_path / "a.csv") as file:
        assert file.encoding == encoding


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("external_id;name, first\n1;a, b\n", ";"),
        ("external_id,name|note\n1,a|b\n", ","),
        ("id;preis\n1;2,50\n2;3,70\n", ";"),
        ('"a,b";"c"\n"1,2";"3"\n', ";"),
        ("external_id\n1\n", ","),
        ("external_id\tname\n1\tx\n", "\t"),
        ("id|a,b,c\n1|x\n2|y\n", "|"),
    ],
)
def test_the_delimiter_is_the_one_that_makes_sense(tmp_path: Path, text: str, delimiter: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with LeadFile(tmp_path / "a.csv") as file:
        assert file.delimiter == delimiter


def test_encodings_and_delimiters_can_be_named() -> None:
    assert (text_encoding("GBK"), text_encoding("UTF8"), display_name("gb18030")) == ("gbk", "utf-8", "GB18030")
    assert [delimiter_named(text) for text in ("tab", "\\t", ";", "Pipe", "^")] == ["\t", "\t", ";", "|", "^"]
    for name in ("utf-99", "base64", ""):
        with pytest.raises(EncodingUnknown):
            text_encoding(name)
    for text in ("", "ab", '"', "a", "\n"):
        with pytest.raises(DelimiterUnknown):
            delimiter_named(text)


@given(st.binary(max_size=60), st.sampled_from(["utf-8", "gb18030", "utf-16-le", "utf-16-be", "big5", "shift_jis"]))
def test_bytes_that_are_no_text_are_carried_and_never_taken_for_one(junk: bytes, encoding: str) -> None:
    text = junk.decode(encoding, CARRIED)
    try:
        junk.decode(encoding)
    except UnicodeDecodeError:
        assert any("\ud800" <= character <= "\udfff" for character in text)
    again = text.encode(encoding, CARRIED)
    if encoding == "utf-8":
        assert again == junk
    if "utf" in encoding:
        assert again.decode(encoding, CARRIED).count("\udcff") >= text.count("\udcff")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_mended_rejects_are_read_like_the_file_that_they_came_from(
    tmp_path: Path, encoding: str, delimiter: str
) -> None:
    header = ["external_id", "created_at", "name", "note"]
    bad = [["2", "soon", "王伟", f"a{delimiter}b"], ["3", "2026-03-02T00:00:00Z", "李娜"], ["", "", "张敏", "两\n行"]]
    path = tmp_path / "leads.csv"
    path.write_bytes(encoded([header, ["1", "", "客户", ""], *bad], encoding, delimiter, "\r\n"))
    rejects = tmp_path / "rejects.csv"
    assert read_into(path, rejects) == (["1"], 3)
    assert is_rejects_file(rejects)
    with rejects.open(newline="", encoding=encoding) as opened:
        columns, *rows = csv.reader(opened, delimiter=delimiter)
    assert [row[3 : 3 + len(was)] for row, was in zip(rows, bad, strict=True)] == bad
    rows[0][4], rows[1][6:], rows[2][3] = "2026-03-02T00:00:00Z", [""], "4"
    for other, sign in ((encoding, delimiter), ("utf-8", ","), ("utf-16", "\t"), ("gb18030", ";")):
        rejects.write_bytes(encoded([columns, *rows], other, sign, "\n"))
        assert is_rejects_file(rejects)
        assert read_into(rejects, tmp_path / "again.csv") == (["2", "3", "4"], 0)


def read_into(path: Path, rejects_path: Path) -> tuple[list[str], int]:
    """The ids of the leads in the file, and how many rows were rejected."""
    reader, ids = LeadReader(parse_mapping("", "m.yaml"), NOW), []
    with LeadFile(path) as file:
        rejects = RejectsFile(rejects_path, file)
        for row in file.rows():
            try:
                if row.problem:
                    raise Rejected("", row.problem)
                ids.append(reader.read(row.cells).external_id)
            except Rejected as error:
                rejects.add(row, error.column, str(error))
        rejects.finish()
    return ids, rejects.count


@given(st.text(max_size=20))
def test_a_spelling_is_one_spelling(word: str) -> None:
    once = plain(word)
    assert plain(once) == once
    for other in (word.upper(), f"  {word} ", unicodedata.normalize("NFKC", word)):
        if plain(other) != once:
            # A few letters (such as the dotless i) have capitals that are those of another letter.
            assert word.upper().lower() != word.lower() or len(word.upper()) != len(word)


def test_time_is_not_lost_between_zones() -> None:
    plan = parse_mapping("time_zone: America/New_York", "m.yaml")
    read = LeadReader(plan, NOW).read({"external_id": "1", "created_at": "2026-11-01 01:30:00"})
    assert read.created_at == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert read.created_at is not None
    assert read.created_at - timedelta(hours=4) < NOW
