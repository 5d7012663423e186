"""Spans: parts of each other where they are, apart where they are not; a log line leads to its trace and back."""

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from router.store.connections.open_connections import OpenConnections
from router.telemetry.instruments import Instruments
from router.telemetry.log_format import configure_logs
from router.telemetry.logs import bind, bound, get_logger
from router.telemetry.masking import mask_contacts
from router.telemetry.span_queue import SpanQueue
from router.telemetry.spans import (
    current_ids,
    current_link,
    inner_span,
    note,
    request_span,
    root_span,
    statement_span,
)
from tests.otlp import tracing
from tests.support import until

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
Lines = Callable[[], list[dict[str, Any]]]


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


@pytest.fixture
def lines() -> Iterator[Lines]:
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    configure_logs("info", "json", "router-7", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_statement_is_a_part_of_its_batch_and_the_next_batch_is_not() -> None:
    with tracing() as exporter, root_span("batch", {"lead_router.tenant": "acme"}):
        with statement_span("lane.hold"):
            pass
        with root_span("another"):
            note({"lead_router.leads": 3})
    spans = by_name(exporter)
    batch, hold, another = spans["batch"], spans["lane.hold"], spans["another"]
    assert batch.context and hold.parent and another.context
    assert (hold.parent.span_id, batch.parent, another.parent) == (batch.context.span_id, None, None)
    assert another.context.trace_id != batch.context.trace_id
    assert dict(another.attributes or {}) == {"lead_router.leads": 3}


def test_a_statement_outside_of_all_spans_and_of_one_that_is_not_sampled_is_not_traced() -> None:
    with tracing() as exporter, statement_span("lane.hold"), inner_span("x"):
        assert current_ids() is None
    with tracing(ALWAYS_OFF) as off, root_span("batch"), statement_span("lane.hold"):
        assert current_link() is None
    assert (exporter.get_finished_spans(), off.get_finished_spans()) == ((), ())


def test_an_error_is_named_by_its_kind_and_its_text_is_nowhere() -> None:
    with tracing() as exporter, pytest.raises(ValueError, match="planted"), root_span("batch"):
        raise ValueError("planted")
    (span,) = exporter.get_finished_spans()
    assert (dict(span.attributes or {}), span.status.is_ok, span.events) == ({"error.type": "ValueError"}, False, ())
    assert "planted" not in span.to_json()


def test_a_request_is_a_part_of_its_callers_trace_and_recorded_if_that_is() -> None:
    for flags, recorded in (("01", 1), ("00", 0)):
        for sampler in (ALWAYS_ON, ALWAYS_OFF):
            with tracing(sampler) as exporter, request_span("GET /v1/leads", {}, f"00-{TRACE}-{CALLER}-{flags}"):
                assert (current_ids() or ("",))[0] == TRACE
            assert len(exporter.get_finished_spans()) == recorded


@pytest.mark.parametrize(
    "header", [None, "", "planted", f"00-{'0' * 32}-{CALLER}-01", f"00-{TRACE}-{CALLER}", "é" * 900]
)
def test_nonsense_in_the_callers_header_begins_a_trace(header: str | None) -> None:
    with tracing() as exporter, request_span("GET", {}, header):
        pass
    (span,) = exporter.get_finished_spans()
    assert span.parent is None


def test_where_nothing_is_traced_all_of_it_is_allowed() -> None:
    with root_span("a", {}, [current_link()]) as span, request_span("b", {}, None), statement_span("c"):
        span.set({"x": 1})
        span.fail("y")
        note({"x": 1})
    assert current_ids() is None


def test_a_log_line_has_the_span_the_tenant_and_the_batch(lines: Lines) -> None:
    log = get_logger("router.drain")
    with tracing() as exporter:
        with bound(tenant="acme"), root_span("batch"):
            bind(batch=7)
            log.warning("odd")
            logging.getLogger("asyncio").error("from a library")
        log.warning("after")
    (span,) = exporter.get_finished_spans()
    assert span.context
    ids = {"trace_id": f"{span.context.trace_id:032x}", "span_id": f"{span.context.span_id:016x}"}
    first, second, after = lines()
    wanted = {"tenant": "acme", "batch": 7, "instance": "router-7"} | ids
    assert (first.items() >= wanted.items(), second.items() >= wanted.items()) == (True, True)
    assert not {"tenant", "batch", "trace_id", "span_id"} & set(after)


async def test_what_a_connection_logs_later_does_not_name_the_request_that_had_it_opened(lines: Lines) -> None:
    seen: list[Any] = []

    async def later() -> None:
        seen.append(current_ids())
        get_logger("x").warning("lost")

    async def no_session() -> Any:
        raise OSError

    stock = OpenConnections(no_session, 1, Instruments.silent(), changed=lambda: None)
    with tracing(), bound(tenant="acme"), root_span("request"):
        await stock.in_background(later(), "later")
    assert seen == [None]
    assert "tenant" not in lines()[0]


def test_e_mail_addresses_and_phone_numbers_are_masked_and_hosts_are_not(lines: Lines) -> None:
    log = get_logger("x")
    log.warning("lost: ada.l+x@example.co.uk, mailto:b@example.com and +49 (0)30 123-4567", phone="030 1", emails=["c"])
    urls = {"url": "postgresql://router:pw@db.example.com/x", "plain": "redis://me@host.example/0"}
    log.warning("at 2026-11-29T02:00:00+00:00", **urls)
    first, second = lines()
    assert first["event"] == "lost: ***, mailto:*** and ***"
    assert (first["phone"], first["emails"]) == ("***", "***")
    assert second["event"] == "at 2026-11-29T02:00:00+00:00"
    assert (second["url"], second["plain"]) == ("postgresql://router:***@db.example.com/x", "redis://me@host.example/0")


@given(st.text(), st.text())
def test_no_address_or_number_comes_through_whatever_stands_around_it(before: str, after: str) -> None:
    masked = mask_contacts(f"{before} planted@example.com, +4915112345678 {after}")
    assert "planted@" not in masked or "planted@" in before + after
    assert "15112345678" not in masked or "15112345678" in before + after


def test_an_error_of_the_database_does_not_repeat_a_lead_in_the_log(lines: Lines) -> None:
    row = 'null value in column "x"\nDETAIL:  Failing row contains (7, Ada\nLovelace, 030 1234567).'
    key = "duplicate key value\nDETAIL:  Key (tenant_id, phone)=(1, 030 1234567) already exists."
    deadlock = "deadlock detected\nDETAIL:  Process 18 waits for ShareLock on transaction 5; blocked by process 19."
    argument = "invalid input for query argument $1: '030 1234567' (expected int)"
    log = get_logger("x")
    for text in (row, f"{key}\nHINT:  see", deadlock, argument):
        try:
            raise ValueError(text)
        except ValueError as error:
            log.error("failed", error=str(error), exc_info=error)
    shown = lines()
    assert not [word for word in ("030", "Ada", "Lovelace", "1234567") if word in json.dumps(shown)]
    assert shown[1]["error"] == "duplicate key value\nDETAIL:  Key (***)\nHINT:  see"
    assert shown[2]["error"] == deadlock
    assert shown[3]["error"] == "invalid input for query argument $1: ***"


# -- the queue


def some_spans(count: int) -> list[ReadableSpan]:
    with tracing() as exporter:
        for number in range(count):
            with root_span(f"s{number}"):
                pass
    return list(exporter.get_finished_spans())


async def test_work_goes_on_while_the_receiver_takes_nothing_and_what_is_lost_is_counted() -> None:
    release, began = Event(), Event()

    def deliver(_spans: object) -> bool:
        began.set()
        release.wait()
        return False

    queue = SpanQueue(deliver, 4, together=2, every_s=0.01)
    spans = some_spans(10)
    for span in spans[:2]:
        queue.on_end(span)
    await asyncio.to_thread(began.wait)
    for span in spans[2:]:
        queue.on_end(span)
    assert queue.no_room == 4
    # It returns although the receiver still holds the first two.
    queue.close(0.01)
    assert (queue.no_room, queue.not_delivered) == (8, 0)
    release.set()

    async def counted() -> bool:
        return queue.not_delivered == 2

    await until(counted, "what the receiver did not take is counted")
    queue.on_end(spans[0])
    assert queue.no_room == 9


def test_all_spans_are_handed_over_at_the_end_in_their_order() -> None:
    got: list[str] = []

    def deliver(spans: Any) -> bool:
        got.extend(span.name for span in spans)
        return True

    queue = SpanQueue(deliver, 100, together=3, every_s=60)
    for span in some_spans(8):
        queue.on_end(span)
    queue.close(60)
    assert got == [f"s{number}" for number in range(8)]
    assert (queue.no_room, queue.not_delivered) == (0, 0)


def test_an_encoder_or_receiver_that_raises_ends_nothing() -> None:
    asked: list[int] = []

    def deliver(spans: Any) -> bool:
        asked.append(len(spans))
        raise RuntimeError("planted")

    queue = SpanQueue(deliver, 100, together=1, every_s=60)
    for span in some_spans(3):
        queue.on_end(span)
    queue.close(60)
    assert (asked, queue.not_delivered) == ([1, 1, 1], 3)
