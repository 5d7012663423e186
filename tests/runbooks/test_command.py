"""`lead-router runbook`: the page is in the terminal of whoever is paged, also when nothing else works."""

import json
import os
import pty
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from hatchling.builders.wheel import WheelBuilder

from ops.cli import main
from ops.runbooks import library
from ops.runbooks.page import SECTIONS

_RUNBOOK = "import sys; sys.argv = ['lead-router', 'runbook', 'groups_empty']; from ops.cli import main"


def shown(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["runbook", *words])
    assert done.exit_code == code, done.output
    return done.output


def test_a_page_is_plain_text_in_a_pipe() -> None:
    assert shown("groups_empty") == library.places()["groups_empty"].read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["Groups_Empty", "groups_empty.md", "runbooks/groups_empty.md"])
def test_a_page_is_found_by_what_a_finding_or_a_link_calls_it(name: str) -> None:
    assert shown(name).startswith("# groups_empty\n")


def test_without_a_name_all_pages_are_listed_with_what_they_are_about() -> None:
    lines = shown().splitlines()
    assert [line.split()[0] for line in lines] == list(library.places())
    assert all(len(line.split()) > 3 for line in lines)
    assert [one["name"] for one in json.loads(shown("--json"))] == list(library.places())


def test_machines_get_sections_and_commands_with_what_they_are_for() -> None:
    page = json.loads(shown("groups_empty", "--json"))
    assert tuple(page["sections"]) == SECTIONS
    assert {one["purpose"] for one in page["commands"]} == {"check", "fix", "verify"}
    assert page["fill_in"]["GROUP"].startswith("`--groups` of the finding's command")
    [fix] = [one for one in page["commands"] if one["purpose"] == "fix"]
    assert fix == {
        "purpose": "fix",
        "language": "sh",
        "section": "Mitigation",
        "command": 'lead-router reps set REP --tenant TENANT --groups "GROUP"',
    }


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("group_emty", "did you mean group_empty"),
        ("caps", "did you mean caps_used_up?"),
        ("xyzzy", "lead-router runbook lists all"),
        ("", "lead-router runbook lists all"),
        ("../README", "lead-router runbook lists all"),
    ],
)
def test_a_name_without_a_page_leads_to_those_like_it(name: str, said: str) -> None:
    assert said in shown(name, code=2)


def test_a_terminal_gets_headings_and_commands_without_the_marks_of_the_text() -> None:
    program = f"{_RUNBOOK}; main()"
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=follower,
        stdout=follower,
        stderr=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    ) as process:
        os.close(follower)
        output = _all_of(leader)
        assert process.wait() == 0, process.stderr and process.stderr.read()
    os.close(leader)
    output = re.sub(r"\x1b\[[0-9;]*m", "", output)
    assert "Confirm recovery" in output and "lead-router groups --tenant TENANT" in output
    assert "```" not in output and "group_empty.md" not in output


def _all_of(leader: int) -> str:
    """Until the program has closed the terminal; Linux says so with an error."""
    parts = []
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode()


def test_it_needs_neither_settings_nor_a_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LEAD_ROUTER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("LEAD_ROUTER_DRAIN_BATCH_LEADS", "many")
    monkeypatch.chdir(tmp_path)
    assert shown("database_unusable").startswith("# database_unusable\n")


def test_an_installed_wheel_has_the_pages(tmp_path: Path) -> None:
    [wheel] = WheelBuilder(str(Path(__file__).parents[2])).build(directory=str(tmp_path), versions=["standard"])
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    place = "from ops.runbooks.library import runbooks_root; print(runbooks_root(), file=sys.stderr)"
    program = f"{_RUNBOOK}; {place}; main()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
    )
    assert done.stderr.strip() == str(installed / "ops" / "_runbooks")
    assert done.stdout == shown("groups_empty")
