"""What the intake's statements cost does not depend on how empty the tables were when they were planned.

They are planned once for a connection: a lead a moment costs less than planning eight statements each time does.
"""

import json
from datetime import UTC, datetime

import asyncpg
import pytest

from router.store.leads import steady_plans
from router.store.statements import load
from tests.postgres.test_plans import Asked, executed, faults

LEADS = 200_000
FAMILIES = (
    load("leads"),
    load("customers"),
    load("idempotency"),
    load("look"),
    load("new_leads"),
    load("repeats"),
    load("ids"),
)
NAMES = {
    "sources": "'{s,s,s}'",
    "external_ids": "'{e5,e6,nobody}'",
}
SAME = {
    "lead_ids": "'{900001,900002,900003}'",
    "customer_ids": "'{5,6,7}'",
    "created_ats": "'{2026-03-02 12:00Z,2026-03-02 12:00Z,2026-03-02 12:00Z}'",
    "external_ids": "'{x,y,z}'",
    "enquiries": "'{null,null,null}'",
    "sources": "'{s,s,s}'",
    **dict.fromkeys(("products", "names", "phones", "emails", "companies", "declareds"), "'{null,null,null}'"),
}
KEYS = "array['00000000-0000-0000-0000-000000000005','00000000-0000-0000-0000-000000000006']::uuid[]"
CHANGED = {
    "keys": KEYS,
    "customer_ids": "'{5,6}'",
    "people": '\'{"{1,2}","{3}"}\'',
    "shared_as": "'{null,null}'",
    "shared_at": "now()",
}
WHERE = (
    "lead_pool_pkey",
    "assignment_pkey",
    "parked_pkey",
    "merged_pkey",
    "closed_pkey",
    "archived_pkey",
    "removed_lead_pkey",
)
AROUND = ("lead_of_customer", "lead_pkey", "merged_pkey", "closed_pkey", "parked_pkey", "parked_reason")
STATEMENTS = [
    Asked("stored_leads", 3, NAMES, ("lead_tenant_id_source_external_id_key", "archived_count_pkey")),
    Asked(
        "look",
        3,
        {**NAMES, "numbers": "3", "keys": KEYS},
        (
            *("lead_tenant_id_source_external_id_key", "archived_count_pkey", "customer_key_pkey"),
            *("customer_rules_pkey", "tenant_pkey"),
        ),
    ),
    Asked("archived_leads", 3, NAMES, ("archived_tenant_id_source_external_id_key",)),
    Asked("states", 21, {"lead_ids": "'{5,6,7}'"}, WHERE),
    Asked("near", 24, SAME, AROUND),
    Asked("customers_of_keys", 2, {"keys": KEYS}, ("customer_key_pkey",)),
    Asked("hold_keys", 2, {"keys": KEYS}, ("customer_key_pkey",)),
    Asked("change_keys", 2, CHANGED, ("customer_key_pkey",)),
    Asked("stored_keys", 2, {"route": "'leads'", "keys": "'{k5,k6}'"}, ("idempotency_pkey",)),
    Asked(
        "place",
        3,
        {
            "moment": "now()",
            "waiting": "'{150005,150006,150007}'",
            **dict.fromkeys(("repeats", "repeated", "invalid", "reasons"), "'{}'"),
        },
        ("lead_pkey", "tenant_pkey"),
    ),
]
ARRIVE = f"""
insert into lead (tenant_id, lead_id, source, external_id, created_at, received_at, customer_id)
select 1, n, 's', 'e' || n, timestamptz '2026-03-01Z' + n * interval '1 s', now(), n / 4
  from generate_series(1, {LEADS}) n;
insert into lead_pool (tenant_id, lead_id, rank, queued_at, created_at)
select 1, n, 0, now(), now() from generate_series(5, 100000) n;
insert into assignment (tenant_id, lead_id, rep_no, assigned_at, batch_no, seq)
select 1, n, 1, now(), 1, n from generate_series(100001, 150000) n;
insert into merged (tenant_id, lead_id, into_lead_id, merged_at)
select 1, n, 4, now() from generate_series(150001, 170000) n;
insert into closed (tenant_id, lead_id, closed_at, outcome)
select 1, n, now(), 'won' from generate_series(170001, {LEADS}) n;
insert into archived (tenant_id, lead_id, source, external_id, created_at, received_at, closed_at, outcome)
select 1, {LEADS} + n, 's', 'a' || n, now(), now(), now(), 'won' from generate_series(1, 50000) n;
insert into customer_key (tenant_id, key, customer_id)
select 1, lpad(n::text, 32, '0')::uuid, n from generate_series(1, 100000) n;
insert into idempotency (tenant_id, route, key, body_hash, lead_id, answer, expires_at)
select 1, 'leads', 'k' || n, decode(md5(n::text), 'hex'), n, '\\x00', now() + interval '1 day'
  from generate_series(1, 50000) n;
"""


async def explained(conn: asyncpg.Connection, name: str, execute: str) -> list[str]:
    """What is wrong with the plan of an EXECUTE in a transaction that accepts leads; all is rolled back."""
    asked = next(one for one in STATEMENTS if one.name == name)
    transaction = conn.transaction()
    await transaction.start()
    try:
        await steady_plans(conn, 1, 3)
        return faults(await executed(conn, execute), asked)
    finally:
        await transaction.rollback()


@pytest.mark.parametrize("before", ["checkpoint", "vacuum analyze"], ids=["no statistics", "statistics of nothing"])
async def test_intake_that_was_planned_while_all_was_empty_stays_fast_with_200_000_leads(
    conn: asyncpg.Connection, before: str
) -> None:
    await conn.execute("insert into tenant (name, time_zone, ruleset) values ('acme', 'UTC', 1)")
    await conn.execute(before)
    prepared = []
    for number, asked in enumerate(STATEMENTS):
        statement = next(one for family in FAMILIES for one in family if one.name == asked.name)
        arguments = {"tenant_id": "1"} | asked.arguments
        await conn.execute(f"prepare s{number} as {statement.sql}")
        prepared.append((asked.name, f"execute s{number}({', '.join(arguments[p] for p in statement.parameters)})"))
    for name, execute in prepared:
        for _ in range(2):
            await explained(conn, name, execute)
    await conn.execute(ARRIVE)
    found = {name: wrong for name, execute in prepared if (wrong := await explained(conn, name, execute))}
    assert not found


SCANNED = """
select relname from pg_stat_xact_user_tables
 where seq_scan > 0 and relname in ('lead', 'lead_pool', 'customer_key', 'archived', 'archived_count', 'idempotency')
"""


@pytest.mark.parametrize("before", ["checkpoint", "vacuum analyze"], ids=["no statistics", "statistics of nothing"])
async def test_leads_that_are_stored_at_once_walk_through_no_table_that_was_empty_when_it_was_planned(
    conn: asyncpg.Connection, before: str
) -> None:
    await conn.execute("insert into tenant (name, time_zone, ruleset) values ('acme', 'UTC', 1)")
    await conn.execute("insert into archived_count (tenant_id, leads) values (1, 1)")
    await conn.execute(before)
    assert await scanned(conn, 1) == set()
    await conn.execute(ARRIVE)
    await conn.execute(f"select setval('lead_lead_id_seq', {2 * LEADS}), setval('customer_id_seq', {2 * LEADS})")
    assert await scanned(conn, 2) == set()


async def scanned(conn: asyncpg.Connection, turn: int) -> set[str]:
    """Tables of which all rows were read to store three leads; all is rolled back."""
    transaction = conn.transaction()
    await transaction.start()
    try:
        numbers = await load("at_once").store_new.value(
            conn,
            tenant_id=1,
            match_rules=None,
            host_now=datetime.now(UTC),
            ahead_s=60.0,
            lock_ms=2_000,
            sources='["s", "s", "s"]',
            external_ids=f'["new{turn}", "e5", "a7"]',
            created_ats="[null, null, null]",
            turns="[0, 1, 2]",
            facts='[{"n": 1}, {"n": 2}, {"n": 3}]',
            keys=json.dumps([f"{turn:032}".replace("0", "f"), f"{5:032}"]),
            key_leads="[1, 2]",
            people='["{1}", null]',
            route="leads",
            request_keys='["new"]',
            request_leads="[1]",
            body_hashes=json.dumps(["00" * 16]),
            answer="[%s]",
            holds_s=60.0,
        )
        assert numbers[0] is not None
        assert turn == 1 or numbers[1:] == [None, None]
        return {row[0] for row in await conn.fetch(SCANNED)}
    finally:
        await transaction.rollback()
