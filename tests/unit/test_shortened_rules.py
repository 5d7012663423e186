"""Rules that are tried in seconds are those of production, but for their times: else the trial says nothing."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from loadtest.observe import shortened
from tests.alert_files import ALERTMANAGER, PROMETHEUS, RULES

TIMES = {"interval", "for", "keep_firing_for", "group_wait", "group_interval", "repeat_interval"}


def _without_times(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _without_times(value) for name, value in part.items() if name not in TIMES}
    if isinstance(part, list):
        return [_without_times(value) for value in part]
    return re.sub(r"\[\w+\]", "[]", part) if isinstance(part, str) else part


@pytest.mark.parametrize(
    ("duration", "short"),
    [("5m", "20000ms"), ("30s", "2000ms"), ("1h30m", "360000ms"), ("1d", "5760000ms"), ("15ms", "1ms"), ("0s", "0s")],
)
def test_a_duration_is_so_many_times_as_short(duration: str, short: str) -> None:
    assert shortened.shortened(duration, 15) == short


@pytest.mark.parametrize("text", ["", "5", "5 m", "m5", "5m!", "1y"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        shortened.shortened(text, 15)


def test_waits_and_windows_of_a_rule_are_shortened_also_in_what_people_read() -> None:
    rule = {
        "alert": "A",
        "expr": "increase(a[5m]) > 3 unless increase(b[1h]) > 0",
        "for": "30s",
        "keep_firing_for": "2m",
        "annotations": {"description": '{{ with query "increase(a[5m])" }}{{ . }}{{ end }}'},
    }
    text = yaml.safe_dump({"groups": [{"name": "g", "interval": "1m", "rules": [rule]}]})
    (group,) = yaml.safe_load(shortened.rules(text, 15))["groups"]
    assert group["interval"] == "4000ms"
    (short,) = group["rules"]
    assert short["expr"] == "increase(a[20000ms]) > 3 unless increase(b[240000ms]) > 0"
    assert (short["for"], short["keep_firing_for"]) == ("2000ms", "8000ms")
    assert "increase(a[20000ms])" in short["annotations"]["description"]


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_but_for_their_times_the_rules_are_what_they_were(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert _without_times(yaml.safe_load(shortened.rules(text, 15))) == _without_times(yaml.safe_load(text))


def test_routes_and_inhibitions_stay_and_webhooks_go_to_the_sink() -> None:
    text = ALERTMANAGER.read_text(encoding="utf-8")
    usual, short = yaml.safe_load(text), yaml.safe_load(shortened.alertmanager(text, 15, "http://sink"))
    assert short["inhibit_rules"] == usual["inhibit_rules"]
    assert _without_times(short["route"]) == _without_times(usual["route"])
    urls = {one["name"]: [hook["url"] for hook in one.get("webhook_configs", ())] for one in short["receivers"]}
    assert urls == {
        "oncall": ["http://sink/oncall"],
        "tickets": ["http://sink/tickets"],
        "deadman": ["http://sink/deadman"],
        "nobody": [],
    }


def test_prometheus_scrapes_the_targets_under_the_job_that_the_rules_name() -> None:
    text = (PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8")
    short = yaml.safe_load(shortened.prometheus(text, 15, ["r/*.yml"], ["127.0.0.1:1"], "127.0.0.1:2"))
    assert short["global"] == {"scrape_interval": "1000ms", "evaluation_interval": "1000ms"}
    (job,) = short["scrape_configs"]
    assert (job["job_name"], job["static_configs"]) == ("lead-router", [{"targets": ["127.0.0.1:1"]}])
    assert short["alerting"]["alertmanagers"] == [{"static_configs": [{"targets": ["127.0.0.1:2"]}]}]
    assert short["rule_files"] == ["r/*.yml"]
