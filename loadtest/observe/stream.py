"""Leads that go on coming in, like those of the demo, so that there is something to look at."""

import asyncio
import random
import uuid
from contextlib import suppress
from datetime import UTC, datetime

import asyncpg

from loadtest.datasets.demo import EMPTY, enquiry
from router.domain.lead_in import LeadIn
from router.store.leads import accept
from router.store.tenants import tenant_named

EVERY_S = 0.5
_PAUSE_S = 1.0


async def leads_of_the_demo(url: str, tenant: str, every_s: float = EVERY_S) -> None:
    """One every so many seconds, until it is cancelled; tries again where the database does not take one."""
    rng = random.Random()
    while True:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            conn = await asyncpg.connect(url)
            try:
                tenant_id = (await tenant_named(conn, tenant)).tenant_id
                while True:
                    await accept(conn, tenant_id, [_lead(rng)], None)
                    await asyncio.sleep(every_s)
            finally:
                # Not a goodbye: at the end the database goes away meanwhile, and it may wait for an answer.
                conn.terminate()
        await asyncio.sleep(_PAUSE_S)


def _lead(rng: random.Random) -> LeadIn:
    now = datetime.now(UTC)
    row = {name: None if text in EMPTY else text for name, text in enquiry(rng, 0, now).items()}
    return LeadIn(
        row["channel"] or "",
        f"observe-{uuid.uuid4()}",
        now,
        name=row["name"],
        email=f"{uuid.uuid4()}@example.com",
        company=row["company"],
        region=row["region"],
        industry=row["industry"],
        product=row["product"],
        campaign=row["campaign"],
        priority=int(row["priority"] or 0),
    )
