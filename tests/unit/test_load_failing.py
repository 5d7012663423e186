"""A failed request says why: without the answer a run that fails cannot be acted on."""

from hypothesis import given
from hypothesis import strategies as st

from loadtest.load.failing import answer_of, failures
from loadtest.load.samples import Outcome, Sample


def failed(due_s: float, status: int, answer: str, name: str = "web form") -> Sample:
    return Sample(name, due_s, due_s, due_s + 1, Outcome.FAILED, status, answer=answer)


def test_the_answer_is_what_the_service_said() -> None:
    problem = '{"title": "Not now", "status": 503, "detail": "the database is\\n away"}'
    assert answer_of(503, problem) == "503: the database is away"
    assert answer_of(429, '{"title": "Too many requests"}') == "429: Too many requests"
    assert answer_of(502, "<html>bad gateway</html>") == "502: <html>bad gateway</html>"
    assert answer_of(500, "") == "500"


def test_no_answer_says_what_happened_to_the_connection() -> None:
    assert answer_of(0, None, TimeoutError("timed out")) == "no answer: TimeoutError: timed out"
    assert answer_of(0, None) == "no answer"


@given(st.integers(0, 599), st.none() | st.text(), st.none() | st.text())
def test_any_body_is_one_short_line(status: int, body: str | None, error: str | None) -> None:
    line = answer_of(status, body, error)
    assert line and "\n" not in line and len(line) <= 200


def test_like_answers_are_counted_together_the_most_frequent_first() -> None:
    found = failures(
        [
            failed(9, 409, "409: lead 7 is closed", "CRM: ending"),
            failed(1, 503, "503: busy for 12 s"),
            failed(4, 503, "503: busy for 3 s", "rep: heartbeat"),
            failed(5, 503, "503: busy for 4 s", "rep: heartbeat"),
            Sample("web form", 2, 2, 3, Outcome.OK, 200),
            Sample("web form", 2, 2, 3, Outcome.DROPPED),
        ]
    )
    assert [(one.number, one.answer) for one in found] == [(3, "503: busy for 12 s"), (1, "409: lead 7 is closed")]
    assert (found[0].first_s, found[0].last_s) == (1, 5)
    assert list(found[0].names.items()) == [("rep: heartbeat", 2), ("web form", 1)]


def test_a_sample_without_an_answer_still_names_its_status() -> None:
    assert failures([failed(1, 503, "")])[0].answer == "503"
