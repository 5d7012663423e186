"""Instruments for a process that is scraped: a meter of its own, shown as Prometheus text, and exported where asked."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from platform import python_version
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from router.telemetry.export_plan import ExportPlan
from router.telemetry.instruments import NAMESPACE, Instruments
from router.telemetry.limits import MAX_TENANTS
from router.telemetry.log_writer import dropped_lines
from router.telemetry.spans import traced_by

if TYPE_CHECKING:
    from router.telemetry.otlp import Exports

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_SERVICE = "lead-router"
# What OpenTelemetry has for a service without a name.
_UNNAMED = "unknown_service"
_NO_SPANS_LOST: Mapping[str, int] = {"no_room": 0, "not_delivered": 0}


@dataclass(frozen=True, slots=True)
class Exposition:
    """The instruments of this process, and what a scraper reads of them."""

    instruments: Instruments
    registry: CollectorRegistry

    def text(self) -> bytes:
        """All series of this moment in Prometheus' text format, UTF-8."""
        return generate_latest(self.registry)


@contextmanager
def open_exposition(
    instance: str, version: str, tenants_most: int = MAX_TENANTS, plan: ExportPlan | None = None
) -> Iterator[Exposition]:
    """Without exports nothing global is touched, so that one process may hold several, each with its own figures.

    `instance` and `version` are shown in `target_info`; CPU, memory and open files as `process_…`. What `plan` says is
    exported, and flushed at the end within its deadline; this process's spans are made meanwhile.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    resource = _resource(instance, version)
    exports = _exports(plan, resource)
    scraped = PrometheusMetricReader(scope_info_enabled=False, registry=registry)
    provider = MeterProvider([scraped, *(exports.readers if exports else ())], resource, shutdown_on_exit=False)
    meter = provider.get_meter(NAMESPACE, version)
    _observe_losses(meter, exports.spans_lost if exports else lambda: _NO_SPANS_LOST)
    built = Observation(1, {"version": version, "python": python_version()})
    meter.create_observable_gauge(f"{NAMESPACE}.build.info", [lambda _: [built]], "{build}", "1, with the version")
    try:
        with traced_by(exports.tracing if exports else None):
            yield Exposition(Instruments(meter, tenants_most), registry)
    finally:
        if exports is None or plan is None:
            provider.shutdown()
        else:
            deadline_s = plan.wishes.flush_deadline_s
            _within(deadline_s, lambda: exports.close_traces(deadline_s), lambda: provider.shutdown(deadline_s * 1000))


def _exports(plan: ExportPlan | None, resource: Resource) -> "Exports | None":
    if plan is None or not plan.exports:
        return None
    from router.telemetry.otlp import Exports  # noqa: PLC0415 - most processes export nothing

    return Exports(plan, resource)


def _resource(instance: str, version: str) -> Resource:
    """OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES may name the service otherwise, and say more of it."""
    resource = Resource.create({"service.instance.id": instance, "service.version": version})
    if str(resource.attributes.get(SERVICE_NAME, _UNNAMED)).startswith(_UNNAMED):
        return resource.merge(Resource({SERVICE_NAME: _SERVICE}))
    return resource


def _observe_losses(meter: Meter, spans_lost: Callable[[], Mapping[str, int]]) -> None:
    def lost_spans(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(spans, {"cause": cause}) for cause, spans in spans_lost().items()]

    meter.create_observable_counter(
        f"{NAMESPACE}.log.dropped", [lambda _: [Observation(dropped_lines())]], "{line}", "Log lines not written"
    )
    meter.create_observable_counter(
        f"{NAMESPACE}.spans.dropped", [lost_spans], "{span}", "Spans that did not arrive, by why"
    )


def _quietly(closing: Callable[[], None]) -> None:
    # What does not arrive in time is no trouble of a process that ends.
    with suppress(Exception):
        closing()


def _within(deadline_s: float, *closings: Callable[[], None]) -> None:
    """Side by side, each in a thread that the process does not wait for; returns at the deadline (seconds)."""
    until = monotonic() + deadline_s
    threads = [Thread(target=_quietly, args=(closing,), name="flush telemetry", daemon=True) for closing in closings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - monotonic()))
