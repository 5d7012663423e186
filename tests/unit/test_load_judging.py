"""What a report says: trouble made on purpose is not held against the service, all else is; and it is one page."""

import json
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from loadtest.load.diagnosing import Said
from loadtest.load.judging import Judged, judged
from loadtest.load.objectives import Objectives, Verdict
from loadtest.load.outcome import Assigned, Stored
from loadtest.load.page import page
from loadtest.load.plan import Abort, Plan
from loadtest.load.recovery import Trouble
from loadtest.load.report import caution, document, sentence
from loadtest.load.run import Options, Ran
from loadtest.load.samples import Outcome, Sample
from loadtest.load.shapes import Piece
from loadtest.load.watch import Look

OBJECTIVES = Objectives(
    {"failed_percent": 0, "dropped": 0, "missing": 0, "violations": 0, "unassigned": 0, "recovery_s": 5},
    {"web form": {"p99": 250}},
    {"all": {"p99": 500}},
)
TROUBLE = Trouble(20.0, 30.0)


def sample(due_s: float, waited_s: float = 0.1, outcome: Outcome = Outcome.OK) -> Sample:
    return Sample("web form", due_s, due_s + 0.001, due_s + waited_s, outcome, 200 if outcome is Outcome.OK else 503)


def look(at_s: float, generator: float) -> Look:
    return Look(at_s, generator, 30.0, None, 50.0, 90.0, None, 12, 8, None if at_s == 25 else 3, at_s)


def a_run(
    more: Sequence[Sample] = (),
    *,
    trouble: Trouble | None = TROUBLE,
    leads: Sequence[Assigned] = (),
    missing: Sequence[str] = (),
    generator: float = 10.0,
    abort: Abort | None = None,
) -> Ran:
    samples = sorted([*(sample(second + 0.5) for second in range(60)), *more], key=lambda one: one.due_s)
    good = [Assigned("web form", second + 0.5, second + 0.6) for second in range(60)]
    plan = Plan("http://x", "t", "k", "r", "f", 1, 1, ["r1"], ["r1"], [Piece(60, 1), Piece(60, 9)], abort=abort)
    return Ran(
        options=Options("steady", 60, 1, 1, 1, ["F4"] if trouble else [], 20, 30),
        plan=plan,
        begin=1000.0,
        samples=samples,
        stored=Stored(60 + len(leads), missing, 0, [], [*good, *leads], exact=True),
        looks=[look(second, generator) for second in range(60)],
        said=[Said("database_busy", "critical", "<nightly> & co has it locked", "lead-router blockers", 22.0, None)],
        asked_doctor=30,
        doctor_failed=[],
        trouble=trouble,
        settle_s=0.1,
        generator_warned=False,
        server="18.6",
    )


def missed(found: Judged) -> list[str]:
    return [one.name for one in found.checks if not one.holds]


def test_what_fails_while_it_is_broken_is_not_held_against_the_service() -> None:
    found = judged(a_run([sample(25, 3, Outcome.FAILED), sample(19.9, 2, Outcome.FAILED)]), OBJECTIVES)
    assert (found.verdict, missed(found)) == (Verdict.PASSED, [])
    assert found.recovery is not None and found.recovery.seconds < 1


def test_the_same_failure_before_or_after_it_is() -> None:
    for due_s in (5, 40):
        found = judged(a_run([sample(due_s, 0.2, Outcome.FAILED)]), OBJECTIVES)
        assert missed(found) == ["failed_percent"]
    assert missed(judged(a_run([sample(25, 0.2, Outcome.FAILED)], trouble=None), OBJECTIVES)) == ["failed_percent"]


def test_a_dropped_request_or_a_lost_lead_counts_whatever_was_broken() -> None:
    assert missed(judged(a_run([sample(25, 0, Outcome.DROPPED)]), OBJECTIVES)) == ["dropped"]
    assert missed(judged(a_run(missing=["website a"]), OBJECTIVES)) == ["missing"]
    waits = judged(a_run(leads=[Assigned("web form", 25, None)]), OBJECTIVES)
    assert sorted(missed(waits)) == ["recovery_s", "unassigned"]


def test_slow_leads_after_the_fix_are_a_slow_recovery() -> None:
    found = judged(a_run(leads=[Assigned("web form", 29, 36.5)]), OBJECTIVES)
    assert missed(found) == ["recovery_s"]
    assert found.recovery is not None and found.recovery.seconds == 6.5


def test_a_busy_generator_gets_no_verdict_and_the_page_says_what_to_do() -> None:
    ran = a_run(generator=95.0)
    found = judged(ran, OBJECTIVES)
    assert found.verdict is Verdict.REFUSED
    assert "lower RATE" in page(ran, found)


def test_a_failed_run_says_in_words_what_was_missed_why_requests_failed_and_whose_work_made_it_slow() -> None:
    ran = a_run([sample(5, 3, Outcome.FAILED)._replace(answer="503: <busy>")], trouble=None)
    ran = replace(ran, looks=[replace(one, machine=99.0, service=1.0) for one in ran.looks])
    found = judged(ran, OBJECTIVES)
    text = sentence(found)
    assert text.startswith("Failed: requests that failed 1.6% (limit 0%); request: web form: p99 ")
    html = page(ran, found)
    assert "503: &lt;busy&gt;" in html and "requests that failed (failed_percent)" in html
    assert "other work on the machine makes waits long" in html
    [failure] = document(ran, found)["requests"]["failures"]
    assert failure == {"answer": "503: <busy>", "number": 1, "by_name": {"web form": 1}, "first_s": 5, "last_s": 5}


def test_a_run_that_passed_blames_no_one() -> None:
    ran = a_run()
    assert caution(ran, judged(ran, OBJECTIVES)) == ""
    assert "Why requests failed" not in page(ran, judged(ran, OBJECTIVES))


def test_a_ramp_that_broke_says_where_and_one_that_went_through_says_how_far_it_came() -> None:
    ran = a_run(trouble=None, abort=Abort(5, 1, 5))
    found = judged(ran, OBJECTIVES)
    assert found.broke is not None and (found.broke.at_s, found.broke.rate) == (59.5, 1)
    assert "It broke at 1 requests a second" in page(ran, found)
    through = a_run([sample(119)], abort=Abort(5, 1, 5))
    assert "It did not break: at the end 9 requests a second were due" in page(through, judged(through, OBJECTIVES))


class Checker(HTMLParser):
    """Every element that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("lead", [None, Assigned("web form", 25, None)])
def test_the_page_and_the_json_hold_whatever_happened(lead: Assigned | None) -> None:
    ran = a_run(leads=[lead] if lead else [])
    found = judged(ran, OBJECTIVES)
    said = json.loads(json.dumps(document(ran, found), allow_nan=False))
    assert said["verdict"] == ("failed" if lead else "passed")
    assert said["fault"]["recovery_s"] == (None if lead else pytest.approx(0.0, abs=0.7))
    text = page(ran, found)
    checker = Checker()
    checker.feed(text)
    assert not checker.open
    assert checker.seen.count("svg") == 9
    # Nothing is fetched, and what others say stays text.
    assert not {"link", "script", "img"} & set(checker.seen)
    assert "&lt;nightly&gt; &amp; co has it locked" in text
    assert ("It was not right again" in text) == (lead is not None)


def test_an_empty_run_still_makes_a_page() -> None:
    ran = a_run(trouble=None)
    ran.samples, ran.looks = [], []
    ran.stored = Stored(0, [], 0, [], [], exact=False)
    found = judged(ran, OBJECTIVES)
    assert found.verdict is Verdict.FAILED
    json.dumps(document(ran, found), allow_nan=False)
    assert "nothing measured" in page(ran, found)
