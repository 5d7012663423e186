"""What the business calls things becomes what they are: words, columns made of columns, computed ids, synonyms."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.lead_in import LeadIn
from router.domain.text import fold
from router.intake.lead_file import FileUnusable
from router.intake.normalise import LeadReader, Rejected
from router.intake.synonyms_file import read_synonyms_file
from router.rules.columns import Identity, NoIdentity
from router.rules.mapping import check_columns, parse_mapping
from router.rules.problems import InvalidFile
from router.rules.spelling import Spellings, Synonym, SynonymError, spellings

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
    hashed = lead(row, "external_id: {columns: [phone, When]}").external_id
    # Written into databases: it must never come out otherwise.
    assert hashed == "59e74f8fb6f57bc2ac7a982ea56d588d"
    assert hashed == lead({**row, "When": "ＭＯＮＤＡＹ "}, "external_id: {columns: [phone, When]}").external_id


@pytest.mark.parametrize("kind", ["hash", "text"])
@pytest.mark.parametrize("nothing", ["", " \u3000", "n/a", None])
def test_people_of_whom_the_id_would_know_too_little_are_not_made_one(kind: str, nothing: str | None) -> None:
    mapping = f"external_id: {{columns: [Mobile, Email, When], as: {kind}, may_be_empty: [Email]}}\nempty: [n/a]"
    row: dict[str, object] = {"external_id": "", "Mobile": "138", "Email": "a@b.cn", "When": "Monday"}
    for column in ("Mobile", "When"):
        with pytest.raises(Rejected, match=r"is empty, but the external id .* external_id\.may_be_empty") as no:
            lead({**row, column: nothing}, mapping)
        assert no.value.column == column
    assert lead({**row, "Email": nothing}, mapping).external_id != lead(row, mapping).external_id
    assert lead({**row, "Mobile": nothing, "external_id": "7"}, mapping).external_id == "7"


def test_what_is_no_text_makes_no_id() -> None:
    mapping = "external_id: {columns: [a, b], may_be_empty: [b]}"
    with pytest.raises(Rejected, match="must be a text, not float: the external id is computed from it") as no:
        lead({"external_id": None, "a": "x", "b": 1.5}, mapping)
    assert no.value.column == "b"
    ids = {lead({"external_id": None, "a": "x", "b": value}, mapping).external_id for value in (1, 2, None)}
    assert len(ids) == 3


def test_an_empty_column_keeps_its_place_in_an_id() -> None:
    mapping = "external_id: {columns: [a, b, c], as: text, may_be_empty: [a, b]}"
    rows: list[dict[str, object]] = [{"a": "x", "b": "", "c": "z"}, {"a": "", "b": "x", "c": "z"}]
    assert [lead({"external_id": "", **row}, mapping).external_id for row in rows] == ["x--z", "-x-z"]


texts = st.text(max_size=8)
parts = st.lists(texts, min_size=2, max_size=2)


@given(texts.filter(str.strip), parts, texts.filter(str.strip), parts)
def test_different_columns_give_different_hashes(key: str, one: list[str], other_key: str, other: list[str]) -> None:
    def id_of(*values: str) -> str:
        return Identity(("k", "a", "b"), may_be_empty=frozenset("ab")).of(dict(zip("kab", values, strict=True)), ())

    def alike(*values: str) -> list[str]:
        return [fold(value.strip()) for value in values]

    if "\0" not in "".join([key, *one, other_key, *other]):
        same = alike(key, *one) == alike(other_key, *other)
        assert (id_of(key, *one) == id_of(other_key, *other)) == same


cells = st.sampled_from(["", " ", "-", "x", "y", "7"])


@given(st.lists(cells, min_size=3, max_size=3), st.sets(st.sampled_from("abc")))
def test_a_row_has_an_id_where_no_column_is_empty_that_must_be_filled(values: list[str], may: set[str]) -> None:
    row = dict(zip("abc", values, strict=True))
    must = [column for column, value in row.items() if value in ("", " ", "-") and column not in may]
    for hashed in (True, False):
        identity = Identity(tuple("abc"), hashed, "/", frozenset(may))
        if not must:
            assert hashed or identity.of(row, {"-"}).split("/") == ["" if v in " -" else v for v in values]
            assert identity.of(row, {"-"})
        else:
            with pytest.raises(NoIdentity) as no:
                identity.of(row, {"-"})
            assert no.value.column == must[0]


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
        ("external_id: {columns: [Mail, a], may_be_empty: [mail]}", 'did you mean "Mail"?'),
        ("external_id: {columns: [a, b], may_be_empty: [c]}", "may_be_empty: c is not one of the columns of the id"),
        ("external_id: {columns: [a, b], may_be_empty: [b, a]}", "names all columns of the id; one at least must"),
        ("external_id: {columns: [a, b], may_be_empty: [b, b]}", "external_id.may_be_empty: names a column twice"),
        ("values: {colour: {a: b}}", "values.colour: unknown field"),
        ("values: {industry: {Auto: a, AUTO: b}}", "values.industry.AUTO: also means a"),
        ("values: {industry: automation}", "must be fields with values"),
    ],
)
def test_a_wrong_entry_names_file_line_and_field(text: str, said: str) -> None:
    with pytest.raises(InvalidFile) as wrong:
        parse_mapping(text, "m.yaml")
    assert said in str(wrong.value)
    assert str(wrong.value).startswith("m.yaml:1: ")


def test_columns_that_entries_need_must_be_there() -> None:
    plan = parse_mapping(
        "split: {area: {by: '/', into: [region, b]}}\njoin: {name: {columns: [First, b]}}\n"
        "external_id: {columns: [Mobil]}\nrename: {b: product}",
        "m.yaml",
    )
    with pytest.raises(InvalidFile) as wrong:
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
        ("colour,a,b", ":2: 'colour' is not a field with one spelling"),
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
    words = {"谷歌搜索": "Google", "朋友介绍的客户": "referral", "展会上认识的": "fair"}
    lines = "".join(f"{word};source;{spelling}\r\n" for word, spelling in words.items())
    (tmp_path / "s.csv").write_bytes(("word;field;spelling\r\n" + lines).encode("gb18030"))
    assert read_synonyms_file(tmp_path / "s.csv") == [Synonym("source", *pair) for pair in words.items()]
