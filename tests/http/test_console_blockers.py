"""Blockers and connections in the console: who is in the way is named and ended, with a token for all tenants."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from router.domain.access import EVERY_TENANT, MAY, Permission, TokenRole
from router.store.connections.connections import Connections
from router.store.processes import OwnProcess
from tests.http.console import Served, serving_console
from tests.http.support import make_token
from tests.http.test_api_sessions import is_gone
from tests.support import connected, until
from tests.world import Tenancy, make_tenant, simple_reps

pytestmark = pytest.mark.direct

CRM = f"crm-console{os.getpid()}"
READERS = [role for role in TokenRole if Permission.READ in MAY[role]]


@dataclass
class World:
    """A tenant, and the console."""

    served: Served
    acme: Tenancy
    url: str

    async def everywhere(self) -> str:
        return await make_token(self.acme.conn, EVERY_TENANT, TokenRole.OPERATOR)

    async def own(self, role: TokenRole = TokenRole.OPERATOR) -> str:
        rep = "r001" if role is TokenRole.REP else None
        return await make_token(self.acme.conn, self.acme.tenant_id, role, rep_id=rep)


@pytest.fixture
async def world(connections: Connections, conn: asyncpg.Connection, database_url: str) -> AsyncIterator[World]:
    acme = await make_tenant(conn, simple_reps(1), name="acme")
    await make_tenant(conn, simple_reps(1), name="other")
    async with serving_console(connections) as served:
        yield World(served, acme, f"{database_url}&application_name={CRM}")


async def test_a_session_that_blocks_us_is_named_and_ended_with_a_reason(world: World) -> None:
    async with connected(world.url) as script, world.served.browser(await world.everywhere()) as browser:
        await script.execute("begin; lock table parked in exclusive mode")
        pid = script.get_server_pid()
        page = await browser.get("/blockers")
        assert CRM in page.words and "has a table locked" in page.words and "lock table parked" in page.words
        assert f"lead-router blockers --terminate {pid}" in page.words
        assert "Wait or end it?" in page.words and "a program has left a transaction open" in page.words, page.words
        assert str(pid) in (await browser.get("/blockers.csv")).text
        refused = await browser.send(page, f"/blockers/{pid}/end", how="terminate", why="")
        assert refused.status == 422 and not await is_gone(world.acme.conn, pid)
        left = await browser.send(page, f"/blockers/{pid}/end", how="cancel", why="x")
        assert left.status == 409, "it runs no statement that could be cancelled"
        done = await browser.send(page, f"/blockers/{pid}/end", how="terminate", why="leads stand")
        assert f"Process {pid} has ended" in done.text and f"process {pid}" not in done.words
        assert await is_gone(world.acme.conn, pid)
        assert "leads stand" in (await browser.get("/changes")).words


async def test_a_page_that_was_left_open_does_not_end_the_next_transaction_of_a_session(world: World) -> None:
    async with connected(world.url) as script, world.served.browser(await world.everywhere()) as browser:
        await script.execute("begin; lock table parked in exclusive mode")
        pid = script.get_server_pid()
        page = await browser.get("/blockers")
        await script.execute("commit")
        await script.execute("begin; lock table parked in exclusive mode")
        left = await browser.send(page, f"/blockers/{pid}/end", how="terminate", why="leads stand")
        assert left.status == 409 and "has another transaction than when it was looked at" in left.words
        assert not await is_gone(world.acme.conn, pid)
        again = await browser.send(await browser.get("/blockers"), f"/blockers/{pid}/end", how="terminate", why="x")
        assert f"Process {pid} has ended" in again.text


async def test_a_tenant_s_operator_sees_who_blocks_without_values_and_ends_nothing(world: World) -> None:
    async with connected(world.url) as script, world.served.browser(await world.own()) as browser:
        await script.execute("begin; lock table parked in exclusive mode; select 'ann@example.com', 4711")
        pid = script.get_server_pid()
        page = await browser.get("/blockers")
        assert CRM in page.words and "ann@example.com" not in page.text and "4711" not in page.words
        assert "is shown to tokens for all tenants" in page.words
        assert not [tag for tag in page.all("form") if "/blockers/" in tag.attributes["action"]]
        [token] = {one.attributes["value"] for one in page.all("input", name="form_token")}
        sent = await browser.post(f"/blockers/{pid}/end", {"form_token": token, "how": "terminate", "why": "x"})
        assert sent.status == 403 and not await is_gone(world.acme.conn, pid)
        for path in ("/connections.csv", "/processes.csv", f"/blockers/idle?application={CRM}"):
            assert (await browser.get(path)).status == 403, path


async def test_idle_sessions_of_an_application_are_counted_and_ended(world: World) -> None:
    async with connected(world.url) as crm, world.served.browser(await world.everywhere()) as browser:
        await crm.execute("select 1")
        pid = crm.get_server_pid()
        refused = await browser.get(f"/blockers/idle?application={CRM}")
        assert refused.status == 409 and "idle" in refused.words, "it has been idle for moments only"
        assert not await is_gone(world.acme.conn, pid)
        connections = await browser.get("/blockers")
        assert CRM in connections.words and connections.all("rect") and "in use" in connections.words
        assert CRM in (await browser.get("/connections.csv")).text


async def test_processes_show_their_last_sign_of_life(world: World) -> None:
    async with world.served.browser(await world.everywhere()) as browser:
        assert "No process has routed leads" in (await browser.get("/blockers")).words
        conn = world.acme.conn
        living, dead = OwnProcess(instance="router-a"), OwnProcess(instance="router-b")
        await living.beat(conn)
        await dead.beat(conn)
        await conn.execute("update process set died_at = now() where process_id = $1", dead.process_id)

        async def both() -> bool:
            return "router-b" in (await browser.get("/blockers")).words

        await until(both, "both are listed")
        page = await browser.get("/blockers")
        states = {tag.text for tag in page.all("span") if tag.text in ("alive", "died", "stopped")}
        assert states == {"alive", "died"} and "router-a" in (await browser.get("/processes.csv")).text


@pytest.mark.parametrize("role", READERS)
async def test_only_operators_see_blockers(world: World, role: TokenRole) -> None:
    may = Permission.OPERATE in MAY[role]
    async with world.served.browser(await world.own(role)) as browser:
        assert ("/blockers" in (await browser.get("/")).links) is may
        for path in ("/blockers", "/blockers.csv"):
            assert ((await browser.get(path)).status == 403) is not may
