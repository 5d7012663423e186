"""The dashboards as Grafana reads them, with their queries as Prometheus gets them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops.dashboards.write import FOLDER

FILES = sorted(FOLDER.glob("*.json"))
VARIABLES = {"$tenant": ".*", "$instance": ".*"}
"""As with *All* chosen."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One query: where it stands, and what it asks, with Grafana's variables in it."""

    board: str
    panel: str
    number: str
    expr: str

    @property
    def name(self) -> str:
        return f"{self.board}: {self.panel} ({self.number})"

    def as_sent(self, rate_over: str = "5m", variables: Mapping[str, str] = VARIABLES) -> str:
        """As Grafana sends it."""
        text = self.expr.replace("$__rate_interval", rate_over)
        for name, value in variables.items():
            text = text.replace(name, value)
        assert "$" not in text, text
        return text


def boards() -> dict[str, dict[str, Any]]:
    """By the name of the file."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FILES}


def panels(board: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All that show something: no headings."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def of_panels() -> Iterator[Asked]:
    """The queries of all panels."""
    for name, board in boards().items():
        for panel in panels(board):
            for target in panel["targets"]:
                yield Asked(name, panel["title"], target["refId"], target["expr"])


def of_marks() -> Iterator[Asked]:
    """The queries of all annotations."""
    for name, board in boards().items():
        for mark in board["annotations"]["list"]:
            yield Asked(name, mark["name"], "mark", mark["expr"])
