"""Dashboards ask only for what exists, say what to do, and are where alerts lead."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from ops.alerting.links import DASHBOARDS, OVERVIEW
from ops.cli.commands import COMMANDS
from ops.dashboards.write import main
from ops.runbooks.library import places
from tests.alert_files import alerts
from tests.dashboard_files import Asked, boards, of_marks, of_panels, panels
from tests.metrics_page import METRICS, TYPES

BOARDS = boards()
QUERIES = [*of_panels(), *of_marks()]
PANELS = [(name, panel) for name, board in BOARDS.items() for panel in panels(board)]
OF_PROMETHEUS = {"instance", "job"}
# Of Prometheus itself, and of the process.
OTHERS = {
    "up": set[str](),
    "ALERTS": {"alertname", "alertstate", "severity"},
    "process_cpu_seconds_total": set[str](),
}
COUNTING = {"rate", "increase"}
_RUNBOOK = re.compile(r"lead-router runbook (\w+)|\b(LeadRouter\w+)")
_COMMAND = re.compile(r"lead-router ([a-z]+)\b")
# Words in capitals are placeholders, as on the pages of runbooks.
PLACEHOLDERS = {"REASON", "CODE"}
WATCHDOG = "LeadRouterWatchdog"


def metric_labels(name: str) -> tuple[str, set[str]]:
    """The metric of the manual to which a series belongs, and the labels that the series has."""
    for suffix in ("_bucket", "_sum", "_count"):
        base = name.removesuffix(suffix)
        if base != name and TYPES.get(base) == "histogram":
            return base, METRICS[base] | ({"le"} if suffix == "_bucket" else set())
    assert name in METRICS or name in OTHERS, f"{name} does not exist"
    assert TYPES.get(name) != "histogram", f"{name} is a histogram: ask for its _bucket, _sum or _count"
    return name, METRICS[name] if name in METRICS else OTHERS[name]


def nodes(expr: promql_parser.Expr) -> list[Any]:
    """All parts of an expression."""
    found: list[Any] = []
    promql_parser.walk(expr, found.append)
    return found


def selected(text: str) -> dict[str, set[str]]:
    """Series that an expression asks for, each with the labels that it compares."""
    found: dict[str, set[str]] = {}
    for node in nodes(promql_parser.parse(text)):
        if isinstance(node, promql_parser.VectorSelector):
            assert node.name, f"a selector without a name: {text}"
            found.setdefault(node.name, set()).update(one.name for one in node.matchers.matchers)
    return found


def mentioned(text: str) -> set[str]:
    """Labels by which an expression adds up or joins."""
    found: set[str] = set()
    for node in nodes(promql_parser.parse(text)):
        modifier = getattr(node, "modifier", None)
        if isinstance(node, promql_parser.AggregateExpr) and modifier:
            found |= set(modifier.labels)
        if isinstance(node, promql_parser.BinaryExpr) and modifier:
            found |= set(modifier.matching.labels if modifier.matching else ()) | set(modifier.group_labels or ())
    return found


def test_there_is_a_dashboard_wherever_an_alert_leads() -> None:
    assert {*DASHBOARDS.values(), OVERVIEW} == set(BOARDS)
    assert {board["uid"] for board in BOARDS.values()} == set(BOARDS)


def test_what_is_committed_is_what_the_code_makes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err


def test_a_dashboard_that_was_edited_by_hand_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], tmp_path) == 0 == main(["--check"], tmp_path)
    edited = tmp_path / f"{OVERVIEW}.json"
    edited.write_text(edited.read_text(encoding="utf-8").replace("max by", "min by", 1), encoding="utf-8")
    (tmp_path / "old.json").write_text("{}", encoding="utf-8")
    assert main(["--check"], tmp_path) == 1
    assert capsys.readouterr().err.splitlines()[-1] == f"{OVERVIEW}.json, old.json: out of date; run: make dashboards"
    assert main([], tmp_path) == 0 == main(["--check"], tmp_path)


@pytest.mark.parametrize("asked", QUERIES, ids=lambda asked: asked.name)
def test_a_query_asks_only_for_metrics_and_labels_that_exist(asked: Asked) -> None:
    text = asked.as_sent()
    known = set(OF_PROMETHEUS)
    for name, compared in selected(text).items():
        _, labels = metric_labels(name)
        assert compared <= labels | OF_PROMETHEUS, name
        known |= labels
    assert mentioned(text) <= known


@pytest.mark.parametrize("asked", QUERIES, ids=lambda asked: asked.name)
def test_a_counter_is_shown_as_a_rise_not_as_a_sum_since_some_start(asked: Asked) -> None:
    parts = nodes(promql_parser.parse(asked.as_sent()))
    ranged = [node.vector_selector.name for node in parts if isinstance(node, promql_parser.MatrixSelector)]
    counters = Counter(
        name
        for node in parts
        if isinstance(node, promql_parser.VectorSelector) and (name := node.name) and counts(name)
    )
    assert not counters or Counter(ranged) == counters
    calls = {node.func.name for node in parts if isinstance(node, promql_parser.Call)}
    assert bool(ranged) == bool(calls & COUNTING)


def counts(name: str) -> bool:
    """Whether the series only rises."""
    base, _ = metric_labels(name)
    return TYPES.get(base) in ("counter", "histogram") or name.endswith("_total")


@pytest.mark.parametrize(("board", "panel"), PANELS, ids=lambda one: one if isinstance(one, str) else one["title"])
def test_a_panel_says_what_it_shows_in_which_unit_and_from_which_prometheus(board: str, panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert len(panel["description"]) > 80, "what it shows, what is bad, what to do"
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    for part in (panel, *panel["targets"]):
        assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    legends = [target["legendFormat"] for target in panel["targets"]]
    assert len(set(legends)) == len(legends) and "__auto" not in legends


@pytest.mark.parametrize(("board", "panel"), PANELS, ids=lambda one: one if isinstance(one, str) else one["title"])
def test_a_legend_names_labels_that_its_series_have(board: str, panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        asked = Asked(board, panel["title"], target["refId"], target["expr"])
        named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        assert named <= mentioned(asked.as_sent())


def descriptions() -> Iterable[str]:
    for board in BOARDS.values():
        yield from (panel["description"] for panel in panels(board))
        yield from (mark["textFormat"] for mark in board["annotations"]["list"])


def test_a_command_of_a_panel_can_be_copied_as_it_is() -> None:
    assert [text for text in descriptions() if re.search(r"lead-\s|\s-router", text)] == []


def test_runbooks_and_commands_that_panels_name_exist() -> None:
    named = {word for text in descriptions() for found in _RUNBOOK.findall(text) for word in found if word}
    named -= PLACEHOLDERS
    assert len(named) > 20
    assert named - set(places()) == set()
    assert {command for text in descriptions() for command in _COMMAND.findall(text)} <= set(COMMANDS)


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_lets_one_choose_and_go_on_to_the_others(name: str) -> None:
    board = BOARDS[name]
    chosen = {one["name"]: one for one in board["templating"]["list"]}
    assert chosen["datasource"]["type"] == "datasource"
    used = set(re.findall(r"\$(tenant|instance)", str([panel["targets"] for panel in panels(board)])))
    assert used == set(chosen) - {"datasource"}
    for variable in used:
        (query,) = selected(re.findall(r"label_values\((\w+),", chosen[variable]["definition"])[0])
        assert variable in metric_labels(query)[1] | OF_PROMETHEUS
    (link,) = board["links"]
    assert link["tags"] == board["tags"] and link["keepTime"] and link["includeVars"] and "placement" not in link
    assert not board["editable"], "what is edited there is gone with the next import"


@pytest.mark.parametrize("name", BOARDS)
def test_changes_stalls_and_alerts_are_marked_on_every_dashboard(name: str) -> None:
    asked = " ".join(mark["expr"] for mark in BOARDS[name]["annotations"]["list"] if mark["enable"])
    for metric in ("ALERTS", "stalls_open", "settings_read_at_seconds", "build_info", "roster_syncs_total"):
        assert metric in asked


@pytest.mark.parametrize("name", BOARDS)
def test_panels_have_numbers_of_their_own_and_do_not_overlap(name: str) -> None:
    everything = BOARDS[name]["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    taken = Counter(
        (place["x"] + right, place["y"] + down)
        for place in (panel["gridPos"] for panel in everything)
        for right in range(place["w"])
        for down in range(place["h"])
    )
    assert max(taken.values()) == 1
    assert max(x for x, _ in taken) == 23


@pytest.mark.parametrize("name", sorted(set(alerts()) - {WATCHDOG}))
def test_the_dashboard_of_an_alert_shows_what_the_alert_is_about(name: str) -> None:
    board = DASHBOARDS.get(name, OVERVIEW)
    shown = {metric for asked in of_panels() if asked.board == board for metric in selected(asked.as_sent())}
    about = alerts()[name]["expr"].replace("lead_router:intake_faults:ratio_rate", "lead_router_http_requests_total #")
    assert shown & set(re.findall(r"\b(?:lead_router_\w+|up)\b", about)), f"{board} shows nothing of {about}"
    if "by (tenant)" in about:
        assert "tenant" in {one["name"] for one in BOARDS[board]["templating"]["list"]}, "its link chooses the tenant"
