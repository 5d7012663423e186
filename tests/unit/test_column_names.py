"""Columns are found by their names as people write them, and what they could be is suggested."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.intake.normalise import LeadReader, Rejected
from router.rules.column_words import folded_name, suggested
from router.rules.mapping import FIELDS, check_columns, parse_mapping
from router.rules.problems import InvalidFile

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@given(
    st.sampled_from([name for name in FIELDS if name != "attributes"]),
    st.sampled_from(["_", " ", "-", "  "]),
    st.booleans(),
)
def test_a_field_is_found_in_every_spelling_of_its_name(field: str, between: str, capitals: bool) -> None:
    column = f" {field.replace('_', between)}\u200b"
    column = column.upper() if capitals else column.title()
    assert parse_mapping("", "m.yaml").target(column) == field == folded_name(column)


def test_columns_in_capitals_are_fields_and_not_attributes() -> None:
    row = {"external_id": "1", "Name": "Ann", "Email": "ann@example.com", "Created_at": "2026-03-02T09:30:00+08:00"}
    read = LeadReader(parse_mapping("", "m.yaml"), NOW).read(row)
    assert (read.name, read.email, read.attributes) == ("Ann", "ann@example.com", None)
    assert read.created_at == datetime(2026, 3, 2, 1, 30, tzinfo=UTC)


def test_a_field_that_the_mapping_fills_stays_filled_by_it() -> None:
    plan = parse_mapping("rename: {Mail: email}\nconstants: {source: fair}", "m.yaml")
    check_columns(plan, ["external_id", "Mail", "Email", "Source"])
    assert (plan.target("Email"), plan.target("Source"), plan.target("Mail")) == (None, None, "email")


def test_names_with_spaces_around_them_are_the_names_without() -> None:
    plan = parse_mapping('rename: {id: external_id, "Source ": source}', "m.yaml")
    check_columns(plan, ["id", "Source", "created_at"])


def test_a_doubled_column_matters_only_where_it_means_a_field() -> None:
    plan = parse_mapping("unknown_columns: drop", "m.yaml")
    check_columns(plan, ["external_id", "Create Date", "Create Date (2)"], {"Create Date"})
    with pytest.raises(InvalidFile, match="column phone is there twice"):
        check_columns(plan, ["external_id", "phone", "phone (2)"], {"phone"})


@pytest.mark.parametrize(
    ("column", "field"),
    [
        *(
            ("手机", "phone"),
            ("手机号码", "phone"),
            ("姓名", "name"),
            ("邮箱", "email"),
            ("公司名称", "company"),
            ("地区", "region"),
        ),
        *(
            ("Telefon", "phone"),
            ("E-Mail-Adresse", "email"),
            ("Firma", "company"),
            ("Branche", "industry"),
            ("Quelle", "source"),
        ),
        *(
            ("Téléphone", "phone"),
            ("Courriel", "email"),
            ("Société", "company"),
            ("Nom", "name"),
            ("Créé le", "created_at"),
        ),
        *(
            ("Teléfono", "phone"),
            ("Correo electrónico", "email"),
            ("Empresa", "company"),
            ("Fecha de creación", "created_at"),
        ),
        *(("Telefone", "phone"), ("Razão social", "company"), ("Região", "region"), ("Criado em", "created_at")),
        *(("Phone Number", "phone"), ("Create Date", "created_at"), ("Record ID", "external_id"), ("TELEFON", "phone")),
    ],
)
def test_a_usual_name_in_another_language_is_suggested(column: str, field: str) -> None:
    assert suggested([column, "budget"], []) == {column: field}
    assert suggested([column], [field]) == {}


def test_ids_that_a_spreadsheet_rounded_are_refused_unless_they_are_allowed() -> None:
    reader = LeadReader(parse_mapping("", "m.yaml"), NOW)
    for text in ("1.18174E+11", "1,18174E+11", "1E+11", "1.2e12", "-1.5E+15"):
        with pytest.raises(Rejected, match="rounded by a spreadsheet"):
            reader.read({"external_id": text})
    for text in ("118174012345", "A1E+1", "12e4", "1.5", "550e8400-e29b", "E+11"):
        assert reader.read({"external_id": text}).external_id == text
    allowed = LeadReader(parse_mapping("allow_rounded_ids: true", "m.yaml"), NOW)
    assert allowed.read({"external_id": "1.18174E+11"}).external_id == "1.18174E+11"


def test_without_a_mapping_the_error_has_one_to_begin_with() -> None:
    columns = ["Lead-Nr.", "Eingang", "E-Mail", "Firma: Name", "Telefon", "Budget (EUR)"]
    with pytest.raises(InvalidFile) as raised:
        check_columns(parse_mapping("", "m.yaml"), columns)
    start = str(raised.value).partition("seem to mean a field: ")[2]
    plan = parse_mapping(start, "m.yaml")
    check_columns(plan, columns)
    assert plan.rename == {"Lead-Nr.": "external_id", "Eingang": "created_at", "E-Mail": "email", "Telefon": "phone"}


@pytest.mark.parametrize(
    ("column", "field"),
    [
        *(("手机号（必填）", "phone"), ("電子郵件", "email"), ("手機號碼", "phone"), ("Phone (mobile)", "phone")),
        *(("Email *", "email"), ("Your email address", "email"), ("Phone 1", "phone"), ("客户邮箱", "email")),
        *(("Created (UTC)", "created_at"), ("Erstellt am (MEZ)", "created_at"), ("Telefonnr.", "phone")),
        # Letters of Cyrillic and Greek alphabets that look like Latin ones.
        *(("\u0415mail", "email"), ("\u0420hone", "phone"), ("Ph\u03bfne", "phone")),
    ],
)
def test_notes_and_owners_and_letters_that_look_alike_do_not_hide_a_column(column: str, field: str) -> None:
    assert suggested([column, "budget"], []) == {column: field}


def test_the_plain_name_comes_before_the_one_with_a_note() -> None:
    assert suggested(["Work phone", "Telefon"], []) == {"Telefon": "phone"}
    assert "Contact date" not in suggested(["Contact date", "Datum"], [])
