"""What people hand in as JSON is stored as they wrote it, or refused with the reason."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.intake.json_text import read_json
from router.telemetry.masking import mask_literals


@pytest.mark.parametrize("number", ["12345678901234567890.125", "0.10", "1E+400", "-3.00"])
def test_every_digit_of_a_number_is_kept(number: str) -> None:
    read = read_json(f'{{"budget": {number}}}')
    assert read == {"budget": Decimal(number)}
    written = msgspec.json.Encoder(decimal_format="number").encode(read).decode()
    assert Decimal(written.partition(":")[2].rstrip("}")) == Decimal(number)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"name": "a", "phone": "1", "name": "b"}', "the key 'name' occurs twice"),
        ('{"a": {"b": 1, "b": 1}}', "the key 'b' occurs twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ('{"a": 1', "delimiter"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_json(text)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_value_of_a_statement_is_never_kept(value: str) -> None:
    quoted = "'" + value.replace("'", "''") + "'"
    # After a backslash it is not known where the value ends.
    rest = "" if "\\" in value else " where x = ?"
    assert mask_literals(f"update lead set name = {quoted} where x = 1") == f"update lead set name = ?{rest}"


@pytest.mark.parametrize(
    ("sql", "masked"),
    [
        (r"select E'a\'b', $q$Ann$q$ -- Ann", "select ?, ? ?"),
        ("select * from t1 where a2 = $1 and b = 1.5", "select * from t1 where a2 = $1 and b = ?"),
        ("select 'cut o", "select ?"),
        (r"update lead set a = '\', name = 'Ann'", "update lead set a = ?"),
        ("/* Ann */ lock table lead", "? lock table lead"),
    ],
)
def test_names_stay_and_values_and_comments_go(sql: str, masked: str) -> None:
    assert mask_literals(sql) == masked
