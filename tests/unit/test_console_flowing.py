"""What the first page says of the flow, and where a fix can be done."""

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ops.console.fixes import Effect, advice, page_for, what_it_does
from ops.console.flow import Minute
from ops.console.flowing import Flowing, assigned_lately, flowing, held_back, last_assigned
from ops.console.pages.now import kinds
from ops.text.translation import translator

PAGES = frozenset({"/reps/{rep}", "/groups", "/waiting/retry", "/"})


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ({"routers": 0}, Flowing.NO_ROUTER),
        ({"waiting": 0}, Flowing.NOTHING_WAITS),
        ({"waiting": 0, "held_back": 3}, Flowing.NOTHING_WAITS),
        ({}, Flowing.YES),
        ({"per_minute": 0.0}, Flowing.NO),
        ({"held_back": 3}, Flowing.PARTLY),
        ({"held_back": 3, "lately": 0}, Flowing.NO),
        ({"held_back": 3, "lately": None}, Flowing.PARTLY),
        # At night leads wait for the morning, and few are assigned: nothing is wrong.
        ({"lately": 0}, Flowing.YES),
    ],
)
def test_a_stall_is_not_called_a_flow_and_a_flow_not_a_stall(seen: dict[str, int], expected: Flowing) -> None:
    usual = {"routers": 1, "waiting": 5, "per_minute": 2.0, "held_back": 0, "lately": 4}
    assert flowing(**{**usual, **seen}) is expected  # type: ignore[arg-type]


def test_what_several_findings_hold_back_is_not_added_up() -> None:
    findings = [
        {"severity": "critical", "held_back": 5},
        {"severity": "critical", "held_back": 7},
        {"severity": "warning", "held_back": 90},
    ]
    assert (held_back(findings), held_back([])) == (7, 0)


def test_only_the_last_minutes_count_and_what_is_not_known_is_not_taken_for_nothing() -> None:
    start = datetime(2026, 3, 2, tzinfo=UTC)

    def minutes(*assigned: int | None) -> list[Minute]:
        return [Minute(start + place * timedelta(minutes=1), 1, one) for place, one in enumerate(assigned)]

    assert assigned_lately(minutes(9, 9, 0, 0)) == 0
    assert assigned_lately(minutes(0, 0, 2, 1)) == 3
    assert assigned_lately(minutes(None, 5)) is None
    assert (assigned_lately(None), assigned_lately([])) == (None, None)
    assert last_assigned(minutes(4, 5, 0, None)) == start + timedelta(minutes=1)
    assert (last_assigned(minutes(0, None)), last_assigned(None)) == (None, None)


@pytest.mark.parametrize(
    ("command", "page"),
    [
        ("lead-router reps set r1 --tenant acme --available yes", "/reps/r1"),
        ("lead-router reps set 'a/b c' --tenant acme --available yes", "/reps/a%2Fb%20c"),
        ("lead-router reps set r1 --tenant acme --groups web", None),
        ("lead-router reps list --tenant acme", "/groups"),
        ("lead-router retry --reason group_empty", "/waiting/retry"),
        # This console has no such page.
        ("lead-router blockers --terminate 7", None),
        ("lead-router migrate", None),
        ("rm -rf /", None),
        ("lead-router reps 'open quote", None),
        ("", None),
        (None, None),
    ],
)
def test_a_fix_leads_to_the_page_where_it_can_be_done_if_there_is_one(command: str | None, page: str | None) -> None:
    assert page_for(command, PAGES) == page


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("lead-router reps set n0 --tenant acme --groups web", "puts rep n0 into group web"),
        ("lead-router reps set n0 --tenant acme --available yes", "says whether rep n0 is available: yes"),
        ("lead-router reps set n0 --weight 2", ""),
        ("lead-router reps set --groups", ""),
        ("lead-router blockers --terminate 7", "ends that session; what it did is rolled back, and its locks are gone"),
        ("lead-router blockers", "shows who has what locked"),
        ("psql", ""),
        (None, ""),
    ],
)
def test_a_fix_says_what_it_does(command: str | None, words: str) -> None:
    assert what_it_does(command, translator("en")) == words


def _commands_of_findings() -> set[str]:
    """All commands that findings name, as the code has them, with "x" for what varies."""
    found = set()
    for file in (Path(__file__).parents[2] / "ops" / "doctor").rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                found.add("".join(str(one.value) if isinstance(one, ast.Constant) else "x" for one in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
                found.add(node.value)
    return {text for text in found if text.startswith("lead-router ")}


def test_each_command_of_a_finding_says_what_it_does_and_whether_the_cause_stays() -> None:
    commands = _commands_of_findings()
    assert len(commands) > 25
    for command in commands:
        found, chinese = (advice(command, translator(language)) for language in ("en", "zh"))
        assert found is not None and found.does, command
        assert chinese is not None and chinese.does != found.does, command
        assert bool(found.remains) or found.effect is not Effect.FOR_NOW, f"{command}: what is left to be done?"


@pytest.mark.parametrize(
    ("command", "effect"),
    [
        ("lead-router blockers --terminate 7", Effect.FOR_NOW),
        ("lead-router reps set n0 --tenant acme --available yes", Effect.FOR_NOW),
        ("lead-router resume acme", Effect.FIXES),
        ("lead-router connections end --application=x --dry-run --why y", Effect.SHOWS),
        ("lead-router connections end --application=x --why y", Effect.FOR_NOW),
    ],
)
def test_a_stopgap_is_not_taken_for_a_cure(command: str, effect: Effect) -> None:
    found = advice(command, translator("en"))
    assert found is not None and found.effect is effect


def _found(code: str, severity: str = "warning", tenant: str = "acme") -> dict[str, Any]:
    return {"code": code, "severity": severity, "subject": {"kind": "tenant", "name": tenant}}


def test_what_explains_the_worst_comes_right_behind_it_and_a_symptom_after_its_causes() -> None:
    found = [
        _found("stalled", "critical"),
        _found("availability_unreadable", "critical"),
        _found("availability_unreadable", "critical"),
        _found("members_unavailable", "critical"),
        _found("roster_not_understood", tenant="globex"),
        _found("server_settings"),
        _found("roster_not_understood"),
    ]
    assert [(one["code"], one["subject"]["name"]) for one in kinds(found)] == [
        ("availability_unreadable", "acme"),
        ("roster_not_understood", "acme"),
        ("members_unavailable", "acme"),
        ("stalled", "acme"),
        ("roster_not_understood", "globex"),
        ("server_settings", "acme"),
    ]
    assert kinds([]) == []
