"""Matching: the index finds what trying every condition of every rule finds, for all operators."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from router.domain.conditions import NoneOf, OneOf, Prefix, Present
from router.domain.lead import FACT_FIELDS, Facts
from router.domain.matching import Matcher
from router.domain.ruleset import Match, Rule
from router.domain.subsumption import covers, nothing_left
from tests.unit.generated_rules import matches, read_ruleset

# Few letters, so that values, beginnings and leads meet; full-width and upper case are the same as plain.
_word = st.text("ab", min_size=1, max_size=3)
_told = st.none() | _word | _word.map(str.upper) | st.sampled_from(["ＡＢ", " a ", "Ａ"])
facts = st.builds(Facts, *[_told] * len(FACT_FIELDS))
some_matches = matches(_word)


def naive(match: Match, lead: Facts) -> bool:
    """What the documentation says, in the order of the words, sharing nothing with the matcher."""
    said = {
        name: None if value is None else value.strip().translate({ord("Ａ"): "a", ord("Ｂ"): "b"}).lower()
        for name, value in lead._asdict().items()
    }
    for condition in (*match.one_of, *match.others):
        value = said[condition.field]
        if isinstance(condition, Present):
            holds = condition.present is (value is not None)
        elif isinstance(condition, NoneOf):
            holds = all(value != unwanted for unwanted in condition.values)
        elif isinstance(condition, Prefix):
            holds = value is not None and any(value[: len(start)] == start for start in condition.values)
        else:
            assert isinstance(condition, OneOf)
            holds = any(value == wanted for wanted in condition.values)
        if not holds:
            return False
    return True


def rules_of(found: Sequence[Match]) -> tuple[Rule, ...]:
    return tuple(Rule(str(number), match, group="g") for number, match in enumerate(found))


@settings(max_examples=400, deadline=None)
@given(st.lists(some_matches, max_size=12), st.lists(facts, min_size=1, max_size=5))
def test_no_rule_that_matches_is_overlooked_and_none_that_does_not_is_taken(
    found: list[Match], leads: list[Facts]
) -> None:
    matcher = Matcher(rules_of(found))
    for lead in [*leads, *leads]:  # the second time from memory
        wanted = tuple(number for number, match in enumerate(found) if naive(match, lead))
        assert matcher.rules_for(lead) == wanted


@settings(max_examples=400, deadline=None)
@given(some_matches, some_matches, st.lists(facts, min_size=5, max_size=20), st.lists(st.integers(-9, 9), max_size=4))
def test_a_rule_said_to_cover_another_takes_every_lead_of_it(
    wide: Match, narrow: Match, leads: list[Facts], priorities: list[int]
) -> None:
    def takes(match: Match, lead: Facts, priority: int) -> bool:
        return naive(match, lead) and (match.priority is None or priority in match.priority)

    tried = [(lead, priority) for lead in leads for priority in (0, *priorities)]
    if covers(wide, narrow):
        assert not [one for one in tried if takes(narrow, *one) and not takes(wide, *one)]
    if any(nothing_left(narrow)):
        assert not [one for one in tried if takes(narrow, *one)]
    assert covers(narrow, narrow)
    assert covers(Match(), narrow)


def test_a_thousand_rules_are_not_all_tried_for_a_lead() -> None:
    starts = [Match(others=(Prefix("landing_page", frozenset({f"/p{n}-"})),)) for n in range(500)]
    values = [
        Match((OneOf("ad_id", frozenset({f"ad{n}"})),), others=(NoneOf("region", frozenset({"x"})),))
        for n in range(500)
    ]
    silent = [Match(others=(Present("campaign", False), Present("product", True)))]
    matcher = Matcher(rules_of([*starts, *values, *silent]))
    tried: list[object] = []
    holds = Matcher._holds
    try:
        Matcher._holds = staticmethod(lambda conditions, lead: tried.append(conditions) or holds(conditions, lead))  # type: ignore[method-assign,assignment,func-returns-value]
        lead = Facts(landing_page="/p77-summer", ad_id="ad3", campaign="c")
        assert matcher.rules_for(lead) == (77, 503)
        assert len(tried) == 2
        assert matcher.rules_for(lead) == (77, 503)
        assert len(tried) == 2
    finally:
        Matcher._holds = staticmethod(holds)  # type: ignore[method-assign]


def test_a_list_that_many_rules_share_is_filed_once() -> None:
    shared = OneOf("region", frozenset(f"city{n}" for n in range(2000)))
    matcher = Matcher(
        rules_of([Match((shared, OneOf("ad_id", frozenset(f"a{i}-{n}" for n in range(2001))))) for i in range(300)])
    )
    assert matcher.rules_for(Facts(region="city7", ad_id="a3-9")) == (3,)
    index = matcher._index[FACT_FIELDS.index("region")]
    assert sum(map(len, index.by_value.values())) == 2000


def test_operators_mean_what_the_page_says() -> None:
    text = """rules:
  - {name: other, match: {region: {not: [Beijing]}}, assign_to: group:g}
  - {name: said, match: {region: {not: Beijing, present: true}}, assign_to: group:g}
  - {name: page, match: {landing_page: {prefix: [/Promo, /lp-]}}, assign_to: group:g}
  - {name: silent, match: {campaign: {present: false}}, assign_to: group:g}
"""
    matcher = Matcher(read_ruleset(text, "r").rules)
    assert matcher.rules_for(Facts(campaign="c")) == (0,)
    assert matcher.rules_for(Facts(region="ＢＥＩＪＩＮＧ", campaign="c")) == ()
    assert matcher.rules_for(Facts(region="Wuhan", landing_page="/PROMO/1")) == (0, 1, 2, 3)
