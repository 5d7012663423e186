"""What stands in files beside rows and columns: the line of names again, odd ends, totals, dates of two digits."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from router.intake.header_line import names_line
from router.intake.lead_file import FileUnusable, LeadFile
from router.intake.normalise import LeadReader, Rejected
from router.rules.column_words import suggested
from router.rules.mapping import FileMapping, parse_mapping
from router.rules.spelling import Synonym, spellings

NOW = datetime(2026, 11, 29, tzinfo=UTC)
HEADER, ROWS = "external_id,source,name\n", "1,web,Ann\n2,web,Ben\n"


def ids(path: Path, content: str) -> list[str]:
    """The ids of the rows that are leads, and the reasons of the others."""
    path.write_bytes(content.encode())
    with LeadFile(path) as file:
        return [row.problem or str(row.cells["external_id"]) for row in file.rows()]


@pytest.mark.parametrize("mark", ["", "\ufeff", " "])
def test_the_line_of_names_of_a_file_that_was_joined_is_no_lead(tmp_path: Path, mark: str) -> None:
    joined = f"{HEADER}{ROWS}{mark}{HEADER}3,web,Cleo\n"
    assert ids(tmp_path / "a.csv", joined) == ["1", "2", "repeats the line of column names", "3"]


@pytest.mark.parametrize("end", ["\x1a", "\r\n\x1a", "\n\x1a"])
def test_the_mark_at_the_end_of_old_files_is_no_row(tmp_path: Path, end: str) -> None:
    assert ids(tmp_path / "a.csv", HEADER + ROWS.rstrip("\n") + end) == ["1", "2"]
    assert ids(tmp_path / "b.csv", HEADER + ROWS + "\x1a") == ["1", "2"]


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\x1e", "\x85", "\u2028", "\u2029"])
def test_ends_of_lines_that_are_none_do_not_make_a_file_without_leads(tmp_path: Path, end: str) -> None:
    (tmp_path / "a.csv").write_bytes((HEADER + ROWS).replace("\n", end).encode())
    with pytest.raises(FileUnusable, match=f"U\\+{ord(end):04X}, which ends no line"), LeadFile(tmp_path / "a.csv"):
        pass


@pytest.mark.parametrize("text", ["Total", "TOTAL:", "合计", "Summe", "Total général", "Ｔｏｔａｌ"])
def test_a_line_of_totals_is_no_lead(text: str) -> None:
    with pytest.raises(Rejected, match="is a line of totals"):
        LeadReader(FileMapping(), NOW).read({"external_id": text, "source": "2"})
    assert LeadReader(FileMapping(), NOW).read({"external_id": f"{text} 7"}).external_id


@pytest.mark.parametrize("text", ["26.03.02", "26/03/02"])
def test_a_year_of_two_digits_in_front_is_not_taken_for_a_day(text: str) -> None:
    reader = LeadReader(parse_mapping("time_zone: UTC", "m.yaml"), NOW)
    with pytest.raises(Rejected, match="a year of two digits"):
        reader.read({"external_id": "1", "created_at": text})
    day = text.split(" ", maxsplit=1)[0].replace("/", ".").replace("-", ".")
    said = LeadReader(parse_mapping('time_zone: UTC\ncreated_at: {format: "%y.%m.%d"}', "m.yaml"), NOW)
    assert said.read({"external_id": "1", "created_at": day}).created_at == datetime(2026, 3, 2, tzinfo=UTC)
    german = reader.read({"external_id": "1", "created_at": "02.03.26"}).created_at
    assert german == datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        *("2026‑03‑02 09:30", "2026–03–02 09:30", "2026−03−02 09:30", "2. März 2026, 09:30 Uhr", "2 mars 2026 à 9h30"),
        *("2 de março de 2026 às 09:30", "2 mars 2026 à 9 h 30", "2026-03-02 09:30:00 GMT+0000 (Greenwich)"),
    ],
)
def test_dates_as_people_and_programs_write_them(text: str) -> None:
    reader = LeadReader(parse_mapping("time_zone: UTC", "m.yaml"), NOW)
    assert reader.read({"external_id": "1", "created_at": text}).created_at == datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("column", "field"),
    [
        *(("客户编号", "customer_id"), ("Kundennr.", "customer_id"), ("N° de téléphone", "phone"), ("商品", "product")),
        *(("Horodatage", "created_at"), ("Carimbo de data/hora", "created_at"), ("Lead-Quelle", "source")),
        *(("Adresse électronique", "email"), ("UF", "region"), ("推广计划", "campaign")),
    ],
)
def test_more_names_of_columns_are_suggested_and_a_customers_number_is_no_leads_id(column: str, field: str) -> None:
    assert suggested([column, "budget"], []) == {column: field}


@pytest.mark.parametrize("text", ["编号", "Lead ID:", "ID", "線索編號", "Record ID *"])
def test_a_second_line_of_names_is_no_lead(text: str) -> None:
    with pytest.raises(Rejected, match="is a second line of column names"):
        LeadReader(FileMapping(), NOW).read({"external_id": text, "source": "来源"})
    assert LeadReader(FileMapping(), NOW).read({"external_id": f"{text} 7"}).external_id


def test_a_quote_that_takes_rows_for_a_text_loses_none_of_them_in_silence(tmp_path: Path) -> None:
    swallowed = 'external_id,source,note,name\n1,web,"12 inch,Ann\n2,web,12",Ben\n3,web,x,Cleo\n'
    first, last = ids(tmp_path / "a.csv", swallowed)
    assert (first.startswith("seems to be several rows"), last) == (True, "3")
    fine = 'external_id,source,note,name\n"1",web,"a, b\nc, d",Ann\n2,"w\nw",x,"B\nen"\n'
    assert ids(tmp_path / "b.csv", fine) == ["1", "2"]


def test_a_text_over_lines_with_as_many_commas_as_a_row_is_one_cell(tmp_path: Path) -> None:
    message = 'external_id,note,name\n1,"Hello,\nI want a, b",Ann\nA-2,"x,\nHall 7, B",Ben\n'
    assert ids(tmp_path / "a.csv", message) == ["1", "A-2"]
    address = 'external_id,name,source,note\n1,Ann,web,"Main St 5\nBerlin, DE, Europe, 10"\n'
    assert ids(tmp_path / "b.csv", address) == ["1"]
    for first, second in (("1", "2"), ("A-1", "B-22"), ("Ann", "Ben Cole"), ('"1"', "2")):
        swallowed = f'external_id,note,name\n{first},"12 inch,Ann\n{second},12",Ben\n'
        (one,) = ids(tmp_path / "c.csv", swallowed)
        assert one.startswith("seems to be several rows"), (first, second)


def test_cells_that_failed_are_empty_and_counted_but_a_word_of_the_business_is_one() -> None:
    reader = LeadReader(FileMapping(), NOW)
    row = {"external_id": "1", "region": "#N/A", "industry": "NULL", "source": "NULL"}
    lead = reader.read(row)
    assert (lead.region, lead.industry, lead.source) == (None, None, "null")
    assert reader.failed_cells == {"region": 1, "industry": 1}
    assert lead.attributes is not None
    assert "#N/A" in lead.attributes
    meant = LeadReader(parse_mapping('values: {region: {"#N/A": "none yet"}}', "m.yaml"), NOW)
    assert (meant.read(row).region, meant.failed_cells) == ("none yet", {"industry": 1})
    table = LeadReader(FileMapping(), NOW, spellings=spellings([Synonym("region", "#n/a", "Elsewhere")]))
    assert table.read(row).region == "Elsewhere"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("Leads of March\n\nexternal_id,source,name\n1,web,Ann\n", 3),
        ("Leads of March,,,\nby,Ann,,\n编号,来源,姓名,电话\n1,web,Ann,\n", 3),
        ("id,note\n1,Ann\n2,Ben\n", None),
        ("a\n1\n", None),
    ],
)
def test_the_line_of_names_below_a_title_is_found(tmp_path: Path, content: str, line: int | None) -> None:
    (tmp_path / "a.csv").write_text(content)
    with LeadFile(tmp_path / "a.csv") as file:
        assert names_line(file, FileMapping().target) == line
