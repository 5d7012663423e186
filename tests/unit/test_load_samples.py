"""What the generator wrote down is read back whole, and every lead that was promised is looked for."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from loadtest.load.breaking import Watch
from loadtest.load.outcome import compare
from loadtest.load.plan import Abort, Plan, read, write
from loadtest.load.samples import Outcome, Sample, Writer, begins, external_ids
from loadtest.load.samples import read as read_samples
from loadtest.load.shapes import Piece

NOTHING: list[str] = []


def handed_in(key: str, leads: int, outcome: Outcome = Outcome.OK) -> Sample:
    taken = leads if outcome is Outcome.OK else 0
    return Sample("web form", 1.0, 1.0, 1.2, outcome, 200, "website", key, leads, taken)


def test_samples_of_all_workers_are_read_by_one_clock(tmp_path: Path) -> None:
    first, second = Writer(tmp_path, 0, 1000.0), Writer(tmp_path, 1, 1000.5)
    first.write(handed_in("a", 1))
    second.write(handed_in("b", 1))
    first.close()
    second.close()
    assert begins(tmp_path) == [1000.0, 1000.5]
    assert [(one.key, one.due_s) for one in read_samples(tmp_path)] == [("a", 1.0), ("b", 1.5)]


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    plan = Plan(
        "http://x", "t", "k", "r", "f", 1, 2, ["r1"], ["r1"], [Piece(1, 2)], abort=Abort(5, 1, 5), shifted=(1.0, 2.0)
    )
    write(plan, tmp_path / "plan.json")
    again = read(tmp_path / "plan.json")
    assert (again.pieces, again.abort, again.reps) == ([Piece(1, 2)], Abort(5, 1, 5), ["r1"])


def test_an_accepted_lead_that_is_not_there_is_missing() -> None:
    samples = [handed_in("a", 1), handed_in("b", 3)]
    found = {("website", "a"): 1001.5, ("website", "b-0"): None, ("website", "b-2"): 1003.0}
    judged = compare(samples, found, 1000.0, NOTHING, exact=True)
    assert judged.missing == ["website b-1"]
    assert (judged.acknowledged, judged.unassigned, judged.others) == (4, 1, 0)
    assert judged.assigned[0].waited_s == 0.5


def test_a_lead_whose_answer_was_lost_was_promised_to_nobody_but_is_counted() -> None:
    samples = [handed_in("a", 1, Outcome.FAILED), handed_in("b", 1, Outcome.FAILED)]
    judged = compare(samples, {("website", "a"): 1001.5}, 1000.0, NOTHING, exact=True)
    assert (judged.acknowledged, judged.missing, judged.others) == (0, [], 1)


def test_the_night_s_leads_are_not_taken_for_leads_without_an_answer() -> None:
    found: dict[tuple[str, str], float | None] = {
        ("night", "n-0"): 1002.0,
        ("night", "n-1"): 1004.0,
        ("website", "a"): 1001.5,
    }
    judged = compare([handed_in("a", 1)], found, 1000.0, NOTHING, exact=True)
    assert (judged.night, judged.night_done_s, judged.others) == (2, 4.0, 0)
    found[("night", "n-2")] = None
    assert compare([], found, 1000.0, NOTHING, exact=True).night_done_s is None


@given(st.integers(1, 30))
def test_the_leads_of_a_batch_have_ids_of_their_own(leads: int) -> None:
    ids = external_ids("k", leads)
    assert len(set(ids)) == leads


def test_a_ramp_ends_when_one_in_twenty_is_slow_and_not_at_a_single_hiccup() -> None:
    watch = Watch(Abort(within_s=5, slower_than_s=1, percent=5))
    for number in range(200):
        watch.note(number / 20, 2.0 if number == 50 else 0.1, failed=False)
        assert not watch.broken
    for number in range(200, 220):
        watch.note(number / 20, 0.1, failed=number % 2 == 0)
    assert watch.broken
