"""Other processes for tests: our daemon, and people who end, give and hand in leads meanwhile.

`python -m tests.workers TASK JSON` does one task with its own event loop and connection and prints what it did.
"""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from loadtest.daemon import Daemon, serving
from loadtest.shell import PROJECT
from router.domain.lead_in import LeadIn
from router.manual.assign import CannotGive, assign_by_hand
from router.store.assignments import Ending, LeadUnknown, NotAssigned, end
from router.store.leads import accept
from tests.support import connected, until

__all__ = ["Daemon", "accept_leads", "end_leads", "give_leads", "serving", "some_leads", "work"]


async def end_leads(url: str, tenants: Sequence[int], count: int, seed: int) -> Counter[str]:
    """Ends `count` assigned leads of random tenants, as won, lost or returned."""
    rng, done = random.Random(seed), Counter[str]()
    async with begun(url) as conn:
        while done.total() < count:
            tenant_id = rng.choice(tenants)
            lead_id = await _some_lead(conn, "assignment", tenant_id)
            how = rng.choice(list(Ending))
            if lead_id is None:
                await asyncio.sleep(0.01)
                continue
            try:
                await end(conn, tenant_id, lead_id, how)
            except NotAssigned:
                continue  # somebody else was faster
            done[how] += 1
    return done


async def give_leads(url: str, tenants: Sequence[int], count: int, seed: int) -> Counter[str]:
    """Gives `count` leads by hand to random reps: waiting ones and such that another rep has; until some are full."""
    rng, done = random.Random(seed), Counter[str]()
    async with begun(url) as conn:
        # Once nobody ends anything any more, everybody is full for good.
        while done["full"] < count or (done["given"] < count and done["full"] < 10 * count):
            tenant_id = rng.choice(tenants)
            lead_id = await _some_lead(conn, rng.choice(["assignment", "lead_pool"]), tenant_id)
            rep_id = await conn.fetchval("select rep_id from rep where tenant_id = $1 order by random()", tenant_id)
            if lead_id is None:
                await asyncio.sleep(0.01)
                continue
            try:
                await assign_by_hand(conn, tenant_id, lead_id, rep_id, actor="test", token=rng.getrandbits(63))
                done["given"] += 1
            except CannotGive as error:
                done["full" if "max_" in str(error) else "has it"] += 1
            except (NotAssigned, LeadUnknown):
                done["too late"] += 1
    return done


async def accept_leads(url: str, tenants: Sequence[int], count: int, seed: int) -> Counter[str]:
    """Hands in `count` new leads, a few at a time; every third has a customer whom others share."""
    rng, done = random.Random(seed), Counter[str]()
    async with begun(url) as conn:
        while done["accepted"] < count:
            first = done["accepted"]
            leads = some_leads(first, min(first + 10, count), f"w{seed}", rng)
            accepted = await accept(conn, rng.choice(tenants), leads)
            done["accepted"] += accepted.new
    return done


@asynccontextmanager
async def begun(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection, as soon as the first lead is there: so all begin together."""
    async with connected(url) as conn:

        async def first_lead() -> bool:
            return bool(await conn.fetchval("select exists (select from lead)"))

        await until(first_lead, "the first lead")
        yield conn


def some_leads(first: int, last: int, source: str, rng: random.Random) -> list[LeadIn]:
    """Leads of random priorities; every third has a customer whom others share."""
    return [
        LeadIn(
            source,
            f"e{number}",
            declared_customer=f"c{rng.randrange(60)}" if number % 3 == 0 else None,
            product=f"p{source}-{number}",
            priority=rng.randrange(3),
        )
        for number in range(first, last)
    ]


async def _some_lead(conn: asyncpg.Connection, table: str, tenant_id: int) -> int | None:
    lead_id: int | None = await conn.fetchval(
        f"select lead_id from {table} where tenant_id = $1 order by random() limit 1", tenant_id
    )
    return lead_id


async def work(task: str, **arguments: Any) -> Counter[str]:
    """Runs a task in a process of its own; answers what it did."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.workers",
        task,
        json.dumps(arguments),
        cwd=PROJECT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, f"{task} failed, see its traceback above"
    return Counter(json.loads(output))


TASKS = {"end": end_leads, "give": give_leads, "accept": accept_leads}

if __name__ == "__main__":
    print(json.dumps(asyncio.run(TASKS[sys.argv[1]](**json.loads(sys.argv[2])))))
