"""The pages: complete where they promise to be, without dead links, and true of no single machine."""

import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ops.cli import main
from ops.cli.commands import COMMANDS
from ops.doctor.look import all_checks

ROOT = Path(__file__).parents[2]
NOT_OURS = {".venv", "build", "dist", "node_modules", ".pytest_cache", ".lead-router"}
PAGES = sorted(page for page in ROOT.rglob("*.md") if not NOT_OURS & set(page.relative_to(ROOT).parts))

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_MACHINE = re.compile(
    r"(?<![\w.])/(?:home|root|work|Users|mnt|private)/|[A-Z]:\\|https?://(?:localhost|[\w.-]*:\d{4,5}/simple)"
)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def dependencies() -> list[str]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lists = [project["project"]["dependencies"], *project["dependency-groups"].values()]
    return [
        re.split(r"[\s<>=!~\[;]", line, maxsplit=1)[0] for group in lists for line in group if isinstance(line, str)
    ]


def test_a_check_is_called_as_its_file_so_that_its_finding_leads_to_its_runbook() -> None:
    for name in all_checks():
        assert name == import_module(f"ops.doctor.checks.{name}").CODE


@pytest.mark.parametrize("family", COMMANDS)
def test_a_reader_of_the_readme_learns_of_every_command(family: str) -> None:
    rows = [line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert any(line.startswith(f"| `lead-router {family}") for line in rows)


@pytest.mark.parametrize("family", COMMANDS)
def test_every_command_helps_with_an_example(family: str) -> None:
    result = CliRunner().invoke(main, [family, "--help"])
    assert result.exit_code == 0, result.output
    subcommands = re.findall(r"^  ([a-z]+)  ", result.output.partition("Commands:")[2], re.MULTILINE)
    for words in [[family, sub] for sub in subcommands] or [[family]]:
        text = CliRunner().invoke(main, [*words, "--help"]).output
        assert re.search(rf"Example:\s+(LEAD_ROUTER\S+ )?lead-router {' '.join(words)}", text), words


def test_the_readme_shows_no_command_that_does_not_exist() -> None:
    blocks = _FENCED.finditer((ROOT / "README.md").read_text(encoding="utf-8"))
    shown = {name for block in blocks for name in re.findall(r"lead-router (?!-)([a-z]+)", block[0])}
    assert shown <= set(COMMANDS)


def test_every_dependency_says_why_it_is_there() -> None:
    text = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    assert sorted(told) == sorted(set(dependencies()))


def test_every_decision_stands_in_the_index() -> None:
    folder = ROOT / "docs/decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    pages = sorted(folder.glob("[0-9]*.md"))
    assert [page.name for page in pages if f"]({page.name})" not in index] == []
    numbers = [page.name[:4] for page in pages]
    assert len(numbers) == len(set(numbers)), "two decisions with one number"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_no_link_of_a_page_leads_nowhere(page: Path) -> None:
    dead = []
    for link in _LINK.findall(_FENCED.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_no_page_speaks_of_somebodys_machine(page: Path) -> None:
    found = [line for line in page.read_text(encoding="utf-8").splitlines() if _MACHINE.search(line)]
    assert found == []
