"""Whoever starts it for the first time is let in, and is told how a lead is posted."""

import asyncio
import re

import asyncpg

from ops.daemon.first_token import FirstTokenService
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.store.connections.connections import Connections
from tests.http.support import Api, serving_api
from tests.world import make_tenant, simple_reps


async def told(api: Api, connections: Connections) -> list[str]:
    """What a start says."""
    said: list[str] = []
    life = Lifeline(asyncio.Event(), MonotonicClock(), lambda _deadline: None)
    await FirstTokenService(api.service, connections, said.append, "test").once(life)
    return said


async def test_the_first_start_shows_a_token_that_opens_everything_and_the_next_one_none(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    await make_tenant(conn, simple_reps(1), name="acme")
    async with serving_api(connections) as api:
        (words,) = await told(api, connections)
        (token,) = re.findall(r"^  (lr_\S+)$", words, re.M)
        assert (await api.get("/v1/token?tenant=acme", token=token)).document["role"] == "admin"
        assert f"http://127.0.0.1:{api.service.address.port}/v1/leads?tenant=acme" in words
        assert await told(api, connections) == []
