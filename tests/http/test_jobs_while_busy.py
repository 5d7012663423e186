"""Jobs while the database is there and its connections are in use: that is no reason to begin a second one."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from ops.api.running import Job, Jobs
from router.http.problems import Refused
from router.store.connections.connections import Connections, ConnectionSettings, Part, open_connections
from router.store.errors import ConnectionsInUse
from router.store.jobs import note_begin
from tests.http.test_jobs_of_instances import Caller, Named, acme, quick
from tests.support import until
from tests.world import Tenancy

__all__ = ["acme"]


@pytest.fixture
async def few(database_url: str) -> AsyncIterator[Connections]:
    """Connections of which one request may have one at a time."""
    async with open_connections(database_url, ConnectionSettings(maximum=2)) as connections:
        yield connections


@pytest.fixture
def call(few: Connections, acme: Tenancy) -> Any:
    return Caller(few, Named(acme.tenant_id, "acme"))


def patience(monkeypatch: pytest.MonkeyPatch, away_s: float, in_use_s: float) -> None:
    monkeypatch.setattr("ops.api.job_records._PATIENCE_S", away_s)
    monkeypatch.setattr("ops.api.job_records._IN_USE_PATIENCE_S", in_use_s)


async def test_while_all_connections_are_in_use_no_second_job_of_a_kind_begins(
    few: Connections, acme: Tenancy, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience(monkeypatch, 0.01, 0.01)
    await note_begin(acme.conn, acme.tenant_id, "first", "audit", "me")
    jobs, worked = Jobs(), list[str]()

    async def work(job: Job) -> dict[str, Any]:
        worked.append(job.job_id)
        return {}

    async with few.acquire(Part.CONSOLE):
        with pytest.raises(Refused, match=r"all database connections were in use for 0\.02 s") as refused:
            await jobs.start("audit", call, work)
    assert (refused.value.kind.status, "Retry-After" in refused.value.headers) == (503, True)
    assert (worked, jobs.of(acme.tenant_id)) == ([], []), "nothing was started"
    rows = await acme.conn.fetch("select job_id, state from job")
    assert [tuple(row) for row in rows] == [("first", "running")], "the one that runs goes on"


async def test_a_job_waits_until_connections_come_back_and_then_begins(
    few: Connections, acme: Tenancy, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience(monkeypatch, 0.01, 60.0)
    jobs = Jobs()
    go_on = asyncio.Event()

    async def work(_job: Job) -> dict[str, Any]:
        await go_on.wait()
        return {"ok": True}

    async with few.acquire(Part.CONSOLE):
        starting = asyncio.create_task(jobs.start("audit", call, work))

        async def refused_once() -> bool:
            return few.stock.trouble is None and few._turns.has_waiting(Part.CONSOLE)

        await until(refused_once, "it waits in line")
        await asyncio.wait([starting], timeout=0.2)
        assert not starting.done(), "it has not begun without being noted"
    job = await starting
    assert await acme.conn.fetchval("select state from job where job_id = $1", job.job_id) == "running"
    go_on.set()
    assert job.task is not None
    await job.task
    assert await acme.conn.fetchval("select state from job where job_id = $1", job.job_id) == "done"


async def test_a_job_is_shown_as_running_while_its_end_only_waits_for_a_connection(
    few: Connections, acme: Tenancy, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience(monkeypatch, 0.01, 0.05)
    monkeypatch.setattr("ops.api.job_records._TRIES", 1000)
    monkeypatch.setattr("ops.api.job_records._between_s", lambda _number: 0.0)
    jobs, go_on = Jobs(), asyncio.Event()

    async def work(_job: Job) -> dict[str, Any]:
        await go_on.wait()
        return {"ok": True}

    job = await jobs.start("audit", call, work)
    tries: list[Exception] = []
    record_error = few._none

    def counted(part: Part, wait_s: float) -> Any:
        tries.append(record_error(part, wait_s))
        return tries[-1]

    monkeypatch.setattr(few, "_none", counted)
    async with few.acquire(Part.CONSOLE):
        go_on.set()

        async def tried() -> bool:
            return len(tries) > 5

        await until(tried, "its end was to be noted more than once")
        assert {type(error) for error in tries} == {ConnectionsInUse}
        assert (job.state, job.settled) == ("done", False), "the next one of its kind would be refused"
    assert job.task is not None
    await job.task
    assert job.settled and await acme.conn.fetchval("select state from job") == "done"


async def test_a_job_does_not_begin_while_the_table_of_jobs_is_locked(
    connections: Connections, acme: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    call: Any = Caller(connections, Named(acme.tenant_id, "acme"))
    jobs = Jobs()
    async with acme.conn.transaction():
        await acme.conn.execute("lock table job in access exclusive mode")
        with pytest.raises(Refused, match="another session has locked the table of jobs"):
            await jobs.start("audit", call, quick)
    job = await jobs.start("audit", call, quick)
    assert job.task is not None
    await job.task
    assert await acme.conn.fetchval("select count(*) from job where state = 'done'") == 1


async def test_a_server_that_has_no_connection_left_is_not_away(database_url: str) -> None:
    async with open_connections(database_url, ConnectionSettings(maximum=2)) as connections:
        connections.stock.trouble = asyncpg.TooManyConnectionsError("sorry, too many clients already")
        assert isinstance(connections._none(Part.CONSOLE, 1.0), ConnectionsInUse)
        connections.stock.trouble = ConnectionRefusedError("refused")
        assert not isinstance(connections._none(Part.CONSOLE, 1.0), ConnectionsInUse)
        connections.stock.trouble = None
