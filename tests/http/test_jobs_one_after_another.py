"""Jobs of a kind one after another, and requests for one that are given up: what a script or a browser does."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import Any

import pytest

from ops.api.job_records import JobRecord, _packed
from ops.api.operations import api_operations
from ops.api.running import ONE_OF_A_KIND, Job, JobDocument, JobFile, Jobs
from router.store.connections.connections import Connections
from router.store.jobs import note_begin
from tests.http.support import make_token, serving_api
from tests.http.test_jobs_of_instances import Caller, FlakyConnections, Named, acme, quick, stuck
from tests.support import until
from tests.world import Tenancy

__all__ = ["acme", "stuck"]


@contextmanager
def ends_held(monkeypatch: pytest.MonkeyPatch) -> Iterator[asyncio.Event]:
    """Ends are noted once the event is set, as where a long file is made ready first."""
    go_on, real = asyncio.Event(), JobRecord._end

    async def slow(record: JobRecord) -> Any:
        await go_on.wait()
        return await real(record)

    with monkeypatch.context() as patch:
        patch.setattr(JobRecord, "_end", slow)
        yield go_on


async def rejecting_a_row(job: Job) -> dict[str, Any]:
    """The work of a job that makes a file of rejected rows."""
    file = TemporaryFile()  # noqa: SIM115 - the job has it until its end is noted
    file.write(b"id;reason\n1;no region\n")
    file.flush()
    job.made, job.made_name = JobFile("r.csv", file, "utf-8"), "r.csv"
    return {"ok": True}


async def test_who_was_told_that_a_job_is_over_can_start_the_next_one_in_every_instance(
    connections: Connections, acme: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving_api(connections, api_operations()) as one, serving_api(connections, api_operations()) as other:
        one.token = other.token = await make_token(acme.conn, acme.tenant_id)
        for _ in range(5):
            first = await one.post("/v1/jobs", {"kind": "audit", "sample": 0})
            assert first.status == 202, first.document
            document: dict[str, Any] = first.document
            while document["state"] == "running":
                document = (await one.get(first.headers["Location"])).document
            second = await other.post("/v1/jobs", {"kind": "audit", "sample": 0})
            assert second.status == 202, second.document
            document = second.document
            while document["state"] == "running":
                document = (await other.get(second.headers["Location"])).document


async def test_a_job_whose_end_is_not_noted_yet_is_shown_as_one_that_runs(
    connections: Connections, acme: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, call = Jobs(), Caller(connections, Named(acme.tenant_id, "acme"))
    monkeypatch.setattr("ops.api.running.seen_by", lambda _call, result: result)
    with ends_held(monkeypatch) as go_on:
        job = await jobs.start("audit", call, quick)  # type: ignore[arg-type]
        assert job.task is not None

        async def at_its_end() -> bool:
            return job.state == "done"

        await until(at_its_end, "the work is done")
        early = job.document(call)  # type: ignore[arg-type]
        assert (early.state, early.ended_at, early.result) == ("running", None, None)
        go_on.set()
        await job.task
    late = job.document(call)  # type: ignore[arg-type]
    assert (late.state, late.ended_at, late.result) == ("done", job.ended_at, {"ok": True})


async def test_a_job_that_is_over_here_is_not_in_the_way_of_the_next_one_though_it_is_not_noted(
    connections: Connections, acme: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.api.job_records._TRIES", 1)
    monkeypatch.setattr("ops.api.unnoted_ends.backoff_s", lambda *_, **__: 3600.0)
    flaky, jobs = FlakyConnections(connections, away=False), Jobs()
    call: Any = Caller(flaky, Named(acme.tenant_id, "acme"))
    go_on = asyncio.Event()

    async def work(_job: Job) -> dict[str, Any]:
        await go_on.wait()
        return {"ok": True}

    first = await jobs.start("audit", call, work)
    flaky.away = True
    go_on.set()
    assert first.task is not None
    await first.task
    assert first.settled and first.state == "done", "the database is away: nobody waits for it"
    flaky.away = False
    second = await jobs.start("audit", call, quick)
    assert second.task is not None
    await second.task
    rows = await acme.conn.fetch("select job_id, state from job order by started_at")
    assert [tuple(row) for row in rows] == [(first.job_id, "done"), (second.job_id, "done")]
    await jobs.stop(5.0)


async def test_a_request_that_is_given_up_leaves_no_job_at_work(
    connections: Connections, acme: Tenancy, stuck: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, call = Jobs(), Caller(connections, Named(acme.tenant_id, "acme"))
    asked, real = asyncio.Event(), JobRecord.begin

    async def slow(record: JobRecord) -> None:
        asked.set()
        await asyncio.Event().wait()
        await real(record)

    monkeypatch.setattr(JobRecord, "begin", slow)
    starting = asyncio.create_task(jobs.start("audit", call, quick))  # type: ignore[arg-type]
    await asked.wait()
    starting.cancel()
    [job] = jobs.of(acme.tenant_id)
    assert job.task is not None
    await asyncio.wait([job.task], timeout=60)
    assert (job.state, job.error) == ("cancelled", None)
    assert await acme.conn.fetchval("select state from job") == "cancelled"
    monkeypatch.undo()
    again = await jobs.start("audit", call, quick)  # type: ignore[arg-type]
    assert again.task is not None
    await again.task


async def test_who_is_refused_a_job_reads_what_to_do_and_for_how_long_a_killed_instance_is_in_the_way(
    connections: Connections, acme: Tenancy, stuck: None
) -> None:
    lost = "abcdef-0123456789abcdef"
    await note_begin(acme.conn, acme.tenant_id, lost, "audit", "me")
    async with serving_api(connections, api_operations()) as api:
        api.token = await make_token(acme.conn, acme.tenant_id)
        elsewhere = await api.post("/v1/jobs", {"kind": "audit"})
        assert (elsewhere.status, elsewhere.document["detail"]) == (
            409,
            f"a job of this kind (audit) runs for this tenant already: job {lost}; wait until it is over, or cancel it "
            "(if the instance that ran it was killed, it is over 30 s after its last sign)",
        )
        first = await api.post("/v1/jobs", {"kind": "replay", "verify": True})
        here = await api.post("/v1/jobs", {"kind": "replay", "verify": True})
        assert here.document["detail"].endswith(f"job {first.document['id']}; wait until it is over, or cancel it")


async def test_a_job_that_was_started_without_the_database_ends_when_another_one_runs_and_names_it(
    connections: Connections, acme: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.api.job_records.NOTED_EVERY_S", 0.01)
    flaky, jobs = FlakyConnections(connections), Jobs()
    call: Any = Caller(flaky, Named(acme.tenant_id, "acme"))

    async def work(_job: Job) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    await note_begin(acme.conn, acme.tenant_id, "first", "audit", "me")
    job = await jobs.start("audit", call, work)
    flaky.away = False
    assert job.task is not None
    await asyncio.wait([job.task], timeout=60)
    assert (job.state, "another one of its kind runs: job first" in (job.error or "")) == ("failed", True), job.error
    states = "select job_id, state from job order by started_at"
    assert [tuple(row) for row in await acme.conn.fetch(states)] == [("first", "running"), (job.job_id, "failed")]


def test_every_operation_that_starts_a_job_says_that_one_of_a_kind_runs() -> None:
    starting = [one for one in api_operations() if JobDocument in one.answers.values() and 202 in one.answers]
    assert len(starting) == 5 and [one.id for one in starting if ONE_OF_A_KIND not in one.description] == []


async def test_while_the_database_is_away_a_file_is_not_made_ready_again_and_again(
    connections: Connections, acme: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.api.job_records._TRIES", 1)
    monkeypatch.setattr("ops.api.unnoted_ends.backoff_s", lambda *_, **__: 0.01)
    packed = 0

    def counted(descriptor: int) -> bytes | None:
        nonlocal packed
        packed += 1
        return _packed(descriptor)

    monkeypatch.setattr("ops.api.job_records._packed", counted)
    flaky, jobs = FlakyConnections(connections), Jobs()
    call: Any = Caller(flaky, Named(acme.tenant_id, "acme"))

    job = await jobs.start("check_import", call, rejecting_a_row)
    assert job.task is not None
    await job.task
    tried = flaky.asked

    async def tried_often() -> bool:
        return flaky.asked > tried + 5

    await until(tried_often, "it is tried again")
    assert packed == 1
    flaky.away = False

    async def noted() -> bool:
        return bool(await acme.conn.fetchval("select file_name = 'r.csv' and file_bytes > 0 from job"))

    await until(noted, "the file is noted with the end")
    await jobs.stop(5.0)


async def test_a_job_that_is_ended_before_its_first_step_keeps_nobody_waiting(
    connections: Connections, acme: Tenancy
) -> None:
    jobs, call = Jobs(), Caller(connections, Named(acme.tenant_id, "acme"))
    starting = asyncio.create_task(jobs.start("audit", call, quick))  # type: ignore[arg-type]
    stopping = asyncio.create_task(jobs.stop(1.0))
    await asyncio.wait([starting, stopping], timeout=60)
    assert starting.done(), "the request is answered"
    job = await starting
    assert (job.state, "was stopped" in (job.error or "")) == ("failed", True)


async def test_a_file_of_rejected_rows_is_kept_where_two_note_the_end_of_its_job_at_once(
    connections: Connections, acme: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.api.job_records._TRIES", 1)
    monkeypatch.setattr("ops.api.unnoted_ends.backoff_s", lambda *_, **__: 3600.0)
    flaky, jobs = FlakyConnections(connections), Jobs()
    call: Any = Caller(flaky, Named(acme.tenant_id, "acme"))

    job = await jobs.start("check_import", call, rejecting_a_row)
    assert job.task is not None
    await job.task
    record = jobs._unnoted.of(job.job_id)
    assert record is not None
    flaky.away = False
    assert await jobs._unnoted.note_all()
    assert job.made is None, "the file is the database's from now on"
    # As the next job of the kind does, which began to wait for a connection before.
    assert await record.note_end()
    assert await acme.conn.fetchval("select file_name = 'r.csv' and file_bytes > 0 from job")
    await jobs.stop(5.0)
