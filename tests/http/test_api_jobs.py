"""Jobs over HTTP: audits and replays with progress, as their commands do them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from ops.api.operations import api_operations
from ops.cli.audit import audit as audit_command
from ops.cli.replay import replay_ as replay_command
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.http.support import Api, make_token, serving_api
from tests.http.test_api_operating import ended
from tests.world import Tenancy, a_drain, lead, make_tenant, settle, simple_reps


@pytest.fixture
async def acme(conn: asyncpg.Connection, connections: Connections) -> Tenancy:
    tenancy = await make_tenant(conn, simple_reps(3), name="acme")
    await tenancy.accept([lead(number) for number in range(30)])
    await settle(a_drain(connections, ready=5), tenancy.tenant_id)
    return tenancy


@pytest.fixture
async def api(connections: Connections, acme: Tenancy, database_url: str) -> AsyncIterator[Api]:
    async with serving_api(connections, api_operations()) as running:
        running.token = await make_token(acme.conn, acme.tenant_id)
        yield running


async def test_an_audit_proves_the_same_as_the_command(api: Api, database_url: str) -> None:
    started = await api.post("/v1/jobs", {"kind": "audit", "sample": 100})
    assert (started.status, started.document["state"]) == (202, "running")
    job = await ended(api, started.headers["Location"])
    told = await CommandLine(audit_command, database_url).json("--tenant", "acme", "--sample", "100")
    assert (job["state"], job["result"]["ok"]) == ("done", True), job
    same = ("accepted", "states", "violations", "tenants", "checks", "replayed")
    assert {name: job["result"][name] for name in same} == {name: told[name] for name in same}
    assert job["total"] > 0
    assert [one["id"] for one in (await api.get("/v1/jobs")).document["jobs"]] == [job["id"]]


async def test_a_replay_shows_what_would_have_been_different(api: Api, database_url: str) -> None:
    started = await api.post("/v1/jobs", {"kind": "replay", "set": ["rep.r001.available=no"], "limit": 3})
    job = await ended(api, started.headers["Location"])
    line = CommandLine(replay_command, database_url)
    told = await line.json("--tenant", "acme", "--set", "rep.r001.available=no", "--limit", "3")
    assert (job["state"], job["done"], job["total"]) == ("done", 30, 30), job
    assert {**job["result"], "leads": len(job["result"]["leads"])} == {**told, "leads": 3}
    verified = await api.post("/v1/jobs", {"kind": "replay", "verify": True})
    result = (await ended(api, verified.headers["Location"]))["result"]
    assert (result["ok"], result["leads"]) == (True, 30)


async def test_what_cannot_be_run_is_refused_before_it_starts(api: Api) -> None:
    for body, pointers in (
        ({"kind": "party"}, ["/kind"]),
        ({"kind": "audit", "verify": True, "set": ["x"]}, ["/verify", "/set"]),
        ({"kind": "replay"}, ["/verify"]),
        ({"kind": "replay", "verify": True, "sample": 3}, ["/sample"]),
        ({"kind": "replay", "set": ["rep.r1.hair=red", "nonsense"]}, ["/set/0", "/set/1"]),
        ({"kind": "replay", "rules": "rules: 7"}, ["line 1"]),
        (
            {"kind": "replay", "verify": True, "since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
            ["/since"],
        ),
        ({"kind": "replay", "verify": True, "since": "yesterday"}, ["/since"]),
    ):
        reply = await api.post("/v1/jobs", body)
        assert (reply.status, reply.pointers) == (422, pointers), reply
    assert (await api.get("/v1/jobs")).document["jobs"] == []


async def test_a_replay_of_a_rep_that_there_is_not_fails_with_the_reason(api: Api) -> None:
    started = await api.post("/v1/jobs", {"kind": "replay", "set": ["rep.nobody.available=no"]})
    job = await ended(api, started.headers["Location"])
    assert (job["state"], "nobody" in job["error"], job["result"]) == ("failed", True, None)


async def test_one_job_of_a_kind_at_a_time_which_can_be_cancelled(
    connections: Connections, acme: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stuck(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("ops.api.jobs.audit", stuck)
    monkeypatch.setattr("ops.api.jobs.verify", stuck)
    async with serving_api(connections, api_operations()) as api:
        api.token = await make_token(acme.conn, acme.tenant_id)
        first = await api.post("/v1/jobs", {"kind": "audit"})
        second = await api.post("/v1/jobs", {"kind": "audit"})
        assert (second.status, first.document["id"] in second.document["detail"]) == (409, True), second
        assert (await api.post("/v1/jobs", {"kind": "replay", "verify": True})).status == 202
        gone = await api.ask("DELETE", f"/v1/jobs/{first.document['id']}")
        assert (gone.document["state"], gone.document["ended_at"] is None) == ("cancelled", False)
        assert (await api.post("/v1/jobs", {"kind": "audit"})).status == 202


async def test_a_job_from_before_a_restart_is_said_to_be_gone(api: Api) -> None:
    gone = await api.get("/v1/jobs/abcdef-0123456789abcdef")
    assert (gone.status, "restarted" in gone.document["detail"]) == (421, True)
    assert (await api.ask("DELETE", "/v1/jobs/abcdef-0123456789abcdef")).status == 421
    assert (await api.get("/v1/jobs/0123456789abcdef")).status == 404


async def test_a_job_that_another_instance_runs_is_said_to_be_there(api: Api, connections: Connections) -> None:
    started = await api.post("/v1/jobs", {"kind": "audit"})
    async with serving_api(connections, api_operations()) as other:
        elsewhere = await other.get(started.headers["Location"], token=api.token)
        assert elsewhere.status == 421
        assert started.document["id"].partition("-")[0] in elsewhere.document["detail"]
    await ended(api, started.headers["Location"])


async def test_jobs_take_their_connections_from_the_services(
    api: Api, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    lent: list[list[str]] = []

    async def seen(*_: object) -> None:
        lent.append([str(lease.part) for lease in connections.lent.values()])
        raise ConnectionResetError("seen enough")

    monkeypatch.setattr("ops.api.jobs.audit", seen)
    started = await api.post("/v1/jobs", {"kind": "audit"})
    assert (await ended(api, started.headers["Location"]))["state"] == "failed"
    assert lent == [["jobs"]]


async def test_results_are_kept_for_an_hour() -> None:
    from ops.api.running import Jobs

    now = datetime(2026, 3, 31, tzinfo=UTC)
    jobs = Jobs(lambda: now)

    async def work(_job: Any) -> dict[str, Any]:
        return {"ok": True}

    job = jobs.start("audit", _Call(), work)  # type: ignore[arg-type]
    assert job.task is not None
    await job.task
    now += timedelta(minutes=59)
    assert jobs.of(1) == [job]
    now += timedelta(minutes=2)
    assert jobs.of(1) == []


class _Call:
    """As much of a call as starting a job needs."""

    actor = "token test"

    class tenant:  # noqa: N801
        tenant_id = 1
        name = "acme"
