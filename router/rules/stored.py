"""Rulesets as the database has them: the text and the lists of a version, read with what its tenant has."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from router.domain.roster_change import GroupNumbers
from router.domain.ruleset import Ruleset
from router.rules.file import read_rules
from router.rules.lists import stored_lists
from router.rules.rule_words import with_words


def read_stored(row: Mapping[str, Any], groups: GroupNumbers) -> Ruleset:
    """A version as routing uses it, of its `version`, `source`, `lists` and `synonyms` (as JSON) and `time_zone`.

    Raises RulesError when this release cannot read it.
    """
    return spelled(as_written(row), groups)


def as_written(row: Mapping[str, Any]) -> Ruleset:
    """The same, with groups spelled as in the text. Raises RulesError."""
    lists = stored_lists(json.loads(row["lists"]))
    rules = read_rules(row["source"], f"ruleset version {row['version']}", lists).ruleset
    rules = with_words(rules, json.loads(row["synonyms"]))
    return replace(rules, version=row["version"], business_time_zone=row["time_zone"])


def new_groups_of(ruleset: Ruleset, groups: GroupNumbers) -> None:
    """Interns the groups that the rules name: new ones are in `groups.new` afterwards."""
    for rule in ruleset.rules:
        if rule.group is not None:
            groups.intern(rule.group)


def spelled(ruleset: Ruleset, groups: GroupNumbers) -> Ruleset:
    """With the groups of rules spelled as they are stored; new ones are interned in `groups`."""
    rules = tuple(
        rule if rule.group is None else replace(rule, group=groups.names[groups.intern(rule.group)])
        for rule in ruleset.rules
    )
    return replace(ruleset, rules=rules)
