"""What the business calls things becomes what they are: words, columns made of columns, computed ids, synonyms."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.lead_in import LeadIn
from router.domain.text import fold
from router.intake.columns import Identity
from router.intake.lead_file import FileUnusable
from router.intake.mapping import MappingError, check_columns, parse_mapping
from router.intake.normalise import LeadReader, Rejected
from router.intake.spelling import Spellings, Synonym, SynonymError, spellings
from router.intake.synonyms_file import read_synonyms_file

NOW = datetime(2026, 11, 23, tzinfo=UTC)
TABLE = spellings([Synonym("source", "谷歌", "Google"), Synonym("source", "Google  SEM", "Google")])


def lead(row: dict[str, object], mapping: str = "", table: Spellings | None = None) -> LeadIn:
    return LeadReader(parse_mapping(mapping, "m.yaml"), NOW, "CN", table).read({"external_id": "1", **row})


def test_words_of_the_business_become_those_of_the_field_and_what_came_is_kept() -> None:
    mapping = """
        values:
          industry: {自动化: automation, "Very Interested": hot}
          priority: {高: 5}
          product: {泵: Pump}
    """
    read = lead({"industry": "　自动化 ", "priority": "高", "product": "泵", "note": "x"}, mapping)
    assert (read.industry, read.priority, read.product) == ("automation", 5, "Pump")
    assert json.loads(read.attributes or "") == {
        "as_it_came": {"industry": "自动化", "priority": "高", "product": "泵"},
        "note": "x",
    }
    assert lead({"industry": "ＶＥＲＹ interested"}, mapping).industry == "hot"
    assert lead({"industry": "textile"}, mapping).attributes is None


@pytest.mark.parametrize("word", ["Google", "google", " GOOGLE ", "Ｇｏｏｇｌｅ", "谷歌", "google sem", "GOOGLE　SEM"])
def test_a_source_has_one_spelling(word: str) -> None:
    assert lead({"source": word}, "", TABLE).source == "Google"


def test_without_a_table_capitals_width_and_spaces_make_no_difference() -> None:
    read = lead({"source": "Paid  Search", "region": "ＮＥＷ　York", "industry": "Saas"})
    assert (read.source, read.region, read.industry, read.attributes) == ("paid search", "new york", "saas", None)


def test_only_words_that_were_exchanged_are_kept_as_they_came() -> None:
    assert lead({"source": "GOOGLE"}, "", TABLE).attributes is None
    assert json.loads(lead({"source": "谷歌"}, "", TABLE).attributes or "") == {"as_it_came": {"source": "谷歌"}}


def test_the_mapping_speaks_before_the_table() -> None:
    assert lead({"source": "G"}, "values: {source: {g: 谷歌}}", TABLE).source == "Google"


def test_columns_are_split_and_joined_and_those_of_the_file_stay() -> None:
    mapping = """
        split: {Area: {by: "/", into: [region, district, street]}}
        join: {name: {columns: [First, Last]}, product: {columns: [district, Model], by: "-"}}
        drop: [First, Last]
    """
    row: dict[str, object] = {"Area": "Shanghai / Pudong", "First": "Ann", "Last": " Smith ", "Model": "X/9"}
    read = lead(row, mapping)
    assert (read.region, read.name, read.product) == ("shanghai", "Ann Smith", "Pudong-X/9")
    assert json.loads(read.attributes or "") == {"Area": "Shanghai / Pudong", "district": "Pudong", "Model": "X/9"}
    assert lead({**row, "First": "", "Area": "a/b/c/d"}, mapping).name == "Smith"


def test_a_column_can_be_split_into_itself_and_the_last_part_takes_the_rest() -> None:
    read = lead({"region": "Shanghai-Pudong-Lujiazui"}, 'split: {region: {by: "-", into: [region, district]}}')
    assert read.region == "shanghai"
    assert json.loads(read.attributes or "") == {"district": "Pudong-Lujiazui"}


def test_an_id_is_computed_where_there_is_none() -> None:
    mapping = "external_id: {columns: [phone, When], as: text, by: '/'}"
    assert lead({"phone": "138 0013 8000", "When": "Monday"}, mapping).external_id == "1"
    row: dict[str, object] = {"external_id": "", "phone": " 13800138000", "When": "Monday"}
    assert lead(row, mapping).external_id == "13800138000/Monday"
    assert lead({**row, "When": ""}, mapping).external_id == "13800138000"
    with pytest.raises(Rejected, match="so are the columns of which one is computed"):
        lead({"external_id": "", "phone": "", "When": " "}, mapping)
    hashed = lead(row, "external_id: {columns: [phone, When]}").external_id
    # Written into databases: it must never come out otherwise.
    assert hashed == "59e74f8fb6f57bc2ac7a982ea56d588d"
    assert hashed == lead({**row, "When": "ＭＯＮＤＡＹ "}, "external_id: {columns: [phone, When]}").external_id


texts = st.text(max_size=8)


@given(st.lists(texts, min_size=2, max_size=3), st.lists(texts, min_size=2, max_size=3))
def test_different_columns_give_different_hashes(one: list[str], other: list[str]) -> None:
    def id_of(values: list[str]) -> str | None:
        columns = tuple(map(str, range(3)))
        return Identity(columns).of(dict(zip(columns, values, strict=False)), ())

    def alike(values: list[str]) -> list[str]:
        return [*(fold(value.strip()) for value in values), *[""] * (3 - len(values))]

    if "\0" not in "".join([*one, *other]) and any(map(str.strip, one)) and any(map(str.strip, other)):
        assert (id_of(one) == id_of(other)) == (alike(one) == alike(other))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("split: {a: {by: '', into: [b, c]}}", "split.a.by: "),
        ("split: {a: {by: '/', into: [b]}}", "split.a.into: must name two columns or more"),
        ("split: {a: {into: [b, c]}}", "split.a.by: is missing"),
        ("join: {a: {columns: [b, b]}}", "names a column twice"),
        ("external_id: {as: hash}", "external_id.columns: is missing"),
        ("external_id: {columns: a, as: number}", "unknown value number"),
        ("external_id: {columns: a, by: '-'}", "by: is for `as: text`"),
        ("values: {colour: {a: b}}", "values.colour: unknown field"),
        ("values: {industry: {Auto: a, AUTO: b}}", "values.industry.AUTO: also means a"),
        ("values: {industry: automation}", "must be fields with values"),
    ],
)
def test_a_wrong_entry_names_file_line_and_field(text: str, said: str) -> None:
    with pytest.raises(MappingError) as wrong:
        parse_mapping(text, "m.yaml")
    assert said in str(wrong.value)
    assert str(wrong.value).startswith("m.yaml:1: ")


def test_columns_that_entries_need_must_be_there() -> None:
    plan = parse_mapping(
        "split: {area: {by: '/', into: [region, b]}}\njoin: {name: {columns: [First, b]}}\n"
        "external_id: {columns: [Mobil]}\nrename: {b: product}",
        "m.yaml",
    )
    with pytest.raises(MappingError) as wrong:
        check_columns(plan, ["Area", "first", "Mobile"])
    said = str(wrong.value)
    assert "split: the file has no column area" in said
    assert 'join.name: the file has no column First; did you mean "first"?' in said
    assert "external_id: the file has no column Mobil" in said
    assert "column b" not in said
    check_columns(plan, ["area", "First", "Mobil"])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("source,谷歌,Google\nsource,谷歌,Baidu", "'谷歌' is spelled 'Google' and 'Baidu'"),
        ("source,a,Google\nsource,b,google", "is spelled 'Google' and 'google'"),
        ("source,a,b\nsource,b,c", "is spelled"),
        ("colour,a,b", ":2: 'colour' is no field with one spelling"),
        ("source,,b", ":2: source '': a word has 1 to 255"),
        ("source,a", ":2: has 2 cells"),
    ],
)
def test_a_table_that_contradicts_itself_says_where(tmp_path: Path, lines: str, said: str) -> None:
    (tmp_path / "s.csv").write_text(f"field,word,spelling\n{lines}\n")
    with pytest.raises((SynonymError, FileUnusable)) as wrong:
        read_synonyms_file(tmp_path / "s.csv")
    assert said in str(wrong.value)


def test_a_table_is_read_in_any_encoding(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_bytes("word;field;spelling\r\n谷歌;source;Google\r\n".encode("gb18030"))
    assert read_synonyms_file(tmp_path / "s.csv") == [Synonym("source", "谷歌", "Google")]
