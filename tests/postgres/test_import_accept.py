"""What accepting leads promises: once, whole, one customer, exact repeats merged."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from router.domain.lead_in import LeadIn
from router.store import tenants
from router.store.leads import Accepted, accept
from router.store.new_leads import write_leads
from router.store.statements import load
from tests.support import connected, until

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
async def tenant_id(conn: asyncpg.Connection) -> int:
    return (await tenants.add(conn, "acme", "Asia/Shanghai")).tenant_id


def lead(external_id: str, **facts: object) -> LeadIn:
    return LeadIn("web", external_id, **{"created_at": NOON, **facts})  # type: ignore[arg-type]


async def states(conn: asyncpg.Connection) -> dict[str, list[str]]:
    """External ids by the table that says what state they are in."""
    found = {}
    for table in ("lead_pool", "merged", "parked"):
        rows = await conn.fetch(
            f"select external_id from lead join {table} using (tenant_id, lead_id) order by external_id"
        )
        found[table] = [row[0] for row in rows]
    return found


async def customers(conn: asyncpg.Connection) -> dict[str, int | None]:
    rows = await conn.fetch("select external_id, customer_id from lead")
    return {row["external_id"]: row["customer_id"] for row in rows}


@pytest.mark.usefixtures("stored_either_way")
async def test_a_lead_is_stored_with_every_field_and_waits_in_the_pool(
    conn: asyncpg.Connection, tenant_id: int
) -> None:
    full = LeadIn(
        *("web", "x1", NOON, "Ann", "+8613800138000", "a@b.cn", "Co", "C7", "East", "steel"),
        *("pump", "spring", "ad9", "/p", 5, '{"shoe size": 44, "说明": "“a” \\n"}'),
    )
    result = await accept(conn, tenant_id, [full], now=NOON + HOUR)
    assert (result.new, result.repeated, result.merged, result.parked) == (1, 0, 0, 0)
    row = await conn.fetchrow("select * from lead")
    assert row is not None
    assert [row[field] for field in LeadIn._fields[:15]] == list(full[:15])
    assert row["received_at"] == NOON + HOUR
    assert await conn.fetchval("select attributes->>'shoe size' from lead") == "44"
    pool = await conn.fetchrow("select * from lead_pool")
    assert pool is not None
    assert (pool["rank"], pool["queued_at"], pool["created_at"]) == (-5, NOON + HOUR, NOON)
    assert (pool["lead_id"],) == result.lead_ids
    assert pool["customer_id"] == row["customer_id"] is not None
    facts = ("source", "region", "industry", "product", "campaign", "ad_id", "landing_page")
    assert [pool[field] for field in facts] == [getattr(full, field) for field in facts]


async def test_the_same_leads_again_change_nothing(conn: asyncpg.Connection, tenant_id: int) -> None:
    leads = [lead(f"x{i}", phone=f"+861380013{i:04}", created_at=NOON - i * HOUR) for i in range(50)]
    first = await accept(conn, tenant_id, leads)
    again = await accept(conn, tenant_id, [*leads, lead("x51"), lead("x51")])
    assert (again.new, again.repeated) == (1, 51)
    assert again.lead_ids[:50] == first.lead_ids
    assert again.lead_ids[50] == again.lead_ids[51]
    assert await conn.fetchval("select count(*) from lead") == 51
    assert await conn.fetchval("select count(*) from lead_pool") == 51


async def test_a_changed_repeat_adds_nothing_about_the_customer(conn: asyncpg.Connection, tenant_id: int) -> None:
    await accept(conn, tenant_id, [lead("x1", phone="+8613800138000")])
    await accept(conn, tenant_id, [lead("x1", phone="+8613900139000")])
    assert await conn.fetchval("select count(*) from customer_key") == 1


async def test_the_same_external_id_of_another_source_is_another_lead(conn: asyncpg.Connection, tenant_id: int) -> None:
    result = await accept(conn, tenant_id, [lead("x1"), lead("x1")._replace(source="fair")])
    assert result.new == 2


async def test_leads_linked_by_phone_and_email_are_one_customer(conn: asyncpg.Connection, tenant_id: int) -> None:
    linked = [
        lead("a", phone="+8613800138000"),
        lead("b", phone="+8613800138000", email="e@x.cn"),
        lead("c", email="e@x.cn"),
        lead("d", declared_customer="C1"),
        lead("e", declared_customer="C1", email="e@x.cn"),
        lead("f"),
        lead("g", email="not an address", malformed=frozenset({"email"})),
    ]
    await accept(conn, tenant_id, linked)
    of = await customers(conn)
    assert of["a"] == of["b"] == of["c"] is not None
    assert of["d"] == of["e"] not in (None, of["a"])
    assert of["f"] is None
    assert of["g"] is None
    await accept(
        conn,
        tenant_id,
        [lead("h", email="e@x.cn", declared_customer="C2"), lead("i", declared_customer="C2")],
    )
    of = await customers(conn)
    assert of["h"] == of["i"] == of["a"]


async def test_an_exact_repeat_is_merged_into_the_first_within_a_day_of_it_and_never_into_a_repeat(
    conn: asyncpg.Connection, tenant_id: int
) -> None:
    def at(which: str, hours: int, **facts: object) -> LeadIn:
        return lead(which, created_at=NOON + hours * HOUR, phone="+8613800138000", **facts)

    result = await accept(conn, tenant_id, [at("b", 10), at("a", 0), at("c", 20), at("other", 1, product="pump")])
    assert result.merged == 2
    await accept(conn, tenant_id, [at("d", 40), at("late", 70), at("renamed", 41, name="Bo")])
    assert await states(conn) == {
        "lead_pool": ["a", "d", "late", "other", "renamed"],
        "merged": ["b", "c"],
        "parked": [],
    }
    roots = await conn.fetch("select distinct external_id from merged join lead on lead.lead_id = merged.into_lead_id")
    assert [row[0] for row in roots] == ["a"]


async def test_a_repeat_of_a_closed_lead_is_not_swallowed(conn: asyncpg.Connection, tenant_id: int) -> None:
    first = await accept(conn, tenant_id, [lead("a", phone="+8613800138000")])
    await conn.execute("delete from lead_pool")
    await conn.execute(
        "insert into closed (tenant_id, lead_id, closed_at, outcome) values ($1, $2, $3, 'lost')",
        *(tenant_id, first.lead_ids[0], NOON),
    )
    second = await accept(conn, tenant_id, [lead("b", phone="+8613800138000")])
    assert second.merged == 0
    assert (await states(conn))["lead_pool"] == ["b"]


async def test_an_invalid_lead_is_parked_with_its_reason(conn: asyncpg.Connection, tenant_id: int) -> None:
    result = await accept(conn, tenant_id, [lead("a", invalid="nobody can be reached"), lead("b")])
    assert (result.new, result.parked) == (2, 1)
    assert await states(conn) == {"lead_pool": ["b"], "merged": [], "parked": ["a"]}
    row = await conn.fetchrow("select reason, detail from parked")
    assert row is not None
    assert tuple(row) == ("lead_invalid", "nobody can be reached")


async def test_leads_of_one_batch_are_numbered_by_creation_so_that_the_oldest_is_first(
    conn: asyncpg.Connection, tenant_id: int
) -> None:
    await accept(conn, tenant_id, [lead(f"x{i}", created_at=NOON - i * HOUR) for i in range(5)])
    rows = await conn.fetch(
        "select external_id from lead_pool join lead using (tenant_id, lead_id)"
        " order by rank, queued_at, lead_pool.lead_id"
    )
    assert [row[0] for row in rows] == ["x4", "x3", "x2", "x1", "x0"]


async def test_two_intakes_of_one_customer_at_once_agree_on_it_and_merge_the_repeat(
    conn: asyncpg.Connection, database_url: str, tenant_id: int
) -> None:
    """Also when the customer's keys were there before, so that nothing is inserted which could collide."""
    other = await asyncpg.connect(database_url)
    for round_no in range(5):
        batches = [
            [
                lead(f"{who}{round_no}", phone="+8613800138000", product=f"p{round_no // 2}-{round_no}"),
                lead(f"{who}{round_no}e", email=f"{round_no}@x.cn", phone=f"+86138001390{round_no:02}"),
                lead(f"{who}{round_no}f", **({"email": f"{round_no}@x.cn"} if who == "b" else {})),
            ]
            for who in ("a", "b")
        ]
        one, two = await asyncio.gather(accept(conn, tenant_id, batches[0]), accept(other, tenant_id, batches[1]))
        assert one.merged + two.merged == 2
    await other.close()
    assert await conn.fetchval("select count(distinct customer_id) from lead where phone = '+8613800138000'") == 1
    by_email = await conn.fetch("select count(distinct customer_id) from lead where email is not null group by email")
    assert {row[0] for row in by_email} == {1}


async def overlapping(
    conn: asyncpg.Connection, url: str, tenant_id: int, first: list[LeadIn], second: list[LeadIn]
) -> Accepted:
    """Accepts `second` while `first` is accepted but not committed; the answer is that for `second`."""
    async with connected(url) as other:
        pid = other.get_server_pid()
        waits = "select wait_event_type = 'Lock' from pg_stat_activity where pid = $1"

        async def blocked() -> bool:
            return bool(await conn.fetchval(waits, pid))

        async with conn.transaction():
            await accept(conn, tenant_id, first)
            late = asyncio.create_task(accept(other, tenant_id, second))
            await until(blocked, "the second intake waits for the first")
        return await late


@pytest.mark.parametrize("known", [True, False])
async def test_a_repeat_that_overlaps_with_its_first_is_merged_whether_or_not_the_customer_is_known(
    conn: asyncpg.Connection, database_url: str, tenant_id: int, known: bool
) -> None:
    phone = "+8613800138000"
    if known:
        await accept(conn, tenant_id, [lead("old", phone=phone, product="other")])
    one, two = lead("a", phone=phone), lead("b", phone=phone)
    assert (await overlapping(conn, database_url, tenant_id, [one], [two])).merged == 1


async def test_what_an_overlapping_intake_knows_of_a_customer_joins_our_leads_to_it(
    conn: asyncpg.Connection, database_url: str, tenant_id: int
) -> None:
    ours = [lead("a", phone="+8613800138000"), lead("b", phone="+8613800138000", email="e@x.cn")]
    ours += [lead("linked", phone="+8613900139000", email="f@x.cn"), lead("other", phone="+8613900139000")]
    await overlapping(conn, database_url, tenant_id, [lead("theirs", email="f@x.cn")], ours)
    of = await customers(conn)
    assert of["theirs"] == of["linked"] == of["other"]
    assert of["a"] == of["b"] != of["theirs"]
    await accept(conn, tenant_id, [lead("later", phone="+8613900139000")])
    assert (await customers(conn))["later"] == of["theirs"]


@pytest.mark.usefixtures("stored_either_way")
async def test_the_same_lead_in_overlapping_intakes_is_stored_once_and_both_are_told_its_number(
    conn: asyncpg.Connection, database_url: str, tenant_id: int
) -> None:
    same = [lead("a"), lead("b", phone="+8613800138000")]
    late = await overlapping(conn, database_url, tenant_id, same, [*same, lead("c")])
    assert (late.new, late.repeated) == (1, 2)
    ids = await conn.fetch("select lead_id from lead order by external_id")
    assert late.lead_ids == tuple(row["lead_id"] for row in ids)


@pytest.mark.usefixtures("stored_either_way")
async def test_an_intake_that_others_overtake_again_and_again_ends_when_they_have_stored_all(
    conn: asyncpg.Connection, database_url: str, tenant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody's leads: no key keeps the others waiting.
    same = [lead(f"x{i}") for i in range(30)]
    faster = iter(same)

    async def overtaken(mine: asyncpg.Connection, *more: Any) -> None:
        if mine is conn:
            await accept(other, tenant_id, [next(faster)], NOON)
        await write_leads(mine, *more)

    async with connected(database_url) as other:
        monkeypatch.setattr("router.store.leads.write_leads", overtaken)
        late = await accept(conn, tenant_id, same, NOON)
    assert (late.new, late.repeated, late.differing) == (0, 30, ())
    assert await conn.fetchval("select count(*) from lead") == 30


@pytest.mark.usefixtures("stored_either_way")
async def test_many_intakes_of_the_same_leads_in_opposite_order_neither_deadlock_nor_double(
    database_url: str, tenant_id: int
) -> None:
    leads = [lead(f"x{i}", phone=f"+8613800{i // 3:06}", created_at=NOON + i * 30 * HOUR) for i in range(300)]
    conns = [await asyncpg.connect(database_url) for _ in range(4)]

    async def intake(conn: asyncpg.Connection, own: list[LeadIn]) -> list[Accepted]:
        return [await accept(conn, tenant_id, own[i : i + 40]) for i in range(0, 300, 40)]

    orders = [leads, leads[::-1], leads[150:] + leads[:150], leads[::2] + leads[1::2]]
    done = await asyncio.gather(*(intake(c, o) for c, o in zip(conns, orders, strict=True)))
    assert sum(batch.new for batches in done for batch in batches) == 300
    assert await conns[0].fetchval("select count(*) from lead") == 300
    assert await conns[0].fetchval("select count(*) from lead_pool") == 300
    for c in conns:
        await c.close()


@pytest.mark.usefixtures("stored_either_way")
async def test_a_batch_that_fails_leaves_nothing_behind(conn: asyncpg.Connection, tenant_id: int) -> None:
    with pytest.raises(asyncpg.PostgresError):
        await accept(conn, tenant_id, [lead("a", phone="+8613800138000"), lead("b", attributes="{broken")])
    for table in ("lead", "lead_pool", "customer_key"):
        assert await conn.fetchval(f"select count(*) from {table}") == 0


@pytest.mark.usefixtures("stored_either_way")
async def test_the_hint_names_the_tenant_once_per_batch_and_only_when_something_waits(
    conn: asyncpg.Connection, database_url: str, tenant_id: int
) -> None:
    heard: asyncio.Queue[object] = asyncio.Queue()
    listener = await asyncpg.connect(database_url)
    await listener.add_listener("lead_router", lambda *args: heard.put_nowait(args[3]))
    await accept(conn, tenant_id, [lead("a"), lead("b")])
    await accept(conn, tenant_id, [lead("a"), lead("b")])
    await accept(conn, tenant_id, [lead("c")])
    await conn.execute("select pg_notify('lead_router', 'end')")
    said: list[object] = []
    while not said or said[-1] != "end":
        said.append(await asyncio.wait_for(heard.get(), 60))
    await listener.close()
    assert said == [str(tenant_id), str(tenant_id), "end"]


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("stored_leads", "lead_tenant_id_source_external_id_key"),
        ("near", "lead_of_customer"),
        ("customers_of_keys", "customer_key_pkey"),
    ],
)
async def test_a_new_tenant_of_which_statistics_know_nothing_does_not_make_intake_walk_the_table(
    conn: asyncpg.Connection, tenant_id: int, name: str, index: str
) -> None:
    await accept(conn, tenant_id, [lead(f"x{i}", phone=f"+861380013{i:04}") for i in range(3000)])
    await conn.execute("analyze")
    family = {"customers_of_keys": "customers", "near": "repeats"}.get(name, "leads")
    statement = getattr(load(family), name)
    given = {"tenant_id": tenant_id + 1, "lead_ids": [1], "customer_ids": [1], "created_ats": [NOON]}
    given |= {"keys": ["0" * 32], "external_ids": ["x"]}
    async with conn.transaction():
        await load("leads").steady_plans.row(conn, tenant_id=tenant_id, idle_timeout="5000")
        rows = await conn.fetch("explain " + statement.sql, *(given.get(p, ["x"]) for p in statement.parameters))
    lines = [row[0] for row in rows]
    at = next(i for i, line in enumerate(lines) if index in line)
    used = lines[at + 1]
    columns = {"stored_leads": "external_id", "near": "created_at", "customers_of_keys": "key"}
    assert "Index Cond" in used, "\n".join(lines)
    assert columns[name] in used, "\n".join(lines)
    assert not [line for line in lines if "Seq Scan" in line or "Sort" in line], "\n".join(lines)
