"""What the first page says of the flow, and where a fix can be done."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops.console.fixes import page_for, what_it_does
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
