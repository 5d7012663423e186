"""Lists: a cursor means one place and nothing else, and no cell of a CSV is run by a spreadsheet."""

import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ops.listing.cursor import CursorInvalid, read_cursor, write_cursor
from ops.listing.lead_filter import REASONS, FiltersConflict, LeadFilter, State
from ops.text.spreadsheet import cell, harmless, write_cells
from router.manual.by_hand import Room

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MAYBE = st.none() | st.just("x")


@given(st.integers(0, 10**18))
def test_a_cursor_leads_back_to_its_lead(number: int) -> None:
    cursor = write_cursor(number)
    assert read_cursor(cursor) == number and cursor.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=60) | st.integers(0, 10**18).map(write_cursor).map(lambda text: text[:-1]))
def test_what_is_no_cursor_is_refused_and_never_taken_for_another_place(text: str) -> None:
    try:
        number = read_cursor(text)
    except CursorInvalid:
        return
    assert write_cursor(number) == text


FILTERS = st.builds(
    LeadFilter,
    state=st.none() | st.sampled_from(State),
    reason=st.none() | st.sampled_from(REASONS),
    rep=MAYBE,
    group=MAYBE,
    source=MAYBE,
)


@given(FILTERS)
def test_filters_are_refused_exactly_when_no_lead_could_match_them(asked: LeadFilter) -> None:
    """By the meaning of each: who has a rep is assigned, who waits for a group or the next batch is waiting."""
    possible = set(State)
    if asked.rep is not None:
        possible &= {State.ASSIGNED}
    if asked.group is not None or asked.reason == "ready":
        possible &= {State.WAITING}
    if asked.reason is not None:
        possible &= {State.WAITING, State.PARKED}
    if asked.reason in ("lead_invalid", "internal_error", "screening"):
        possible &= {State.PARKED}
    if asked.state is not None:
        possible &= {asked.state}
    try:
        states = asked.states()
    except FiltersConflict:
        assert not possible
        return
    assert set(states or State) == possible


@pytest.mark.parametrize("text", ["\x00", "a\ud800", "\udc80b"])
@pytest.mark.parametrize("name", ["rep", "group", "source"])
def test_a_text_that_the_database_cannot_take_is_refused_before(name: str, text: str) -> None:
    with pytest.raises(FiltersConflict, match=name):
        LeadFilter(**{name: text}).states()  # type: ignore[arg-type]


def test_a_span_without_a_time_in_it_is_refused() -> None:
    with pytest.raises(FiltersConflict):
        LeadFilter(since=NOON, until=NOON).states()


@given(st.lists(st.text(st.characters(exclude_characters="\x00"), max_size=30), min_size=1, max_size=5))
def test_no_cell_is_a_formula_and_all_of_it_can_be_read_back(texts: list[str]) -> None:
    file = io.StringIO(newline="")
    write_cells(file, [texts])
    assume(texts != [""])
    [row] = csv.reader(io.StringIO(file.getvalue(), newline=""))
    for text, read in zip(texts, row, strict=True):
        assert read == harmless(text) and read in (text, f"'{text}")
        assert not read.startswith(tuple("=+-@\t\r\n＝＋－＠"))


def test_cells_say_what_their_values_are() -> None:
    values = (None, True, False, -3, 0.5, NOON, ("a", "=b"), ["=a", "b"])
    expected = [None, "yes", "no", -3, 0.5, "2026-03-02T12:00:00+00:00", "a; =b", "'=a; b"]
    assert [cell(value) for value in values] == expected


CAP = st.none() | st.integers(0, 50)


@given(st.integers(0, 60), CAP, st.integers(0, 60), CAP)
def test_room_is_what_no_cap_forbids(opened: int, max_open: int | None, today: int, max_per_day: int | None) -> None:
    fits = Room(opened, max_open, today, max_per_day).fits
    assert fits >= 0
    for has, cap in ((opened, max_open), (today, max_per_day)):
        assert cap is None or has + fits <= max(cap, has)
    if max_open is not None and max_per_day is not None and fits:
        assert opened + fits == max_open or today + fits == max_per_day
