"""A roster file is understood whole, or every fault in it is named with its place."""

import csv
import io
from datetime import date, timedelta
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.domain.availability import leave_text, parse_leave, understand
from router.domain.rep_fields import READERS, read_field
from router.intake.roster_file import RosterError, read_roster, read_roster_file
from router.store.statements import sql_root

EXAMPLES = sql_root().parent / "config" / "examples"


def read(text: str) -> dict[str, dict[str, object]]:
    return {rep.rep_id: dict(rep.values) for rep in read_roster(text.encode(), "reps.csv")}


def problems_of(data: str | bytes) -> list[str]:
    with pytest.raises(RosterError) as caught:
        read_roster(data.encode() if isinstance(data, str) else data, "reps.csv")
    return caught.value.problems


@pytest.mark.parametrize(
    "text", ["是", "yes", "YES", " Yes ", "ｙｅｓ", "TRUE", "1", "１", "在岗", "　在岗　", "on", "Y"]
)
def test_every_way_of_saying_yes_makes_a_rep_available(text: str) -> None:
    assert understand(text) is True


@pytest.mark.parametrize("text", ["否", "no", "No", "false", "0", "０", "离岗", "OFF", "n"])
def test_every_way_of_saying_no_keeps_leads_away(text: str) -> None:
    assert understand(text) is False


@given(st.text())
def test_what_is_neither_yes_nor_no_is_never_guessed(text: str) -> None:
    if understand(text) is not None:
        assert any(word in text.casefold() or not text.isascii() for word in ("y", "n", "t", "f", "0", "1", "o"))
    for wrong in (text + "?", "x" + text, text * 2 + "~"):
        assert understand(wrong) is None


@pytest.mark.parametrize("text", ["", " ", "maybe", "jain", "2", "01", "是否", "None", "null", "yes no"])
def test_an_unclear_availability_is_an_error_not_a_no(text: str) -> None:
    assert understand(text) is None


def test_the_error_names_file_line_rep_column_and_value() -> None:
    (problem,) = problems_of("rep_id,available\nr1,yes\nr7,maybe\n")
    assert problem.startswith('reps.csv:3: rep r7: column available: value "maybe" is not understood (yes/no')


def test_all_problems_are_told_at_once() -> None:
    text = (
        "rep_id,available,time_zone,working_hours,weight,max_open,leave\n"
        "r1,vielleicht,Asia/Shangai,mon 9-5,-1,-3,2026-02-30\n"
        ",yes,,,,,\n"
        "r1,yes,UTC,,1.2345,99999999,2026-10-07..2026-10-01\n"
    )
    problems = problems_of(text)
    for part in (
        ":2: rep r1: column available",
        "Asia/Shanghai",
        ":2: rep r1: column working_hours",
        '"-1" is not a weight',
        '"-3" is not a cap',
        "'2026-02-30' is not a day",
        ":3: rep ?: column rep_id: is empty",
        '"1.2345" is not a weight (0 to 1000, at most 3 decimals)',
        '"99999999" is not a cap',
        "ends before it begins",
        ":4: rep r1: is already on line 2",
    ):
        assert any(part in problem for problem in problems), (part, problems)


def test_headers_are_read_as_people_write_them() -> None:
    values = read("﻿ Rep ID ,Working-Hours,MAX OPEN,ｎａｍｅ\nr1,mon-fri 9:00-17:00,5,Wang\n")["r1"]
    assert values == {"working_hours": "mon-fri 09:00-17:00", "max_open": 5, "name": "Wang"}


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("rep_id,availible", "did you mean available?"),
        ("Kürzel,name", "unknown column 'Kürzel'; did you mean rep_id?"),
        ("rep_id,Zeitzone", "did you mean time_zone?"),
        ("rep_id,每日上限", "did you mean max_per_day?"),
        ("rep_id,Zzzzzz", "columns are rep_id, name"),
        ("name,available", "column rep_id is missing"),
        ("name/available", "column rep_id is missing"),
        ("rep_id,name,Name", "column name is there 2 times"),
    ],
)
def test_a_wrong_header_is_one_clear_sentence(header: str, told: str) -> None:
    assert any(told in problem for problem in problems_of(f"{header}\nr1,x\n"))


def test_the_columns_that_there_are_are_listed_once() -> None:
    found = problems_of("rep_id,Zzzzzz,Yyyyyy\nr1,x,y\n")
    assert [problem for problem in found if "max_per_day" in problem] == [found[-1]]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty"),
        (b"rep_id,name\n", "no reps"),
        ("rep_id,name\nr1,滬\n".encode("gb18030"), "its encoding cannot be recognised with certainty (likely: GB18030"),
        ("rep_id,name\nr1,x\n".encode("utf-16")[:-1], "is not valid text"),
        (b'rep_id,name\nr1,"x\nr2,y\n', "is not CSV"),
        (b"rep_id,name\nr1\n", "1 cell, but the header has 2 columns"),
        (b"rep_id,name\nr1,a,b\n", "rep r1: 3 cells"),
        (b"rep_id,name\nr1,a\x00b\n", "control character"),
        (b"rep_id,name\nr1," + b"x" * 201 + b"\n", "201 characters"),
        (b"rep_id,name\nr1," + b"x" * 200_000 + b"\n", "200000 characters"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(data: bytes, told: str) -> None:
    assert any(told in problem for problem in problems_of(data))


def test_lists_take_every_separator_and_drop_repeats() -> None:
    values = read("rep_id,groups\nr1,east ; West|东区；北区、EAST;;\n")["r1"]
    assert values["groups"] == ("east", "West", "东区", "北区")


def test_weights_are_exact_thousandths_and_empty_cells_mean_none() -> None:
    text = "rep_id,weight,max_open\nr1,0.001,0\nr2,1000,\nr3,１.5,\nr4,,7\n"
    assert [tuple(v.values()) for v in read(text).values()] == [
        (1, 0),
        (1_000_000, None),
        (1500, None),
        (None, 7),
    ]


def test_line_numbers_are_those_of_the_file_even_after_cells_with_line_breaks() -> None:
    assert problems_of('rep_id,groups,available\nr1,"a\nb",yes\n\nr2,a,?\n')[0].startswith("reps.csv:5: rep r2")


def test_ten_thousand_faults_do_not_flood_the_screen() -> None:
    text = "rep_id,available\n" + "".join(f"r{i},?\n" for i in range(10_000))
    with pytest.raises(RosterError) as caught:
        read_roster(text.encode(), "reps.csv")
    assert len(str(caught.value).splitlines()) == 51
    assert "9950 more problems" in str(caught.value)


def test_the_example_can_be_imported() -> None:
    assert len(read_roster_file(EXAMPLES / "reps.csv")) == 5


@given(st.lists(st.tuples(st.dates(), st.integers(0, 400)), max_size=20))
def test_leave_is_read_back_as_written(periods: list[tuple[date, int]]) -> None:
    texts = []
    for first, days in periods:
        last = min(first.toordinal() + days, date.max.toordinal())
        texts.append(f"{first}..{first + timedelta(days=last - first.toordinal())}" if days else f"{first}")
    leave = parse_leave(" ; ".join(texts))
    assert parse_leave(leave_text(leave)) == leave
    assert len(leave) == len({(one.first, one.last) for one in leave})


GOOD = {
    "name": st.sampled_from(["Wang", "王伟", ""]),
    "available": st.sampled_from(["是", "no", "TRUE", "0"]),
    "time_zone": st.sampled_from(["Asia/Shanghai", "UTC", ""]),
    "working_hours": st.sampled_from(["", "mon-fri 09:00-18:00", "always"]),
    "leave": st.sampled_from(["", "2026-10-01", "2026-10-01..2026-10-07; 2026-12-24"]),
    "groups": st.sampled_from(["", "east", "east;west"]),
    "weight": st.sampled_from(["", "1", "0.25"]),
    "max_open": st.sampled_from(["", "0", "200"]),
}
BAD = {
    "available": st.sampled_from(["", "maybe", "yes!"]),
    "time_zone": st.sampled_from(["Mars/Olympus", "../etc/passwd"]),
    "working_hours": st.sampled_from(["9-5", "mon 25:00-26:00"]),
    "leave": st.sampled_from(["tomorrow", "2026-13-01"]),
    "weight": st.sampled_from(["-1", "1e3", "NaN", "1,500"]),
    "max_open": st.sampled_from(["-1", "1.5", "∞", "9" * 5000]),
    "name": st.sampled_from(["a\x00b", "x" * 500]),
}


@settings(deadline=None)
@given(st.data())
def test_one_bad_cell_anywhere_is_named_and_stops_the_whole_file(data: st.DataObject) -> None:
    columns = data.draw(st.permutations(sorted(GOOD)))
    rows = [[data.draw(GOOD[c]) for c in columns] for _ in range(data.draw(st.integers(1, 6)))]
    spoiled = data.draw(st.sets(st.tuples(st.integers(0, len(rows) - 1), st.sampled_from(sorted(BAD))), max_size=4))
    for row, column in spoiled:
        rows[row][columns.index(column)] = data.draw(BAD[column])
    out = io.StringIO()
    csv.writer(out).writerows([["rep_id", *columns], *([f"r{i}", *row] for i, row in enumerate(rows))])
    if not spoiled:
        assert len(read_roster(out.getvalue().encode(), "f")) == len(rows)
        return
    problems = problems_of(out.getvalue())
    assert len(problems) == len(spoiled)
    for row, column in spoiled:
        assert any(f":{row + 2}: rep r{row}: column {column}:" in problem for problem in problems)


@settings(deadline=None)
@given(st.binary(max_size=300) | st.text(alphabet='rep_id,name\n\r"; 王\x00﻿', max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused_with_a_sentence(data: bytes) -> None:
    try:
        reps = read_roster(b"rep_id,name\n" + data, "f")
    except RosterError as error:
        assert error.problems and all(problem.startswith("f") for problem in error.problems)
    else:
        assert len({rep.rep_id for rep in reps}) == len(reps) > 0


@settings(deadline=None)
@given(st.sampled_from(sorted(READERS)), st.text())
def test_a_cell_is_understood_or_is_a_value_error(field: str, text: str) -> None:
    try:
        read_field(field, text)
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("rep_id;name;available;groups\nc1;Ann;yes;all\n", "utf-8"),
        ("sep=;\nrep_id;name;available;groups;;\nc1;Ann;yes;all;;\n;;;;;\n", "utf-8-sig"),
        ("rep_id\tname\tavailable\tgroups\nc1\t王芳\t是\t华东\n", "gb18030"),
        ("rep_id,name,available,groups\nc1,王芳,是,华东\n", "utf-16"),
        ("rep_id,name,available,groups\nc1,Jürgen Müller,ja,Süd\n", "cp1252"),
    ],
)
def test_a_roster_is_read_in_the_encoding_and_with_the_delimiter_that_it_has(text: str, encoding: str) -> None:
    (rep,) = read_roster(text.encode(encoding), "reps.csv")
    assert (rep.rep_id, rep.values["available"], len(rep.values["groups"])) == ("c1", True, 1)
    assert rep.values["name"] in text


def test_a_roster_in_a_workbook_is_read(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["rep_id", "available", "weight", "max_open", "groups"])
    sheet.append(["c1", True, 1.5, 20.0, "all"])
    book.save(tmp_path / "reps.xlsx")
    (rep,) = read_roster_file(tmp_path / "reps.xlsx")
    assert rep.values == {"available": True, "weight": 1500, "max_open": 20, "groups": ("all",)}


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        *(("available", word, True) for word in ("ja", "Oui", "sí", "SIM", "TRUE", "wahr", "vrai", "verdadero")),
        *(("available", word, False) for word in ("nein", "Non", "não", "NAO", "falso", "falsch", "FAUX")),
        *(("weight", "1,5", 1500), ("weight", "0,125", 125), ("max_open", "20.0", 20), ("max_open", "20,00", 20)),
        *(("leave", text, "2026-10-01..2026-10-07") for text in ("2026/10/1-2026/10/7", "1.10.2026 bis 7.10.2026")),
        *(
            ("leave", text, "2026-10-01..2026-10-07")
            for text in ("2026-10-01 - 2026-10-07", "2026年10月1日至2026年10月7日")
        ),
        ("leave", "1.10.2026", "2026-10-01"),
        *(
            ("working_hours", f"{days} 09:00-18:00", "mon-fri 09:00-18:00")
            for days in ("Mo-Fr", "Montag-Freitag", "lun-ven", "lundi-vendredi", "lun-vie", "seg-sex", "周一至周五")
        ),
        ("working_hours", "segunda-feira 9:00-12:00; sábado 9:00-10:00", "mon 09:00-12:00; sat 09:00-10:00"),
    ],
)
def test_cells_are_understood_in_the_languages_of_their_writers(column: str, cell: str, value: object) -> None:
    assert read_field(column, cell) == value


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        *(
            ("available", "否(离职"),
            ("weight", "1,500"),
            ("weight", "50%"),
            ("max_open", "1,000"),
            ("max_open", "1.000"),
        ),
        *(("max_open", "-1"), ("leave", "10/1/2026"), ("leave", "46083"), ("working_hours", "mon-fri 9-18")),
    ],
)
def test_cells_with_two_readings_are_refused(column: str, cell: str) -> None:
    with pytest.raises(ValueError, match=r"value|not a"):
        read_field(column, cell)


def test_signs_that_nobody_sees_make_no_second_rep_and_no_second_group() -> None:
    plain = read("rep_id,name,groups,available\nr1,Ann,east;west,yes\n")
    assert read("rep_id,name,groups,available\nr1\u200b,Ann,\u200beast;we\u00adst,yes\ufeff\n") == plain


def test_ids_of_reps_that_a_program_made_numbers_are_theirs_or_refused() -> None:
    assert list(read("rep_id,available\n1001.0,yes\nv1.0,yes\n")) == ["1001", "v1.0"]
    assert "rounded by a spreadsheet" in problems_of("rep_id,available\n1.00E+05,yes\n")[0]


def test_no_holidays_are_not_those_of_norway() -> None:
    for text in ("no", "No"):
        assert "may mean Norway" in problems_of(f"rep_id,holidays\nr1,{text}\n")[0]
    assert (read_field("holidays", "NO"), read_field("holidays", "none")) == ("NO", "none")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("上海，北京", ("上海", "北京")),
        ("上海,北京, 广州", ("上海", "北京", "广州")),
        ("Washington, DC", ("Washington, DC",)),
    ],
)
def test_a_comma_between_chinese_names_separates_them(text: str, names: tuple[str, ...]) -> None:
    assert set(read_field("regions", text)) == set(names)


def test_a_manager_is_the_rep_of_that_number_however_programs_write_it(tmp_path: Path) -> None:
    file = tmp_path / "reps.csv"
    file.write_text("rep_id,name,manager_id\n1001.0,Ann,\n1002,Ben,1001.0\n")
    ann, ben = read_roster_file(file)
    assert (ann.values["manager_id"], ben.values["manager_id"]) == (None, ann.rep_id)
    file.write_text("rep_id,name,manager_id\n1002,Ben,1.0E+5\n")
    with pytest.raises(RosterError, match=r"manager_id.*was rounded"):
        read_roster_file(file)
