"""A repeat is merged into a lead within 24 hours of it, whatever the order, the batches and who else imports; it can be
undone, and a mapping can say how repeats are told.
"""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from ops.audit.audit import audit
from ops.cli.commands import leads as leads_family
from ops.cli.why import why as why_command
from router.domain.lead_in import LeadIn
from router.rules.repeats import OFF, WINDOW
from router.store import tenants
from router.store.connections.connections import Connections
from router.store.leads import accept
from tests.command_line import CommandLine
from tests.support import connected
from tests.unit.test_repeats import oracle
from tests.world import a_drain, lead, make_tenant, settle, simple_reps

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HEADER = "external_id,source,created_at,customer_id,product"
A, B, C = (
    "A,web,2026-03-02T10:00:00+08:00,C1,pump",
    "B,web,2026-03-03T06:00:00+08:00,C1,pump",
    "C,web,2026-03-04T02:00:00+08:00,C1,pump",
)


async def merged(conn: asyncpg.Connection, tenant_id: int) -> dict[str, str]:
    """External id of each merged lead to that of the lead that it is merged into."""
    rows = await conn.fetch(
        """select a.external_id, b.external_id from merged m join lead a using (tenant_id, lead_id)
             join lead b on b.tenant_id = m.tenant_id and b.lead_id = m.into_lead_id where m.tenant_id = $1""",
        tenant_id,
    )
    return {row[0]: row[1] for row in rows}


async def waiting(conn: asyncpg.Connection, tenant_id: int) -> set[str]:
    rows = await conn.fetch(
        "select external_id from lead_pool join lead using (tenant_id, lead_id) where tenant_id = $1", tenant_id
    )
    return {row[0] for row in rows}


def enquiries(chance: random.Random) -> list[LeadIn]:
    """Of a few customers, close together in time, some at the very same moment; also in long chains."""
    sources, hours = chance.choice([["web", "fair"], ["web"]]), chance.choice([2, 9, 15])
    return [
        LeadIn(
            chance.choice(sources),
            f"{chance.choice('abc')}{number}",
            NOON + chance.randrange(14) * hours * HOUR,
            phone=f"+861380013800{chance.randrange(len(sources))}",
            product=chance.choice(["pump", None]) if len(sources) > 1 else None,
        )
        for number in range(chance.randrange(2, 20))
    ]


def expected(leads: list[LeadIn]) -> dict[str, str]:
    by_enquiry: dict[Any, list[tuple[datetime, str]]] = {}
    for one in leads:
        assert one.created_at is not None
        by_enquiry.setdefault((one.source, one.phone, one.product), []).append((one.created_at, one.external_id))
    return {name: root for same in by_enquiry.values() for name, root in oracle(same).items()}


def batches(leads: list[LeadIn], chance: random.Random) -> list[list[LeadIn]]:
    chance.shuffle(leads)
    cut = []
    while leads:
        size = chance.choice([1, 1, 2, 5, 20])
        cut.append(leads[:size])
        leads = leads[size:]
    return cut


async def test_the_same_leads_are_merged_whatever_the_order_the_batches_and_who_else_imports(
    conn: asyncpg.Connection, database_url: str
) -> None:
    chance = random.Random(17)
    async with connected(database_url) as other:
        for number in range(60):
            leads = enquiries(chance)
            tenant_id = (await tenants.add(conn, f"t{number}", "UTC")).tenant_id
            parts = batches(list(leads), chance)
            if number % 3:
                counted = sum([(await accept(conn, tenant_id, part)).merged for part in parts])
                assert counted == len(expected(leads))
            else:

                async def each(own: asyncpg.Connection, some: list[list[LeadIn]], tenant_id: int = tenant_id) -> None:
                    for part in some:
                        await accept(own, tenant_id, part)

                await asyncio.gather(each(conn, parts[::2]), each(other, parts[1::2]))
            assert await merged(conn, tenant_id) == expected(leads), (number, parts)
            assert await waiting(conn, tenant_id) == {one.external_id for one in leads} - set(expected(leads))
    assert (await audit(conn)).ok


async def test_whose_phone_many_share_is_merged_with_nobody_however_many_came_before_that_was_known(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    chance = random.Random(5)
    columns = "external_id,source,created_at,name,phone,email"
    rows = [
        f"{n}{copy},web,{(NOON + copy * HOUR).isoformat()},Person {n},+8613800138000,{f'p{n}@x.cn' if n == 3 else ''}"
        for n in range(7)
        for copy in range(2)
    ]
    mapping = tmp_path / "m.yaml"
    for number, (fields, repeats) in enumerate([("", 1), ("", 1), ("repeats: [phone]", 0), ("repeats: [phone]", 0)]):
        tenant_id = (await tenants.add(conn, f"t{number}", "UTC")).tenant_id
        chance.shuffle(rows)
        (tmp_path / "leads.csv").write_text("\n".join([columns, *rows, ""]))
        mapping.write_text(fields or "time_zone: UTC")
        words = ("import", str(tmp_path / "leads.csv"), "--tenant", f"t{number}", "--mapping", str(mapping))
        size = ("--batch", "1" if number % 2 else "5000")
        checked = await command(database_url).json(*words, *size, "--check")
        said = await command(database_url).json(*words, *size)
        assert (checked["merged"], said["merged"]) == (repeats, repeats)
        assert await merged(conn, tenant_id) == ({"31": "30"} if repeats else {})
    assert (await audit(conn)).ok


async def test_while_reps_work_a_repeat_stays_within_a_day_of_a_lead_that_stands_for_itself(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    """What somebody has cannot be merged any more; and what is closed takes nothing in."""
    chance = random.Random(4)
    tenant = await make_tenant(conn, simple_reps(2))
    drain = a_drain(connections)
    for number in range(12):
        for part in batches([one._replace(source=f"s{number}") for one in enquiries(chance)], chance):
            await accept(conn, tenant.tenant_id, part)
            if chance.random() < 0.4:
                await drain.drain_tenant(tenant.tenant_id, now=NOON + 10 * 24 * HOUR + number * HOUR)
    await settle(drain, tenant.tenant_id, now=NOON + 12 * 24 * HOUR)
    rows = await conn.fetch(
        """select a.created_at, b.created_at, m.into_lead_id in (select lead_id from merged) from merged m
             join lead a using (tenant_id, lead_id)
             join lead b on b.tenant_id = m.tenant_id and b.lead_id = m.into_lead_id"""
    )
    assert len(rows) > 10
    for one, root, chain in rows:
        assert abs(one - root) <= WINDOW
        assert not chain
    found = await audit(conn)
    assert found.ok, found.violations


def command(url: str) -> CommandLine:
    return CommandLine(leads_family, url)


def file(folder: Path, *rows: str) -> str:
    path = folder / "leads.csv"
    path.write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
    return str(path)


async def test_a_check_names_what_would_be_merged_and_the_import_does_just_that(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    """The smallest case: three enquiries, 20 hours apart, in two orders and two sizes of batches."""
    for name, rows, batch in [("one", [A, B, C], "5000"), ("two", [C, B, A], "1"), ("three", [A, C, B], "1")]:
        tenant_id = (await tenants.add(conn, name, "Asia/Shanghai")).tenant_id
        words = ("import", file(tmp_path, *rows), "--tenant", name, "--batch", batch)
        checked = await command(database_url).json(*words, "--check")
        assert checked["merged"] == 1
        [example] = checked["repeats"]
        assert (example["external_id"], example["into_external_id"], example["into_lead"]) == ("B", "A", None)
        said = await command(database_url).json(*words)
        assert said["merged"] == 1
        assert (await merged(conn, tenant_id), await waiting(conn, tenant_id)) == ({"B": "A"}, {"A", "C"})
    # What comes later: D repeats a stored lead, and Z shows that A was not the first.
    more = ("D,web,2026-03-04T12:00:00+08:00,C1,pump", "Z,web,2026-03-01T20:00:00+08:00,C1,pump")
    late = ("import", file(tmp_path, *more), "--tenant", "one")
    checked = await command(database_url).json(*late, "--check")
    said = await command(database_url).json(*late)
    assert checked["merged"] == said["merged"]
    tenant_id = (await tenants.tenant_named(conn, "one")).tenant_id
    assert await merged(conn, tenant_id) == {"A": "Z", "C": "B"}
    assert await waiting(conn, tenant_id) == {"Z", "B", "D"}


async def test_a_source_can_switch_repeats_off_or_name_the_fields_and_no_later_import_undoes_that(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    tenant_id = (await tenants.add(conn, "acme", "UTC")).tenant_id
    mapping = tmp_path / "m.yaml"
    mapping.write_text("repeats: off\n")
    words = ("import", file(tmp_path, A, B), "--tenant", "acme", "--mapping", str(mapping))
    assert (await command(database_url).json(*words, "--check"))["merged"] == 0
    assert (await command(database_url).json(*words))["merged"] == 0
    plain = ("import", file(tmp_path, A.replace("A,", "A2,", 1), B.replace("B,", "B2,", 1)), "--tenant", "acme")
    assert (await command(database_url).json(*plain))["merged"] == 1
    assert await merged(conn, tenant_id) == {"B2": "A2"}
    mapping.write_text("repeats: [customer_id]\n")
    both = [A.replace("A,web", "A,fair"), B.replace("B,web", "B,fair").replace("pump", "valve")]
    named = ("import", file(tmp_path, *both), "--tenant", "acme", "--mapping", str(mapping))
    assert (await command(database_url).json(*named))["merged"] == 1


async def test_a_merged_lead_can_wait_again_and_is_merged_no_more(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    leads = [lead(n, phone="+8613800138000", created_at=NOON + n * HOUR) for n in range(3)]
    first, second, third = (await tenant.accept(leads)).lead_ids
    words = ("unmerge", str(second), "--why", "two machines")
    done = await command(database_url).json(*words)
    assert done == {"lead_id": second, "was_merged_into": first}
    for lead_id, why in [(second, "is waiting, not merged"), (first, f"merged into it: {third}")]:
        result = await command(database_url).run("unmerge", str(lead_id))
        assert (result.exit_code, why in result.output) == (1, True), result.output
    await tenant.accept([lead(9, phone="+8613800138000", created_at=NOON + HOUR)])
    assert await merged(conn, tenant.tenant_id) == {"e2": "e0", "e9": "e0"}
    assert await waiting(conn, tenant.tenant_id) == {"e0", "e1"}
    [enquiry] = await conn.fetchrow("select enquiry from lead where lead_id = $1", second) or [None]
    assert enquiry == OFF
    change = await conn.fetchrow("select subject, before, why from change where action = 'leads unmerge'")
    assert change is not None
    assert tuple(change) == (f"lead {second}", f"merged into lead {first}", "two machines")
    explained = await CommandLine(why_command, database_url).run(str(second))
    assert f"unmerged from lead {first} by" in explained.output
    assert "two machines" in explained.output
    document = await CommandLine(why_command, database_url).json(str(second))
    [unmerged] = [one for one in document["timeline"] if one["what"] == "unmerged"]
    assert unmerged["merged_into"] == first
    events = await conn.fetch("select type from event where $1 = any(leads) order by event_no", second)
    assert [row[0] for row in events] == ["lead.merged", "lead.unmerged"]
    assert (await settle(a_drain(connections), tenant.tenant_id)).assigned == 2
    assert (await audit(conn)).ok
