"""New leads of new customers are stored in one round trip; nobody can tell from what is stored, and nothing else is."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from router.domain.lead_in import LeadIn
from router.intake import hand_in
from router.intake.hand_in import HandedIn, IdempotencyKey, MatchRules, Outcome, Taken, take_in, take_new
from router.intake.journal import open_journal
from router.intake.journal_keeper import JournalKeeper
from router.intake.lead_intake import LeadIntake
from router.settings.model import JournalSettings
from router.store import tenants
from router.store.assignments import Ending, end
from router.store.connections.connections import Connections, Part, open_connections
from router.store.errors import LockNotAvailable
from router.store.leads import accept
from router.store.statements import Connection
from router.store.transactions import with_lock_timeout
from router.telemetry.instruments import Instruments
from router.telemetry.intake_instruments import IntakeRoute
from tests.support import connected
from tests.world import CATCH_ALL, Tenancy, a_drain, make_tenant, settle, simple_reps

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TEXTS = (None, 'Li "Lei"', "a\\b\t\n\r", "\\N", "", "李雷 🐎", "it's; {x,y} :name $1", "null", "100 %s")
ATTRIBUTES = (None, "{}", '{"说明": "“a” \\n\\\\", "n": 1e5, "deep": [null, {"x": "\\u00e9"}]}')
TABLES = {
    "lead": "source, external_id",
    "lead_pool": "rank, lead_id",
    "customer_key": "key",
    "idempotency": "key",
    "event": "type, leads",
}
FIRST_ASSIGNED = """
select a.lead_id from assignment a join lead l using (tenant_id, lead_id) where tenant_id = $1
 order by external_id limit 3
"""
_OWN = ("tenant_id", "event_no", "received_at", "queued_at", "expires_at")


async def tenant_named(conn: Connection, name: str) -> int:
    return (await tenants.add(conn, name, "Asia/Shanghai")).tenant_id


def strangers(number: int) -> list[HandedIn]:
    """New leads of customers of their own, or of none, with every kind of text, priority and time; half with keys."""
    chance = random.Random(7)
    made = []
    texts = ("name", "company", "region", "industry", "product", "campaign", "ad_id", "landing_page")
    for which in range(number):
        facts: dict[str, Any] = {name: chance.choice(TEXTS) for name in texts}
        facts |= {"source": chance.choice(["web", "", "店"]), "external_id": f"x{which}"}
        facts |= {"phone": chance.choice([None, f"+861380013{which:04}"])}
        facts |= {"email": chance.choice([None, f"p{which}@example.com", "no address"])}
        facts |= {"declared_customer": chance.choice([None, None, f"c{which}"])}
        facts |= {"priority": chance.randrange(-2, 3), "attributes": chance.choice(ATTRIBUTES)}
        facts |= {"enquiry": chance.choice([None, None, "", f"phone:{which}"])}
        when = chance.choice([None, NOON + timedelta(seconds=chance.randrange(90_000))])
        malformed = frozenset({"email"}) if facts["email"] == "no address" else frozenset[str]()
        key = IdempotencyKey(f"key {which}", bytes([which]) * 16) if which % 2 else None
        made.append(HandedIn(LeadIn(**facts, created_at=when, malformed=malformed), key))
    return made


async def stored(conn: asyncpg.Connection, tenant_id: int) -> dict[str, list[dict[str, Any]]]:
    """What the tables hold of a tenant; numbers as counted from its first, times but for those of storing."""
    row = await conn.fetchrow("select min(lead_id), min(customer_id) from lead where tenant_id = $1", tenant_id)
    assert row is not None
    firsts = {"lead_id": row[0], "leads": row[0], "customer_id": row[1]}
    without_time = {
        row[0]
        for row in await conn.fetch(
            "select lead_id from lead where tenant_id = $1 and created_at > $2", tenant_id, NOON + timedelta(days=2)
        )
    }
    found: dict[str, list[dict[str, Any]]] = {}
    for table, order in TABLES.items():
        rows = await conn.fetch(f"select * from {table} where tenant_id = $1 order by {order}", tenant_id)
        found[table] = [
            {
                name: _counted_from(firsts.get(name), value)
                for name, value in row.items()
                if name not in _OWN and not (name == "created_at" and row.get("lead_id") in without_time)
            }
            for row in rows
        ]
    for kept in found["idempotency"]:
        number, *rest = msgspec.json.decode(kept["answer"])
        kept["answer"] = [number - row[0], *rest]
    return found


def _counted_from(first: int | None, value: Any) -> Any:
    if first is None or value is None:
        return value
    return [number - first for number in value] if isinstance(value, list) else value - first


async def test_a_lead_is_the_same_in_every_table_whichever_way_it_was_stored(conn: asyncpg.Connection) -> None:
    handed_in = strangers(60)
    long, short = await tenant_named(conn, "long"), await tenant_named(conn, "short")
    taken = await take_in(conn, long, handed_in)
    at_once = await take_new(conn, short, handed_in, {})
    ways = [await stored(conn, tenant_id) for tenant_id in (long, short)]
    for what in ways[0]:
        assert ways[1][what] == ways[0][what], what
    assert [len(ways[0][what]) for what in ("lead", "lead_pool", "idempotency")] == [60, 60, 30]
    both = [of_taken(taken), of_taken(at_once)]
    firsts = [min(one.lead_id or 0 for one in all_of) for all_of in both]
    ours, theirs = ([(one.lead_id or 0) - first for one in all_of] for all_of, first in zip(both, firsts, strict=True))
    assert ours == theirs
    assert {one.state for one in of_taken(at_once)} == {"waiting"}


def of_taken(outcomes: Sequence[Outcome | Exception | None]) -> list[Taken]:
    assert all(isinstance(one, Taken) for one in outcomes)
    return [one for one in outcomes if isinstance(one, Taken)]


async def test_what_a_repeated_request_gets_is_what_the_first_one_got(conn: asyncpg.Connection) -> None:
    tenant_id = await tenant_named(conn, "acme")
    handed_in = [HandedIn(LeadIn("web", "1"), IdempotencyKey("k", bytes(16)))]
    [first] = await take_new(conn, tenant_id, handed_in, {})
    assert isinstance(first, Taken)
    assert await take_new(conn, tenant_id, handed_in, {}) == [None]
    assert await take_in(with_lock_timeout(conn), tenant_id, handed_in) == [first._replace(replayed=True)]
    assert await conn.fetchval("select answer from idempotency") == hand_in._stored(first)[1]


async def test_new_leads_of_new_customers_cost_one_round_trip(database_url: str) -> None:
    async with open_connections(database_url) as connections, connections.acquire(Part.INTAKE) as lent:
        tenant_id = await tenant_named(lent, "acme")
        asked: list[str] = []
        lent.add_query_logger(lambda query: asked.append(query.query))
        # The first time the driver asks for the types, too.
        await take_new(lent, tenant_id, strangers(2), {})
        asked.clear()
        assert all(await take_new(lent, tenant_id, strangers(22)[2:], {}))
        assert len(asked) == 1


def post(external_id: str, key: str | None = None, **facts: Any) -> HandedIn:
    return HandedIn(LeadIn("web", external_id, **facts), None if key is None else IdempotencyKey(key, b"b" * 16))


@pytest.fixture
async def known(conn: asyncpg.Connection) -> int:
    """A tenant with a lead of a customer, a lead without one, and one that is archived."""
    tenant_id = await tenant_named(conn, "acme")
    await accept(conn, tenant_id, [LeadIn("web", "known", phone="+8613800138000"), LeadIn("web", "nobody")])
    await conn.execute(
        """insert into archived (tenant_id, lead_id, source, external_id, created_at, received_at, closed_at, outcome)
           values ($1, 900000, 'web', 'archived', now(), now(), now(), 'won')""",
        tenant_id,
    )
    await conn.execute("insert into archived_count (tenant_id, leads) values ($1, 1)", tenant_id)
    return tenant_id


async def test_where_something_is_there_already_it_is_left_to_who_looks_at_it(
    conn: asyncpg.Connection, known: int
) -> None:
    group = [
        post("new", "k1", phone="+8613800138001"),
        post("known", phone="+8613800138002"),
        post("another of the customer", email="a@example.com", phone="+8613800138000"),
        post("archived", "k2"),
        post("invalid", phone="+8613800138003", invalid="a test lead"),
        post("twice", name="a"),
        post("twice", name="b"),
        post("one phone", phone="+8613800138004"),
        post("one phone too", phone="+8613800138004", email="b@example.com"),
        post("one key", "k3"),
        post("one key too", "k3"),
        post("without contact"),
    ]
    found = await take_new(conn, known, group, {})
    taken = [one.lead.external_id for one, outcome in zip(group, found, strict=True) if outcome is not None]
    assert taken == ["new", "without contact"]
    names = {row[0] for row in await conn.fetch("select external_id from lead")}
    assert names == {"known", "nobody", "new", "without contact"}
    assert [row[0] for row in await conn.fetch("select key from idempotency")] == ["k1"]
    assert await conn.fetchval("select count(*) from customer_key") == 2
    assert await conn.fetchval("select count(*) from lead_pool") == 4


@pytest.mark.parametrize("what", ["gone", "other rules", "a clock ahead"])
async def test_nothing_is_stored_of_a_tenant_that_is_gone_or_under_other_rules_or_by_a_wrong_clock(
    conn: asyncpg.Connection, known: int, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules: MatchRules = {}
    if what == "gone":
        await conn.execute("delete from tenant")
    elif what == "other rules":
        await conn.execute(
            "insert into customer_rules (tenant_id, version, author, source) values ($1, 1, 'me', 'match_on: [email]')",
            known,
        )
    else:

        class Ahead(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return datetime.now(tz) + timedelta(minutes=2)

        monkeypatch.setattr(hand_in, "datetime", Ahead)
    assert await take_new(conn, known, [post("new", phone="+8613800138001")], rules) == [None]
    assert await conn.fetchval("select count(*) from lead") == 2


async def test_rules_that_are_known_by_now_are_used(conn: asyncpg.Connection, known: int) -> None:
    await conn.execute(
        "insert into customer_rules (tenant_id, version, author, source) values ($1, 1, 'me', 'match_on: [email]')",
        known,
    )
    rules: MatchRules = {}
    await take_in(conn, known, [post("first")], rules)
    assert rules == {known: "match_on: [email]"}
    # By these rules a phone ties nobody.
    assert all(await take_new(conn, known, [post("second", phone="+8613800138000", email="c@example.com")], rules))


async def test_a_key_that_is_stored_already_lets_nothing_of_its_group_be_stored_unlooked_at(
    conn: asyncpg.Connection, known: int
) -> None:
    assert all(await take_new(conn, known, [post("1", "k")], {}))
    assert await take_new(conn, known, [post("2", "k"), post("3", "k3", phone="+8613800138009")], {}) == [None, None]
    assert await conn.fetchval("select count(*) from lead where external_id in ('2', '3')") == 0
    await conn.execute("update idempotency set expires_at = now() - interval '1 s'")
    assert all(await take_new(conn, known, [post("2", "k")], {}))


async def test_who_is_faster_with_a_lead_or_a_customer_wins_and_the_others_are_looked_at(
    connections: Connections, conn: asyncpg.Connection, known: int
) -> None:
    async def process(number: int) -> list[Outcome | None]:
        async with connections.acquire(Part.INTAKE) as own:
            group = [post(f"{which}", phone=f"+8613900139{which:03}") for which in range(20)]
            group += [post(f"own {number} {which}", phone=f"+8613700137{which:03}") for which in range(20)]
            return await take_new(own, known, group, {})

    found = await asyncio.gather(*map(process, range(4)))
    taken = [one for outcomes in found for one in outcomes if one is not None]
    assert len(taken) == await conn.fetchval("select count(*) - 2 from lead") > 0
    twice = "select count(*) from (select key from customer_key group by key having count(distinct customer_id) > 1) k"
    assert await conn.fetchval(twice) == 0


async def test_a_lead_that_the_database_refuses_is_left_to_who_finds_it(conn: asyncpg.Connection, known: int) -> None:
    await conn.execute("alter table lead add check (name <> 'poison')")
    assert await take_new(conn, known, [post("1", name="fine"), post("2", name="poison")], {}) == [None, None]


async def test_a_lock_is_not_waited_for_longer_than_may_be(
    conn: asyncpg.Connection, known: int, database_url: str
) -> None:
    async with connected(database_url) as other, other.transaction():
        await other.execute("lock table lead_pool in access exclusive mode")
        with pytest.raises(LockNotAvailable):
            await take_new(with_lock_timeout(conn, 0.05), known, [post("new")], {})
    assert await conn.fetchval("show lock_timeout") == "0"
    assert all(await take_new(conn, known, [post("new")], {}))


async def test_what_is_stored_at_once_is_answered_so_when_the_rest_of_its_group_has_to_wait(
    connections: Connections, conn: asyncpg.Connection, known: int, database_url: str, tmp_path: Path
) -> None:
    """Else it would be in the journal, too, with no number in its answer."""
    group = [post("new", phone="+8613800138001"), post("of the customer", phone="+8613800138000"), post("another")]
    async with open_journal(JournalSettings(file=tmp_path / "journal.db")) as journal:
        assert journal
        intake = LeadIntake(connections, Instruments.silent().intake, JournalKeeper(journal))
        async with connected(database_url) as other, other.transaction():
            await other.execute("select from customer_key for update")
            found = of_taken(await intake.take(known, group, IntakeRoute.SINGLE))
        assert [one.state for one in found] == ["waiting", "journalled", "waiting"]
        assert journal.leads == 1
    stored_now = await conn.fetch("select lead_id from lead where external_id in ('new', 'another') order by lead_id")
    assert [row[0] for row in stored_now] == [one.lead_id for one in found if one.lead_id is not None]


async def test_routers_are_told_of_what_is_stored_and_of_nothing_else(database_url: str, known: int) -> None:
    heard: list[frozenset[int]] = []

    def announce(of: Any) -> None:
        heard.append(frozenset(of))

    told = asyncio.Queue[str]()
    async with open_connections(database_url, announce=announce) as connections, connected(database_url) as listener:
        await listener.add_listener("lead_router", lambda *message: told.put_nowait(message[3]))
        async with connections.acquire(Part.INTAKE) as own:
            await own.execute("alter table lead add check (name <> 'poison')")
            heard.clear()
            assert await take_new(own, known, [post("poison", name="poison")], {}) == [None]
            assert heard == []
            assert all(await take_new(own, known, [post("new")], {}))
            assert heard == [frozenset({known})]
        assert await asyncio.wait_for(told.get(), 60) == str(known)
        assert told.empty()


async def test_posts_in_any_order_and_company_end_as_they_do_by_the_long_way(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    """Random groups with repeats, shared phones, two contacts of different customers, and keys that come again."""
    for seed in range(6):
        chance = random.Random(seed)
        groups = [[_random_post(chance) for _ in range(chance.randrange(1, 9))] for _ in range(12)]
        ends = []
        for way in ("long", "short"):
            tenant = await make_tenant(conn, simple_reps(2), CATCH_ALL, name=f"{way}{seed}")
            ends.append(await _life(tenant, groups, connections, short=way == "short"))
        assert ends[1] == ends[0], f"seed {seed}"


def _random_post(chance: random.Random) -> HandedIn:
    who = chance.randrange(12)
    facts: dict[str, Any] = {"name": f"n{who}", "product": chance.choice([None, "a", "b"])}
    if chance.random() < 0.7:
        facts["phone"] = f"+86138001380{who:02}"
    if chance.random() < 0.4:
        facts["email"] = f"p{who + 100 * chance.randrange(2)}@example.com"
    if chance.random() < 0.1:
        facts["invalid"] = "a test lead"
    number = chance.randrange(60)
    facts["created_at"] = NOON + timedelta(minutes=chance.randrange(5_000))
    return post(f"e{number}", f"k{number}" if number % 3 == 0 else None, **facts)


async def _life(tenant: Tenancy, groups: list[list[HandedIn]], connections: Connections, *, short: bool) -> Any:
    rules: MatchRules = {}
    answers: list[Any] = []
    conn, tenant_id = with_lock_timeout(tenant.conn), tenant.tenant_id
    for turn, group in enumerate(groups):
        new = await take_new(conn, tenant_id, group, rules) if short else [None] * len(group)
        rest = [one for one, outcome in zip(group, new, strict=True) if outcome is None]
        others = iter(await take_in(conn, tenant_id, rest, rules) if rest else ())
        answers += [_said(next(others) if one is None else one) for one in new]
        if turn == len(groups) // 2:
            await settle(a_drain(connections), tenant_id)
            for row in await conn.fetch(FIRST_ASSIGNED, tenant_id):
                await end(conn, tenant_id, row[0], Ending.WON)
    rows = await conn.fetch(
        """select l.external_id, l.name, l.phone, l.email, i.external_id as into_id, p.lead_id is not null as waits,
                  k.lead_id is not null as parked, min(l.external_id) over (partition by l.customer_id) as customer
             from lead l left join merged m using (tenant_id, lead_id)
             left join lead i on i.tenant_id = m.tenant_id and i.lead_id = m.into_lead_id
             left join lead_pool p on p.tenant_id = l.tenant_id and p.lead_id = l.lead_id
             left join parked k on k.tenant_id = l.tenant_id and k.lead_id = l.lead_id
            where l.tenant_id = $1 order by 1""",
        tenant_id,
    )
    return answers, [tuple(row) for row in rows]


def _said(outcome: Outcome) -> Any:
    return outcome._replace(lead_id=None, merged_into=None) if isinstance(outcome, Taken) else outcome
