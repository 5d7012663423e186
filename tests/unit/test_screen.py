"""What is printed for people can be read by eyes and by grep, whatever the terminal is."""

import io
import sys

import pytest
from rich.table import Table

from ops.cli.context import console, print_json
from ops.cli.screen import Screen


def test_a_table_is_folded_by_no_width_of_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    table = Table("why", "waits for", box=None)
    table.add_row("no_matching_rule", "a rep in group " + "x" * 60)
    console().print(table)
    assert "no_matching_rule  a rep in group " + "x" * 60 in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_json_in_every_encoding(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    print_json({"name": "王伟 é …"})
    stream.flush()
    text = stream.buffer.getvalue().decode(encoding)
    assert ("王伟" in text) == (encoding == "utf-8")


def test_names_are_neither_markup_nor_emoji_codes(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().print("[red]a[/] [/] :smile: \x1b[31m")
    assert capsys.readouterr().out == "[red]a[/] [/] :smile: \\x1b[31m\n"
