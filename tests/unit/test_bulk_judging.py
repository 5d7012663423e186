"""Rows of a file against what is stored: done once, and the same row again is no mistake."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain import bulk_endings, taken_over
from router.domain.bulk_endings import Asked, Standing
from router.domain.taken_over import Here, Known, new_owner
from router.intake.normalise import Rejected
from router.intake.row_fields import RowFields
from router.rules.mapping import FileMapping, parse_mapping

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
times = st.integers(0, 1000).map(lambda minutes: NOON + timedelta(minutes=minutes))
reps = st.integers(1, 4)
asked = st.builds(Asked, st.sampled_from(bulk_endings.OUTCOMES), st.none() | reps, st.none() | times)


@st.composite
def standings(draw: st.DrawFn) -> Standing:
    state = draw(st.sampled_from(["waiting", "assigned", "parked", "merged", "closed", "archived", "removed"]))
    returned = draw(st.frozensets(reps))
    if state == "assigned":
        return Standing(state, draw(reps), draw(times), None, returned, returned)
    outcome = draw(st.sampled_from(["won", "lost"])) if state in ("closed", "archived") else None
    return Standing(state, None, None, outcome, returned, returned)


def ended(row: Asked, standing: Standing) -> Standing:
    """Where the lead is once the row is done."""
    assert standing.rep_no is not None
    if row.outcome == bulk_endings.RETURNED:
        returned = frozenset({*standing.returned_by, standing.rep_no})
        return Standing("waiting", returned_by=returned, had_by=returned)
    return Standing("closed", outcome=row.outcome, returned_by=standing.returned_by, had_by=standing.had_by)


@given(asked, standings(), reps, times)
def test_a_row_that_was_done_is_never_done_again_whoever_gets_the_lead_next(
    row: Asked, standing: Standing, next_rep: int, later: datetime
) -> None:
    if bulk_endings.judge(row, standing) is not bulk_endings.Verdict.END:
        return
    after = ended(row, standing)
    assert bulk_endings.judge(row, after) is bulk_endings.Verdict.ALREADY
    if after.state == "waiting" and next_rep not in after.returned_by:
        # The next assignment begins after the ending, which is never later than now.
        at = max(later, (row.ended_at or later) + timedelta(seconds=1))
        again = Standing("assigned", next_rep, at, None, after.returned_by, after.had_by)
        done = (bulk_endings.Verdict.ALREADY, bulk_endings.Verdict.RETURNED_BEFORE)
        assert bulk_endings.judge(row, again) in done


@given(asked, standings())
def test_only_the_rep_who_is_named_loses_the_lead(row: Asked, standing: Standing) -> None:
    if bulk_endings.judge(row, standing) is bulk_endings.Verdict.END:
        assert standing.state == "assigned"
        assert row.rep_no in (None, standing.rep_no)


@given(reps, st.sampled_from([None, "won", "lost"]))
def test_an_assignment_that_was_taken_over_is_not_taken_over_again(rep: int, outcome: str | None) -> None:
    assert taken_over.judge(rep, outcome, None) is taken_over.Verdict.NEW
    here = Here("assigned", rep) if outcome is None else Here("closed", None, outcome, {rep})
    assert taken_over.judge(rep, outcome, here) is taken_over.Verdict.ALREADY


@given(reps, reps)
def test_what_went_on_here_since_stands(rep: int, other: int) -> None:
    for state in ("waiting", "parked"):
        assert taken_over.judge(rep, None, Here(state, had_by={rep})) is taken_over.Verdict.MOVED_ON
    if other != rep:
        assert taken_over.judge(rep, None, Here("assigned", other, had_by={rep})) is taken_over.Verdict.MOVED_ON
        assert taken_over.judge(rep, None, Here("assigned", other)) is taken_over.Verdict.OTHER_REP


@given(st.lists(st.tuples(times, reps), min_size=1, max_size=6))
def test_a_customer_belongs_to_the_rep_of_the_latest_lead_and_stays_with_an_owner_made_otherwise(
    given_to: list[tuple[datetime, int]],
) -> None:
    assert new_owner(Known(), given_to) == max(given_to)[1]
    assert new_owner(Known(9, None, None), given_to) is None
    assert new_owner(Known(9, 8, NOON - timedelta(days=1)), given_to) is None
    assert new_owner(Known(9, 9, NOON - timedelta(days=1)), given_to) == max(given_to)[1]
    assert new_owner(Known(9, 9, NOON + timedelta(days=9)), given_to) is None


FIELDS = ("external_id", "lead_id", "outcome", "ended_at", "reason")


def reader(mapping: str = "") -> RowFields:
    plan = parse_mapping(mapping, "m.yaml", FIELDS) if mapping else FileMapping(fields=FIELDS)
    return RowFields(plan, FIELDS, NOON, "Asia/Shanghai")


def test_cells_of_other_columns_are_left_to_others() -> None:
    found, rest = reader().split({"External ID": " e1 ", "Outcome": "won", "Remark": "x", "reason": None})
    assert (found, rest) == ({"external_id": "e1", "outcome": "won"}, {"Remark": "x"})


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ({"external_id": "e\0"}, "NUL"),
        ({"external_id": "x" * 256}, "at most 255"),
        ({"external_id": "\udcff"}, "encoding"),
        ({"external_id": ["e1"]}, "must be a text"),
        ({"reason": "x" * 1001}, "at most 1,000"),
    ],
)
def test_a_hostile_cell_is_named(cells: dict[str, object], why: str) -> None:
    with pytest.raises(Rejected, match=why):
        reader().split(cells)


def test_times_are_read_in_the_zone_and_never_lie_ahead() -> None:
    fields = reader()
    assert fields.time("ended_at", "2026-03-02 19:00") == NOON - timedelta(hours=1)
    assert fields.time("ended_at", "2026-03-02T12:00:30Z") == NOON
    with pytest.raises(Rejected, match="yet to come"):
        fields.time("ended_at", "2026-03-02 21:00")


def test_words_are_those_of_the_mapping_in_any_capitals() -> None:
    fields = reader("values: {outcome: {赢单: won}}")
    assert [fields.word("outcome", text, ("won", "lost")) for text in ("赢单", "WON", " lost")] == [
        "won",
        "won",
        "lost",
    ]
    with pytest.raises(Rejected, match="did you mean lost"):
        fields.word("outcome", "losst", ("won", "lost"))


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "9" * 30, "e1", "٣"])
def test_what_is_no_number_of_a_lead_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match="not the number of a lead"):
        reader().number("lead_id", text)
