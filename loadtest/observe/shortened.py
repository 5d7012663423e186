"""The project's own files for Prometheus and Alertmanager, so many times as fast, and with addresses of here. Pure.

Nothing else differs: expressions, thresholds, routes, inhibitions and texts are those of the files.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION = re.compile(r"(?P<number>\d+)(?P<unit>ms|[smhdw])")
_WINDOW = re.compile(r"\[(\w+)\]")
_OF_RULES = ("for", "keep_firing_for")
_OF_GROUPS = ("interval",)
_OF_ROUTES = ("group_wait", "group_interval", "repeat_interval")
_OF_SCRAPES = ("scrape_interval", "scrape_timeout", "evaluation_interval")


def shortened(duration: str, times: int) -> str:
    """`5m` 15 times as fast is `20000ms`. Raises ValueError for what is not a duration."""
    parts = list(_DURATION.finditer(duration))
    if not parts or "".join(part[0] for part in parts) != duration:
        raise ValueError(f"{duration!r} is not a duration")
    total = sum(int(part["number"]) * _UNITS_MS[part["unit"]] for part in parts)
    return f"{total // times}ms" if total else "0s"


def rules(text: str, times: int) -> str:
    """A file of rules: what they wait for, how long they keep firing, and their windows are shorter."""
    document = yaml.safe_load(text)
    for group in document["groups"]:
        _shorten(group, _OF_GROUPS, times)
        for rule in group["rules"]:
            _shorten(rule, _OF_RULES, times)
            rule["expr"] = _windows(rule["expr"], times)
            texts = rule.get("annotations", {})
            texts.update({name: _windows(text, times) for name, text in texts.items()})
    return _written(document)


def _windows(expression: str, times: int) -> str:
    return _WINDOW.sub(lambda found: f"[{shortened(found[1], times)}]", expression)


def prometheus(text: str, times: int, rule_files: Sequence[str], targets: Sequence[str], alertmanager: str) -> str:
    """The configuration of Prometheus: its jobs scrape these targets, more often."""
    document = yaml.safe_load(text)
    _shorten(document["global"], _OF_SCRAPES, times)
    document["rule_files"] = list(rule_files)
    document["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [alertmanager]}]}]
    for job in document["scrape_configs"]:
        _shorten(job, _OF_SCRAPES, times)
        job["static_configs"] = [{"targets": list(targets)}]
    return _written(document)


def alertmanager(text: str, times: int, sink: str) -> str:
    """The configuration of Alertmanager: each receiver's webhooks go to `sink` (a URL) under the receiver's name."""
    document = yaml.safe_load(text)
    _shorten_route(document["route"], times)
    for receiver in document["receivers"]:
        for webhook in receiver.get("webhook_configs", ()):
            webhook["url"] = f"{sink}/{receiver['name']}"
    return _written(document)


def _shorten_route(route: dict[str, Any], times: int) -> None:
    _shorten(route, _OF_ROUTES, times)
    for child in route.get("routes", ()):
        _shorten_route(child, times)


def _shorten(part: dict[str, Any], names: Sequence[str], times: int) -> None:
    for name in names:
        if name in part:
            part[name] = shortened(str(part[name]), times)


def _written(document: Mapping[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000)
