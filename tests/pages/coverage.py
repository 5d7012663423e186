"""Which test holds each block of README and docs to what the product does; and which blocks none does, and why.

`python -m tests.pages.coverage` lists the blocks that no test runs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.e2e.commands import PROJECT
from tests.pages.scenes import SCENES
from tests.pages.transcript import Block, blocks, steps

PAGES = ("README.md", *sorted(str(file.relative_to(PROJECT)) for file in (PROJECT / "docs").glob("*.md")))
PICTURES = ("mermaid",)

BY_TEST: Mapping[tuple[str, str], str] = {
    ("README.md", "$ make demo"): "tests/e2e/test_demo.py",
    ("README.md", "$ make test"): "tests/pages/test_scenes.py",
    ("README.md", '$ curl "http'): "tests/http/test_readme.py",
    ("docs/api.md", ""): "tests/unit/test_api_page.py",
    ("docs/demo.md", ""): "tests/e2e/test_demo.py",
    ("docs/deployment.md", "create role"): "tests/pages/test_deployment.py",
    ("docs/deployment.md", "grant connect"): "tests/pages/test_deployment.py",
    ("docs/doors.md", ""): "tests/pages/test_blocks.py",
    ("docs/integrating.md", "# receiver.py"): "tests/e2e/test_webhooks_killed.py",
    ("docs/integrating.md", "# writer.py"): "tests/e2e/test_webhooks_killed.py",
    ("docs/intake-http.md", "curl -i"): "tests/http/test_readme.py",
    ("docs/intake-http.md", "HTTP/1.1 202"): "tests/http/test_readme.py",
    ("docs/intake.md", "field,word"): "tests/pages/test_scenes.py",
    ("docs/intake.md", "repeats: off"): "tests/pages/test_blocks.py",
    ("docs/customers.md", "match_on:"): "tests/pages/test_blocks.py",
    ("docs/maintenance.md", ""): "tests/postgres/test_maintenance_page.py",
    ("docs/rules.md", "rules:"): "tests/pages/test_blocks.py",
    ("docs/rules.md", "business_time_zone:"): "tests/pages/test_blocks.py",
    ("docs/roster.md", "$ lead-router reps list"): "tests/postgres/test_reps_commands.py",
    ("docs/operating.md", "alter system"): "tests/pages/test_scenes.py",
    ("docs/operating.md", "$ lead-router leads end"): "tests/postgres/test_bulk_endings.py",
    ("docs/why.md", "Waiting for"): "tests/pages/test_blocks.py",
    ("docs/why.md", "Lead 2 of"): "tests/pages/test_blocks.py",
    ("docs/why.md", "Any one of"): "tests/pages/test_blocks.py",
    ("docs/why.md", "Rep r1"): "tests/pages/test_blocks.py",
}
"""By page and beginning of the block (empty: all blocks of the page)."""

MEASURED = "a measurement on a machine: its command is run by tests, its figures are of then"
OTHER_SYSTEMS = "needs another system: Docker, a cluster, systemd, a proxy, a package server"
PLACEHOLDERS = "a pattern with placeholders, nothing that runs as it stands"
A_REAL_OUTAGE = "real output of one outage, as the page says; the same path is run by tests/e2e/test_whole_path.py"
UNCHECKED: Mapping[tuple[str, str], str] = {
    ("docs/alerts.md", "$ python -m ops"): PLACEHOLDERS,
    ("docs/audit.md", "{"): PLACEHOLDERS,
    ("docs/capacity.md", "$ lead-router capacity"): MEASURED,
    ("docs/console.md", "$ lead-router up"): "an excerpt: what `up` prints is held by tests/e2e/test_daemon.py",
    ("docs/console.md", "head -c 32"): OTHER_SYSTEMS,
    ("docs/scaling.md", "select "): OTHER_SYSTEMS,
    ("docs/scaling.md", "create extension"): OTHER_SYSTEMS,
    ("docs/scaling.md", "$ python -m loadtest.spread"): MEASURED,
    ("docs/deployment.md", ".venv/bin/python -m pip"): OTHER_SYSTEMS,
    ("docs/deployment.md", "python3 -m venv"): OTHER_SYSTEMS,
    ("docs/deployment.md", "server {"): OTHER_SYSTEMS,
    ("docs/intake-http.md", '{"type"'): PLACEHOLDERS,
    ("docs/intake-http.md", "gzip"): PLACEHOLDERS,
    ("docs/intake-http.md", '{"lines"'): PLACEHOLDERS,
    ("docs/intake-http.md", "curl -H"): PLACEHOLDERS,
    ("docs/integrating.md", '{"id"'): PLACEHOLDERS,
    ("docs/integrating.md", "$ curl"): PLACEHOLDERS,
    ("docs/load-testing.md", "$ make load FAULT"): MEASURED,
    ("docs/operating.md", "database: postgresql"): MEASURED,
    ("docs/operating.md", "20,000 leads will"): MEASURED,
    ("docs/operating.md", "$ kill"): OTHER_SYSTEMS,
    ("docs/operations.md", ""): OTHER_SYSTEMS,
    ("docs/performance.md", ""): MEASURED,
    ("docs/reliability.md", ""): MEASURED,
    ("docs/telemetry.md", ""): PLACEHOLDERS,
    ("docs/troubleshooting.md", ""): A_REAL_OUTAGE,
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A block of a page and what holds it: a scene, a test's file, `commands` (it is parsed), or nothing."""

    page: str
    block: Block
    held_by: tuple[str, ...]
    why_not: str

    @property
    def named(self) -> str:
        return f"{self.page}:{self.block.first}: {self.block.lines[0] if self.block.lines else ''}"


def shown() -> Iterator[Shown]:
    """Every block of every page that is not a picture."""
    for page in PAGES:
        scenes = [scene for scene in SCENES if scene.page == page]
        for block in blocks((PROJECT / page).read_text(encoding="utf-8")):
            if block.language in PICTURES:
                continue
            by = [str(scene) for scene in scenes if block.language == "console" and _runs(scene.text(), block)]
            by += [test for (where, start), test in BY_TEST.items() if where == page and _begins(block, start)]
            if not by and _only_commands(block):
                by = ["commands"]
            why = next(
                (why for (where, start), why in UNCHECKED.items() if where == page and _begins(block, start)), ""
            )
            yield Shown(page, block, tuple(by), why)


def _runs(text: str, block: Block) -> bool:
    return "\n".join(block.lines) in "\n".join(
        line.strip("\n") for line in text.splitlines()[block.first :][: len(block.lines)]
    )


def _begins(block: Block, start: str) -> bool:
    return bool(block.lines) and block.lines[0].lstrip("$ ").startswith(start.lstrip("$ "))


def _only_commands(block: Block) -> bool:
    """Whether all that it shows are commands of ours, or of make, with no output."""
    found = list(steps(block))
    if block.language == "console":
        lines = [step.command for step in found] if not any(step.shown for step in found) else []
    else:
        lines = list(block.lines) if block.language in ("", "sh") else []
    return (
        bool(lines)
        and all(line.partition("lead-router ")[0].startswith(("", "LEAD_ROUTER_")) for line in lines)
        and all(
            line.startswith(("lead-router ", "make ", "LEAD_ROUTER_", "export ", "WHY_GOLDEN", "git "))
            for line in lines
        )
    )


if __name__ == "__main__":
    for one in shown():
        if not one.held_by:
            print(f"{one.named[:110]:110}  {one.why_not or '!!!'}")
