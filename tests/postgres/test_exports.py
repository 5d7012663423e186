"""Telemetry that is exported: the work never pays for a receiver, and a trace has a batch's steps, not its leads."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import asyncpg
import pytest

from router.runtime.lifeline import Lifeline, MonotonicClock
from router.runtime.periodic import Periodic
from router.store.connections.connections import Connections, open_connections
from router.telemetry.export_plan import ExportPlan, ExportWishes, plan_exports
from router.telemetry.exposition import Exposition, open_exposition
from tests.otlp import Strange, otlp_receiver, strange_receiver, tracing
from tests.support import until
from tests.world import Tenancy, a_drain, lead, make_tenant, settle, simple_reps

LEADS = 300
HTTP = b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 9\r\n%s\r\n\xff\x00garbage"
STRANGE = {
    "silent": None,
    "no HTTP": b"\xff\x00\xde\xad",
    "refuses": HTTP % (b"400 Bad Request", b""),
    "fails": HTTP % (b"500 Oh", b""),
    "come back in an hour": HTTP % (b"503 Busy", b"Retry-After: 3600\r\n"),
}


def a_plan(url: str) -> ExportPlan:
    return plan_exports(ExportWishes(url, 1.0, metrics_every_s=0.1, queue_spans=8, flush_deadline_s=0.1), {})


def dropped(exposition: Exposition) -> float:
    lines = [line for line in exposition.text().decode().splitlines() if "spans_dropped_total{" in line]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


async def routed(tenant: Tenancy, database_url: str, exposition: Exposition) -> None:
    """All leads of the tenant, in small batches, with all telemetry."""
    async with open_connections(database_url, instruments=exposition.instruments) as connections:
        drain = a_drain(connections, ready=10)
        drain.instruments = exposition.instruments
        await settle(drain, tenant.tenant_id)
    assert (await tenant.states())["assigned"] == LEADS


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> Tenancy:
    made = await make_tenant(conn, simple_reps(3))
    await made.accept(lead(number) for number in range(LEADS))
    return made


@asynccontextmanager
async def away() -> AsyncIterator[Strange]:
    """Nobody listens there."""
    async with strange_receiver(b"") as gone:
        pass
    yield gone


@pytest.mark.parametrize("kind", [*STRANGE, "away"])
async def test_leads_are_routed_whatever_the_receiver_does_and_lost_spans_are_counted(
    database_url: str, tenant: Tenancy, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    # Whoever waited for the receiver, at work or at the end, would wait for longer than a test may.
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3600")
    async with away() if kind == "away" else strange_receiver(STRANGE[kind]) as strange:
        with open_exposition("a", "1", plan=a_plan(strange.url)) as exposition:
            await routed(tenant, database_url, exposition)

            async def counted() -> bool:
                return dropped(exposition) > 0

            await until(counted, "what was lost is counted")


async def test_an_answer_without_end_is_not_read_to_its_end(database_url: str, tenant: Tenancy) -> None:
    async with strange_receiver(b"HTTP/1.1 200 OK\r\n\r\n", endless=True) as strange:
        with open_exposition("a", "1", plan=a_plan(strange.url)) as exposition:
            await routed(tenant, database_url, exposition)

            async def left() -> bool:
                return strange.left.is_set()

            await until(left, "the exporter hangs up")


async def test_all_that_was_recorded_arrives_though_the_end_comes_first(database_url: str, tenant: Tenancy) -> None:
    wishes = ExportWishes(sample_share=1.0, metrics_every_s=3600, queue_spans=100_000, flush_deadline_s=60)
    async with otlp_receiver() as receiver:
        plan = plan_exports(wishes, {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url})
        with ExitStack() as stack:
            exposition = stack.enter_context(open_exposition("router-7", "1", plan=plan))
            await routed(tenant, database_url, exposition)
            # In a thread, since the receiver answers in this one's loop.
            await asyncio.to_thread(stack.close)
        batches = [span for span in receiver.named("batch") if span.attributes["lead_router.leads"]]
        assert sum(int(str(span.attributes["lead_router.assigned"])) for span in batches) == LEADS
        assert "lead_router.leads.assigned" in receiver.metrics
        resource = receiver.resource
        assert (resource["service.name"], resource["service.instance.id"]) == ("lead-router", "router-7")


async def test_a_trace_has_the_steps_of_a_batch_and_nothing_of_each_lead(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    seen: list[Counter[str]] = []
    # The first reads the rules.
    for first, last in ((0, 600), (1_000, 1_600), (2_000, 2_950)):
        await tenant.accept(lead(number) for number in range(first, last))
        with tracing() as exporter:
            await a_drain(connections).drain_tenant(tenant.tenant_id, batch_limit=1)
        spans = exporter.get_finished_spans()
        (batch,) = [span for span in spans if span.name == "batch"]
        attributes = dict(batch.attributes or {})
        assert attributes["lead_router.leads"] == last - first
        assert attributes["lead_router.tenant"] == "acme" and attributes["lead_router.result"] == "ok"
        assert attributes["lead_router.batch"] == await conn.fetchval("select batch_no from lane")
        assert batch.context
        assert all(
            span.parent and span.parent.trace_id == batch.context.trace_id for span in spans if span is not batch
        )
        seen.append(Counter(span.name for span in spans))
    assert seen[1] == seen[2]
    assert {"lane.hold", "lane.put_assignments", "begin", "commit"} <= set(seen[0]), seen[0]


async def test_a_piece_of_periodic_work_is_a_trace_and_says_when_it_failed(connections: Connections) -> None:
    looks = 0

    class Look(Periodic):
        name, failing, interval_s = "look", "cannot look", 0.0

        async def once(self, life: Lifeline) -> None:
            nonlocal looks
            looks += 1
            if looks == 1:
                raise OSError("planted")
            stop.set()

        longest_wait_s = 0.001

    stop = asyncio.Event()
    with tracing() as exporter:
        await Look().run(Lifeline(stop, MonotonicClock(), lambda _deadline: None))
    first, second = exporter.get_finished_spans()
    assert [first.name, second.name] == ["service look", "service look"]
    assert (dict(first.attributes or {}), dict(second.attributes or {})) == ({"error.type": "OSError"}, {})
    assert "planted" not in first.to_json()
