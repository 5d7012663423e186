"""docs/log-events.md has all that the code logs, and says of what is bad what it means."""

from tests.e2e.commands import PROJECT
from tests.pages.log_events import NAMED_ELSEWHERE, PAGE, events, meanings, page

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_has_every_event_of_the_code_and_no_other() -> None:
    assert page(TEXT) == TEXT, "run: make docs"


def test_what_is_bad_says_what_it_means() -> None:
    bad = [one.text for one in events() if one.level in ("critical", "error", "warning") and not one.service]
    assert len(bad) > 40
    assert [text for text in bad if not meanings(TEXT).get(text)] == []


def test_no_meaning_is_of_an_event_that_is_gone() -> None:
    assert meanings(TEXT).keys() == {one.text for one in events() if not one.service}


def test_events_that_a_caller_names_are_named_there() -> None:
    code = "".join(
        file.read_text(encoding="utf-8") for root in ("router", "ops") for file in (PROJECT / root).rglob("*.py")
    )
    assert [text for texts in NAMED_ELSEWHERE.values() for text in texts if f'"{text}"' not in code] == []


def test_levels_and_fields_are_those_of_the_calls() -> None:
    found = {one.text: one for one in events() if not one.service}
    assert (found["routed"].level, found["service lost"].level) == ("info", "critical")
    assert "retry_in_s" in found["batch rolled back"].fields
    assert found["leads stand still"].level == "error", "through a variable"
    assert "vacuum is not held back now" in found, "one of two"
