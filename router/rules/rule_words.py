"""Values of rules in the words of the tenant's synonyms: a rule that says 上海 matches leads that say Shanghai. Pure.

Which words a ruleset uses is found once, when it is applied, and kept with its version: a version never changes.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from router.domain.conditions import FactCondition, Listed, OneOf
from router.domain.ruleset import Match, Rule, Ruleset
from router.domain.text import fold
from router.rules.spelling import SPELLED, Spellings

RuleWords = Mapping[str, Mapping[str, str]]
"""By field: the values of conditions, folded, that leads have in another word, with that word, folded."""


def words_of(ruleset: Ruleset, spellings: Spellings) -> RuleWords:
    """The words that the synonyms have for what the rules say, whatever words the ruleset has already."""
    found: dict[str, dict[str, str]] = {}
    looked_at: set[tuple[str, frozenset[str]]] = set()
    for condition in _listed(ruleset):
        said = condition.as_written
        # Many conditions share one long list.
        if condition.field not in SPELLED or (condition.field, said) in looked_at:
            continue
        looked_at.add((condition.field, said))
        for value in said:
            word = fold(spellings.spelled(condition.field, value))
            if word != value:
                found.setdefault(condition.field, {})[value] = word
    return {field: dict(sorted(words.items())) for field, words in sorted(found.items())}


def with_words(ruleset: Ruleset, words: RuleWords) -> Ruleset:
    """The ruleset whose values also match these words. What was written stays known (`Listed.as_written`)."""
    synonyms = tuple((field, value, word) for field, of_field in words.items() for value, word in of_field.items())
    made: dict[tuple[str, frozenset[str]], frozenset[str]] = {}

    def translated(condition: Listed) -> FactCondition:
        said, of_field = condition.as_written, words.get(condition.field, {})
        key = (condition.field, said)
        if key not in made:
            more = {of_field[value] for value in said if value in of_field} if of_field else set()
            made[key] = said | more if more - said else said
        return condition if made[key] is said else replace(condition, values=made[key], said=said)

    return replace(_changed(written(ruleset), translated), synonyms=synonyms)


def written(ruleset: Ruleset) -> Ruleset:
    """The ruleset with the values that were written alone; its `synonyms` stay, for comparing."""
    return _changed(ruleset, lambda one: one if one.said is None else replace(one, values=one.said, said=None))


def words_changed(ruleset: Ruleset, spellings: Spellings) -> list[tuple[str, str, str]]:
    """What would differ if it was applied now: (field, value, word), the word empty where there is none now."""
    kept = {(field, value): word for field, value, word in ruleset.synonyms}
    now = {(field, value): word for field, of in words_of(ruleset, spellings).items() for value, word in of.items()}
    return [(*key, now.get(key, "")) for key in sorted(kept.keys() | now.keys()) if kept.get(key) != now.get(key)]


def _listed(ruleset: Ruleset) -> Iterator[Listed]:
    return (c for rule in ruleset.rules for c in rule.match.facts if isinstance(c, Listed))


def _changed(ruleset: Ruleset, change: Callable[[Listed], FactCondition]) -> Ruleset:
    """The ruleset itself where no condition is another one."""
    rules = tuple(_rule(rule, change) for rule in ruleset.rules)
    same = all(new is old for new, old in zip(rules, ruleset.rules, strict=True))
    return ruleset if same else replace(ruleset, rules=rules)


def _rule(rule: Rule, change: Callable[[Listed], FactCondition]) -> Rule:
    match = _match(rule.match, change)
    return rule if match is rule.match else replace(rule, match=match)


def _match(match: Match, change: Callable[[Listed], FactCondition]) -> Match:
    one_of = tuple(change(one) for one in match.one_of)
    others = tuple(change(one) if isinstance(one, Listed) else one for one in match.others)
    old = (*match.one_of, *match.others)
    if all(new is was for new, was in zip((*one_of, *others), old, strict=True)):
        return match
    return replace(match, one_of=tuple(one for one in one_of if isinstance(one, OneOf)), others=others)
