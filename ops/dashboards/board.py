"""What a dashboard consists of. Pure data; `ops.dashboards.grafana` makes Grafana's JSON of it."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a panel shows its numbers: lines over time, the same on top of each other, one number, rows, or how often
    which size came (of a histogram).
    """

    LINES = "lines"
    STACK = "stack"
    NUMBER = "number"
    TABLE = "table"
    HEATMAP = "heatmap"


@dataclass(frozen=True, slots=True)
class Query:
    """`legend` names the series, with labels as `{{tenant}}`; in a table it is the column's name, `unit` its unit."""

    expr: str
    legend: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """`warn` and `bad` are the values from which it is yellow and red; below `least` it is red. `unit` is Grafana's
    name of the unit. `width` is in 24ths of the page. `about` says what it shows, what is bad, and what to do then.
    """

    title: str
    about: str
    unit: str
    queries: tuple[Query, ...]
    kind: Kind = Kind.LINES
    width: int = 12
    warn: float | None = None
    bad: float | None = None
    least: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


class Choice(StrEnum):
    """What can be chosen at the top of a dashboard."""

    TENANT = "tenant"
    INSTANCE = "instance"


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard. `uid` is part of its address, and does not change: alerts lead there."""

    uid: str
    title: str
    about: str
    choices: tuple[Choice, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """What is drawn as a vertical line or region over all panels: where `expr` is not 0; with `at_value`, at the times
    (Unix, in milliseconds) that it yields.
    """

    name: str
    expr: str
    title: str
    text: str
    color: str
    at_value: bool = False


RATE = "$__rate_interval"
"""The range of a rate: Grafana makes it at least four scrapes."""


def or_none(expr: str, label: str) -> str:
    """The expression, with a 0 for the label's value `none` where there is nothing yet: an empty panel looks broken."""
    return f'{expr} or on () label_replace(vector(0), "{label}", "none", "", "")'


def rate(metric: str, by: str, where: str) -> str:
    """The expression for how fast a counter rises per second, by the labels `by` (`a, b`), of what matches `where`."""
    return f"sum by ({by}) (rate({metric}{{{where}}}[{RATE}]))"


def quantile(share: float, metric: str, by: str = "", where: str = "") -> str:
    """The expression for a quantile of the histogram `metric`, by the labels `by` (`a, b`)."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{{{where}}}[{RATE}])))"
