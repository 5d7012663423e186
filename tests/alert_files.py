"""The files of Prometheus and Alertmanager as tests read them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PROMETHEUS = ROOT / "config/prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
RULE_TESTS = sorted((PROMETHEUS / "rules/tests").glob("*.yml"))
ALERTMANAGER = ROOT / "config/alertmanager/alertmanager.yml"
PAGES = ROOT / "runbooks/alerts"

_FIRING = re.compile(r'ALERTS\{alertname="(\w+)", alertstate="firing"\}')
_MATCHER = re.compile(r'\s*(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"\s*')


def rules() -> list[dict[str, Any]]:
    """All rules, of alerts and of ratios."""
    read = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in RULES)
    return [rule for file in read for group in file["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """By name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


@cache
def sightings() -> tuple[tuple[str, bool], ...]:
    """Each time that a test of the rules looks at an alert: its name, and whether it must fire then."""
    return tuple(_sightings())


def _sightings() -> Iterator[tuple[str, bool]]:
    for path in RULE_TESTS:
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for look in test.get("promql_expr_test", ()):
                found = _FIRING.fullmatch(look["expr"])
                assert found, look["expr"]
                yield found[1], bool(look["exp_samples"])


@dataclass(frozen=True)
class Inhibition:
    """An inhibition as Alertmanager applies it."""

    source: tuple[tuple[str, str, str], ...]
    target: tuple[tuple[str, str, str], ...]
    equal: tuple[str, ...]

    def silences(self, firing: dict[str, str], other: dict[str, str]) -> bool:
        """Whether `other` is told to nobody while `firing` fires. A label that both lack counts as equal."""
        equal = all(firing.get(label, "") == other.get(label, "") for label in self.equal)
        return equal and matches(self.source, firing) and matches(self.target, other)


@cache
def inhibitions() -> tuple[Inhibition, ...]:
    """In their order."""
    read = yaml.safe_load(ALERTMANAGER.read_text(encoding="utf-8"))["inhibit_rules"]
    return tuple(
        Inhibition(
            tuple(map(_matcher, one["source_matchers"])),
            tuple(map(_matcher, one["target_matchers"])),
            tuple(one.get("equal", ())),
        )
        for one in read
    )


def matches(matchers: tuple[tuple[str, str, str], ...], labels: dict[str, str]) -> bool:
    """As Alertmanager: a missing label is empty, patterns are of the whole value."""
    return all(_holds(operator, wanted, labels.get(label, "")) for label, operator, wanted in matchers)


def _holds(operator: str, wanted: str, value: str) -> bool:
    same = re.fullmatch(wanted, value) is not None if "~" in operator else wanted == value
    return same if operator in ("=", "=~") else not same


def _matcher(text: str) -> tuple[str, str, str]:
    found = _MATCHER.fullmatch(text)
    assert found, text
    return found[1], found[2], found[3]
