"""Sessions of the server over HTTP: what blocks us and who has the connections is shown, and ended if it is meant."""

import os
from collections.abc import AsyncIterator

import asyncpg
import pytest

from router.domain.access import EVERY_TENANT, TokenRole
from router.store.connections.connections import Connections
from tests.http.support import Api, make_token, serving_api
from tests.support import connected, until
from tests.world import make_tenant, simple_reps

pytestmark = pytest.mark.direct

# Sessions of all databases count, and so those of other tests on the same server.
CRM = f"crm-http{os.getpid()}"


@pytest.fixture
async def api(connections: Connections, conn: asyncpg.Connection) -> AsyncIterator[Api]:
    async with serving_api(connections) as running:
        running.token = await make_token(conn, EVERY_TENANT, TokenRole.OPERATOR)
        yield running


async def is_gone(conn: asyncpg.Connection, pid: int) -> bool:
    return not await conn.fetchval("select count(*) from pg_stat_activity where pid = $1", pid)


async def test_a_session_that_blocks_us_is_ended_and_one_that_does_not_is_left_alone(
    api: Api, conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, simple_reps(1), name="acme")
    async with connected(f"{database_url}&application_name={CRM}") as script, connected(database_url) as harmless:
        await script.execute("begin; lock table parked in exclusive mode")
        pid, other = script.get_server_pid(), harmless.get_server_pid()
        seen = (await api.get("/v1/blockers?older_than=0")).document["blockers"]
        assert pid in [one["pid"] for one in seen]
        left = await api.post(f"/v1/blockers/{other}/end", {"how": "terminate"})
        assert (left.status, f"process {other} does not block us" in left.document["detail"]) == (404, True)
        idle = await api.post(f"/v1/blockers/{pid}/end", {"how": "cancel"})
        assert (idle.status, "runs no statement" in idle.document["detail"]) == (409, True)
        done = await api.post(f"/v1/blockers/{pid}/end", {"how": "terminate", "why": "leads stand"})
        assert done.document == {"pid": pid, "how": "terminate", "gone": True, "unrecorded": None}
        assert (await is_gone(conn, pid), await is_gone(conn, other)) == (True, False)
        change = await conn.fetchrow("select actor, action, why from change where action = 'terminate'")
        assert change is not None and change["actor"].startswith("token:") and change["why"] == "leads stand"


async def test_idle_sessions_of_one_application_are_ended_after_a_dry_run_counted_them(
    api: Api, conn: asyncpg.Connection, database_url: str
) -> None:
    async with connected(f"{database_url}&application_name={CRM}") as crm:
        await crm.execute("select 1")
        pid = crm.get_server_pid()
        age = "select clock_timestamp() - state_change > interval '1.1 s' from pg_stat_activity where pid = $1"
        await until(lambda: conn.fetchval(age, pid), "the session is idle for a second")
        listed = (await api.get("/v1/connections")).document
        [row] = [one for one in listed["sessions"] if one["application"] == CRM]
        assert (row["sessions"], row["state"], row["ours"]) == (1, "idle", False)
        asked = {"application": CRM, "idle_for_s": 1, "why": "leads stand"}
        dry = await api.post("/v1/connections:end", asked | {"dry_run": True})
        assert dry.document == {"dry_run": True, "found": 1, "not_permitted": 0, "done": None}
        assert not await is_gone(conn, pid)
        done = (await api.post("/v1/connections:end", asked)).document["done"]
        assert done == {"ended": 1, "at_work": 0, "still_there": 0, "unrecorded": None}
        assert await is_gone(conn, pid)
        again = await api.post("/v1/connections:end", asked)
        assert (again.status, "no session is called" in again.document["detail"]) == (409, True)


async def test_sessions_of_ours_are_never_ended(api: Api, conn: asyncpg.Connection, database_url: str) -> None:
    ours = f"lead-router {CRM}"
    async with connected(f"{database_url}&application_name={ours}") as session:
        refused = await api.post("/v1/connections:end", {"application": ours, "why": "try"})
        assert (refused.status, "lower connections.maximum" in refused.document["detail"]) == (409, True)
        assert not await is_gone(conn, session.get_server_pid())
    assert (await api.post("/v1/connections:end", {"application": CRM, "why": " "})).pointers == ["/why"]


async def test_a_tenants_token_ends_no_session_of_the_server(api: Api, conn: asyncpg.Connection) -> None:
    acme = await make_tenant(conn, simple_reps(1), name="acme")
    token = await make_token(conn, acme.tenant_id)
    for path, body in (
        ("/v1/blockers/1/end", {"how": "terminate"}),
        ("/v1/connections:end", {"application": CRM, "why": "try"}),
    ):
        assert (await api.post(path, body, token=token)).status == 403
    assert (await api.get("/v1/connections", token=token)).status == 403
