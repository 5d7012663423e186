"""Jobs over HTTP: audits and replays with progress, as their commands do them."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from ops.api.operations import api_operations
from ops.audit.audit import Step
from ops.cli.audit import audit as audit_command
from ops.cli.replay import replay_ as replay_command
from router.store.connections.connections import Connections
from router.store.errors import NoConnection
from router.store.jobs import (
    KEPT,
    KEPT_BYTES,
    KEPT_FILES,
    JobEnd,
    job_file,
    jobs_of,
    note_begin,
    note_end,
    note_progress,
)
from tests.command_line import CommandLine
from tests.http.support import Api, make_token, serving_api
from tests.http.test_api_operating import ended
from tests.support import until
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


async def test_every_instance_says_how_a_job_is_and_what_came_of_it(
    api: Api, acme: Tenancy, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()

    async def slow(_conn: object, _tenant: str, _sample: int, show: Any) -> Any:
        show(Step(3, 10, "acme", "leads"))
        await go_on.wait()
        raise ConnectionResetError("seen enough")

    monkeypatch.setattr("ops.api.jobs.audit", slow)
    started = await api.post("/v1/jobs", {"kind": "audit"})
    where = started.headers["Location"]
    async with serving_api(connections, api_operations()) as other:
        other.token = api.token
        seen: list[Any] = []

        async def is_under_way() -> bool:
            seen[:] = [(await other.get(where)).document]
            return bool(seen[0]["done"] == 3)

        await until(is_under_way, "the other instance sees how far it is")
        assert (seen[0]["state"], seen[0]["step"], seen[0]["total"]) == ("running", "leads", 10)
        assert (seen[0]["started_by"], seen[0]["id"]) == (started.document["started_by"], started.document["id"])
        assert [one["id"] for one in (await other.get("/v1/jobs")).document["jobs"]] == [started.document["id"]]
        go_on.set()
        job = await ended(other, where)
        assert (job["state"], "seen enough" in job["error"], len(job["error_parts"])) == ("failed", True, 1), job
        assert job == (await api.get(where)).document
    stranger = await make_tenant(acme.conn, simple_reps(1), name="other")
    token = await make_token(acme.conn, stranger.tenant_id)
    async with serving_api(connections, api_operations()) as restarted:
        assert (await restarted.get(where, token=api.token)).document == job
        assert (await restarted.get(where, token=token)).status == 421
        assert (await restarted.get("/v1/jobs", token=token)).document["jobs"] == []


async def test_a_job_is_cancelled_through_another_instance(
    api: Api, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stuck(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("ops.api.jobs.audit", stuck)
    started = await api.post("/v1/jobs", {"kind": "audit"})
    async with serving_api(connections, api_operations()) as other:
        other.token = api.token
        assert (await other.ask("DELETE", started.headers["Location"])).status == 200
        assert (await ended(other, started.headers["Location"]))["state"] == "cancelled"
    assert (await api.get(started.headers["Location"])).document["state"] == "cancelled"


async def test_a_job_whose_instance_was_killed_does_not_run_for_ever(
    api: Api, acme: Tenancy, connections: Connections
) -> None:
    await note_begin(acme.conn, acme.tenant_id, "abcdef-0123456789abcdef", "audit", "me")
    await note_progress(acme.conn, acme.tenant_id, "abcdef-0123456789abcdef", 7, 10, "leads")
    assert (await api.get("/v1/jobs/abcdef-0123456789abcdef")).document["state"] == "running"
    await acme.conn.execute("update job set alive_at = alive_at - interval '40 s'")
    lost = (await api.get("/v1/jobs/abcdef-0123456789abcdef")).document
    assert (lost["state"], lost["done"], lost["ended_at"] is None) == ("failed", 7, False)
    assert "the job ended with it" in lost["error"] and "start it again" in lost["error"]
    assert [part["message"][:20] for part in lost["error_parts"]] == ["the instance that ran"[:20]]


async def test_a_result_that_is_too_long_for_the_database_is_said_to_be_with_its_instance(
    api: Api, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.api.job_records.MAX_RESULT", 10)
    started = await api.post("/v1/jobs", {"kind": "audit"})
    assert (await ended(api, started.headers["Location"]))["result"]["ok"] is True
    async with serving_api(connections, api_operations()) as other:

        async def refused() -> bool:
            reply = await other.get(started.headers["Location"], token=api.token)
            return reply.status == 421 and "too long to be kept" in reply.document["detail"]

        await until(refused, "the other instance says where the result is")


async def test_what_is_kept_of_jobs_is_bounded_by_number_age_and_size(acme: Tenancy) -> None:
    conn, tenant_id = acme.conn, acme.tenant_id
    other = await make_tenant(conn, simple_reps(1), name="other")
    await note_begin(conn, other.tenant_id, "o", "retry", "me")
    await conn.execute("update job set alive_at = alive_at - interval '8 d'")
    for number in range(KEPT + 5):
        await note_begin(conn, tenant_id, f"j{number:03}", "check_import", "me", 3600.0 - number * 6)
        packed = b"x" * (KEPT_BYTES // 10 if number == KEPT + 4 else 10)
        end = JobEnd(0.0, "done", 1, 1, "", "{}", False, None, None, "r.csv", "utf-8", packed)
        await note_end(conn, tenant_id, f"j{number:03}", end)
    kept = [row[0] for row in await conn.fetch("select job_id from job where tenant_id = $1 order by 1", tenant_id)]
    assert kept == [f"j{number:03}" for number in range(5, KEPT + 5)]
    files = [row[0] for row in await conn.fetch("select job_id from job where file is not null order by 1")]
    assert files == kept[-KEPT_FILES:]
    assert await job_file(conn, tenant_id, kept[0]) is None and await job_file(conn, other.tenant_id, kept[-1]) is None
    for number in range(20):
        await note_begin(conn, tenant_id, f"k{number:03}", "check_import", "me")
        packed = b"x" * (KEPT_BYTES // 4)
        end = JobEnd(0.0, "done", 1, 1, "", "{}", False, None, None, "r.csv", "utf-8", packed)
        await note_end(conn, tenant_id, f"k{number:03}", end)
    assert await conn.fetchval("select sum(file_bytes) from job") <= KEPT_BYTES
    assert await conn.fetchval("select count(*) from job where file is not null") == 4
    await note_begin(conn, other.tenant_id, "p", "audit", "me")
    assert [one.job_id for one in await jobs_of(conn, other.tenant_id, 10)] == ["p"], "a week is over"


async def test_a_long_job_is_not_forgotten_for_the_many_short_ones_that_began_after_it(acme: Tenancy) -> None:
    conn, tenant_id = acme.conn, acme.tenant_id
    await note_begin(conn, tenant_id, "long", "import_leads", "me", 3600.0)
    await note_begin(conn, tenant_id, "dead", "retry", "me", 3600.0)
    await conn.execute("update job set alive_at = alive_at - interval '1 h' where job_id = 'dead'")
    for number in range(KEPT):
        await note_begin(conn, tenant_id, f"short{number:03}", "park", "me")
        await note_end(conn, tenant_id, f"short{number:03}", JobEnd(0.0, "done", 1, 1, "", "{}", False, None))
        assert await note_progress(conn, tenant_id, "long", number, 100, "bytes") is False, "it runs"
    assert await jobs_of(conn, tenant_id, 1, job_id="dead") == []
    end = JobEnd(0.0, "done", 10, 10, "bytes", "{}", False, None, 1, "r.csv", "utf-8", b"packed")
    assert await note_end(conn, tenant_id, "long", end)
    assert await job_file(conn, tenant_id, "long") == ("r.csv", "utf-8", b"packed")
    assert await note_end(conn, tenant_id, "dead", end) is None, "who has its file keeps it"
    await note_begin(conn, tenant_id, "slow", "import_leads", "me", 3600.0)
    for number in range(KEPT_FILES):
        await note_begin(conn, tenant_id, f"check{number:03}", "check_import", "me")
        await note_end(conn, tenant_id, f"check{number:03}", end)
    await note_end(conn, tenant_id, "slow", end)
    assert await job_file(conn, tenant_id, "slow") is not None, "what ended last is kept, whenever it began"


async def test_a_list_of_jobs_is_short_however_long_their_results_are(api: Api, acme: Tenancy) -> None:
    conn, tenant_id = acme.conn, acme.tenant_id
    for number in range(20):
        result = json.dumps({"seen": os.urandom(200_000).hex()})
        await note_begin(conn, tenant_id, f"abcdef-{number:016}", "replay", "me", 3600.0 - number)
        end = JobEnd(0.0, "done", 1, 1, "", result, False, None)
        await note_end(conn, tenant_id, f"abcdef-{number:016}", end)
    listed = (await api.get("/v1/jobs")).document["jobs"]
    assert [one["id"] for one in listed] == [f"abcdef-{number:016}" for number in reversed(range(20))]
    assert [one["result"] is not None for one in listed] == [True] + [False] * 19
    alone = (await api.get("/v1/jobs/abcdef-0000000000000000")).document
    assert len(alone["result"]["seen"]) == 400_000


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


async def test_results_are_kept_for_an_hour_where_the_database_cannot_keep_them() -> None:
    from ops.api.running import Jobs

    now = 1_000.0
    jobs = Jobs(now_s=lambda: now)

    async def work(_job: Any) -> dict[str, Any]:
        return {"ok": True}

    job = await jobs.start("audit", _Call(), work)  # type: ignore[arg-type]
    assert job.task is not None
    await job.task
    now += 59 * 60
    assert jobs.of(1) == [job]
    now += 2 * 60
    assert jobs.of(1) == []


class _Call:
    """As much of a call as starting a job needs."""

    actor = "token test"

    class connections:  # noqa: N801
        """None: the database is away."""

        @staticmethod
        def acquire(*_: object) -> None:
            raise NoConnection("console: the database is away")

        @staticmethod
        def shut() -> str:
            return "the database is away"

    class tenant:  # noqa: N801
        tenant_id = 1
        name = "acme"
