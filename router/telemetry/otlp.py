"""Traces and metrics go to a receiver by OTLP over HTTP. Only a daemon that exports imports this: it costs a start.

A receiver that is away, slow or answers nonsense costs telemetry, never work: threads of their own send, what waits is
bounded, what is lost is counted and logged, and at the end there is a deadline.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import (
    MetricExportResult,
    MetricReader,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from router.telemetry.delivery import Delivery
from router.telemetry.export_plan import ExportPlan
from router.telemetry.otlp_session import BoundedSession
from router.telemetry.span_queue import SpanQueue
from router.telemetry.tracing import Tracing

_SCOPE = "lead_router"
# Their messages repeat URLs, which may hold keys, and what the receiver says. `Delivery` reports in their place.
_SILENCED = ("opentelemetry.exporter", "opentelemetry.sdk.metrics._internal.export", "urllib3")


class Exports:
    """What is exported by a plan: `readers` are for the meter, `tracing` makes the spans (None = no traces)."""

    def __init__(self, plan: ExportPlan, resource: Resource) -> None:
        self._spans: _Spans | None = None
        self._queue: SpanQueue | None = None
        self.tracing: Tracing | None = None
        self.readers: Sequence[MetricReader] = ()
        for name in _SILENCED:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        if plan.traces is not None:
            self._spans = _Spans(plan.traces)
            self._queue = SpanQueue(self._spans.deliver, plan.wishes.queue_spans)
            self.tracing = Tracing(_tracer_provider(plan, resource, self._queue).get_tracer(_SCOPE))
        if plan.metrics is not None:
            self.readers = [_metric_reader(plan.metrics, plan.wishes.metrics_every_s)]

    def spans_lost(self) -> Mapping[str, int]:
        """Spans that did not arrive, by why: `no_room` or `not_delivered`."""
        queue = self._queue
        if queue is None:
            return {"no_room": 0, "not_delivered": 0}
        return {"no_room": queue.no_room, "not_delivered": queue.not_delivered}

    def close_traces(self, deadline_s: float) -> None:
        """Sends what is left, for no longer than this (seconds). The readers are closed by their meter."""
        if self._queue is not None and self._spans is not None:
            self._queue.close(deadline_s)
            self._spans.close()


def _tracer_provider(plan: ExportPlan, resource: Resource, queue: SpanQueue) -> TracerProvider:
    sampler = None if plan.sample_share is None else ParentBased(TraceIdRatioBased(plan.sample_share))
    provider = TracerProvider(sampler, resource, shutdown_on_exit=False)
    provider.add_span_processor(queue)
    return provider


class _Spans:
    """Sends spans, and reports what does not arrive."""

    def __init__(self, url: str) -> None:
        session = BoundedSession()
        self._exporter = OTLPSpanExporter(url, session=session)
        self._delivery = Delivery("traces", lambda: session.problem)

    def deliver(self, spans: Sequence[ReadableSpan]) -> bool:
        return self._delivery.seen(arrived=self._exporter.export(spans) is SpanExportResult.SUCCESS)

    def close(self) -> None:
        """Ends the wait before another attempt."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


def _metric_reader(url: str, every_s: float | None) -> MetricReader:
    exporter = _Metrics(url)
    return PeriodicExportingMetricReader(exporter, None if every_s is None else every_s * 1000)


class _Metrics(OTLPMetricExporter):
    """Reports what does not arrive."""

    def __init__(self, url: str) -> None:
        session = BoundedSession()
        super().__init__(url, session=session)
        self._delivery = Delivery("metrics", lambda: session.problem)

    def export(
        self, metrics_data: MetricsData, timeout_millis: float | None = 10_000, **options: Any
    ) -> MetricExportResult:
        """As the exporter's."""
        result = super().export(metrics_data, timeout_millis, **options)
        self._delivery.seen(arrived=result is MetricExportResult.SUCCESS)
        return result
