"""Jobs and several instances: one of a kind for a tenant, whichever is asked; ends are noted as soon as they can be."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import asyncpg
import pytest

from ops.api.job_records import JobRecord
from ops.api.operations import api_operations
from ops.api.running import AT_ONCE, AT_ONCE_OF_TENANT, Job, JobKind, Jobs
from router.http.problems import Refused
from router.store.connections.connections import Connections
from router.store.errors import NoConnection
from router.store.jobs import RunsElsewhere, jobs_of, note_begin
from tests.http.support import Api, make_token, serving_api
from tests.http.test_api_operating import ended
from tests.support import connected, until
from tests.world import Tenancy, make_tenant, simple_reps

LOST = "update job set alive_at = alive_at - interval '40 s' where job_id = $1"


@pytest.fixture
async def acme(conn: asyncpg.Connection) -> Tenancy:
    return await make_tenant(conn, simple_reps(1), name="acme")


@pytest.fixture
async def stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """Audits and verifications never end by themselves."""

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("ops.api.jobs.audit", never)
    monkeypatch.setattr("ops.api.jobs.verify", never)


@asynccontextmanager
async def two_instances(connections: Connections, acme: Tenancy) -> AsyncIterator[tuple[Api, Api]]:
    async with serving_api(connections, api_operations()) as one, serving_api(connections, api_operations()) as other:
        one.token = other.token = await make_token(acme.conn, acme.tenant_id)
        yield one, other


async def test_one_job_of_a_kind_runs_for_a_tenant_whichever_instance_is_asked(
    connections: Connections, acme: Tenancy, stuck: None
) -> None:
    stranger = await make_tenant(acme.conn, simple_reps(1), name="other")
    of_stranger = await make_token(acme.conn, stranger.tenant_id)
    async with two_instances(connections, acme) as (one, other):
        first = await one.post("/v1/jobs", {"kind": "audit"})
        second = await other.post("/v1/jobs", {"kind": "audit"})
        assert (second.status, first.document["id"] in second.document["detail"]) == (409, True), second
        assert [job["id"] for job in (await other.get("/v1/jobs")).document["jobs"]] == [first.document["id"]]
        assert (await other.post("/v1/jobs", {"kind": "audit"}, token=of_stranger)).status == 202
        assert (await other.post("/v1/jobs", {"kind": "replay", "verify": True})).status == 202
        await one.ask("DELETE", first.headers["Location"])

        async def has_place() -> bool:
            return (await other.post("/v1/jobs", {"kind": "audit"})).status == 202

        await until(has_place, "the place is free once the end is noted")


async def test_of_many_that_begin_at_the_same_time_one_does(acme: Tenancy, database_url: str) -> None:
    async def begin(number: int) -> str:
        async with connected(database_url) as conn:
            try:
                await note_begin(conn, acme.tenant_id, f"j{number}", "audit", "me")
            except RunsElsewhere as error:
                return error.job_id
            return f"j{number}"

    [winner] = set(await asyncio.gather(*(begin(number) for number in range(8))))
    rows = await acme.conn.fetch("select job_id from job where ended_at is null")
    assert [row[0] for row in rows] == [winner]
    await note_begin(acme.conn, acme.tenant_id, winner, "audit", "me")


async def test_a_job_of_a_crashed_instance_is_in_nobody_s_way(
    connections: Connections, acme: Tenancy, stuck: None
) -> None:
    lost = "abcdef-0123456789abcdef"
    await note_begin(acme.conn, acme.tenant_id, lost, "audit", "me")
    async with two_instances(connections, acme) as (one, other):
        early = await one.post("/v1/jobs", {"kind": "audit"})
        assert (early.status, lost in early.document["detail"]) == (409, True), "it may run yet"
        await acme.conn.execute(LOST, lost)
        assert (await one.post("/v1/jobs", {"kind": "audit"})).status == 202
        gone = (await other.get(f"/v1/jobs/{lost}")).document
        assert (gone["state"], "gave no sign for more than 30 s" in gone["error"]) == ("failed", True), gone


async def test_an_instance_that_lost_its_place_ends_its_job_and_says_why(
    connections: Connections, acme: Tenancy, stuck: None
) -> None:
    async with two_instances(connections, acme) as (one, _):
        first = await one.post("/v1/jobs", {"kind": "audit"})
        async with acme.conn.transaction():
            await acme.conn.execute(LOST, first.document["id"])
            await note_begin(acme.conn, acme.tenant_id, "new", "audit", "me")
        job = await ended(one, first.headers["Location"])
        assert (job["state"], "could not note it in the database for too long" in job["error"]) == ("failed", True)


@dataclass
class FlakyConnections:
    """Connections to a database that is away for a while."""

    real: Connections
    away: bool = True
    asked: int = 0

    @asynccontextmanager
    async def acquire(self, *arguments: Any) -> AsyncIterator[Any]:
        self.asked += 1
        if self.away:
            raise NoConnection("the database is away")
        async with self.real.acquire(*arguments) as conn:
            yield conn

    def shut(self) -> None:
        """Nothing keeps it from being asked."""


@dataclass
class Caller:
    """As much of a call as starting a job needs."""

    connections: Any
    tenant: Any
    actor: str = "token test"
    kinds: list[JobKind] = field(default_factory=lambda: ["audit", "replay", "retry", "handover", "park"])


@dataclass(frozen=True)
class Named:
    tenant_id: int
    name: str


async def quick(_job: Job) -> dict[str, Any]:
    return {"ok": True}


async def test_the_end_of_a_job_is_noted_once_the_database_is_back(
    connections: Connections, acme: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.api.job_records._TRIES", 1)
    flaky, jobs = FlakyConnections(connections, away=False), Jobs()
    go_on = asyncio.Event()

    async def work(_job: Job) -> dict[str, Any]:
        await go_on.wait()
        return {"ok": True}

    call: Any = Caller(flaky, Named(acme.tenant_id, "acme"))
    noted_before = await jobs.start("audit", call, work)
    flaky.away = True
    never_noted = await jobs.start("retry", call, quick)
    go_on.set()
    await asyncio.wait([job.task for job in (noted_before, never_noted) if job.task is not None])
    tried = flaky.asked

    async def again() -> bool:
        return flaky.asked > tried

    await until(again, "it is tried again")
    states = "select job_id, state, result::text from job order by kind"
    assert [row["state"] for row in await acme.conn.fetch(states)] == ["running"]
    flaky.away = False

    async def both() -> bool:
        rows = [tuple(row) for row in await acme.conn.fetch(states)]
        done = [(job.job_id, "done", '{"ok":true}') for job in (noted_before, never_noted)]
        return rows == done

    await until(both, "both ends are noted, each once")
    asked = flaky.asked
    await jobs.stop(1.0)
    assert flaky.asked == asked, "nothing is left to note"


async def test_a_fault_while_ends_are_noted_does_not_keep_later_ones_from_being_noted(
    connections: Connections, acme: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.api.job_records._TRIES", 1)
    monkeypatch.setattr("ops.api.unnoted_ends._AGAIN_S", 0.01)
    flaky, jobs, faults = FlakyConnections(connections), Jobs(), list[str]()
    note_ends = jobs._unnoted.note_all

    async def faulty() -> bool:
        if not faults:
            faults.append("one")
            raise RuntimeError("a fault of ours")
        return await note_ends()

    monkeypatch.setattr(jobs._unnoted, "note_all", faulty)
    call: Any = Caller(flaky, Named(acme.tenant_id, "acme"))
    first = await jobs.start("audit", call, quick)

    async def failed() -> bool:
        return bool(faults) and jobs._unnoted.idle

    await until(failed, "the fault has ended what notes the ends")
    second = await jobs.start("retry", call, quick)
    await asyncio.wait([job.task for job in (first, second) if job.task is not None])
    flaky.away = False

    async def both() -> bool:
        return bool(await acme.conn.fetchval("select count(*) = 2 from job where state = 'done'"))

    await until(both, "both ends are noted")


async def test_an_instance_that_stops_notes_what_it_still_has_to(
    connections: Connections, acme: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.api.job_records._TRIES", 1)
    monkeypatch.setattr("ops.api.unnoted_ends._AGAIN_S", 3600.0)
    monkeypatch.setattr("ops.api.unnoted_ends.backoff_s", lambda *_, **__: 3600.0)
    flaky, jobs = FlakyConnections(connections), Jobs()
    call: Any = Caller(flaky, Named(acme.tenant_id, "acme"))
    job = await jobs.start("audit", call, quick)
    assert job.task is not None
    await job.task
    flaky.away = False
    await jobs.stop(10.0)
    assert await acme.conn.fetchval("select state from job") == "done"


async def test_one_end_that_cannot_be_noted_keeps_no_other_one_from_being_noted_when_the_instance_stops(
    connections: Connections, acme: Tenancy, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.api.job_records._TRIES", 1)
    monkeypatch.setattr("ops.api.unnoted_ends.backoff_s", lambda *_, **__: 3600.0)
    flaky, jobs, go_on = FlakyConnections(connections, away=False), Jobs(), asyncio.Event()

    async def work(_job: Job) -> dict[str, Any]:
        await go_on.wait()
        return {"ok": True}

    call: Any = Caller(flaky, Named(acme.tenant_id, "acme"))
    locked, *others = [await jobs.start(kind, call, work) for kind in call.kinds[:3]]
    flaky.away = True
    go_on.set()
    await asyncio.wait([job.task for job in (locked, *others) if job.task is not None])
    flaky.away = False
    async with connected(database_url) as other, other.transaction():
        await other.execute("select from job where job_id = $1 for update", locked.job_id)
        began = monotonic()
        await jobs.stop(1.5)
        # Less than the lock is waited for: all of it together is bounded.
        assert monotonic() - began < 15
        rows = await acme.conn.fetch("select job_id from job where state = 'done' order by 1")
        assert [row[0] for row in rows] == sorted(job.job_id for job in others)


async def test_a_fault_with_one_end_keeps_neither_it_nor_another_one_from_being_noted_later(
    connections: Connections, acme: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.api.job_records._TRIES", 1)
    monkeypatch.setattr("ops.api.unnoted_ends._AGAIN_S", 0.01)
    flaky, jobs, note_end = FlakyConnections(connections), Jobs(), JobRecord.note_end
    call: Any = Caller(flaky, Named(acme.tenant_id, "acme"))
    faulty, sound = [await jobs.start(kind, call, quick) for kind in call.kinds[:2]]

    faults = list[str]()

    async def noted(record: JobRecord) -> bool | None:
        if record._job is faulty and len(faults) < 2:
            faults.append("one")
            raise RuntimeError("a fault of ours")
        return await note_end(record)

    monkeypatch.setattr(JobRecord, "note_end", noted)
    await asyncio.wait([job.task for job in (faulty, sound) if job.task is not None])
    flaky.away = False

    async def both() -> bool:
        rows = await acme.conn.fetch("select job_id from job where state = 'done'")
        return {row[0] for row in rows} == {faulty.job_id, sound.job_id}

    await until(both, "both ends are noted")
    assert len(faults) == 2


async def test_ends_that_cannot_be_noted_are_given_up_with_the_job_after_an_hour(
    connections: Connections, acme: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.api.job_records._TRIES", 1)
    monkeypatch.setattr("ops.api.unnoted_ends._AGAIN_S", 0.01)
    now = 1_000.0
    flaky, jobs = FlakyConnections(connections), Jobs(now_s=lambda: now)
    call: Any = Caller(flaky, Named(acme.tenant_id, "acme"))
    job = await jobs.start("audit", call, quick)
    assert job.task is not None
    await job.task
    now += 61 * 60

    async def over() -> bool:
        return jobs._unnoted.idle

    await until(over, "nothing is left to be tried")
    asked = flaky.asked
    await jobs.stop(1.0)
    assert (flaky.asked, jobs.of(acme.tenant_id)) == (asked, [])


async def test_one_tenant_leaves_a_place_for_the_others(connections: Connections, acme: Tenancy) -> None:
    jobs = Jobs()
    never: Callable[[Job], Awaitable[Any]] = lambda _job: asyncio.Event().wait()  # noqa: E731
    stranger = await make_tenant(acme.conn, simple_reps(1), name="other")
    greedy: Any = Caller(connections, Named(acme.tenant_id, "acme"))
    other: Any = Caller(connections, Named(stranger.tenant_id, "other"))
    assert AT_ONCE_OF_TENANT < AT_ONCE
    for kind in greedy.kinds[:AT_ONCE_OF_TENANT]:
        await jobs.start(kind, greedy, never)
    with pytest.raises(Refused, match="jobs of this tenant run already") as refused:
        await jobs.start(greedy.kinds[AT_ONCE_OF_TENANT], greedy, never)
    assert refused.value.kind.status == 503
    await jobs.start("audit", other, never)
    with pytest.raises(Refused, match=f"{AT_ONCE} jobs run already"):
        await jobs.start("retry", other, never)
    await jobs.stop(10.0)
    assert {job.state for job in jobs.of(acme.tenant_id)} == {"failed"}


@pytest.mark.parametrize("off", [timedelta(days=-30), timedelta(days=30)])
async def test_an_instance_whose_clock_is_weeks_off_keeps_its_jobs_as_long_as_all_others(
    connections: Connections, acme: Tenancy, off: timedelta
) -> None:
    wrong, right = Jobs(lambda: datetime.now(UTC) + off), Jobs()
    call: Any = Caller(connections, Named(acme.tenant_id, "acme"))
    go_on = asyncio.Event()

    async def work(_job: Job) -> dict[str, Any]:
        await go_on.wait()
        return {"ok": True}

    job = await wrong.start("audit", call, work)
    before = await right.start("retry", call, quick)
    [seen] = await jobs_of(acme.conn, acme.tenant_id, 1, job_id=job.job_id)
    assert (seen.state, seen.started_at) == ("running", job.started_at)
    with pytest.raises(Refused, match=job.job_id):
        await right.start("audit", call, quick)
    go_on.set()
    assert job.task is not None and before.task is not None
    await asyncio.wait([job.task, before.task])
    after = await right.start("replay", call, quick)
    assert after.task is not None
    await after.task
    noted = await jobs_of(acme.conn, acme.tenant_id, 10)
    assert [one.job_id for one in noted] == [after.job_id, before.job_id, job.job_id], "in the order of their begin"
    assert {one.state for one in noted} == {"done"}
    now = await acme.conn.fetchval("select now()")
    for one, here in zip(noted, (after, before, job), strict=True):
        assert one.ended_at is not None and abs(now - one.started_at) < timedelta(minutes=10) > abs(now - one.ended_at)
        assert (one.started_at, one.ended_at) == (here.started_at, here.ended_at), "all instances show the same"


async def test_a_job_that_was_noted_late_began_and_ended_when_it_did(connections: Connections, acme: Tenancy) -> None:
    now = 1_000.0
    flaky, jobs = FlakyConnections(connections), Jobs(lambda: datetime(2001, 1, 1, tzinfo=UTC), lambda: now)
    call: Any = Caller(flaky, Named(acme.tenant_id, "acme"))
    job = await jobs.start("audit", call, quick)

    async def has_ended() -> bool:
        return job.state == "done"

    await until(has_ended, "it is over")
    now += 1_200
    flaky.away = False
    assert job.task is not None
    await job.task
    ago = await acme.conn.fetchval("select (now() - ended_at) between '19 min' and '25 min' from job")
    assert ago, "it ended 20 minutes before it was noted"
