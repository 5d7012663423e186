"""A lead over HTTP is the lead that a file would have brought, and all that is wrong with one is said at once."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.domain.lead_in import LeadIn
from router.domain.masking import mask_email, mask_phone
from router.intake.batch_lines import JsonArray, JsonLines, Line, StopKind
from router.intake.json_lead import JsonLeadReader, NotALead
from router.intake.lead_file import LeadFile
from router.intake.normalise import LeadReader, Rejected
from router.rules.mapping import FIELDS, FileMapping, parse_mapping
from router.rules.spelling import Synonym, spellings

NOW = datetime(2026, 11, 23, tzinfo=UTC)
WORDS = spellings([Synonym("source", "谷歌", "Google"), Synonym("region", "上海", "Shanghai")])
READER = JsonLeadReader(NOW, "CN", WORDS)

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
leads = st.fixed_dictionaries(
    {"external_id": st.integers() | texts, "source": st.sampled_from(["web", "谷歌", "Ｇｏｏｇｌｅ", " fair "])},
    optional={
        "created_at": st.sampled_from(["2026-03-02T09:30:00+08:00", "2026-03-02 09:30Z", "2027-01-01T00:00:00Z", "x"]),
        "phone": st.sampled_from(["138 0013 8000", "+86 138-0013-8000", 13800138000, "call me"]),
        "email": st.sampled_from([" Ann@Example.COM", "nobody"]),
        "region": st.sampled_from(["上海", "SHANGHAI", "north"]),
        "priority": st.integers(-3, 3) | st.sampled_from(["5", "high", None]),
        "attributes": st.dictionaries(
            texts, st.integers() | texts | st.none() | st.lists(texts, max_size=2), max_size=3
        ),
        **dict.fromkeys(("name", "company", "product", "campaign", "ad_id", "landing_page", "customer_id"), texts),
    },
)


def over_http(value: object) -> LeadIn | set[str]:
    try:
        return READER.read(value)
    except NotALead as error:
        return {one.path[0] if one.path else "" for one in error.errors}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(leads)
def test_a_lead_over_http_and_from_a_file_is_the_same_lead(tmp_path: Path, lead: dict[str, Any]) -> None:
    path = tmp_path / "leads.ndjson"
    path.write_text(json.dumps(lead) + "\n")
    with LeadFile(path) as file:
        (row,) = file.rows()
    try:
        from_file: LeadIn | str = LeadReader(FileMapping(), NOW, "CN", WORDS).read(row.cells)
    except Rejected as error:
        from_file = error.column
    over = over_http(json.loads(json.dumps(lead)))
    assert over == from_file if isinstance(over, LeadIn) else from_file in over


@given(
    st.sets(st.sampled_from(["created_at", "phone", "priority", "name", "attributes", "external_id", "source", "x"]))
)
def test_each_wrong_field_is_named_whatever_else_is_wrong(wrong: set[str]) -> None:
    bad: dict[str, object] = {
        "created_at": "soon",
        "phone": [],
        "priority": "high",
        "name": "n" * 10_001,
        "attributes": 5,
        "external_id": {},
        "source": "",
        "x": 1,
    }
    good: dict[str, object] = {"external_id": "1", "source": "web"}
    found = over_http(good | {name: bad[name] for name in wrong})
    assert found == wrong if wrong else isinstance(found, LeadIn)


def test_a_file_names_all_that_is_wrong_with_a_row_too() -> None:
    reader = LeadReader(parse_mapping("rename: {id: external_id, when: created_at}", "m.yaml"), NOW)
    with pytest.raises(Rejected) as rejected:
        reader.read({"id": "", "when": "soon", "priority": "high"})
    assert rejected.value.column == "id"
    assert "; also when: " in str(rejected.value)
    assert "; also priority: " in str(rejected.value)


def test_fields_of_a_lead_are_all_in_the_description_of_the_api() -> None:
    from router.http.routes.lead_documents import LeadBody

    assert set(LeadBody.__struct_fields__) == set(FIELDS)


pieces = st.lists(st.integers(1, 40), min_size=1, max_size=30)
rows = st.lists(
    st.fixed_dictionaries({"external_id": st.integers(0, 9), "source": texts, "name": texts})
    | st.integers()
    | texts
    | st.lists(texts, max_size=2),
    max_size=6,
)


def fed(reader: JsonLines | JsonArray, whole: bytes, sizes: list[int]) -> list[Line]:
    found, at, turn = [], 0, 0
    while at < len(whole):
        size = sizes[turn % len(sizes)]
        found += reader.feed(whole[at : at + size])
        at, turn = at + size, turn + 1
    return found + reader.finish()


@given(rows, pieces, st.booleans(), st.sampled_from([None, 1]))
def test_it_does_not_matter_in_which_pieces_a_batch_comes(
    values: list[object], sizes: list[int], ascii_only: bool, indent: int | None
) -> None:
    lines = [json.dumps(value, ensure_ascii=ascii_only) for value in values]
    array = JsonArray(READER)
    of_array = fed(array, json.dumps(values, ensure_ascii=ascii_only, indent=indent).encode(), sizes)
    assert array.stop is None
    of_lines = fed(JsonLines(READER), "\n".join(lines).encode(), sizes)
    assert of_array == of_lines
    assert [line.number for line in of_array] == list(range(1, len(values) + 1))
    assert [line.lead or {one.path[0] if one.path else "" for one in line.errors} for line in of_array] == [
        over_http(value) for value in values
    ]


@given(rows.filter(len), st.data())
def test_an_array_that_is_cut_off_is_never_taken_for_whole(values: list[object], data: st.DataObject) -> None:
    whole = json.dumps(values).encode()
    cut = data.draw(st.integers(0, len(whole) - 1))
    array = JsonArray(READER)
    fed(array, whole[:cut], [7])
    assert array.stop is not None
    assert array.stop.kind is StopKind.BROKEN


def test_a_lead_that_is_too_long_is_refused_alone_in_lines_and_ends_an_array() -> None:
    long = json.dumps({"external_id": "1", "source": "w", "name": "x" * 500}).encode()
    lines = fed(JsonLines(READER, max_line=100), b'{"external_id":"1","source":"w"}\n' + long + b"\n5\n", [9])
    assert [bool(line.lead) for line in lines] == [True, False, False]
    assert "longer than 100" in lines[1].errors[0].reason
    array = JsonArray(READER, max_line=100)
    assert fed(array, b"[" + long + b"]", [9]) == [] or array.stop is None
    array = JsonArray(READER, max_line=100)
    fed(array, b'["' + b"x" * 10_000, [50])
    assert array.stop is not None
    assert "longer than 100" in array.stop.reason


def test_more_leads_than_allowed_end_a_batch() -> None:
    for reader, whole in ((JsonLines(READER, 2), b"1\n2\n3\n4\n"), (JsonArray(READER, 2), b"[1,2,3,4]")):
        assert len(fed(reader, whole, [3])) == 2
        assert reader.stop is not None
        assert reader.stop.kind is StopKind.TOO_MANY


@pytest.mark.parametrize(
    ("phone", "email", "masked"),
    [
        ("+8613800138000", "ann@example.com", ("***00", "a***@example.com")),
        ("112", "a@b.cn", ("***", "***")),
        (None, None, (None, None)),
        ("call me at 5", "nobody", ("*** 5", "***")),
    ],
)
def test_masked_contacts_cannot_be_used(
    phone: str | None, email: str | None, masked: tuple[str | None, str | None]
) -> None:
    assert (mask_phone(phone), mask_email(email)) == masked
