"""What people hand in as JSON is stored as they wrote it, or refused with the reason."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.intake.json_text import read_json, read_json_quickly
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


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.lists(st.tuples(st.sampled_from("abä"), inner), max_size=4),
    max_leaves=12,
)


def _written(value: object, *, ascii_only: bool) -> str:
    """As JSON; a list of pairs is an object, whose keys may come twice."""
    if isinstance(value, list):
        parts = [_written(one, ascii_only=ascii_only) for one in value if not isinstance(one, tuple)]
        pairs = [one for one in value if isinstance(one, tuple)]
        if pairs:
            written = (f"{json.dumps(k)}: {_written(v, ascii_only=ascii_only)}" for k, v in pairs)
            return "{" + ", ".join(written) + "}"
        return "[" + ",".join(parts) + "]"
    return json.dumps(value, ensure_ascii=ascii_only)


@given(value=_VALUES, ascii_only=st.booleans())
def test_what_is_read_quickly_is_what_is_read_with_care(value: object, ascii_only: bool) -> None:
    text = _written(value, ascii_only=ascii_only)
    try:
        body = text.encode()
    except UnicodeEncodeError:
        return
    found = read_json_quickly(body)
    if found is not None:
        assert msgspec.json.encode(found) == msgspec.json.encode(read_json(text))


@given(st.binary(max_size=30) | st.text('[]{}",:1.eE-+ \\nula', max_size=30).map(str.encode))
def test_what_is_read_quickly_is_json(body: bytes) -> None:
    found = read_json_quickly(body)
    if found is not None:
        assert found == read_json(body.decode())


@pytest.mark.parametrize(
    "body",
    [
        *(b'{"a": 1, "a": 2}', b'{"a": "x", "a": "y"}', b'{"b": {"a": 1, "a": {}}}', b'{"a": {"b": 1}, "a": {"b": 2}}'),
        *(b'{"a": 1.5}', b'{"a": [1, 1e3]}', b'{"a": "\\u0000"}', b'{"a": "\\ud800"}'),
        *(b'{"a": NaN}', b'"\xed\xa0\x80"'),
        *(b'{"a": 1', b"", b"\xef\xbb\xbf{}", b"[" * 100_000, b'{"a": 1} {}', b"[" * 900 + b"]" * 900),
    ],
)
def test_what_needs_care_is_not_read_quickly(body: bytes) -> None:
    assert read_json_quickly(body) is None


def test_a_usual_lead_is_read_quickly() -> None:
    lead = {"source": "web", "external_id": "1", "attributes": {"budget": 100, "tags": ["a", "ä"], "seen": None}}
    assert read_json_quickly(json.dumps(lead, ensure_ascii=False).encode()) == lead


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
