"""Instruments for a process that is scraped: a meter of its own, shown as Prometheus text."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from platform import python_version

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from router.telemetry.instruments import NAMESPACE, Instruments
from router.telemetry.limits import MAX_TENANTS
from router.telemetry.log_writer import dropped_lines

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


@dataclass(frozen=True, slots=True)
class Exposition:
    """The instruments of this process, and what a scraper reads of them."""

    instruments: Instruments
    registry: CollectorRegistry

    def text(self) -> bytes:
        """All series of this moment in Prometheus' text format, UTF-8."""
        return generate_latest(self.registry)


@contextmanager
def open_exposition(instance: str, version: str, tenants_most: int = MAX_TENANTS) -> Iterator[Exposition]:
    """Nothing global is touched, so that one process may hold several, each with its own figures.

    `instance` and `version` are shown in `target_info`; CPU, memory and open files as `process_…`.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    reader = PrometheusMetricReader(scope_info_enabled=False, registry=registry)
    resource = Resource.create(
        {"service.name": "lead-router", "service.instance.id": instance, "service.version": version}
    )
    provider = MeterProvider([reader], resource, shutdown_on_exit=False)
    meter = provider.get_meter(NAMESPACE, version)
    meter.create_observable_counter(
        f"{NAMESPACE}.log.dropped", [lambda _: [Observation(dropped_lines())]], "{line}", "Log lines not written"
    )
    built = Observation(1, {"version": version, "python": python_version()})
    meter.create_observable_gauge(f"{NAMESPACE}.build.info", [lambda _: [built]], "{build}", "1, with the version")
    try:
        yield Exposition(Instruments(meter, tenants_most), registry)
    finally:
        provider.shutdown()
