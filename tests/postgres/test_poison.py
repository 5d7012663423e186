"""One bad lead never fails a batch: it parks alone, and everybody else gets a rep."""

import random
from datetime import UTC, datetime, timedelta, timezone

import asyncpg
import pytest

from ops.audit.audit import audit
from router.domain.lead_in import LeadIn
from router.store.connections.connections import Connections
from tests.world import CATCH_ALL, Tenancy, a_drain, lead, make_tenant, settle, simple_reps

FRESH_FIRST = """
rules:
  - name: fresh
    match: {created: {within: 4h}}
    assign_to: group:all
  - name: everyone
    match: {}
    assign_to: group:all
"""
LAST_HOUR = datetime(9999, 12, 31, 23, 30, tzinfo=UTC)


async def parked(tenant: Tenancy) -> dict[int, tuple[str, str]]:
    """(reason, detail) by lead."""
    rows = await tenant.conn.fetch("select lead_id, reason, detail from parked where tenant_id = $1", tenant.tenant_id)
    return {row["lead_id"]: (row["reason"], row["detail"]) for row in rows}


async def test_one_poisoned_lead_in_a_thousand_parks_alone(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await make_tenant(conn, simple_reps(9), FRESH_FIRST)
    accepted = await tenant.accept(
        lead(i, created_at=LAST_HOUR if i == 617 else None, product=f"p{i}") for i in range(1000)
    )
    done = await settle(a_drain(connections, ready=1000), tenant.tenant_id)
    assert (done.batches, done.assigned) == (1, 999)
    assert await tenant.states() == {"waiting": 0, "assigned": 999, "parked": 1, "merged": 0, "closed": 0}
    ((lead_id, (reason, detail)),) = (await parked(tenant)).items()
    assert (lead_id, reason) == (accepted.lead_ids[617], "internal_error")
    assert detail.startswith("OverflowError in created_holds (")
    assert set((await tenant.counts()).values()) == {111}
    assert not (await audit(conn)).violations


async def test_the_same_poison_has_the_same_fingerprint(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await make_tenant(conn, simple_reps(1), FRESH_FIRST)
    await tenant.accept([lead(1, created_at=LAST_HOUR), lead(2, created_at=LAST_HOUR + timedelta(minutes=7))])
    await settle(a_drain(connections), tenant.tenant_id)
    first, second = (await parked(tenant)).values()
    assert first == second


STRANGE = {
    "the first moment there is": {"created_at": datetime(1, 1, 1, tzinfo=UTC)},
    "the last moment there is": {"created_at": datetime.max.replace(tzinfo=UTC)},
    "behind UTC": {"created_at": datetime(2026, 3, 2, 10, tzinfo=timezone(timedelta(hours=-12)))},
    "highest priority": {"priority": 1_000_000},
    "lowest priority": {"priority": -1_000_000},
    "a million characters": {"region": "長" * 1_000_000},
    "empty texts": {"region": "", "industry": "", "product": "", "campaign": ""},
    "emoji, right to left, combining": {"region": "🦊\u202e\u0301\u200b", "industry": "İıß\ufeff"},
    "quotes and braces": {"region": "a'b\"c{,}\\N\\", "product": "$1; drop table lead; --"},
    "control characters": {"region": "\x01\x1f\x7f\u0085\u2028", "campaign": "\r\n\t"},
    "private use and the last character": {"region": "\ue000\U0010ffff"},
}
TWO_DAYS = """
rules:
  - {name: today, match: {created: today, region: [Shanghai]}, assign_to: "group:nobody"}
  - {name: yesterday, match: {created: yesterday}, assign_to: "group:nobody"}
  - {name: old, match: {created: {within: 4h}, priority: [1000000]}, assign_to: "group:nobody"}
  - {name: known-customer, match: {known_customer: true}, assign_to: owner, fall_back_after: 30m}
  - {name: everyone, match: {}, assign_to: "group:all"}
"""


@pytest.mark.parametrize("full", [False, True], ids=["there is room", "nobody has room"])
async def test_no_strange_lead_harms_its_neighbours(
    conn: asyncpg.Connection, connections: Connections, full: bool
) -> None:
    tenant = await make_tenant(conn, simple_reps(2, max_open=0 if full else 1000), TWO_DAYS)
    leads = [LeadIn("web", name, **fields) for name, fields in STRANGE.items()]  # type: ignore[arg-type]
    plain = [lead(i) for i in range(30)]
    both = [*leads, *plain]
    random.Random(1).shuffle(both)
    accepted = await tenant.accept(both)
    await settle(a_drain(connections, ready=7), tenant.tenant_id)
    where = "lead_pool" if full else "assignment"
    there = {row[0] for row in await conn.fetch(f"select lead_id from {where}")}
    ids = dict(zip((one.external_id for one in both), accepted.lead_ids, strict=True))
    assert all(ids[one.external_id] in there for one in plain)
    unharmed = {name for name in STRANGE if ids[name] in there}
    # No rule can tell the day of the last one; the first one is infinite where it is copied, else a moment.
    assert STRANGE.keys() - unharmed <= {"the first moment there is", "the last moment there is"}
    assert {reason for reason, _ in (await parked(tenant)).values()} <= {"internal_error"}
    assert not (await audit(conn)).violations


async def test_rows_that_name_what_is_gone_do_not_stop_a_batch(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(2), CATCH_ALL)
    accepted = await tenant.accept(lead(i, declared_customer=f"c{i}", product=f"p{i}") for i in range(6))
    excluded, owned, waiting, *_ = accepted.lead_ids
    await conn.execute("update lead_pool set excluded = '{4711,1,2147483647}' where lead_id = $1", excluded)
    await conn.execute(
        "insert into customer_owner select tenant_id, customer_id, 4711 from lead_pool where lead_id = $1", owned
    )
    await conn.execute(
        """update lead_pool set wake_key = 77, recheck_at = clock_timestamp() - interval '1 s', last_batch_no = 1
            where lead_id = $1""",
        waiting,
    )
    await settle(a_drain(connections, ready=2), tenant.tenant_id)
    assert await tenant.states() == {"waiting": 0, "assigned": 6, "parked": 0, "merged": 0, "closed": 0}
    reps = {row[0]: row[1] for row in await conn.fetch("select lead_id, rep_no from assignment")}
    assert reps[excluded] == 2
    assert await conn.fetchval("select count(*) from customer_owner where rep_no = 4711") == 0


async def test_excluded_by_everybody_waits_and_harms_nobody(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await make_tenant(conn, simple_reps(2), CATCH_ALL)
    accepted = await tenant.accept(lead(i) for i in range(6))
    await conn.execute("update lead_pool set excluded = '{1,2,4711}' where lead_id = $1", accepted.lead_ids[0])
    await settle(a_drain(connections, ready=2), tenant.tenant_id)
    assert await tenant.states() == {"waiting": 1, "assigned": 5, "parked": 0, "merged": 0, "closed": 0}
    assert await conn.fetchval("select targets from wake_key") == "g1,x1,x2,x4711"


@pytest.mark.parametrize("limit", ["max_age", "no_match_max_age"])
async def test_the_longest_durations_that_rules_accept_park_nobody(
    conn: asyncpg.Connection, connections: Connections, limit: str
) -> None:
    longest = "3650d"
    rules = f"""
{limit}: {longest}
rules:
  - {{name: fresh, match: {{created: {{within: {longest}}}, region: [x]}}, assign_to: "group:nobody"}}
  - {{name: owned, match: {{known_customer: true}}, assign_to: owner, fall_back_after: {longest}}}
"""
    tenant = await make_tenant(conn, simple_reps(1, max_open=0), rules)
    await tenant.accept([lead(1), lead(2, region="x"), lead(3, declared_customer="c")])
    await conn.execute("insert into customer_owner select 1, customer_id, 1 from lead_pool where customer_id > 0")
    await settle(a_drain(connections), tenant.tenant_id)
    assert (await tenant.states())["waiting"] == 3


async def test_a_lead_that_a_thousand_rules_refuse_does_not_stop_its_neighbours(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    empty = "".join(f"  - {{name: r{i}, match: {{region: East}}, assign_to: group:g{i}}}\n" for i in range(1000))
    rules = f"rules:\n{empty}  - {{name: rest, match: {{region: West}}, assign_to: group:all}}\n"
    tenant = await make_tenant(conn, simple_reps(2), rules)
    await tenant.accept([lead(1, region="East"), lead(2, region="West")])
    await settle(a_drain(connections), tenant.tenant_id)
    assert await tenant.states() == {"waiting": 1, "assigned": 1, "parked": 0, "merged": 0, "closed": 0}
