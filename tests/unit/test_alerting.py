"""Alerts name only what exists, lead to a page with commands that exist, and are told to the right people."""

import re
from collections.abc import Collection

import pytest

from ops.alerting.links import DASHBOARDS, OVERVIEW, Bases, with_links
from ops.alerting.rules import RULES, main
from ops.stalls.stall import Topic
from router.telemetry.standing_instruments import WAITING
from tests import alert_files
from tests.alert_files import ALERTMANAGER, ROOT, alerts, inhibitions, rules, sightings
from tests.metrics_page import METRICS
from tests.runbooks.lint import CODES

OF_PROMETHEUS = {"instance", "job"}
ALWAYS = "LeadRouterWatchdog"
ALERTS = alerts()
EXPRESSIONS = {rule.get("alert") or rule["record"]: rule["expr"] for rule in rules()}
RECORDED = {rule["record"] for rule in rules() if "record" in rule}

_SELECTOR = re.compile(r"\b(lead_router[\w:]*)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*(?:["\']([^"\']*)["\']|%q)')
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")


def selectors(text: str) -> list[tuple[str, dict[str, str]]]:
    """Metrics that an expression asks for, each with its matchers."""
    return [(name, dict(_MATCHER.findall(inside))) for name, inside in _SELECTOR.findall(text)]


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_a_rule_asks_only_for_metrics_and_labels_that_exist(name: str) -> None:
    texts = [EXPRESSIONS[name], *ALERTS.get(name, {}).get("annotations", {}).values()]
    for text in texts:
        known = set(OF_PROMETHEUS)
        for metric, matchers in selectors(text):
            if metric not in RECORDED:
                assert metric in METRICS, metric
                assert set(matchers) <= METRICS[metric] | OF_PROMETHEUS, metric
                known |= METRICS[metric]
        grouped = {label.strip() for inside in _GROUPING.findall(text) for label in inside.split(",")}
        assert grouped - {""} <= known


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_a_rule_compares_with_values_that_there_are(name: str) -> None:
    known: dict[str, Collection[str]] = {
        "code": {*CODES, "reps_without_none", "roster_none"},
        "topic": set(Topic),
        "area": {"intake"},
    }
    for metric, matchers in selectors(EXPRESSIONS[name]):
        for label, pattern in matchers.items():
            values = WAITING if metric == "lead_router_leads_waiting" and label == "reason" else known.get(label)
            if values is not None:
                unknown = [one for one in pattern.split("|") if not any(re.fullmatch(one, value) for value in values)]
                assert unknown == [], metric


@pytest.mark.parametrize("name", ALERTS)
def test_whoever_gets_an_alert_learns_what_it_is_and_where_to_go_on(name: str) -> None:
    rule = ALERTS[name]
    assert re.fullmatch(r"LeadRouter([A-Z][a-z]+)+", name)
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert rule["annotations"]["runbook_url"] == f"{Bases().runbooks}/alerts/{name}.md"
    assert f"/d/{DASHBOARDS.get(name, OVERVIEW)}" in rule["annotations"]["dashboard_url"]


def test_few_alerts_page() -> None:
    assert sum(rule["labels"]["severity"] == "critical" for rule in ALERTS.values()) <= 6


def test_the_document_about_alerts_leads_to_every_page() -> None:
    index = (ROOT / "docs/alerts.md").read_text(encoding="utf-8")
    assert [name for name in ALERTS if f"runbooks/alerts/{name}.md)" not in index] == []


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_is_seen_to_fire_and_to_stay_silent(name: str) -> None:
    seen = {fires for alert, fires in sightings() if alert == name}
    assert seen == ({True} if name == ALWAYS else {True, False})


def test_the_links_in_the_rules_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().out


def test_links_of_ones_own_replace_those_that_are_there() -> None:
    text = (RULES / "pages.yml").read_text(encoding="utf-8")
    own = with_links(text, Bases("https://wiki.acme.com/r", "https://grafana.acme.com"))
    assert "https://wiki.acme.com/r/alerts/LeadRouterAbsent.md" in own
    assert Bases().runbooks not in own
    assert with_links(own) == text


# -- who is told


def firing(name: str, **labels: str) -> dict[str, str]:
    return {"alertname": name, "severity": ALERTS[name]["labels"]["severity"], **labels}


def silenced(while_firing: dict[str, str], other: dict[str, str]) -> bool:
    return any(one.silences(while_firing, other) for one in inhibitions())


def test_a_cause_calls_nobody_while_its_symptom_does() -> None:
    page = firing("LeadRouterLeadsWaitDespiteRoom", tenant="acme")
    assert silenced(page, firing("LeadRouterGroupEmpty", tenant="acme"))
    assert silenced(page, firing("LeadRouterNothingAssigned", tenant="acme"))
    assert silenced(firing("LeadRouterTableLocked"), firing("LeadRouterBlockerSeen", kind="lane"))


def test_another_tenants_trouble_is_told_all_the_same() -> None:
    page = firing("LeadRouterLeadsWaitDespiteRoom", tenant="acme")
    assert not silenced(page, firing("LeadRouterGroupEmpty", tenant="other"))
    assert not silenced(page, firing("LeadRouterNothingAssigned", tenant="other"))


@pytest.mark.parametrize("page", [name for name, rule in ALERTS.items() if rule["labels"]["severity"] == "critical"])
def test_no_page_silences_what_it_is_not_about(page: str) -> None:
    """Neither with a tenant nor without one: labels that are missing on both sides count as equal."""
    told = ["LeadRouterConservationError", "LeadRouterStampsShifted", "LeadRouterReloadFailed", ALWAYS]
    told += ["LeadRouterConnectionsSaturated", "LeadRouterTableLocked", "LeadRouterRosterNotUnderstood"]
    for name in told:
        for labels in ({}, {"tenant": "acme"}):
            assert not silenced(firing(page, **labels), firing(name, **labels))


def test_no_inhibition_rests_on_a_label_that_both_sides_may_lack() -> None:
    for one in inhibitions():
        for label in one.equal:
            for matchers in (one.source, one.target):
                assert (label, "=~", ".+") in matchers, one


def test_no_alert_silences_itself_and_no_two_silence_each_other() -> None:
    every = [firing(name, tenant=tenant) for name in ALERTS for tenant in ("acme", "(all)", "")]
    for one in every:
        for other in every:
            assert not (silenced(one, other) and silenced(other, one))


def test_inhibitions_name_only_alerts_that_exist() -> None:
    names = set(re.findall(r"LeadRouter\w+", ALERTMANAGER.read_text(encoding="utf-8")))
    assert names <= set(ALERTS)
    assert alert_files.RULE_TESTS, "no tests of the rules were found"
