"""What the console computes for its pages: the picture of the flow, the tree of an explanation, filters, words."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ops.console.chart import HEIGHT, WIDTH, ceiling, picture
from ops.console.flow import Minute, summed
from ops.console.lead_query import NAMES, read_query
from ops.console.tree import Node, tree
from ops.console.words import distance_words, reason_words, span_words
from ops.listing.lead_filter import State
from ops.text.translation import translator
from ops.why.lines import Candidates, Line, Part

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
VALUES = st.lists(st.none() | st.integers(0, 10**7), min_size=1, max_size=80)


@given(st.integers(0, 10**12))
def test_the_axis_ends_at_or_above_the_highest_value_and_can_be_halved(highest: int) -> None:
    top = ceiling(highest)
    assert top >= max(highest, 2) and top % 2 == 0
    assert highest <= 2 or top <= highest * 2.5


@given(VALUES)
def test_every_known_value_is_a_point_within_the_picture_and_unknown_ones_are_gaps(values: list[int | None]) -> None:
    made = picture([str(at) for at in range(len(values))], [("x", values)])
    points = [point for run in made.lines[0].runs for point in run.split(" ")]
    assert len(points) == sum(value is not None for value in values)
    for point in points:
        across, up = map(float, point.split(","))
        assert 0 <= across <= WIDTH and 0 <= up <= HEIGHT
    assert len(made.across) <= 7


def test_minutes_of_tenants_are_added_and_what_is_unknown_of_one_is_unknown_of_all() -> None:
    one, other = Minute(NOW, 2, 1), Minute(NOW, 3, None)
    assert summed([[one], [other]]) == [Minute(NOW, 5, None)]


PARTS = st.lists(
    st.builds(
        Line,
        st.builds(lambda depth, text: "  " * depth + text, st.integers(0, 4), st.text("abc", min_size=1, max_size=5)),
        st.sampled_from(["", "bold", "yellow"]),
        st.booleans(),
    )
    | st.just(Candidates(("rep",), (("r1",),))),
    max_size=30,
)


@given(PARTS)
def test_no_sentence_of_an_explanation_is_lost_or_out_of_order_in_the_tree(parts: list[Part]) -> None:
    def flat(nodes: list[Node]) -> list[str]:
        return [text for node in nodes for text in [node.text, *flat(node.children)]]

    assert flat(tree(parts)) == [one.text.strip() if isinstance(one, Line) else "" for one in parts]


def test_what_stands_further_in_belongs_to_what_stands_before() -> None:
    table = Candidates(("rep",), (("r1",),))
    parts: list[Part] = [Line("A", "bold"), Line("  b"), Line("    c"), table, Line("  d"), Line("e", gap=True)]
    [first, last] = tree(parts)
    assert [one.text for one in first.children] == ["b", "d"]
    assert [one.text for one in first.children[0].children] == ["c"]
    assert first.children[0].children[0].children[0].rows == (("r1",),)
    assert (last.text, last.children) == ("e", [])


@given(st.dictionaries(st.sampled_from([*NAMES, "after", "tenant"]), st.text(max_size=40)))
def test_whatever_stands_in_an_address_is_a_filter_or_is_named_as_wrong(parameters: dict[str, str]) -> None:
    query = read_query(parameters, "Asia/Shanghai")
    assert set(query.given) <= set(NAMES)
    for name in ("state", "reason", "since", "until"):
        if name in query.given and getattr(query.asked, name) is None:
            assert any(problem.startswith(f"{name}: ") for problem in query.wrong)


def test_times_without_an_offset_are_on_the_clock_of_the_page() -> None:
    query = read_query(
        {"since": "2026-11-29T10:00", "until": "2026-11-29T10:00+00:00", "state": "parked"}, "Asia/Shanghai"
    )
    assert query.asked.since == datetime(2026, 11, 29, 2, 0, tzinfo=UTC)
    assert query.asked.until == datetime(2026, 11, 29, 10, 0, tzinfo=UTC)
    assert query.asked.state is State.PARKED


def test_spans_and_distances_are_said_in_both_languages() -> None:
    english, chinese = translator("en"), translator("zh")
    assert span_words(timedelta(seconds=0.05), english) == "0.1 s"
    assert span_words(timedelta(seconds=42.4), chinese) == "42 秒"
    assert span_words(timedelta(minutes=5), english) == "5 min"
    assert distance_words(NOW - timedelta(hours=2), NOW, english) == "2 h 0 min ago"
    assert distance_words(NOW + timedelta(minutes=3), NOW, chinese) == "3 分钟后"
    assert distance_words(NOW - timedelta(seconds=3), NOW, english) == "less than 1 min ago"
    assert reason_words("ready", english) == "ready for the next batch"
    assert reason_words("of_a_later_release", english) == "of_a_later_release"
