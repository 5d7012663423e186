"""A real service with all telemetry: what it did arrives though it is stopped; nothing about people or secrets does."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from ops.cli.webhooks import add
from router.rules.source_file import parse_source
from router.store.sources import NewSource, add_source
from tests.command_line import CommandLine
from tests.e2e.commands import lead_router
from tests.http.doors import FORM, WEBHOOK, signed
from tests.http.posting import port_of
from tests.http.support import make_token
from tests.otlp import otlp_receiver
from tests.sink import a_sink
from tests.support import until
from tests.workers import Daemon, serving
from tests.world import Tenancy, lead, make_tenant, reps_csv

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PHONE, NATIONAL, MOBILE = "+49 151 1234 5678", "01761 2345 678", "+49 160 8765 4321"
SECRET = "whsec_" + "UGxhbnRlZFNlY3JldDEyMzQ1Njc4"
# All that people sent or configured, in every spelling in which it could come out again.
PLANTED = (
    *("1511234567", "151 1234", "17612345678", "01761 2345", "1608765432", "160 8765"),
    *("planted.lead", "planted.rep", "planted.form", "planted.hook", "planted.file"),
    *("Zacharias", "Plantedname", "Repname", "planted-note", "planted-attribute"),
    *(SECRET, SECRET.removeprefix("whsec_"), "planted-password", "planted-header", "planted-url-key", "planted-bearer"),
)
COLUMNS = "rep_id,name,available,time_zone,groups,max_open,max_per_day,email,mobile"


def a_lead(number: object, **fields: object) -> dict[str, object]:
    personal = {"phone": PHONE, "email": "planted.lead@example.com", "name": "Zacharias Plantedname"}
    attributes = {"note": "planted-attribute", "number": number}
    return {"external_id": str(number), "source": "web", "attributes": attributes} | personal | fields


async def make_world(conn: asyncpg.Connection, database_url: str, sink_url: str) -> tuple[Tenancy, list[str]]:
    """A tenant with personal data everywhere; returns it, and its secrets: token, keys of two sources, secret of a
    webhook.
    """
    row = f"r1,Zacharias Repname,yes,UTC,all,1000,1000,planted.rep@example.com,{MOBILE}"
    tenant = await make_tenant(conn, reps_csv([row], COLUMNS))
    token = await make_token(conn, tenant.tenant_id)
    made = [token]
    for name, definition, secret in (("site", FORM, None), ("crm", WEBHOOK, SECRET)):
        new = NewSource(name, parse_source(definition, "test").kind, definition, secret)
        made.append(await add_source(conn, tenant.tenant_id, new, "test"))
    url = sink_url.replace("key=k1", "key=planted-url-key")
    webhook = await CommandLine(add, database_url).json(
        url, "--tenant", "acme", "--type", "lead.assigned", "--allow-private", "--note", "planted-note"
    )
    return tenant, [*made, webhook["secret"]]


async def ask_everything(session: aiohttp.ClientSession, made: list[str]) -> None:
    """Good and bad requests of each kind."""
    token, form, hook, _ = made
    headers = {"Authorization": f"Bearer {token}"}
    others = {"tracestate": "x=planted.lead", "baggage": "y=planted-note"}
    caller = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"} | others

    async def post(path: str, status: int, **options: Any) -> None:
        options["headers"] = headers | options.get("headers", {})
        async with session.post(path, allow_redirects=False, **options) as reply:
            assert reply.status == status, (path, reply.status, await reply.text())

    await post("/v1/leads", 202, json=a_lead(1), headers=caller)
    await post("/v1/leads", 202, json=a_lead(2, phone="no phone: 01761 2345 678", email="not planted.lead"))
    await post("/v1/leads", 422, json=a_lead(3, created_at="planted-note", priority=PHONE))
    await post("/v1/leads", 202, json=a_lead(1, email="planted.lead+2@example.com"))
    lines = "\n".join(json.dumps(a_lead(number)) for number in range(4, 24))
    batch = {"Content-Type": "application/x-ndjson"}
    await post("/v1/leads:batch", 207, data=f'{lines}\n{{"phone": "{PHONE}"\n', headers=batch)
    fields = {"your-name": "Zacharias Plantedname", "tel": NATIONAL, "email": "planted.form@example.com"}
    await post(f"/v1/forms/{form}", 200, data=fields)
    body = json.dumps({"id": "h1", "contact": {"name": "Plantedname", "email": "planted.hook@example.com"}}).encode()
    kind = {"Content-Type": "application/json"}
    await post(f"/v1/webhooks/{hook}", 200, data=body, headers=kind | signed(body, secret=SECRET))
    await post(f"/v1/webhooks/{hook}", 401, data=body, headers=kind | signed(body, "msg_2"))
    await post("/v1/leads", 401, json=a_lead(99), headers={"Authorization": "Bearer planted-bearer"})
    async with session.get(f"/v1/planted.lead@example.com?phone={PHONE}", headers=headers) as reply:
        assert reply.status == 404


async def import_a_file(folder: Path, database_url: str) -> str:
    """Imports good and bad rows; returns what was logged."""
    file = folder / "leads.csv"
    rows = "\n".join(f"f{n},fair,{PHONE},planted.file@example.com,Zacharias Plantedname,{n}" for n in range(20))
    bad = f",fair,{'9' * 400},planted.file,Zacharias Plantedname,{'x' * 9_000}"
    file.write_text(f"external_id,source,phone,email,name,number\n{rows}\n{bad}\n")
    environment = {"LOG_LEVEL": "debug", "LOG_FORMAT": "json", "DATABASE_URL": database_url}
    named = {f"LEAD_ROUTER_{name}": value for name, value in environment.items()}
    code, output, errors = await lead_router("leads", "import", file, "--tenant", "acme", **named)
    assert code < 2, (output, errors)
    return "\n".join(line for line in errors.splitlines() if line.startswith("{"))


async def test_a_stopped_service_has_delivered_what_it_did_and_nothing_about_people_or_secrets(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    async with otlp_receiver() as receiver, a_sink(answer=lambda _: 500) as sink:
        tenant, made = await make_world(conn, database_url, sink.url)
        async with serving(
            database_url,
            "serve",
            telemetry_otlp_endpoint=receiver.url.replace("//", "//me:planted-password@"),
            telemetry_sample_share=1,
            telemetry_metrics_every_s=3600,
            telemetry_flush_deadline_s=30,
            log_level="debug",
            OTEL_EXPORTER_OTLP_HEADERS="x-api-key=planted-header",
            OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        ) as daemon:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{await port_of(daemon)}") as session:
                await ask_everything(session, made)
            imported = await import_a_file(tmp_path, database_url)
            await until(lambda: all_assigned(tenant, 40), "all leads are assigned")
            await daemon.said("webhook is down")
            _, scraped = await daemon.get("/metrics")
            assert await daemon.stop() == 0
    log = json.dumps(daemon.log, ensure_ascii=False)
    names = {span.name for span in receiver.spans}
    assert {"batch", "POST /v1/leads", "intake commit", "service connections", "lane.hold"} <= names
    (called, *_) = [span for span in receiver.named("POST /v1/leads") if span.trace_id == TRACE]
    assert called.attributes["lead_router.tenant"] == "acme"
    assert "lead_router.leads.assigned" in receiver.metrics, "only the flush at the end can have brought them"
    assert {one["x-api-key"] for one in receiver.headers} == {"planted-header"}
    assert all(one["Authorization"].startswith("Basic ") for one in receiver.headers)
    check_log(daemon, {span.trace_id for span in receiver.named("batch")})
    everything = {"exported": b"\n".join(receiver.raw).decode(errors="replace"), "logged": log, "scraped": scraped}
    for where, text in (everything | {"import": imported}).items():
        found = [one for one in (*PLANTED, *made) if one.lower() in text.lower()]
        assert not found, (where, found, context(text, found[0]))


async def all_assigned(tenant: Tenancy, minimum: int) -> bool:
    states = await tenant.states()
    return states["assigned"] > 0 == states["waiting"] and sum(states.values()) >= minimum


def check_log(daemon: Daemon, traces: set[str]) -> None:
    """A batch's line leads to its trace, its tenant and its number."""
    (line, *_) = [line for line in daemon.log if line["event"] == "batch"]
    assert (line["tenant"], type(line["batch"]), line["trace_id"] in traces) == ("acme", int, True)
    assert re.fullmatch("[0-9a-f]{16}", line["span_id"]) and line["instance"]


def context(text: str, found: str) -> str:
    at = text.lower().index(found.lower())
    return text[max(0, at - 200) : at + 100]


async def test_a_platform_that_names_a_protocol_which_is_not_spoken_keeps_no_lead_from_its_rep(
    conn: asyncpg.Connection, database_url: str
) -> None:
    tenant = await make_tenant(conn, reps_csv(["r1,A,yes,UTC,all,9,9"]))
    platform = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    async with serving(database_url, **platform) as daemon:
        await daemon.said("telemetry is not exported")
        await tenant.accept([lead(1)])
        await until(lambda: all_assigned(tenant, 1), "the lead is assigned")
        assert await daemon.stop() == 0
    problems = [line["problem"] for line in daemon.log if line["event"] == "telemetry is not exported"]
    assert len(problems) == 2 and all("only http/protobuf is spoken" in one for one in problems)
    assert "telemetry is exported" not in daemon.events()


def test_who_exports_nothing_reads_nothing_of_the_exporters() -> None:
    program = """
import sys
import ops.daemon.daemon
from router.telemetry.exposition import open_exposition
with open_exposition("a", "1"):
    print(*sys.modules)
"""
    words = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert not {"requests", "opentelemetry.exporter.otlp", "google.protobuf", "router.telemetry.otlp"} & set(words)
