"""Promise 10 against the database: shared numbers are not used for matching; customers are merged and unmerged."""

import asyncio
import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from ops.audit.audit import audit
from ops.cli.commands import customers as customers_command
from ops.cli.commands import leads as leads_command
from router.domain.lead_in import LeadIn
from router.manual.assign import CannotGive, assign_by_hand
from router.manual.merge_customers import CannotMerge, merge_customers, unmerge_customers
from router.store.assignments import Ending, LeadUnknown, NotAssigned, end
from router.store.connections.connections import Connections
from router.store.customer_merges import CustomerUnknown, leads_of
from router.store.leads import accept
from tests.command_line import CommandLine
from tests.support import connected, until
from tests.world import Tenancy, a_drain, make_tenant, reps_csv, settle, simple_reps

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WAITS_FOR_LOCK = "select wait_event_type = 'Lock' from pg_stat_activity where pid = $1"
SWITCHBOARD = "+862150001111"


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> Tenancy:
    return await make_tenant(conn, simple_reps(4))


def enquiry(number: int, **facts: object) -> LeadIn:
    return LeadIn("web", f"e{number}", NOON, product=f"p{number}", **facts)  # type: ignore[arg-type]


def by_phone(number: int, who: int, **facts: object) -> LeadIn:
    return enquiry(number, phone=f"+86138001380{who:02}", **facts)


async def customer(tenant: Tenancy, number: int) -> int | None:
    found: int | None = await tenant.conn.fetchval(
        "select customer_id from lead where tenant_id = $1 and external_id = $2", tenant.tenant_id, f"e{number}"
    )
    return found


async def a_customer(tenant: Tenancy, number: int) -> int:
    found = await customer(tenant, number)
    assert found is not None
    return found


async def reps_of(tenant: Tenancy, *numbers: int) -> list[str | None]:
    rows = await tenant.conn.fetch(
        """select l.external_id, r.rep_id from lead l join assignment a using (tenant_id, lead_id)
             join rep r using (tenant_id, rep_no) where l.tenant_id = $1""",
        tenant.tenant_id,
    )
    found = {row[0]: row[1] for row in rows}
    return [found.get(f"e{number}") for number in numbers]


async def owner(tenant: Tenancy, customer_id: int) -> str | None:
    found: str | None = await tenant.conn.fetchval(
        """select rep_id from customer_owner join rep using (tenant_id, rep_no)
            where tenant_id = $1 and customer_id = $2""",
        *(tenant.tenant_id, customer_id),
    )
    return found


async def merge(tenant: Tenancy, stays: int, moves: int, now: datetime = NOON) -> int:
    done = await merge_customers(
        tenant.conn,
        tenant.tenant_id,
        await a_customer(tenant, stays),
        await a_customer(tenant, moves),
        actor="ann",
        now=now,
    )
    return done.merge_id


async def is_clean(tenant: Tenancy) -> None:
    assert not (await audit(tenant.conn)).violations


async def test_a_switchboard_ties_nobody_once_too_many_people_called_from_it_and_is_reported(
    tenant: Tenancy, connections: Connections, database_url: str
) -> None:
    callers = [enquiry(i, phone=SWITCHBOARD, name=f"P {i}", email=f"p{i}@co.cn") for i in range(8)]
    await tenant.accept(callers[:3], NOON)
    tied = await a_customer(tenant, 0)
    assert await customer(tenant, 2) == tied
    await tenant.accept(callers[3:], NOON)
    later = [await customer(tenant, i) for i in range(3, 8)]
    assert len({tied, *later}) == 6
    await tenant.accept([enquiry(20, phone=SWITCHBOARD), enquiry(21, phone=SWITCHBOARD)], NOON)
    assert [await customer(tenant, 20), await customer(tenant, 21)] == [None, None]
    # Who was tied before stays so, until somebody unmerges them; and is known by what else was said.
    await tenant.accept([enquiry(22, email="p1@co.cn"), enquiry(23, email="p7@co.cn", phone=SWITCHBOARD)], NOON)
    assert [await customer(tenant, 22), await customer(tenant, 23)] == [tied, later[-1]]
    told = await CommandLine(customers_command, database_url).json("shared", "--tenant", "acme")
    assert [(one["key"], one["people"], one["customer_id"]) for one in told["shared"]] == [
        (f"phone {SWITCHBOARD}", 6, tied)
    ]
    await settle(a_drain(connections), tenant.tenant_id, NOON)
    await is_clean(tenant)


async def test_one_batch_of_a_shared_number_goes_to_many_reps_and_one_of_a_customer_to_one(
    tenant: Tenancy, connections: Connections
) -> None:
    shared = [enquiry(i, phone=SWITCHBOARD, name=f"P {i}") for i in range(8)]
    own = [by_phone(i, 1, name="Ann") for i in range(100, 108)]
    await tenant.accept([*shared, *own], NOON)
    await settle(a_drain(connections), tenant.tenant_id, NOON)
    assert len(set(await reps_of(tenant, *range(8)))) == 4
    assert len(set(await reps_of(tenant, *range(100, 108)))) == 1


async def test_two_intakes_at_once_count_the_people_of_a_number_together(tenant: Tenancy, database_url: str) -> None:
    async with connected(database_url) as other:
        for round_no in range(4):
            phone = f"+8621500022{round_no:02}"
            batches = [
                [enquiry(1000 * round_no + 100 * half + i, phone=phone, name=f"P {half} {i}") for i in range(4)]
                for half in range(2)
            ]
            await asyncio.gather(
                *(accept(c, tenant.tenant_id, b, NOON) for c, b in zip((tenant.conn, other), batches, strict=True))
            )
    rows = await tenant.conn.fetch("select people, shared_as from customer_key where tenant_id = $1", tenant.tenant_id)
    assert [row["shared_as"] is not None for row in rows] == [True] * 4


async def test_a_tenants_match_rules_hold_for_what_comes_after_them(
    tenant: Tenancy, database_url: str, tmp_path: Path
) -> None:
    command = CommandLine(customers_command, database_url)
    file = tmp_path / "match.yaml"
    file.write_text("match_on: [customer_id, email, [email_domain, company]]\nignore: info@*\nshared_above: 2\n")
    await tenant.accept([by_phone(1, 1), by_phone(2, 1)], NOON)
    assert await customer(tenant, 1) == await customer(tenant, 2)
    assert (await command.json("rules", "--tenant", "acme"))["version"] == 0
    told = await command.json("rules", str(file), "--tenant", "acme", "--author", "ann", "--note", "fair")
    assert (told["version"], told["author"], told["match_on"][-1]) == (1, "ann", "email_domain+company")
    await tenant.accept(
        [by_phone(3, 1), enquiry(4, email="info@co.cn", company="Co"), enquiry(5, email="a@co.cn", company="co ")]
    )
    assert await customer(tenant, 3) is None
    assert await customer(tenant, 4) == await customer(tenant, 5) is not None
    file.write_text("match_on: [[name]]\n")
    wrong = await command.run("rules", str(file), "--tenant", "acme")
    assert wrong.exit_code == 2
    assert "would tie strangers" in wrong.output
    assert (await command.json("rules", "--tenant", "acme"))["version"] == 1


async def test_match_rules_applied_before_their_fields_were_renamed_hold_and_are_shown_by_the_new_names(
    tenant: Tenancy, database_url: str, tmp_path: Path
) -> None:
    old = "tie_by: [email]\nties_nobody: info@*\nmost_people: 2\n"
    await tenant.conn.execute(
        "insert into customer_rules (tenant_id, version, author, source) values ($1, 1, 'ann', $2)",
        tenant.tenant_id,
        old,
    )
    await tenant.accept([by_phone(1, 1), enquiry(2, email="a@co.cn"), enquiry(3, email="a@co.cn")], NOON)
    assert await customer(tenant, 1) is None
    assert await customer(tenant, 2) == await customer(tenant, 3) is not None
    command = CommandLine(customers_command, database_url)
    described = await command.json("rules", "--tenant", "acme")
    assert (described["match_on"], described["shared_above"], described["ignore"]) == (["email"], 2, ["info@*"])
    file = tmp_path / "match.yaml"
    file.write_text(old)
    refused = await command.run("rules", str(file), "--tenant", "acme")
    assert refused.exit_code == 2
    assert "match.yaml:1: tie_by is now match_on" in refused.output


async def test_merged_customers_have_one_rep_their_waiting_leads_go_there_and_the_keys_of_both_lead_to_it(
    tenant: Tenancy, connections: Connections
) -> None:
    drain = a_drain(connections)
    await tenant.accept([by_phone(1, 1)], NOON)
    await settle(drain, tenant.tenant_id, NOON)
    await tenant.accept([by_phone(2, 2)], NOON + MINUTE)
    await settle(drain, tenant.tenant_id, NOON + MINUTE)
    first, second = await reps_of(tenant, 1, 2)
    assert first != second
    await tenant.roster(reps_csv([f"r{i:03},Rep {i},no,UTC,all,1000,1000" for i in range(1, 5)]))
    await tenant.accept([by_phone(3, 1)], NOON + 2 * MINUTE)
    await settle(drain, tenant.tenant_id, NOON + 2 * MINUTE)
    await merge(tenant, 1, 2, NOON + 3 * MINUTE)
    stays = await a_customer(tenant, 1)
    assert await owner(tenant, stays) == second
    assert [await customer(tenant, n) for n in (1, 2, 3)] == [stays] * 3
    await tenant.roster(simple_reps(4))
    await tenant.accept([by_phone(4, 2), by_phone(5, 1)], NOON + 4 * MINUTE)
    await settle(drain, tenant.tenant_id, NOON + 4 * MINUTE)
    assert await reps_of(tenant, 1, 2, 3, 4, 5) == [first, second, second, second, second]
    await is_clean(tenant)


async def test_unmerged_customers_have_their_keys_leads_and_owners_again(
    tenant: Tenancy, connections: Connections
) -> None:
    drain = a_drain(connections)
    for number in (1, 2):
        await tenant.accept([by_phone(number, number)], NOON + number * MINUTE)
        await settle(drain, tenant.tenant_id, NOON + number * MINUTE)
    first, second = await reps_of(tenant, 1, 2)
    one, two = await a_customer(tenant, 1), await a_customer(tenant, 2)
    merge_id = await merge(tenant, 1, 2, NOON + 3 * MINUTE)
    await tenant.accept([by_phone(3, 2, email="new@x.cn"), by_phone(4, 1)], NOON + 4 * MINUTE)
    done = await unmerge_customers(tenant.conn, merge_id, actor="bob", now=NOON + 5 * MINUTE)
    assert (done.leads, done.keys) == (2, 2)
    assert [await customer(tenant, n) for n in (1, 2, 3, 4)] == [one, two, two, one]
    assert [await owner(tenant, one), await owner(tenant, two)] == [first, second]
    await tenant.accept([enquiry(5, email="new@x.cn")], NOON + 5 * MINUTE)
    await settle(drain, tenant.tenant_id, NOON + 6 * MINUTE)
    assert await reps_of(tenant, 3, 4, 5) == [second, first, second]
    with pytest.raises(CannotMerge, match="was unmerged by bob"):
        await unmerge_customers(tenant.conn, merge_id, actor="bob")
    await is_clean(tenant)


async def test_what_cannot_be_merged_or_unmerged_changes_nothing_and_says_why(tenant: Tenancy) -> None:
    await tenant.accept([by_phone(n, n) for n in (1, 2, 3)], NOON)
    one = await a_customer(tenant, 1)
    inner = await merge(tenant, 2, 3)
    with pytest.raises(CannotMerge, match="name two"):
        await merge(tenant, 1, 1)
    with pytest.raises(CustomerUnknown, match="customer 999 does not exist"):
        await merge_customers(tenant.conn, tenant.tenant_id, one, 999, actor="ann")
    with pytest.raises(CustomerUnknown, match="merge 999 does not exist"):
        await unmerge_customers(tenant.conn, 999, actor="ann")
    third = await tenant.conn.fetchval("select customer_id from customer_merge")
    with pytest.raises(CannotMerge, match=f"merged into customer .* by merge {inner}"):
        await merge_customers(tenant.conn, tenant.tenant_id, one, third, actor="ann")
    outer = await merge(tenant, 1, 2)
    with pytest.raises(CannotMerge, match=f"merge {outer}; unmerge that one first"):
        await unmerge_customers(tenant.conn, inner, actor="ann")
    for merge_id in (outer, inner):
        await unmerge_customers(tenant.conn, merge_id, actor="ann")
    assert len({await customer(tenant, n) for n in (1, 2, 3)}) == 3
    await is_clean(tenant)


async def test_merges_and_unmerges_among_imports_drains_and_endings_end_without_deadlock_and_with_a_clean_audit(
    tenant: Tenancy, connections: Connections, database_url: str
) -> None:
    people = 6
    await tenant.accept([by_phone(n, n) for n in range(people)], None)
    done = asyncio.Event()

    async def imports(seed: int) -> None:
        rng = random.Random(seed)
        async with connected(database_url) as conn:
            for turn in range(25):
                numbers = [10_000 * seed + 100 * turn + i for i in range(8)]
                leads = [
                    by_phone(
                        n, rng.randrange(people), **({"email": f"{rng.randrange(people)}@x.cn"} if n % 3 == 0 else {})
                    )
                    for n in numbers
                ]
                await accept(conn, tenant.tenant_id, leads)

    async def merges(seed: int) -> None:
        rng = random.Random(seed)
        async with connected(database_url) as conn:
            for _ in range(20):
                numbers = [
                    row[0] for row in await conn.fetch("select distinct customer_id from lead where customer_id > 0")
                ]
                try:
                    if len(numbers) > 2 and rng.random() < 0.6:
                        one, two = rng.sample(numbers, 2)
                        await merge_customers(conn, tenant.tenant_id, one, two, actor="ann")
                    else:
                        merge_id = await conn.fetchval(
                            "select max(merge_id) from customer_merge where parted_at is null"
                        )
                        await unmerge_customers(conn, merge_id or 0, actor="bob")
                except (CannotMerge, CustomerUnknown):
                    continue

    async def endings() -> None:
        async with connected(database_url) as conn:
            while not done.is_set():
                lead_id = await conn.fetchval("select lead_id from assignment order by random() limit 1")
                with suppress(NotAssigned, LeadUnknown):
                    await end(conn, tenant.tenant_id, lead_id or 0, Ending.RETURNED)

    async def by_hand() -> None:
        async with connected(database_url) as conn:
            while not done.is_set():
                lead_id = await conn.fetchval("select lead_id from lead order by random() limit 1")
                try:
                    rep_id = f"r00{1 + lead_id % 4}"
                    await assign_by_hand(conn, tenant.tenant_id, lead_id, rep_id, actor="eve", token=lead_id)
                except (CannotGive, NotAssigned, LeadUnknown):
                    await asyncio.sleep(0)

    async def drains(seed: int) -> None:
        drain = a_drain(connections, seed=seed, ready=7)
        while not done.is_set():
            await drain.drain_tenant(tenant.tenant_id)
            await asyncio.sleep(0)

    background = [asyncio.create_task(one) for one in (drains(1), drains(2), endings(), by_hand())]
    try:
        await asyncio.gather(imports(1), imports(2), merges(3), merges(4))
    finally:
        done.set()
        await asyncio.gather(*background)
    await settle(a_drain(connections, seed=3), tenant.tenant_id)
    await is_clean(tenant)
    gone = await tenant.conn.fetch("select customer_id from customer_merge where parted_at is null")
    assert gone or await tenant.conn.fetchval("select count(*) from customer_merge") > 0
    assert await leads_of(tenant.conn, tenant.tenant_id, [row[0] for row in gone]) == []


async def test_a_locked_lead_of_a_customer_keeps_the_merge_waiting_but_not_the_lane(
    tenant: Tenancy, connections: Connections, database_url: str
) -> None:
    await tenant.accept([by_phone(1, 1), by_phone(2, 2), by_phone(3, 3)], NOON)
    async with connected(database_url) as other, connected(database_url) as third:
        block = other.transaction()
        await block.start()
        await other.execute("select from lead_pool where lead_id = (select max(lead_id) - 1 from lead) for update")
        one, two = await a_customer(tenant, 1), await a_customer(tenant, 2)
        merging = asyncio.create_task(merge_customers(third, tenant.tenant_id, one, two, actor="ann"))

        async def waits() -> bool:
            return bool(await tenant.conn.fetchval(WAITS_FOR_LOCK, third.get_server_pid()))

        await until(waits, "the merge waits for the lead")
        done = await a_drain(connections).drain_tenant(tenant.tenant_id)
        assert done.assigned == 1
        assert await reps_of(tenant, 3) != [None]
        await block.rollback()
        assert (await merging).leads == 1
    await settle(a_drain(connections), tenant.tenant_id)
    assert len(set(await reps_of(tenant, 1, 2))) == 1
    await is_clean(tenant)


async def test_the_commands_merge_show_and_unmerge(tenant: Tenancy, database_url: str) -> None:
    await tenant.accept([by_phone(1, 1, name="Ann"), by_phone(2, 2, email="ann@x.cn")], NOON)
    one, two = await a_customer(tenant, 1), await a_customer(tenant, 2)
    command = CommandLine(customers_command, database_url)
    merged = await command.json("merge", str(one), str(two), "--tenant", "acme", "--note", "same person")
    assert (merged["leads"], merged["keys"], merged["owner"]) == (1, 2, None)
    for named in (str(one), "+86138001380 02", "ann@x.cn"):
        shown = await command.json("show", named, "--tenant", "acme")
        assert (shown["customer_id"], len(shown["leads"]), shown["keys"]) == (one, 2, 3)
    assert (await command.json("show", str(two), "--tenant", "acme"))["part_of"] == one
    again = await command.run("merge", str(one), str(two), "--tenant", "acme")
    assert (again.exit_code, "was merged into customer" in again.output) == (1, True)
    unmerged = await command.json("unmerge", str(merged["merge_id"]))
    assert (unmerged["leads"], unmerged["keys"]) == (1, 2)
    text = (await command.run("show", str(two), "--tenant", "acme")).output
    assert "same person" in text
    assert "unmerged" in text
    assert (await command.run("show", "nobody@x.cn", "--tenant", "acme")).exit_code == 2


async def test_a_check_foretells_what_an_import_ties_and_names_suspicious_keys_and_writes_nothing(
    tenant: Tenancy, database_url: str, tmp_path: Path
) -> None:
    await tenant.accept([by_phone(1, 1)], NOON)
    rows = [f"f{i},+8613800138002,,Bo" for i in range(3)] + ["g1,+8613800138001,,Ann", "g1,+8613800138001,,Ann"]
    rows += [f"s{i},{SWITCHBOARD},p{i % 7}@co.cn,P {i}" for i in range(8)] + [
        "x1,+8613800000000,,Nobody",
        "y1,,,Anonymous",
    ]
    file = tmp_path / "leads.csv"
    file.write_text("\n".join(["external_id,phone,email,name", *rows]), encoding="utf-8")
    command = CommandLine(customers_command, database_url)
    told = await command.json("check", str(file), "--tenant", "acme", code=1)
    assert await tenant.conn.fetchval("select count(*) from lead") == 1
    assert (told["leads"], told["without_customer"], told["customers"]) == (14, 2, 9)
    assert told["sizes"] == {"1": 7, "2": 1, "3": 1}
    assert [(g["leads"], g["tied_by"]) for g in told["groups"]] == [
        (3, {"phone": 2}),
        (2, {"email": 1}),
        (1, {"phone": 1}),
    ]
    assert told["groups"][-1]["customer_id"] == await a_customer(tenant, 1)
    assert told["shared"] == [{"key": f"phone {SWITCHBOARD}", "people": 6, "leads": 8, "lines": [7, 8, 9, 10, 11]}]
    assert told["groups"][0]["keys"] == [{"key": "phone +8613800138002", "leads": 3, "lines": [2, 3, 4]}]
    assert told["excluded"] == {"phone +8613800000000": 1}
    text = await command.run("check", str(file), "--tenant", "acme")
    assert "shared by too many: phone" in text.output
    imported = await CommandLine(leads_command, database_url).json("import", str(file), "--tenant", "acme")
    assert imported["new"] == 14
    ties = await tenant.conn.fetch(
        "select count(*) from lead where external_id <> 'e1' and customer_id > 0 group by customer_id order by 1"
    )
    assert [row[0] for row in ties] == [1] * 7 + [2, 3]
