"""Grafana's JSON of a dashboard. The only module that knows Grafana's SDK."""

import json
from collections.abc import Iterable, Iterator

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from ops.dashboards.board import Board, Choice, Kind, Mark, Panel, Query, Row
from ops.dashboards.visuals import AnyPanel, empty_panel

_SOURCE = DataSourceRef("prometheus", "${datasource}")
_TAG = "lead-router"
_WIDTH = 24
_HEIGHTS = {Kind.NUMBER: 4}
_HEIGHT = 8
_FROM = {
    Choice.TENANT: ("Tenant", "label_values(lead_router_leads_assigned_total, tenant)"),
    Choice.INSTANCE: ("Instance", "label_values(lead_router_build_info, instance)"),
}
_FORMATS = {Kind.TABLE: PromQueryFormat.TABLE, Kind.HEATMAP: PromQueryFormat.HEATMAP}
_ALL = model.VariableOption(selected=True, text="All", value="$__all")


def grafana_json(board: Board, marks: Iterable[Mark]) -> str:
    """The file for Grafana (from version 10 on): the same for the same input."""
    made = (
        build.Dashboard(board.title)
        .uid(board.uid)
        .description(board.about)
        .tags([_TAG])
        .readonly()
        .timezone("browser")
        .time("now-3h", "now")
        .refresh("30s")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(_link())
        .variables([_source_choice(), *map(_choice, board.choices)])
        .annotations([_mark(mark) for mark in marks])
    )
    for part in _placed(board.rows):
        if isinstance(part, build.Row):
            made.with_row(part)
        else:
            made.with_panel(part)
    return json.dumps(_visible(made.build()), cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _visible(built: model.Dashboard) -> model.Dashboard:
    # The SDK puts links and marks into a menu, where they are found only by those who look for them.
    for part in (*(built.links or ()), *(built.annotations.list_val or ())):
        part.placement = None
    return built


def _link() -> build.DashboardLink:
    return (
        build.DashboardLink("lead-router")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags([_TAG])
        .as_dropdown(False)
        .include_vars(True)
        .keep_time(True)
    )


def _source_choice() -> build.DatasourceVariable:
    return build.DatasourceVariable("datasource").label("Prometheus").type("prometheus")


def _choice(choice: Choice) -> build.QueryVariable:
    label, query = _FROM[choice]
    return (
        build.QueryVariable(choice.value)
        .label(label)
        .datasource(_SOURCE)
        .query({"query": query, "refId": choice.value})
        .definition(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        # Empty too: what the service says of itself as a whole has no tenant.
        .all_value(".*")
        .current(_ALL)
    )


def _mark(mark: Mark) -> build.AnnotationQuery:
    return (
        build.AnnotationQuery()
        .name(mark.name)
        .datasource(_SOURCE)
        .enable(True)
        .icon_color(mark.color)
        .expr(mark.expr)
        .title_format(mark.title)
        .text_format(mark.text)
        .use_value_for_time(mark.at_value)
    )


def _placed(rows: Iterable[Row]) -> Iterator[build.Row | AnyPanel]:
    """All panels with their places, numbered from 1, after the heading of their row."""
    number, top = 0, 0
    for row in rows:
        number += 1
        yield build.Row(row.title).id(number).grid_pos(model.GridPos(1, _WIDTH, 0, top))
        top, left, height = top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > _WIDTH:
                top, left, height = top + height, 0, 0
            number += 1
            tall = _HEIGHTS.get(panel.kind, _HEIGHT)
            yield _panel(panel).id(number).grid_pos(model.GridPos(tall, panel.width, left, top))
            left, height = left + panel.width, max(height, tall)
        top += height


def _panel(panel: Panel) -> AnyPanel:
    made = (
        empty_panel(panel)
        .title(panel.title)
        .description(panel.about)
        .unit(panel.unit)
        .datasource(_SOURCE)
        .thresholds(_thresholds(panel))
        .targets([_query(query, number, panel.kind) for number, query in enumerate(panel.queries)])
    )
    return made if panel.maximum is None else made.min(0).max(panel.maximum)


def _query(query: Query, number: int, kind: Kind) -> Dataquery:
    made = Dataquery().expr(query.expr).legend_format(query.legend or "__auto").ref_id(chr(ord("A") + number))
    made = made.datasource(_SOURCE).format(_FORMATS.get(kind, PromQueryFormat.TIME_SERIES))
    return made.instant() if kind is Kind.TABLE else made.range()


def _thresholds(panel: Panel) -> build.ThresholdsConfig:
    steps = [model.Threshold(None, "green" if panel.least is None else "red")]
    levels = ((panel.least, "green"), (panel.warn, "yellow"), (panel.bad, "red"))
    steps += [model.Threshold(value, color) for value, color in levels if value is not None]
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)
