"""What pages show that is no command: YAML that people copy, texts of `why`, the form."""

import re
from pathlib import Path

import pytest

from router.rules.file import read_rules
from router.rules.mapping import read_mapping
from router.rules.match_rules import parse_match_rules
from router.rules.source_file import FormDoor, parse_source
from tests.e2e.commands import PROJECT
from tests.pages.transcript import Block, blocks

GOLDEN = PROJECT / "tests/golden/why"


def of(page: str, language: str) -> list[Block]:
    found = [one for one in blocks((PROJECT / page).read_text(encoding="utf-8")) if one.language == language]
    assert found, "the page shows none any more"
    return found


def text_of(block: Block) -> str:
    return "\n".join(block.lines) + "\n"


@pytest.mark.parametrize("block", of("docs/rules.md", "yaml"), ids=lambda block: f"line {block.first}")
def test_rules_can_be_copied_from_the_page(block: Block) -> None:
    assert read_rules(text_of(block), "page").ruleset.rules


@pytest.mark.parametrize("block", of("docs/doors.md", "yaml"), ids=lambda block: f"line {block.first}")
def test_sources_can_be_copied_from_the_page(block: Block) -> None:
    assert parse_source(text_of(block), "page").door


def test_the_form_sends_what_its_source_understands() -> None:
    [html] = of("docs/doors.md", "html")
    door = parse_source(text_of(of("docs/doors.md", "yaml")[0]), "page").door
    assert isinstance(door, FormDoor)
    names = set(re.findall(r'name="([^"]+)"', text_of(html)))
    assert {"your-name", "your-phone", door.honeypot} <= names


def test_match_rules_can_be_copied_from_the_page() -> None:
    [block] = of("docs/customers.md", "yaml")
    assert parse_match_rules(text_of(block), "page")


def test_both_ways_to_say_repeats_can_be_copied(tmp_path: Path) -> None:
    [block] = of("docs/intake.md", "yaml")
    said = []
    for line in block.lines:
        file = tmp_path / "mapping.yaml"
        file.write_text(line + "\n", encoding="utf-8")
        said.append(read_mapping(file))
    assert len(said) == 2
    assert said[0] != said[1]


@pytest.mark.parametrize("block", of("docs/why.md", "text"), ids=lambda block: f"line {block.first}")
def test_the_page_about_why_shows_what_why_says(block: Block) -> None:
    """Part of a text in tests/golden/why, which tests compare with the product's."""
    assert any("\n".join(block.lines) in file.read_text(encoding="utf-8") for file in GOLDEN.glob("*.en.txt"))
