"""Traces of requests: under the caller's trace, by route and never by path; nothing of one request is in the next."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from router.store.connections.connections import Connections
from tests.http.doors import FORM, make_door
from tests.http.support import Api, make_token, serving_api
from tests.otlp import tracing
from tests.world import Tenancy, make_tenant, simple_reps

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLED = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "tracestate": "a=planted", "baggage": "b=planted"}


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> Tenancy:
    return await make_tenant(conn, simple_reps(2))


@pytest.fixture
async def api(connections: Connections, conn: asyncpg.Connection, tenant: Tenancy) -> AsyncIterator[Api]:
    async with serving_api(connections) as running:
        running.token = await make_token(conn, tenant.tenant_id)
        yield running


def trace_of(span: ReadableSpan) -> str:
    assert span.context
    return f"{span.context.trace_id:032x}"


def named(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name == name]


def body(number: int) -> dict[str, object]:
    return {"external_id": str(number), "source": "web"}


async def test_a_request_is_found_in_its_callers_trace_and_the_next_one_is_not(api: Api) -> None:
    with tracing() as exporter:
        await api.post("/v1/leads", body(1), headers=CALLED)
        await api.post("/v1/leads", body(2))
    called, alone = named(exporter, "POST /v1/leads")
    assert trace_of(called) == TRACE != trace_of(alone)
    assert dict(called.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/v1/leads",
        "http.response.status_code": 202,
        "lead_router.tenant": "acme",
    }
    assert not any("planted" in span.to_json() for span in exporter.get_finished_spans())
    commits = named(exporter, "intake commit")
    assert [len(commit.links) for commit in commits] == [1, 1]
    assert called.context and commits[0].links[0].context.span_id == called.context.span_id
    assert trace_of(commits[0]) not in (TRACE, trace_of(alone)), "a commit may be of many requests"
    assert any(trace_of(span) == trace_of(commits[0]) for span in named(exporter, "at_once.store_new"))


async def test_the_commits_of_a_batch_are_a_part_of_its_request(api: Api) -> None:
    lines = b"".join(b'{"external_id": "%d", "source": "web"}\n' % number for number in range(40))
    with tracing() as exporter:
        reply = await api.post("/v1/leads:batch", data=lines, headers={"Content-Type": "application/x-ndjson"} | CALLED)
    assert reply.status < 300
    (commit,) = named(exporter, "intake commit")
    assert (trace_of(commit), dict(commit.attributes or {})) == (TRACE, {"lead_router.leads": 40})


async def test_what_somebody_asks_for_becomes_no_name_and_no_attribute(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy
) -> None:
    door = await make_door(api, conn, tenant.tenant_id, FORM)
    key = door.path.rpartition("/")[2]
    with tracing() as exporter:
        await door.post(data={"email": "planted@example.com"})
        await api.get("/v1/planted?phone=planted")
        await api.ask("PROPFIND", "/v1/leads")
        await api.get("/v1/leads/999999?planted=1")
        assert (await api.get("/livez")).status == 200
    spans = exporter.get_finished_spans()
    assert {"POST /v1/forms/{key}", "GET", "_OTHER", "GET /v1/leads/{id}"} <= {span.name for span in spans}
    shown = "".join(span.to_json() for span in spans)
    assert not [word for word in ("planted", "propfind", "livez", key.lower()) if word in shown.lower()]


async def test_a_fault_is_a_failed_span_and_its_log_line_names_the_route_and_not_the_key(
    api: Api, conn: asyncpg.Connection, tenant: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = await make_door(api, conn, tenant.tenant_id, FORM)
    key = door.path.rpartition("/")[2]

    async def broken(*_: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(type(api.service.leads.sources), "opened_by", broken)
    with tracing() as exporter, capture_logs() as lines:
        reply = await door.post(data={"email": "a@example.com"})
    assert reply.status == 500
    (span,) = named(exporter, "POST /v1/forms/{key}")
    assert (span.status.is_ok, (span.attributes or {})["error.type"]) == (False, "500")
    (line,) = [line for line in lines if line["event"] == "request failed"]
    assert (line["route"], key in str(lines)) == ("/v1/forms/{key}", False)
