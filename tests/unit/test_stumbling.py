"""What a new user types by mistake is answered with what is wrong and what to do, and changes nothing."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.cli import main
from ops.cli.context import CannotRun, cannot_read, print_json
from ops.cli.csv_output import STDOUT, writing_csv


def typed(tmp_path: Path, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["--data-dir", str(tmp_path / "data"), *words])
    return result.exit_code, result.output


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LEAD_ROUTER_DATABASE_URL", "LEAD_ROUTER_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "words", ["changes", "leads list", "maintenance list", "replay --verify", "retry --dry-run --tenant acme"]
)
@pytest.mark.parametrize("time", ["yesterday", "-5d", "2026-03-31T09:30"])
def test_who_does_not_know_how_to_write_a_time_reads_both_ways(words: str, time: str, tmp_path: Path) -> None:
    code, output = typed(tmp_path, *words.split(), f"--since={time}")
    assert code == 2 and "or how long ago, such as 90s, 30m, 4h or 2d" in " ".join(output.split()), output


@pytest.mark.parametrize(
    "words",
    [
        "rules check FOLDER",
        "reps import FOLDER --tenant acme",
        "leads import FILE --mapping FOLDER --check --tenant acme",
        "customers import-owners FOLDER --tenant acme",
        "leads import FOLDER --tenant acme",
    ],
)
def test_a_folder_where_a_file_is_expected_is_called_one(words: str, tmp_path: Path) -> None:
    folder, file = tmp_path / "a.csv", tmp_path / "leads.csv"
    folder.mkdir()
    file.write_text("external_id,name\n1,Ada\n")
    code, output = typed(tmp_path, *words.replace("FOLDER", str(folder)).replace("FILE", str(file)).split())
    assert code == 2 and f"{folder}: is a folder; name the file" in output, output


def test_a_data_folder_that_cannot_be_used_is_an_error_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for words in (["up"], ["tenants", "add", "acme", "--time-zone", "UTC"]):
        result = CliRunner().invoke(main, ["--data-dir", str(tmp_path / "file" / "data"), *words])
        assert result.exit_code in (1, 2) and isinstance(result.exception, SystemExit), result.exception
        assert "Not a directory" in result.output and "--data-dir" in result.output, result.output


def test_a_closed_stdout_is_an_error_and_not_a_silent_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(CannotRun, match="stdout is closed"), writing_csv(STDOUT, ["a"]):
        pass
    with pytest.raises(CannotRun, match="stdout is closed"):
        print_json({})


def test_other_reasons_why_a_file_cannot_be_read_are_as_the_system_has_them() -> None:
    assert str(cannot_read("x", PermissionError(13, "Permission denied"))) == "x: Permission denied"
