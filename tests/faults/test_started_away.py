"""A process that begins while PostgreSQL is away: it answers, takes leads of those it knows, and drains them later."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import aiohttp

from loadtest.daemon import Daemon, serving
from loadtest.faults.server import FaultServer
from tests.http.posting import Posting, port_of
from tests.http.support import make_token
from tests.support import connected, until
from tests.world import Tenancy, make_tenant, simple_reps


async def asked(daemon: Daemon, method: str, path: str, token: str = "", **body: Any) -> tuple[int, Any, Any]:
    """Status, document and headers of its API."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"http://127.0.0.1:{await port_of(daemon)}{path}"
    async with aiohttp.ClientSession() as session, session.request(method, url, headers=headers, **body) as reply:
        return reply.status, await reply.json(content_type=None), reply.headers


def lead(number: int) -> dict[str, str]:
    return {"source": "Web", "external_id": f"e{number}", "name": f"Person {number}"}


async def test_a_process_that_restarts_while_postgresql_is_away_takes_leads_of_those_it_knew(
    server: FaultServer, database: str, tmp_path: Path
) -> None:
    async with connected(server.url(database)) as conn:
        # As many as can be posted until a slow server is there again.
        tenant = await make_tenant(conn, simple_reps(3, max_open=100_000, max_per_day=100_000))
        token, other = await make_token(conn, tenant.tenant_id), await make_token(conn, tenant.tenant_id)
    known = tmp_path / "journal.db.known"
    settings = {"journal_file": tmp_path / "journal.db"}
    async with serving(server.url(database), "serve", **settings) as daemon:
        assert (await asked(daemon, "POST", "/v1/leads", token, json=lead(0)))[0] == 202

        async def written() -> bool:
            return known.exists() and len(json.loads(known.read_bytes())["tokens"]) == 1

        await until(written, "what is known is kept", 30)
        assert token not in known.read_text()
        await server.crash()
        await daemon.stop(signal.SIGKILL)
    async with serving(server.url(database), "serve", **settings) as daemon:
        posting = Posting(await port_of(daemon), token, "r")
        clients = asyncio.create_task(posting.run())
        await posting.took(50, "journalled")
        assert (await daemon.get("/livez"))[0] == 200
        status, text = await daemon.get("/readyz")
        assert (status, json.loads(text)["codes"]["database"]) == (200, "leads_journalled")
        unknown, problem, headers = await asked(daemon, "POST", "/v1/leads", other, json=lead(1))
        assert (unknown, "database is away" in str(problem)) == (503, True)
        assert headers["Retry-After"]
        assert (await asked(daemon, "GET", "/v1/status", token))[0] == 503
        await server.start()
        await posting.took(50, "waiting")
        posting.stop()
        await clients
        answered = {"e0", *posting.answered}
        async with connected(server.url(database)) as conn:

            async def stored() -> bool:
                found = {row[0] for row in await conn.fetch("select external_id from lead")}
                return answered <= found and not (await Tenancy(conn, tenant.tenant_id).states()).get("waiting")

            await until(stored, "all that was answered 202 is stored and routed", 60)
        assert (await asked(daemon, "POST", "/v1/leads", other, json=lead(1)))[0] == 202
        assert await daemon.stop() == 0


async def test_a_process_that_knows_nobody_answers_503_until_postgresql_is_there(
    server: FaultServer, database: str, tmp_path: Path
) -> None:
    async with connected(server.url(database)) as conn:
        tenant = await make_tenant(conn, simple_reps(1))
        token = await make_token(conn, tenant.tenant_id)
    await server.crash()
    async with serving(server.url(database), "serve", journal_file=tmp_path / "journal.db") as daemon:
        status, _, headers = await asked(daemon, "POST", "/v1/leads", token, json=lead(0))
        assert (status, headers["Retry-After"]) == (503, "1")
        assert (await asked(daemon, "GET", "/livez"))[0] == 200
        status, ready, _ = await asked(daemon, "GET", "/readyz")
        assert (status, "could not be reached since the start" in ready["reasons"]["schema"]) == (503, True)
        await server.start()

        async def taken() -> bool:
            return (await asked(daemon, "POST", "/v1/leads", token, json=lead(0)))[0] == 202

        await until(taken, "leads are taken", 30)
        assert await daemon.stop() == 0


async def test_an_address_that_others_reach_is_given_up_when_there_turns_out_to_be_no_token(
    server: FaultServer, database: str
) -> None:
    await server.crash()
    async with serving(server.url(database), "serve", api_host="0.0.0.0") as daemon:
        await port_of(daemon)
        assert (await asked(daemon, "GET", "/v1/status", "lr_1_0123abcd_" + "x" * 43))[0] == 503
        await server.start()
        assert await daemon.ended() != 0
        assert "tokens create" in str(daemon.log)
