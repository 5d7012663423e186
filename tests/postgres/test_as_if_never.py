"""An import that is undone leaves the tenant as if it had never been; a correction as if all had been right at once."""

import asyncio
import random
from collections import defaultdict
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from ops.audit.audit import audit
from router.domain.lead_in import LeadIn
from router.manual.correct_leads import Correcting
from router.manual.undo_import import UndoImport
from router.store import tenants
from router.store.connections.connections import Connections
from router.store.imports import begin_import, import_numbered
from router.store.leads import accept
from tests.support import connected
from tests.world import a_drain, make_tenant, simple_reps

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


PEOPLE = (("+8613800138000", "a@b.cn"), ("+8613900139001", None), (None, "c@d.cn"), (None, None))


def leads(chance: random.Random, prefix: str) -> list[LeadIn]:
    """Of few people, so that they repeat and share contacts; no lead ties two of them."""
    made = []
    for number in range(chance.randrange(1, 14)):
        phone, email = chance.choice(PEOPLE)
        facts: dict[str, Any] = {
            "name": chance.choice(["Ann", "Bo", None]) if chance.random() < 0.8 else f"Person {chance.randrange(9)}",
            "product": chance.choice(["pump", None]),
            "region": chance.choice(["east", None]),
        }
        when = NOON + timedelta(hours=chance.randrange(60))
        made.append(LeadIn("web", f"{prefix}{number}", when, phone=phone, email=email, **facts))
    return made


async def picture(conn: asyncpg.Connection, tenant_id: int) -> dict[str, Any]:
    """What there is, without numbers: facts, who waits, who is merged into whom, who is one customer, and the keys."""
    rows = await conn.fetch(
        """select l.external_id, l.customer_id, l.region, l.phone, r.external_id as root, p.lead_id is not null as waits
             from lead l left join lead_pool p using (tenant_id, lead_id) left join merged m using (tenant_id, lead_id)
             left join lead r on r.tenant_id = l.tenant_id and r.lead_id = m.into_lead_id
            where l.tenant_id = $1 order by l.external_id""",
        tenant_id,
    )
    customers = defaultdict(set)
    for row in rows:
        customers[row["customer_id"]].add(row["external_id"])
    found = "select key, people, shared_as from customer_key where tenant_id = $1 order by key"
    return {
        "leads": [(row["external_id"], row["region"], row["phone"], row["root"], row["waits"]) for row in rows],
        "customers": sorted(sorted(one) for customer, one in customers.items() if customer is not None),
        "keys": [(row[0], sorted(row[1] or ()), row[2]) for row in await conn.fetch(found, tenant_id)],
    }


async def tenant(conn: asyncpg.Connection, name: str, *imports: list[LeadIn]) -> tuple[int, list[int]]:
    """A tenant with these imports."""
    tenant_id = (await tenants.add(conn, name, "UTC")).tenant_id
    numbers = []
    for batch in imports:
        numbers.append(await begin_import(conn, tenant_id, "test", "leads.csv", ""))
        await accept(conn, tenant_id, batch, import_no=numbers[-1])
    return tenant_id, numbers


async def test_an_import_that_is_undone_leaves_no_trace_in_what_others_brought(conn: asyncpg.Connection) -> None:
    chance = random.Random(3)
    for number in range(25):
        first, second = leads(chance, "a"), leads(chance, "b")
        # What came first gave its numbers to customers; what came second may only have joined them.
        order = [first, second] if number % 2 else [second, first]
        undone_id, numbers = await tenant(conn, f"undone{number}", *order)
        _, what = await import_numbered(conn, numbers[order.index(first)])
        done = await UndoImport(conn, undone_id, what, "test", at_once=3).run(lambda: None)
        assert (done.total, done.locked) == (len(first), 0)
        never_id, _ = await tenant(conn, f"never{number}", second)
        assert await picture(conn, undone_id) == await picture(conn, never_id), (number, first, second)
    assert (await audit(conn)).ok


async def test_a_correction_ends_as_if_all_had_been_right_at_once(conn: asyncpg.Connection) -> None:
    chance = random.Random(4)
    for number in range(25):
        right = leads(chance, "a")
        wrong = [
            chance.choice([one, other])._replace(external_id=one.external_id)
            for one, other in zip(right, (leads(chance, "x") * len(right))[: len(right)], strict=True)
        ]
        corrected_id, _ = await tenant(conn, f"wrong{number}", wrong)
        work = Correcting(conn, corrected_id, "leads.csv", "test", "", lambda: chance.getrandbits(63))
        await work.take(right)
        assert (work.done.locked, sum(work.done.stays.values())) == (0, 0)
        assert work.done.total + work.done.same == len(right)
        right_id, _ = await tenant(conn, f"right{number}", right)
        assert await picture(conn, corrected_id) == await picture(conn, right_id), (number, wrong, right)
    assert (await audit(conn)).ok


async def test_imports_are_undone_and_corrected_while_routers_and_other_imports_work_on_the_same_customers(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    """Whatever meets whatever: no lead is lost, doubled or merged out of its day, and nothing deadlocks for good."""
    chance = random.Random(6)
    made = await make_tenant(conn, simple_reps(2, max_open=6), name="busy")
    tenant_id = made.tenant_id
    numbers = [await begin_import(conn, tenant_id, "test", "leads.csv", "") for _ in range(3)]
    over, changed = list[int](), list[int]()

    async def imports(own: asyncpg.Connection, number: int) -> None:
        for part in range(12):
            await accept(own, tenant_id, leads(chance, f"{number}-{part}-"), import_no=number)
        over.append(number)

    async def drains() -> None:
        drain = a_drain(connections)
        while len(over) < len(numbers):
            await drain.drain_tenant(tenant_id)

    async def undoes(own: asyncpg.Connection, number: int) -> None:
        _, what = await import_numbered(own, number)
        while len(over) < len(numbers):
            await UndoImport(own, tenant_id, what, "test", at_once=5).run(lambda: None)

    async def corrects(own: asyncpg.Connection, number: int) -> None:
        work = Correcting(own, tenant_id, "leads.csv", "test", "", lambda: random.Random(number).getrandbits(63))
        while len(over) < len(numbers):
            await work.take(leads(chance, f"{number}-{chance.randrange(12)}-"))
        changed.append(work.done.total)

    async with AsyncExitStack() as open_:
        conns = [await open_.enter_async_context(connected(database_url)) for _ in range(6)]
        work = [imports(own, number) for own, number in zip(conns, numbers, strict=False)]
        work += [drains(), undoes(conns[3], numbers[0])]
        work += [corrects(conns[4], numbers[1]), corrects(conns[5], numbers[2])]
        async with asyncio.timeout(60):
            await asyncio.gather(*work)
    found = await audit(conn, sample=50)
    assert found.ok, found.violations
    assert found.states["removed"] and found.states["assigned"] and sum(changed), (found.states, changed)
    apart = """select count(*) from merged m join lead a using (tenant_id, lead_id)
                 join lead b on b.tenant_id = m.tenant_id and b.lead_id = m.into_lead_id
                where abs(extract(epoch from a.created_at - b.created_at)) > 86400 or a.customer_id <> b.customer_id"""
    assert await conn.fetchval(apart) == 0
