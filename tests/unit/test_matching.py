"""Matching: the index finds what trying every condition of every rule finds, for all operators."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from router.domain.asked import company, comparable
from router.domain.conditions import NoneOf, OneOf, Prefix, Present, Range
from router.domain.lead import FACT_FIELDS, Facts
from router.domain.matching import Matcher
from router.domain.ruleset import Match, Rule
from router.domain.subsumption import covers, nothing_left
from tests.unit.generated_rules import ATTRIBUTE_NAMES, matches, read_ruleset

# Few letters, so that values, beginnings and leads meet; full-width and upper case are the same as plain.
_word = st.text("ab", min_size=1, max_size=3)
_told = st.none() | _word | _word.map(str.upper) | st.sampled_from(["ＡＢ", " a ", "Ａ"])
# As leads spell companies and attributes, and what the page says that is: for attributes a number, or a text.
COMPANIES = {
    "AB": "ab",
    "ab GmbH & Co. KG": "ab",
    "ａｂ 有限公司": "ab",
    "A.B. Inc.": "ab",
    " a ": "a",
    "A, Ltd": "a",
    "a-b": "a b",
    "GmbH": "gmbh",
    "ab ag": "ab",
    "Aba": "aba",
    "\u200bab": "ab",
    "b股份有限公司": "b",
}
ATTRIBUTES: dict[str, Fraction | str] = {
    "5": Fraction(5),
    "5.0": Fraction(5),
    "-3": Fraction(-3),
    "2.50": Fraction(5, 2),
    "0.125": Fraction(1, 8),
    "５": Fraction(5),
    " 2 ": Fraction(2),
    "1.500": "1.500",
    "5,0": "5,0",
    "5 €": "5 €",
    "007": "007",
    "1e1": "1e1",
    "A": "a",
    "ab": "ab",
    "NaN": "nan",
    "Infinity": "infinity",
    "-0": Fraction(0),
    "9" * 41: "9" * 41,
}
_more = st.fixed_dictionaries(
    {},
    optional={
        "attributes.budget": st.sampled_from(sorted(ATTRIBUTES)),
        "attributes.Größe": st.sampled_from(sorted(ATTRIBUTES)),
        "company": st.sampled_from(sorted(COMPANIES)),
    },
).map(lambda said: tuple(sorted(said.items())))
facts = st.builds(Facts, *[_told] * len(FACT_FIELDS), _more)
_value = _word | st.sampled_from(["5", "2.5", "-3", "0.1250", "1.500", "007", "0"])
some_matches = matches(_value)


def _number(text: str) -> Fraction | None:
    """Of a value of a rule, which is written as JSON writes numbers; 007 and 1.500 are none."""
    if text in ("007", "1.500") or not set(text) <= set("0123456789.-"):
        return None
    return Fraction(text)


def _same(name: str, said: Fraction | str | None, value: str) -> bool:
    number = _number(value) if name.startswith("attributes.") else None
    return said == (value if number is None else number)


def _text(said: Fraction | str) -> str:
    """As beginnings are compared with it."""
    if isinstance(said, str):
        return said
    text = str(Decimal(said.numerator) / Decimal(said.denominator))
    return "0.1250" if text == "0.125" else text


def naive(match: Match, lead: Facts) -> bool:
    """What the documentation says, in the order of the words, sharing nothing with the matcher."""
    said: dict[str, Fraction | str | None] = {
        name: None if value is None else value.strip().translate({ord("Ａ"): "a", ord("Ｂ"): "b"}).lower()
        for name, value in zip(FACT_FIELDS, lead.plain, strict=True)
    }
    told = dict(lead.more)
    said |= {"company": COMPANIES.get(told.get("company", "")), **dict.fromkeys(ATTRIBUTE_NAMES)}
    said |= {name: ATTRIBUTES[value] for name, value in told.items() if name != "company"}
    for condition in (*match.one_of, *match.others):
        value = said[condition.field]
        if isinstance(condition, Present):
            holds = condition.present is (value is not None)
        elif isinstance(condition, NoneOf):
            holds = not any(_same(condition.field, value, unwanted) for unwanted in condition.values)
        elif isinstance(condition, Prefix):
            holds = value is not None and any(_text(value)[: len(start)] == start for start in condition.values)
        elif isinstance(condition, Range):
            low, high = (None if bound is None else Fraction(bound) for bound in (condition.least, condition.most))
            holds = isinstance(value, Fraction) and (low is None or low <= value) and (high is None or value <= high)
        else:
            assert isinstance(condition, OneOf)
            holds = any(_same(condition.field, value, wanted) for wanted in condition.values)
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


def test_many_ranges_and_names_are_not_all_tried_for_a_lead() -> None:
    """Every lead has another budget and another company: only what the rules can tell apart is remembered."""
    names = frozenset(f"firm {n}" for n in range(10_000))
    ranges = [
        Match(others=(Range("attributes.budget", Decimal(n * 10), Decimal(n * 10 + 9)), Present("company", True)))
        for n in range(1000)
    ]
    matcher = Matcher(rules_of([Match((OneOf("company", names),)), *ranges]))
    tried: list[object] = []
    holds = Matcher._holds
    try:
        Matcher._holds = staticmethod(lambda conditions, lead: tried.append(conditions) or holds(conditions, lead))  # type: ignore[method-assign,assignment,func-returns-value]
        for n in range(200):
            said = (("attributes.budget", f"{5000 + n / 100:.2f}"), ("company", f"Somebody {n} Ltd"))
            wanted = (501,) if n <= 0 or 5000 + n / 100 <= 5009 else ()
            assert matcher.rules_for(Facts(more=said)) == wanted
        assert len(tried) <= 2
        assert len(matcher._remembered) <= 3
        assert matcher.rules_for(Facts(more=(("company", "Firm 77 GmbH"),))) == (0,)
        assert matcher.rules_for(Facts(more=(("attributes.budget", "12"), ("company", "Firm 77 AG")))) == (0, 2)
    finally:
        Matcher._holds = staticmethod(holds)  # type: ignore[method-assign]


@given(st.text(max_size=20))
def test_what_is_compared_is_compared_the_same_the_second_time(text: str) -> None:
    """A value of a rule, a list or a lead that is in that form already stays as it is."""
    for field in ("company", "attributes.a"):
        once = comparable(field, comparable(field, text))
        assert comparable(field, once) == once


def test_names_of_companies_are_compared_as_the_page_says() -> None:
    for said, is_ in COMPANIES.items():
        assert company(said) == is_
    assert company("Müller & Söhne GmbH und Co. KG") == "müller söhne"
    assert company("上海某某机械有限责任公司") == "上海某某机械"
    assert company("ＡＣＭＥ  Holding S.p.A.") == "acme holding"
    assert company("!!!") == "!!!"
