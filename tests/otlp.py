"""Traces in tests: kept in memory, or received over OTLP and decoded; and receivers that do not speak it."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.web_runner import AppRunner, TCPSite
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, Sampler

from router.telemetry.spans import traced_by
from router.telemetry.tracing import Tracing


@contextmanager
def tracing(sampler: Sampler = ALWAYS_ON) -> Iterator[InMemorySpanExporter]:
    """Spans of this process are kept in memory meanwhile."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(ParentBased(sampler), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with traced_by(Tracing(provider.get_tracer("test"))):
        yield exporter


@dataclass(frozen=True, slots=True)
class SeenSpan:
    """A span as it came; ids are hexadecimal, `parent` is empty where it has none."""

    name: str
    trace_id: str
    span_id: str
    parent: str
    attributes: dict[str, object]
    failed: bool
    links: tuple[str, ...]


@dataclass(slots=True)
class Receiver:
    """`raw` = the bodies, decompressed, with the headers of their requests; `answer` is what it does before 200."""

    url: str = ""
    spans: list[SeenSpan] = field(default_factory=list)
    metrics: set[str] = field(default_factory=set)
    resource: dict[str, object] = field(default_factory=dict)
    raw: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    status: int = 200
    asked: int = 0

    def named(self, name: str) -> list[SeenSpan]:
        """The spans of this name."""
        return [span for span in self.spans if span.name == name]

    def within(self, span: SeenSpan) -> list[SeenSpan]:
        """All that are parts of it, at whatever depth."""
        found = [one for one in self.spans if one.parent == span.span_id]
        return found + [deeper for one in found for deeper in self.within(one)]

    async def take(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.status != 200:
            return web.Response(status=self.status)
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.raw.append(body)
        self.headers.append(dict(request.headers))
        if request.path.endswith("/v1/traces"):
            self._traces(ExportTraceServiceRequest.FromString(body))
        else:
            self._metrics(ExportMetricsServiceRequest.FromString(body))
        return web.Response(content_type="application/x-protobuf")

    def _traces(self, sent: ExportTraceServiceRequest) -> None:
        for resource in sent.resource_spans:
            self.resource |= _attributes(resource.resource.attributes)
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                self.spans.append(
                    SeenSpan(
                        span.name,
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        _attributes(span.attributes),
                        span.status.code == 2,
                        tuple(link.span_id.hex() for link in span.links),
                    )
                )

    def _metrics(self, sent: ExportMetricsServiceRequest) -> None:
        for resource in sent.resource_metrics:
            self.resource |= _attributes(resource.resource.attributes)
            self.metrics |= {metric.name for scope in resource.scope_metrics for metric in scope.metrics}


def _attributes(found: Iterable[KeyValue]) -> dict[str, object]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value") for one in found}


@asynccontextmanager
async def otlp_receiver(**options: int) -> AsyncIterator[Receiver]:
    """A receiver on a port of this host."""
    receiver = Receiver(**options)  # type: ignore[arg-type]
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/{signal:.*}", receiver.take)
    runner = AppRunner(app, shutdown_timeout=0.1, auto_decompress=False)
    await runner.setup()
    await TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@dataclass(slots=True)
class Strange:
    """A receiver that does not speak OTLP; `asked` is set once somebody sent something, `left` once one has hung up."""

    url: str = ""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def strange_receiver(answer: bytes | None, *, endless: bool = False) -> AsyncIterator[Strange]:
    """Answers these bytes whatever it is asked, and more without end where `endless`; None = never answers."""
    strange = Strange()
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.read(1)
        strange.asked.set()
        if answer is None:
            return
        try:
            writer.write(answer)
            while endless:
                writer.write(b"x" * 65_536)
                await writer.drain()
            await writer.drain()
        except OSError:
            strange.left.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    strange.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield strange
    finally:
        for writer in writers:
            writer.close()
        server.close()
