"""A budget of 120.000 is a hundred and twenty thousand where the mapping says so, never a hundred and twenty."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.asked import attribute, number_of
from router.intake.normalise import LeadReader, Rejected
from router.rules.mapping import check_columns, parse_mapping
from router.rules.problems import InvalidFile
from router.rules.written_numbers import DecimalSign, plain_number

COMMA, POINT = DecimalSign.COMMA, DecimalSign.POINT


@pytest.mark.parametrize(
    ("text", "sign", "plain"),
    [
        ("120.000", COMMA, "120000"),
        ("250.000,00", COMMA, "250000"),
        ("12.500,50 €", COMMA, "12500.5"),
        ("1.200.000,-", COMMA, "1200000"),
        ("EUR 5000", COMMA, "5000"),
        ("1 200 000,5", COMMA, "1200000.5"),
        ("1\u00a0200\u202f000", COMMA, "1200000"),
        ("CHF 1'200.50", POINT, "1200.5"),
        ("120,000.00", POINT, "120000"),
        ("￥１２０，０００", POINT, "120000"),
        ("-1,5", COMMA, "-1.5"),
        ("-0,00", COMMA, "0"),
        ("007", COMMA, "7"),
        ("1,234", COMMA, "1.2340"),
        ("12.50", COMMA, None),
        ("1.20.000", COMMA, None),
        ("1.234 567", COMMA, None),
        ("120,000", COMMA, "120"),
        ("about 5000", COMMA, None),
        ("120万", POINT, None),
        ("", COMMA, None),
        ("," * 20, COMMA, None),
    ],
)
def test_a_number_is_read_as_its_country_writes_it_or_not_at_all(
    text: str, sign: DecimalSign, plain: str | None
) -> None:
    assert plain_number(text, sign) == plain


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**30), max_value=10**30))
def test_rules_find_in_it_the_number_that_was_written(value: Decimal) -> None:
    english = f"{value:,f}"
    german = english.translate(str.maketrans(",.", ".,"))
    for text, sign in ((english, POINT), (german, COMMA)):
        plain = plain_number(text, sign)
        assert plain is not None
        assert number_of(attribute(plain)) == value


@given(st.text(), st.sampled_from(DecimalSign))
def test_any_text_is_a_number_or_none(text: str, sign: DecimalSign) -> None:
    plain = plain_number(text, sign)
    assert plain is None or number_of(attribute(plain)) is not None


def attributes_of(mapping: str, row: dict[str, object]) -> object:
    read = LeadReader(parse_mapping(mapping, "m.yaml"), datetime(2026, 11, 30, tzinfo=UTC)).read(row)
    return None if read.attributes is None else json.loads(read.attributes)


def test_a_budget_has_one_name_and_one_spelling_whatever_file_it_comes_from() -> None:
    german = "rename: {Budget (EUR): attributes.budget}\nnumbers: {Budget (EUR): comma}"
    assert attributes_of(german, {"external_id": "D-1", "Budget (EUR)": "250.000,00"}) == {"budget": "250000"}
    chinese = "rename: {预算: attributes.budget}\nunknown_columns: drop"
    assert attributes_of(chinese, {"external_id": "C-1", "预算": "1200000", "来源": "微信"}) == {"budget": "1200000"}


def test_what_is_no_number_stays_as_it_was_written_and_an_empty_cell_empty() -> None:
    mapping = "numbers: {Budget: comma}"
    assert attributes_of(mapping, {"external_id": "1", "Budget": "ask Eva"}) == {"Budget": "ask Eva"}
    assert attributes_of(mapping, {"external_id": "1", "Budget": ""}) is None
    assert attributes_of(mapping, {"external_id": "1", "Budget": 12.5}) == {"Budget": 12.5}


def test_two_values_of_one_attribute_are_refused_not_one_of_them_lost() -> None:
    mapping = "rename: {预算: attributes.budget}"
    with pytest.raises(Rejected, match="attribute budget is given twice"):
        attributes_of(mapping, {"external_id": "1", "预算": "1", "budget": "2"})
    with pytest.raises(InvalidFile, match="another attribute of that name"):
        check_columns(parse_mapping(mapping, "m.yaml"), ["external_id", "预算", "budget"])
    with pytest.raises(InvalidFile, match=r"two columns mean attributes\.budget"):
        parse_mapping("rename: {预算: attributes.budget, Budget: attributes.budget}", "m.yaml")


@pytest.mark.parametrize(
    ("mapping", "why"),
    [
        ("numbers: {Budget: komma}", "did you mean"),
        ("numbers: {Budget: comma}\nrename: {Budget: priority}", "only attributes are numbers"),
        ("rename: {Budget: attributes.}", "unknown value"),
        ("rename: {Budget: atributes.budget}", "unknown value"),
    ],
)
def test_a_mistake_is_named(mapping: str, why: str) -> None:
    with pytest.raises(InvalidFile, match=why):
        parse_mapping(mapping, "m.yaml")


def test_a_column_of_numbers_that_the_file_lacks_is_named() -> None:
    with pytest.raises(InvalidFile, match="no column Budget"):
        check_columns(parse_mapping("numbers: {Budget: comma}", "m.yaml"), ["external_id", "budget"])


@pytest.mark.parametrize(
    ("text", "sign", "number"),
    [
        *(("R$ 5.000,00", "comma", "5000"), ("500 zł", "comma", "500"), ("kr 1 500,50", "comma", "1500.5")),
        *(("12.000 Kč", "comma", "12000"), ("US$5,000", "point", "5000"), ("Fr. 1'200.50", "point", "1200.5")),
        *(("₹ 500", "point", "500"), ("500 kg", "comma", None), ("5 km", "point", None)),
    ],
)
def test_what_money_is_called_where_leads_come_from_is_no_part_of_the_number(
    text: str, sign: str, number: str | None
) -> None:
    assert plain_number(text, DecimalSign(sign)) == number
