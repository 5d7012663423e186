"""Spans made with OpenTelemetry; `router.telemetry.spans` is what the work calls."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import cast

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from router.telemetry.spans import Attributes, Kind, Link, Span

_KINDS = {Kind.INTERNAL: SpanKind.INTERNAL, Kind.SERVER: SpanKind.SERVER, Kind.CLIENT: SpanKind.CLIENT}
_HEADER = "traceparent"
_PROPAGATOR = TraceContextTextMapPropagator()


class Tracing:
    """A `spans.Tracer` over one of OpenTelemetry's."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def root(self, name: str, attributes: Attributes, links: Sequence[Link]) -> AbstractContextManager[Span]:
        """As `spans.root_span`."""
        found = [trace.Link(cast(trace.SpanContext, link)) for link in links]
        return _Active(self._tracer, name, attributes, Kind.INTERNAL, contexts.Context(), found)

    def request(self, name: str, attributes: Attributes, traceparent: str | None) -> AbstractContextManager[Span]:
        """As `spans.request_span`. Of what the caller sends, only `traceparent` is read: the rest may say anything."""
        caller = contexts.Context()
        if traceparent is not None:
            caller = _PROPAGATOR.extract({_HEADER: traceparent}, caller)
        return _Active(self._tracer, name, attributes, Kind.SERVER, caller)

    def inner(self, name: str, attributes: Attributes, kind: Kind) -> AbstractContextManager[Span]:
        """As `spans.inner_span`."""
        return _Active(self._tracer, name, attributes, kind, contexts.get_current())

    def records(self) -> bool:
        """Whether the span that goes on here is sampled and has not ended."""
        return trace.get_current_span().is_recording()

    def note(self, attributes: Attributes) -> None:
        """As `spans.note`."""
        trace.get_current_span().set_attributes(attributes)

    def ids(self) -> tuple[str, str] | None:
        """As `spans.current_ids`; also those of a span that is not sampled: they lead to its other log lines."""
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return None
        return trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)

    def link(self) -> Link | None:
        """As `spans.current_link`."""
        span = trace.get_current_span()
        return Link(span.get_span_context()) if span.is_recording() else None


class _Active:
    """A span that begins and ends with a `with`. The text of an error is not recorded: it may repeat what leads say."""

    __slots__ = ("_attributes", "_context", "_kind", "_links", "_name", "_span", "_token", "_tracer")

    def __init__(
        self,
        tracer: trace.Tracer,
        name: str,
        attributes: Attributes,
        kind: Kind,
        context: contexts.Context,
        links: Sequence[trace.Link] = (),
    ) -> None:
        self._tracer = tracer
        self._name = name
        self._attributes = attributes
        self._kind = kind
        self._context = context
        self._links = links

    def __enter__(self) -> Span:
        self._span = self._tracer.start_span(
            self._name, self._context, _KINDS[self._kind], self._attributes, self._links, record_exception=False
        )
        self._token = contexts.attach(trace.set_span_in_context(self._span, self._context))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self.fail(kind.__name__)
        contexts.detach(self._token)
        self._span.end()

    def set(self, attributes: Attributes) -> None:
        """As `spans.Span.set`."""
        self._span.set_attributes(attributes)

    def fail(self, error_type: str) -> None:
        """As `spans.Span.fail`."""
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(StatusCode.ERROR)
