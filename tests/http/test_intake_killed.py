"""The process is killed while leads are posted: nothing that was answered 202 is missing."""

import asyncio
import signal

import asyncpg
import pytest

from loadtest.daemon import serving
from tests.http.posting import Posting
from tests.http.support import make_token
from tests.world import make_tenant, simple_reps

TAKEN = 300


@pytest.mark.direct
async def test_nothing_that_was_answered_202_is_missing_after_sigkill(
    conn: asyncpg.Connection, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    token = await make_token(conn, tenant.tenant_id)
    answered: set[str] = set()
    for attempt in "ab":
        async with serving(database_url, "serve", "--role", "api", api_port=0) as daemon:
            await daemon.said("API listening")
            port = next(line["port"] for line in daemon.log if line.get("event") == "API listening")
            posting = Posting(port, token, attempt)
            clients = asyncio.create_task(posting.run())
            await posting.took(TAKEN)
            await daemon.stop(signal.SIGKILL)
            posting.stop()
            await clients
        answered |= set(posting.answered)
    stored = {row[0] for row in await conn.fetch("select external_id from lead")}
    assert len(answered) >= 2 * TAKEN
    assert answered <= stored
    states = await tenant.states()
    assert sum(states.values()) == len(stored)
    keyed = {row[0] for row in await conn.fetch("select key from idempotency join lead using (tenant_id, lead_id)")}
    assert keyed == {one for one in stored if int(one[2:]) % 2}
