"""The picture of a run without faults: all that moves is drawn, what drifts first, and it is always sound SVG."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.faults.flat import FlatRun, judge
from loadtest.faults.flat_picture import draw
from loadtest.slopes import Series

FLAT = [float(n % 2) for n in range(20)]
LEAK = [float(n) for n in range(20)]
STILL = [7.0] * 20


def a_run(**values: list[float]) -> FlatRun:
    at_s = [float(n) for n in range(20)]
    return FlatRun(20, 100, 60, 1200, 7, judge([Series(name, "MB", at_s, value) for name, value in values.items()]), [])


def test_whoever_looks_for_the_leak_sees_it_first_and_what_never_moved_is_only_counted() -> None:
    run = a_run(flat=FLAT, leak=LEAK, still=STILL)
    assert [one.series.name for one in run.drifting] == ["leak"]
    assert run.document["not_within_noise"] == ["leak"]
    assert not run.document["within_noise"]
    assert [one["name"] for one in run.document["slopes"]] == ["flat", "leak"]
    picture = draw(run)
    ElementTree.fromstring(picture)
    assert picture.index(">leak<") < picture.index(">flat<")
    assert ">still<" not in picture
    assert "1 of 3 series not within noise; 1 never changed" in picture


def test_dead_rows_that_vacuum_is_not_due_for_are_no_drift_and_one_more_than_it_leaves_is() -> None:
    at_s = [float(n) for n in range(20)]
    below, above = Series("below", "rows", at_s, LEAK, free_to=19.0), Series("above", "rows", at_s, LEAK, free_to=18.0)
    run = FlatRun(20, 100, 60, 1200, 7, judge([below, above]), [])
    assert [one.series.name for one in run.drifting] == ["above"]
    assert "never above 19, up to which vacuum does nothing" in run.judged[0].words


@pytest.mark.parametrize("name", ["<b>&\"'", "线索"])
def test_no_name_breaks_the_picture(name: str) -> None:
    ElementTree.fromstring(draw(a_run(**{name: FLAT})))


@given(st.lists(st.floats(-1e12, 1e12), min_size=20, max_size=20))
def test_every_point_is_inside_of_the_picture(values: list[float]) -> None:
    picture = ElementTree.fromstring(draw(a_run(x=values)))
    width, height = float(picture.attrib["width"]), float(picture.attrib["height"])
    for line in picture.iter("{http://www.w3.org/2000/svg}polyline"):
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height


def test_a_run_in_which_nothing_moves_has_a_picture_too() -> None:
    ElementTree.fromstring(draw(a_run(still=STILL)))
