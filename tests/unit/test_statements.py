"""Statements as their files have them."""

from pathlib import Path

import pytest

from router.store.statements import Family


def family(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Family:
    (folder / "queries").mkdir()
    (folder / "queries" / "some.sql").write_text(text)
    monkeypatch.setattr("router.store.statements.sql_root", lambda: folder)
    return Family("some")


def test_what_only_looks_like_a_parameter_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """-- What all have in common stands above.

-- name: first(b, a)
-- Two lines that say
-- what it is for.
select ':a' || ':it''s :b', "x:a", :b::text, :a::int -- at 12:a
  , :b;

-- name: second()!
-- Nothing.
delete from t where x = '--' and y = 1
"""
    some = family(tmp_path, text, monkeypatch)
    assert some.first.purpose == "Two lines that say\nwhat it is for."
    assert some.first.parameters == ("b", "a")
    assert some.first.sql == "select ':a' || ':it''s :b', \"x:a\", $1::text, $2::int \n  , $1;"
    assert [one.name for one in some] == ["first", "second"]
    assert some.second.sql == "delete from t where x = '--' and y = 1"
    with pytest.raises(AttributeError, match=r"no statement 'third'; there are \['first', 'second'\]"):
        _ = some.third


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("-- name: one()\nselect 1", "one has no purpose line"),
        ("-- name: one(a)\n-- One.\nselect 1", r"one lists the parameters \(a\), but uses \(\)"),
        ("-- name: one(a)\n-- One.\nselect :a, :b", r"one lists the parameters \(a\), but uses \(a, b\)"),
    ],
)
def test_a_statement_that_says_not_what_it_does_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        _ = family(tmp_path, text, monkeypatch).one
