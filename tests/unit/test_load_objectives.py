"""The verdict of a load run: what must fail fails, and what proves nothing is no pass."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.load.objectives import BadObjectives, Figures, Objectives, Verdict, busiest, judge, read, verdict
from loadtest.load.requests import MIX, handing_in
from loadtest.load.shapes import APPLICATIONS, SHAPES

OBJECTIVES = Objectives(
    {"failed_percent": 0, "dropped": 0, "missing": 0, "violations": 0, "recovery_s": 5},
    {"web form": {"p50": 100, "p99": 250}},
    {"all": {"p95": 500}},
)
WHOLE = {"failed_percent": 0.0, "dropped": 0.0, "missing": 0.0, "violations": 0.0}
FAST = Figures(WHOLE, {"web form": [0.01] * 100}, {"all": [0.02] * 50}, 100)


def of(figures: Figures, generator: float = 20.0, late_s: float = 0.01) -> Verdict:
    return verdict(judge(OBJECTIVES, figures), generator, late_s)


def test_a_fast_run_without_faults_passes() -> None:
    assert of(FAST) is Verdict.PASSED


@pytest.mark.parametrize("what", ["failed_percent", "dropped", "missing", "violations"])
def test_one_dropped_failed_lost_or_doubled_is_enough_to_fail(what: str) -> None:
    assert of(Figures({**WHOLE, what: 1.0}, FAST.requests, FAST.assigned, 100)) is Verdict.FAILED


def test_two_slow_answers_in_a_hundred_fail_a_p99() -> None:
    slow = [0.01] * 98 + [0.2501] * 2
    assert of(Figures(WHOLE, {"web form": slow}, FAST.assigned, 100)) is Verdict.FAILED
    one = [0.01] * 99 + [9.0]
    assert of(Figures(WHOLE, {"web form": one}, FAST.assigned, 100)) is Verdict.PASSED


def test_an_empty_run_fails() -> None:
    assert of(Figures(WHOLE, {}, {}, 0)) is Verdict.FAILED
    # Requests, but no lead that came to a rep.
    assert of(Figures(WHOLE, FAST.requests, {"all": []}, 100)) is Verdict.FAILED


def test_a_rare_request_that_did_not_come_up_fails_nothing() -> None:
    assert of(Figures(WHOLE, {"operator: why": [0.1]}, FAST.assigned, 1)) is Verdict.PASSED


def test_a_generator_that_is_too_busy_or_late_gets_no_verdict_however_good_or_bad() -> None:
    assert of(FAST, late_s=0.51) is Verdict.REFUSED
    assert of(FAST, 90.1) is Verdict.REFUSED
    assert of(Figures(WHOLE, {}, {}, 0), 100.0) is Verdict.REFUSED
    assert int(Verdict.REFUSED) not in (0, 1, 2)


def test_a_slow_recovery_fails_and_without_a_fault_there_is_none_to_judge() -> None:
    assert "recovery_s" not in {one.name for one in judge(OBJECTIVES, FAST)}
    assert of(Figures({**WHOLE, "recovery_s": 5.1}, FAST.requests, FAST.assigned, 100)) is Verdict.FAILED
    assert of(Figures({**WHOLE, "recovery_s": 4.9}, FAST.requests, FAST.assigned, 100)) is Verdict.PASSED


def test_a_short_peak_of_the_generator_is_seen_and_a_single_look_is_not_one() -> None:
    looks = [(at / 2, 95.0 if 20 <= at < 32 else 10.0) for at in range(120)]
    assert busiest(looks) > 90
    assert busiest([(at / 2, 100.0 if at == 20 else 10.0) for at in range(120)]) < 30
    assert busiest([(0.5, 97.0)]) == 97.0
    assert busiest([]) == 0.0


@given(st.lists(st.floats(0, 100), min_size=1, max_size=80))
def test_the_busiest_seconds_are_between_the_mean_and_the_highest_look(percents: list[float]) -> None:
    found = busiest([(number / 2, percent) for number, percent in enumerate(percents)], 1e6)
    assert min(percents) - 1e-9 <= found <= max(percents) + 1e-9


@pytest.mark.parametrize("shape", [*SHAPES, APPLICATIONS])
def test_the_objectives_of_every_shape_can_be_read_and_name_what_exists(shape: str) -> None:
    found = read(shape)
    assert found.whole["violations"] == found.whole["missing"] == 0
    assert set(found.requests) <= set(MIX)
    assert set(found.assigned) <= {"all", *handing_in()}
    if shape != "ramp":
        assert found.whole["dropped"] == 0
        assert set(found.requests) == set(MIX)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "no part `defaults`"),
        ("defaults: {droped: 0}", "unknown objectives: droped"),
        ("defaults: {requests: {web form: {p101: 5}}}", "'p101' is not a percentile"),
        ("defaults: {requests: {web form: {99: 5}}}", "is not a percentile"),
        ("defaults: {requests: {web form: {p99: fast}}}", "p99: 'fast' is not a number"),
        ("defaults: {requests: {web fom: {p99: 5}}}", "there is no 'web fom'"),
        ("defaults: {dropped: none}", "'none' is not a number"),
        ("defaults: {}\nshape: {}", "unknown parts: shape"),
    ],
)
def test_a_file_that_would_judge_nothing_is_refused(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "objectives.yaml"
    file.write_text(text)
    with pytest.raises(BadObjectives, match=why):
        read("steady", file)
