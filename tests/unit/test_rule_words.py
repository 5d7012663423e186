"""Values of rules in the words of the tenant's synonyms: what a rule says matches what intake makes of it."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from router.domain.conditions import NoneOf, OneOf, Prefix
from router.domain.lint_tenant import lint_words_changed
from router.domain.ruleset import Match, Rule, Ruleset
from router.domain.ruleset_diff import diff_rulesets
from router.domain.text import fold
from router.rules.rule_words import with_words, words_changed, words_of, written
from router.rules.spelling import Spellings, Synonym, spellings

TABLE = spellings(
    [
        Synonym("industry", "Gastronomie", "Catering"),
        Synonym("region", "上海", "Shanghai"),
        Synonym("region", "SH", "Shanghai"),
    ]
)
WORDS = st.sampled_from(["gastronomie", "catering", "food", "Ｇastronomie ", "GASTRONOMIE", "上海", "Shanghai", "sh"])


def ruleset(*matches: Match) -> Ruleset:
    return Ruleset(0, tuple(Rule(f"r{number}", match, "all") for number, match in enumerate(matches)))


def in_words(rules: Ruleset, table: Spellings = TABLE) -> Ruleset:
    return with_words(rules, words_of(rules, table))


@given(st.sampled_from(["industry", "region", "product"]), st.lists(WORDS, min_size=1), WORDS)
def test_what_a_rule_says_matches_the_leads_that_say_it(field: str, said: list[str], arrived: str) -> None:
    values = frozenset(map(fold, said))
    rules = ruleset(Match((OneOf(field, values),)), Match(others=(NoneOf(field, values),)))
    stored = fold(TABLE.spelled(field, arrived)) if field != "product" else fold(arrived)
    wanted = stored in values | {fold(TABLE.spelled(field, one)) if field != "product" else one for one in values}
    one_of, none_of = (rule.match.facts[0] for rule in in_words(rules).rules)
    assert (one_of.holds(stored), none_of.holds(stored)) == (wanted, not wanted)


@given(st.lists(WORDS, min_size=1))
def test_what_was_written_is_kept_and_words_are_the_same_however_often_they_are_added(said: list[str]) -> None:
    rules = ruleset(Match((OneOf("region", frozenset(map(fold, said)), ("cities.txt",)),)))
    once = in_words(rules)
    assert in_words(once) == once
    assert words_of(once, TABLE) == words_of(rules, TABLE)
    assert replace(written(once), synonyms=()) == rules
    assert words_changed(once, TABLE) == []


def test_a_long_list_is_one_set_for_all_rules_that_name_it_with_words_or_without() -> None:
    cities = frozenset(f"city{number}" for number in range(2000))
    for values, table in ((cities, TABLE), (cities | {"上海"}, TABLE), (cities | {"上海"}, Spellings())):
        rules = in_words(ruleset(*[Match((OneOf("region", values),))] * 3), table)
        assert len({id(rule.match.one_of[0].values) for rule in rules.rules}) == 1
    assert in_words(ruleset(Match((OneOf("region", cities),)))).rules[0].match.one_of[0].values is cities


def test_a_beginning_that_is_a_word_is_also_that_of_its_synonym_and_other_fields_stay() -> None:
    prefix, product = Prefix("region", frozenset({"sh"})), OneOf("product", frozenset({"gastronomie"}))
    [rule] = in_words(ruleset(Match((product,), others=(prefix,)))).rules
    assert rule.match.others[0].holds("shanghai pudong")
    assert rule.match.one_of == (product,)


def test_the_difference_names_the_synonyms_and_not_the_values_that_nobody_wrote() -> None:
    rules = ruleset(Match((OneOf("industry", frozenset({"gastronomie"})),)))
    changes = diff_rulesets(written(rules), written(in_words(rules)))
    assert [str(change) for change in changes] == ["synonyms.industry: none → gastronomie = catering"]


def test_a_changed_table_changes_no_ruleset_that_was_applied_and_is_noticed() -> None:
    rules = in_words(ruleset(Match((OneOf("industry", frozenset({"gastronomie", "food"})),))))
    other = spellings([Synonym("industry", "food", "Catering")])
    assert words_changed(rules, other) == [("industry", "food", "catering"), ("industry", "gastronomie", "")]
    assert rules.rules[0].match.one_of[0].values == {"gastronomie", "food", "catering"}
    assert rules.rules[0].match.one_of[0].as_written == {"gastronomie", "food"}


def test_rules_applied_before_synonyms_counted_are_not_said_to_have_other_ones_since() -> None:
    rules = ruleset(Match((OneOf("region", frozenset({"sh"})),)))
    (found,) = lint_words_changed(3, rules.synonyms, words_changed(rules, TABLE))
    assert found.message == (
        'version 3 was applied without synonyms: region "sh" is "shanghai"; apply it again to use them'
    )
    other = spellings([Synonym("region", "SH", "Xangai")])
    (found,) = lint_words_changed(3, in_words(rules).synonyms, words_changed(in_words(rules), other))
    assert found.message.startswith("the synonyms have changed since version 3 was applied: ")
