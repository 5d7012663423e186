"""The telemetry of a daemon: its instruments, and what of them and of its spans is exported."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import environ

from router.settings.model import Settings, TelemetrySettings
from router.telemetry.export_plan import ExportPlan, ExportWishes, plan_exports
from router.telemetry.exposition import Exposition, open_exposition
from router.telemetry.logs import get_logger

log = get_logger(__name__)


@contextmanager
def open_telemetry(
    settings: Settings, instance: str, version: str, environment: Mapping[str, str] = environ
) -> Iterator[Exposition]:
    """As `open_exposition`, with exports as the settings and OpenTelemetry's variables in `environment` say."""
    plan = plan_exports(export_wishes(settings.telemetry), environment)
    for problem in plan.problems:
        log.warning("telemetry is not exported", problem=problem)
    if plan.exports:
        log.info("telemetry is exported", signals=_signals(plan))
    with open_exposition(instance, version, settings.metrics.tenants, plan) as exposition:
        yield exposition


def export_wishes(settings: TelemetrySettings) -> ExportWishes:
    """What the settings say of exports."""
    return ExportWishes(
        endpoint=settings.otlp_endpoint,
        sample_share=settings.sample_share,
        metrics_every_s=settings.metrics_every_s,
        queue_spans=settings.queue_spans,
        flush_deadline_s=settings.flush_deadline_s,
    )


def _signals(plan: ExportPlan) -> list[str]:
    """Without their URLs, which may hold keys."""
    found = {"traces": plan.traces, "metrics": plan.metrics}
    return [signal for signal, url in found.items() if url is not None]
