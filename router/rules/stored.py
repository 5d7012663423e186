"""Rulesets as the database has them: the text and the lists of a version, read with what its tenant has."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from router.domain.roster_change import GroupNumbers
from router.domain.ruleset import Ruleset
from router.rules.file import read_rules
from router.rules.lists import stored_lists


@dataclass(frozen=True, slots=True)
class StoredRules:
    """A version that was applied: `source` is the YAML as it was given, `lists` the files it names, by name."""

    version: int
    source: str
    lists: Mapping[str, str]
    time_zone: str


def read_stored(stored: StoredRules, groups: GroupNumbers) -> Ruleset:
    """The version as routing uses it. Raises RulesError when this release cannot read it."""
    rules = read_rules(stored.source, f"ruleset version {stored.version}", stored_lists(stored.lists)).ruleset
    return spelled(replace(rules, version=stored.version, business_time_zone=stored.time_zone), groups)


def spelled(ruleset: Ruleset, groups: GroupNumbers) -> Ruleset:
    """With the groups of rules spelled as they are stored; new ones are interned in `groups`."""
    rules = tuple(
        rule if rule.group is None else replace(rule, group=groups.names[groups.intern(rule.group)])
        for rule in ruleset.rules
    )
    return replace(ruleset, rules=rules)
