"""How panels look: legends, filling, colours, the columns of tables."""

from grafana_foundation_sdk.builders import common, heatmap, stat, table, timeseries
from grafana_foundation_sdk.models import common as model
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode

from ops.dashboards.board import Kind, Panel

AnyPanel = timeseries.Panel | stat.Panel | table.Panel | heatmap.Panel


def empty_panel(panel: Panel) -> AnyPanel:
    """A panel of the right kind, without what all kinds have in common."""
    match panel.kind:
        case Kind.NUMBER:
            return _number()
        case Kind.TABLE:
            return _table(panel)
        case Kind.HEATMAP:
            return _heatmap()
        case _:
            return _lines(panel)


def _lines(panel: Panel) -> timeseries.Panel:
    stacked = panel.kind is Kind.STACK
    legend = common.VizLegendOptions().display_mode(model.LegendDisplayMode.TABLE).show_legend(True)
    lines = (
        timeseries.Panel()
        .legend(legend.placement(model.LegendPlacement.BOTTOM).calcs(["lastNotNull", "max"]))
        .tooltip(common.VizTooltipOptions().mode(model.TooltipDisplayMode.MULTI).sort(model.SortOrder.DESCENDING))
        .line_width(1)
        .fill_opacity(30 if stacked else 5)
        .show_points(model.VisibilityMode.NEVER)
        .axis_soft_min(0)
    )
    if stacked:
        lines.stacking(common.StackingConfig().mode(model.StackingMode.NORMAL))
    if panel.warn is not None or panel.bad is not None:
        lines.thresholds_style(common.GraphThresholdsStyleConfig().mode(model.GraphThresholdsStyleMode.DASHED))
    return lines


def _number() -> stat.Panel:
    return (
        stat.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_mode(model.BigValueColorMode.BACKGROUND)
        .graph_mode(model.BigValueGraphMode.AREA)
    )


def _heatmap() -> heatmap.Panel:
    return (
        heatmap.Panel()
        .calculate(False)
        .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Blues"))
        .cell_gap(1)
    )


def _table(panel: Panel) -> table.Panel:
    """The queries are the columns, one row for each set of labels."""
    names = {f"Value #{chr(ord('A') + number)}": query.legend for number, query in enumerate(panel.queries)}
    if len(panel.queries) == 1:  # Grafana does not number a single one
        names = {"Value": panel.queries[0].legend}
    made = (
        table.Panel()
        .with_transformation(DataTransformerConfig("merge", options={}))
        .with_transformation(
            DataTransformerConfig(
                "organize", options={"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": names}
            )
        )
    )
    for query in panel.queries:
        if query.unit:
            made.override_by_name(query.legend, [DynamicConfigValue("unit", query.unit)])
    return made
