"""Whoever is paged at night finds a page, all of its sections, and no command that does not exist."""

from pathlib import Path

import pytest
import yaml

from ops.runbooks.library import ALERTS, places, runbooks_root
from ops.runbooks.page import SECTIONS
from router.domain.reason import Reason
from tests.runbooks import lint
from tests.runbooks.lint import CODES

REASONS = set(map(str, Reason))
PAGES = dict(places())
RULES = lint.ROOT / "config" / "prometheus" / "rules"
GOOD = (runbooks_root() / "groups_empty.md").read_text(encoding="utf-8")


def of_alerts() -> set[str]:
    return {name for name, file in PAGES.items() if file.parent.name == ALERTS}


def alerts() -> set[str]:
    """The alerts of the rules that are shipped."""
    files = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(RULES.glob("*.yml"))]
    rules = [rule for file in files for group in file["groups"] for rule in group["rules"]]
    return {rule["alert"] for rule in rules if "alert" in rule}


def test_every_code_and_reason_has_a_page_and_every_page_is_of_one() -> None:
    assert PAGES.keys() - of_alerts() == CODES | REASONS


def test_every_alert_has_a_page_and_every_page_of_an_alert_is_of_one() -> None:
    assert of_alerts() == alerts()


def test_no_page_is_hidden_by_one_of_the_same_name() -> None:
    files = [file for file in runbooks_root().rglob("*.md") if file.name != "README.md"]
    assert sorted(PAGES.values()) == sorted(files)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_all_sections_and_commands_that_can_be_typed(name: str) -> None:
    file = PAGES[name]
    assert lint.problems(name, file.read_text(encoding="utf-8"), file.parent) == []


def test_the_index_has_every_page_a_sorted_table_of_findings_and_commands_that_can_be_typed() -> None:
    text = lint.README.read_text(encoding="utf-8")
    named = [line.partition("](")[2].partition(".md)")[0] for line in text.splitlines() if line.startswith("| [")]
    named = [name for name in named if not name.startswith(f"{ALERTS}/")]
    assert set(named) == CODES | REASONS
    findings = named[len(REASONS) :]
    assert findings == sorted(CODES)
    assert lint.wrong_commands(text) == []
    assert sorted(lint.examples()) == list(lint.examples())


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("## Impact\n", "## Effect\n", "no section Impact; unknown: Effect"),
        ("## Escalation\n", "## Impact\n", "no section Escalation"),
        ("# groups_empty\n", "# group_empty\n", "the first line is not"),
        ("lead-router groups --tenant TENANT", "lead-router gruops --tenant TENANT", "No such command 'gruops'"),
        ("lead-router groups --tenant TENANT", "lead-router groups --of TENANT", "No such option"),
        ("lead-router groups --tenant TENANT", "lead-router groups --tenant", "requires an argument"),
        ("lead-router groups --tenant TENANT", "groups --tenant TENANT", "is no program that runbooks use"),
        ('--groups "GROUP"', '--groups "TEAM"', "TEAM is not in the table"),
        ("- `GROUP`:", "- `CHANNEL`:", "GROUP is not under 'Fill in'"),
        ("```sh fix", "```sh", "not what it is for"),
        ("```sh verify", "```sh fix", "no command tagged verify"),
        ("```sh fix", "```python fix", "a fix in python"),
        ("(group_empty.md)", "(group_emtpy.md)", "dead link group_emtpy.md"),
        ("(group_empty.md)", "(group_empty.md#cure)", "dead link group_empty.md#cure"),
    ],
)
def test_what_is_wrong_with_a_page_is_said(good: str, bad: str, said: str) -> None:
    assert good in GOOD
    assert said in "; ".join(lint.problems("groups_empty", GOOD.replace(good, bad, 1), runbooks_root()))


def test_sections_in_another_order_are_refused() -> None:
    first, last = GOOD.partition("## Impact")[0], GOOD.partition("## Impact")[2]
    moved = first.replace("## Meaning", "## Impact") + "## Meaning" + last
    assert lint.problems("groups_empty", moved, Path()) == [
        f"the sections are not in this order: {', '.join(SECTIONS)}"
    ]
