"""Charts that a browser can show, whatever was measured."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from loadtest.load.charts import Chart, Line, draw, nice

VALUE = st.one_of(st.none(), st.floats(0, 1e9))
POINTS = st.lists(st.tuples(st.floats(0, 600), VALUE), max_size=40)


@given(st.lists(st.tuples(st.text(max_size=9), POINTS), min_size=1, max_size=4), st.floats(0, 600), st.booleans())
def test_every_chart_is_well_formed_and_stays_within_its_frame(
    lines: list[tuple[str, list[tuple[float, float | None]]]], seconds: float, shaded: bool
) -> None:
    printable = [Line("".join(c for c in name if c.isprintable()), points) for name, points in lines]
    chart = Chart("<b> & co", "ms", printable, seconds, (seconds / 3, seconds / 2) if shaded else None)
    root = ElementTree.fromstring(draw(chart))
    for line in root.iter("polyline"):
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 561
            assert 0 <= y <= 240


@given(st.floats(0, 1e12))
def test_the_highest_value_is_below_the_top_and_not_lost_at_the_bottom(highest: float) -> None:
    top = nice(highest)
    assert highest <= top * (1 + 1e-9)
    assert highest <= 1 or top <= 2.0001 * highest


def test_a_gap_is_a_gap_and_a_lonely_point_can_be_seen() -> None:
    root = ElementTree.fromstring(draw(Chart("t", "u", [Line("a", [(0, 1), (1, 2), (2, None), (3, 1)])], 4)))
    assert len(list(root.iter("polyline"))) == 2
