"""The customers of arriving leads in PostgreSQL are those whom the rules name, however many intakes there are."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from router.domain.lead_in import LeadIn
from router.rules.customers import Known, customer_keys, prepare, resolve
from router.rules.match_rules import MatchRules, parse_match_rules
from router.store import tenants
from router.store.customer_merges import apply_match_rules
from router.store.leads import accept
from tests.support import connected

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RULES = (
    "shared_above: 5",
    "shared_above: 1",
    "match_on: [phone, [email_domain, company], email_domain]\nshared_above: 2",
    "match_on: [customer_id, email]\nignore: [info@*]",
)


@pytest.fixture
async def tenant_id(conn: asyncpg.Connection) -> int:
    return (await tenants.add(conn, "acme", "Asia/Shanghai")).tenant_id


def random_lead(number: int, chance: random.Random) -> LeadIn:
    """Of few people with few contacts, so that leads meet in every way; and texts that COPY has to escape."""

    def maybe(share: float, value: str) -> str | None:
        return value if chance.random() < share else None

    who = chance.randrange(20)
    return LeadIn(
        source="web",
        external_id=f"x{number}",
        # Each has a time of its own, so that their order is clear.
        created_at=NOON + timedelta(seconds=number),
        name=maybe(0.7, chance.choice([f"P {who}", f"p  {who}", "\\N\t"])),
        phone=maybe(0.7, f"+861380000{who if chance.random() < 0.8 else chance.randrange(30):04}"),
        email=maybe(0.6, chance.choice([f"e{who}@x.cn", f"e{who}@y.cn", "info@x.cn", "a\\b@x.cn"])),
        company=maybe(0.4, f"Co\t{chance.randrange(4)}\n\\"),
        declared_customer=maybe(0.2, f"C{chance.randrange(15)}\r"),
        malformed=frozenset({"phone"}) if chance.random() < 0.1 else frozenset(),
    )


class Model:
    """What the database must hold, by the pure rules alone. Its customers have numbers of their own."""

    def __init__(self) -> None:
        self.keys: dict[str, Known] = {}
        self.customers: dict[str, int | None] = {}

    def accept(self, batch: Sequence[LeadIn], rules: MatchRules) -> None:
        fresh = sorted({lead.external_id: lead for lead in reversed(batch)}.values(), key=lambda lead: lead[2] or NOON)
        fresh = [lead for lead in fresh if lead.external_id not in self.customers]
        keys = [customer_keys(lead, rules) for lead in fresh]
        known = {key.name: self.keys[key.name] for own in keys for key in own if key.name in self.keys}
        first = 1 + len(self.customers)
        found = resolve(keys, known, rules.shared_above).numbered(range(first, first + len(fresh)))
        self.customers |= {lead.external_id: customer for lead, customer in zip(fresh, found.customers, strict=True)}
        self.keys |= {name: found.known(name) for name in found.keys}


async def stored_customers(conn: asyncpg.Connection) -> dict[str, int | None]:
    return {row[0]: row[1] for row in await conn.fetch("select external_id, customer_id from lead")}


async def stored_keys(conn: asyncpg.Connection) -> dict[str, Known]:
    rows = await conn.fetch("select key, customer_id, people, shared_as, shared_at from customer_key")
    assert all((row["shared_as"] is None) == (row["shared_at"] is None) for row in rows)
    return {row["key"].hex: Known(row["customer_id"], frozenset(row["people"] or ()), row["shared_as"]) for row in rows}


def renumbered(numbers: Mapping[str, int | None], names: Mapping[int, str]) -> dict[str, str | None]:
    return {name: None if number is None else names[number] for name, number in numbers.items()}


def names_of(customers: Mapping[str, int | None]) -> dict[int, str]:
    """A customer is named by the first of its leads."""
    named: dict[int, str] = {}
    for lead in sorted(customers):
        if (customer := customers[lead]) is not None:
            named.setdefault(customer, lead)
    return named


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.usefixtures("stored_either_way")
async def test_batch_by_batch_every_lead_and_key_is_the_customers_whom_the_rules_name(
    conn: asyncpg.Connection, tenant_id: int, seed: int
) -> None:
    chance, model, rules = random.Random(seed), Model(), MatchRules()
    for step in range(25):
        if chance.random() < 0.2:
            text = chance.choice(RULES)
            rules = parse_match_rules(text)
            await apply_match_rules(conn, tenant_id, text, "ann", "")
        batch = [random_lead(chance.randrange(300), chance) for _ in range(chance.choice([1, 2, 20]))]
        # Prepared by the rules in force, or by others, which must not count.
        prepared = chance.choice([None, prepare(batch, rules), prepare(batch, parse_match_rules(RULES[step % 4]))])
        await accept(conn, tenant_id, batch, prepared=prepared)
        model.accept(batch, rules)
    customers, keys = await stored_customers(conn), await stored_keys(conn)
    mine, theirs = names_of(model.customers), names_of(customers)
    assert renumbered(customers, theirs) == renumbered(model.customers, mine)
    assert {name: key._replace(customer=None) for name, key in keys.items()} == {
        name: key._replace(customer=None) for name, key in model.keys.items()
    }
    assert renumbered({name: key.customer for name, key in keys.items()}, theirs) == renumbered(
        {name: key.customer for name, key in model.keys.items()}, mine
    )


async def test_keys_that_were_prepared_for_other_leads_are_refused(conn: asyncpg.Connection, tenant_id: int) -> None:
    leads = [LeadIn("web", str(i), NOON, phone=f"+861380013800{i}") for i in range(2)]
    with pytest.raises(ValueError, match="keys of 1 leads were prepared for 2"):
        await accept(conn, tenant_id, leads, prepared=prepare(leads[:1], MatchRules()))


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.usefixtures("stored_either_way")
async def test_many_intakes_at_once_neither_double_a_customer_nor_wait_for_each_other_in_a_circle(
    conn: asyncpg.Connection, database_url: str, tenant_id: int, known: bool
) -> None:
    """Each brings other leads of the same 150 people, some of whom are known; in orders that cross."""
    people, importers = 150, 5

    def leads(importer: int) -> list[LeadIn]:
        chance = random.Random(importer)
        made = []
        for number in range(400):
            who = chance.randrange(people)
            by = chance.choice([{"phone"}, {"email"}, {"phone", "email"}, {"phone", "declared_customer"}])
            contacts = {"phone": f"+861380013{who:04}", "email": f"e{who}@x.cn", "declared_customer": f"C{who}"}
            facts = {name: value for name, value in contacts.items() if name in by}
            made.append(LeadIn("web", f"{importer}-{number}", NOON, name=f"P{who}", product=str(number), **facts))  # type: ignore[arg-type]
        return made

    both = [
        LeadIn(
            "web", f"first{who}", NOON, phone=f"+861380013{who:04}", email=f"e{who}@x.cn", declared_customer=f"C{who}"
        )
        for who in range(0, people, 1 if known else 3)
    ]
    await accept(conn, tenant_id, both)

    async def intake(importer: int) -> int:
        own, size = leads(importer), 15 + 10 * importer
        async with connected(database_url) as session:
            batches = [own[at : at + size] for at in range(0, len(own), size)]
            return sum([(await accept(session, tenant_id, batch)).new for batch in batches])

    assert sum(await asyncio.gather(*map(intake, range(importers)))) == importers * 400
    doubled = (
        "select name from lead where phone is not null group by phone, name having count(distinct customer_id) > 1"
    )
    assert await conn.fetch(doubled) == []
    assert await conn.fetchval("select count(*) from lead where customer_id is null") == 0
    if known:
        assert await conn.fetchval("select count(distinct customer_id) from lead") == people
    orphans = "select count(*) from customer_key where customer_id not in (select customer_id from lead)"
    assert await conn.fetchval(orphans) == 0
    assert await conn.fetchval("select deadlocks from pg_stat_database where datname = current_database()") == 0


async def test_a_number_that_everybody_shares_makes_no_intake_wait_for_another(
    conn: asyncpg.Connection, database_url: str, tenant_id: int
) -> None:
    def caller(number: int) -> LeadIn:
        return LeadIn("web", f"x{number}", NOON, name=f"P{number}", phone="+862150001111", email=f"e{number}@x.cn")

    await accept(conn, tenant_id, [caller(number) for number in range(10)])
    async with connected(database_url) as other, conn.transaction():
        await accept(conn, tenant_id, [caller(20)])
        assert (await asyncio.wait_for(accept(other, tenant_id, [caller(21)]), 30)).new == 1
