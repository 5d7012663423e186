"""Running flight records again: the same decisions in any process, and every difference named."""

import asyncio
import hashlib
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence

import asyncpg
import msgspec
import pytest

from router.domain.decide import Assigned, Decision, Parked
from router.domain.flight import decisions_of
from router.domain.flight_format import Flight, decode, encode
from router.domain.reason import Reason
from router.drain.replay import CannotRerun, FlightGone, Rerun, rerun
from router.store.connections.connections import Connections
from router.store.engines import Engines
from tests.busy_world import make_busy
from tests.world import a_drain, lead, make_tenant, settle, simple_reps

HASH_SEEDS = ("0", "1", "31337")


def digest(decisions: Iterable[Sequence[Decision]]) -> str:
    """The same for the same decisions in the same order, whatever process counts it."""
    text = "\n".join(repr(list(of_batch)) for of_batch in decisions)
    return hashlib.sha256(text.encode()).hexdigest()


async def all_again(url: str) -> str:
    """Runs every batch of the database again; answers the digest of what comes out."""
    conn = await asyncpg.connect(url)
    engines = Engines()
    found = []
    for row in await conn.fetch("select tenant_id, batch_no from flight order by tenant_id, batch_no"):
        found.append((await rerun(conn, engines, *row)).recomputed)
    await conn.close()
    return digest(found)


async def in_another_process(url: str, hash_seed: str) -> str:
    """The digest that another Python with another PYTHONHASHSEED finds; with other data in its sets, other orders."""
    code = (
        "import asyncio, sys; from tests.postgres.test_replay import all_again; "
        "print(asyncio.run(all_again(sys.argv[1])), hash('lead'))"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, url),
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


@pytest.mark.direct
async def test_another_process_with_another_hash_seed_decides_the_same(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    await make_busy(conn, connections)
    records = [decode(row[0]) for row in await conn.fetch("select inputs from flight order by tenant_id, batch_no")]
    recorded = [decisions_of(record) for record in records]

    decided = [decision for of_batch in recorded for decision in of_batch]
    parked = Counter(d.reason for d in decided if isinstance(d, Parked))
    assert Counter(type(d).__name__ for d in decided)["Waiting"] > 20 and parked[Reason.INTERNAL_ERROR] == 2
    given = [d for d in decided if isinstance(d, Assigned)]
    assert {d.rule_no for d in given} > {None, 0} and len({d.group_no for d in given}) == 4
    targets = {token[0] for record in records for text in record.targets for token in text.split(",") if token}
    assert targets == {"a", "g", "o", "w", "x"}
    versions = await conn.fetch("select distinct ruleset, roster, rates from flight")
    assert len(versions) >= 4

    told = [(await in_another_process(database_url, seed)).split() for seed in HASH_SEEDS]
    assert len({hashed for _, hashed in told}) == len(HASH_SEEDS)
    assert {found for found, _ in told} == {digest(recorded)}


async def test_every_record_is_the_same_when_run_again_here(conn: asyncpg.Connection, connections: Connections) -> None:
    busy = await make_busy(conn, connections, seed=8)
    engines, kinds = Engines(), Counter[str]()
    for row in await conn.fetch("select batch_no from flight order by batch_no"):
        again = await rerun(conn, engines, busy.tenant.tenant_id, row[0])
        assert again.same and not again.data_differs
        kinds[again.stored.kind] += 1
    assert kinds["hand"] > 3 and kinds["drain"] > 20


async def one_batch(conn: asyncpg.Connection, connections: Connections) -> int:
    """A tenant with one batch of three leads for two reps."""
    tenant = await make_tenant(conn, simple_reps(2, max_per_day=2))
    await tenant.accept(lead(i) for i in range(3))
    await settle(a_drain(connections), tenant.tenant_id)
    return tenant.tenant_id


async def changed(conn: asyncpg.Connection, tenant_id: int, **fields: object) -> Rerun:
    """Batch 1 run again after its record was changed."""
    stored = await conn.fetchval("select inputs from flight where tenant_id = $1 and batch_no = 1", tenant_id)
    flight: Flight = msgspec.structs.replace(decode(stored), **fields)
    await conn.execute("update flight set inputs = $2 where tenant_id = $1 and batch_no = 1", tenant_id, encode(flight))
    return await rerun(conn, Engines(), tenant_id, 1)


async def test_a_decision_that_the_inputs_do_not_give_is_named(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant_id = await one_batch(conn, connections)
    first, second, third = (await rerun(conn, Engines(), tenant_id, 1)).recorded
    assert [d.rep_no for d in (first, second, third) if isinstance(d, Assigned)] == [1, 2, 1]
    swapped = b"".join(number.to_bytes(8, "little") for number in (1, 1, 1))
    again = await changed(conn, tenant_id, decided=swapped)
    assert not again.same
    assert [(d.recorded, d.recomputed) for d in again.differences] == [(Assigned(1, 1, 1), Assigned(2, 1, 1))]
    assert again.differences[0].lead_id == again.inputs.leads[1].lead_id


async def test_a_record_of_another_engine_is_named_and_not_compared(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant_id = await one_batch(conn, connections)
    again = await changed(conn, tenant_id, engine=0, calendar="tzdata 1999a; none")
    assert not again.same and not again.differences and not again.recomputed
    assert "version 0" in again.not_compared and "1999a" in again.data_differs
    assert len(again.recorded) == 3


async def test_a_gift_by_hand_over_the_cap_is_named(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant_id = await one_batch(conn, connections)
    await conn.execute("update flight set kind = 'hand'")
    assert (await rerun(conn, Engines(), tenant_id, 1)).same
    full = b"".join(number.to_bytes(8, "little") for number in (2, 0))
    again = await changed(conn, tenant_id, today=full)
    assert [d.recorded for d in again.differences] == [Assigned(1, 1, 1)] * 2
    details = [d.recomputed.detail for d in again.differences if isinstance(d.recomputed, Parked)]
    # Both were given in one go, so the second one stands on the first.
    assert [detail.partition(",")[0] for detail in details] == ["2 leads today", "3 leads today"]


async def test_what_is_gone_is_said(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant_id = await one_batch(conn, connections)
    with pytest.raises(FlightGone, match="batch 9"):
        await rerun(conn, Engines(), tenant_id, 9)
    await conn.execute("update flight set ruleset = 17")
    with pytest.raises(CannotRerun, match="17"):
        await rerun(conn, Engines(), tenant_id, 1)
    await conn.execute("update flight set ruleset = 1")
    await conn.execute("delete from lead")
    with pytest.raises(CannotRerun, match="facts of lead"):
        await rerun(conn, Engines(), tenant_id, 1)
