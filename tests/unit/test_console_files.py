"""Names of uploads, suggested mappings and pictures: whatever people call their files and columns. Pure."""

from hypothesis import given
from hypothesis import strategies as st

from ops.api.import_files import disposition
from ops.console.import_words import suggested_mapping, warnings
from ops.console.number_bars import WIDTH, bars
from ops.text.translation import LOCALES, translator
from router.http.upload import MAX_NAME, plain_name
from router.rules.mapping import FIELDS, parse_mapping

NAMES = st.text(max_size=400)


@given(NAMES)
def test_a_plain_name_has_no_folder_nothing_hidden_and_a_bounded_length(name: str) -> None:
    plain = plain_name(name)
    assert plain and len(plain) <= MAX_NAME and "/" not in plain and "\\" not in plain
    assert plain.isprintable() and plain_name(plain) == plain
    plain.encode()


@given(st.text(st.characters(codec="utf-8"), max_size=100))
def test_a_file_s_name_in_a_header_stays_within_its_quotes(name: str) -> None:
    said = disposition(plain_name(name))
    assert said.isascii() and said.isprintable() and said.count('"') == 2


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1).map(str.strip).filter(bool), st.sampled_from(FIELDS)
    )
)
def test_a_suggested_mapping_says_of_any_column_what_was_suggested(wanted: dict[str, str]) -> None:
    once = {field: column for column, field in wanted.items() if column.isprintable() and len(column) <= 100}
    columns = [{"column": column, "became": "attribute", "suggestion": field} for field, column in once.items()]
    columns.append({"column": "two\nlines", "became": "attribute", "suggestion": "name"})
    text = suggested_mapping([*columns, {"column": "x y z", "became": "attribute", "suggestion": None}])
    if not once:
        assert text == ""
    else:
        assert dict(parse_mapping(text, "m").rename) == {column: field for field, column in once.items()}


@given(st.lists(st.tuples(st.text(max_size=5), st.integers(0, 10**12)), max_size=12))
def test_bars_stay_within_their_picture_and_keep_their_order(parts: list[tuple[str, int]]) -> None:
    drawn = bars(parts)
    assert [one.name for one in drawn.bars] == [name for name, _ in parts]
    for one, (_, number) in zip(drawn.bars, parts, strict=True):
        assert one.width >= 0 and drawn.left + one.width < WIDTH and (one.width > 0) is (number > 0)
        assert one.top + drawn.thick <= drawn.height


def test_every_warning_is_said_in_both_languages_with_its_numbers() -> None:
    result = {
        "unseen": ["Tel"],
        "columns": [{"column": "Nr", "became": "attribute", "suggestion": "external_id"}],
        "unreadable": {"phone": {"unreadable": 3, "given": 9, "hint": "x"}, "email": {"unreadable": 4, "given": 8}},
        "differing": 5,
        "times_without_offset": 6,
        "time_zone": "Asia/Shanghai",
        "zone_doubt": "'Created (UTC)' says UTC",
        "failed_cells": {"region": 14, "industry": 15},
        "blank_rows": 7,
        "same_ids": 11,
        "shared_keys": 12,
        "overlapping": 13,
    }
    for language in LOCALES:
        said = list(warnings(result, translator(language)))
        assert len(said) == 13
        for number in ("3", "4", "5", "6", "7", "11", "12", "13", "14", "15", "(UTC)", "Tel", "Nr", "Asia/Shanghai"):
            assert any(number in one for one in said), (language, number)
