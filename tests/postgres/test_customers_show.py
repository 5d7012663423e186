"""`customers show` finds whom people mean, and asks where it could be several."""

import asyncpg
import pytest

from ops.cli.commands import customers as customers_command
from tests.command_line import CommandLine
from tests.postgres.test_customers import NOON, SWITCHBOARD, a_customer, by_phone, enquiry
from tests.world import CATCH_ALL, Tenancy, make_tenant, simple_reps


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> Tenancy:
    return await make_tenant(conn, simple_reps(4))


async def test_show_finds_what_people_mean_and_asks_where_it_could_be_several(
    tenant: Tenancy, database_url: str
) -> None:
    await tenant.rules("default_phone_region: CN\n" + CATCH_ALL)
    await tenant.accept([by_phone(1, 1), by_phone(2, 2, declared_customer="4711"), enquiry(3)], NOON)
    one, two = await a_customer(tenant, 1), await a_customer(tenant, 2)
    await tenant.accept([enquiry(4, declared_customer=str(one))], NOON)
    of_crm = await a_customer(tenant, 4)
    command = CommandLine(customers_command, database_url)

    async def shown(*words: str) -> int:
        found: int = (await command.json("show", *words, "--tenant", "acme"))["customer_id"]
        return found

    for words, meant in (
        (("13800138001",), one),
        (("138 0013 8001",), one),
        (("4711",), two),
        (("4711", "--by", "crm-id"), two),
        ((str(one), "--by", "number"), one),
        ((str(one), "--by", "crm-id"), of_crm),
        ((str(two),), two),
    ):
        assert await shown(*words) == meant, words
    asked = await command.run("show", str(one), "--tenant", "acme")
    assert asked.exit_code == 2
    assert f"--by number: customer {one}, 1 lead, has no owner" in asked.output
    assert f"--by crm-id: customer {of_crm}, 1 lead" in asked.output
    for words, told in (
        (("4711", "--by", "number"), "no customer '4711', read as a lead-router customer number"),
        (("987654",), "as a lead-router customer number (987654) or the CRM's customer id (987654)"),
        (("ann", "--by", "phone"), "country code"),
    ):
        failed = await command.run("show", *words, "--tenant", "acme")
        assert (failed.exit_code, told in failed.output) == (2, True), failed.output


async def test_show_says_of_a_switchboard_that_it_is_one(tenant: Tenancy, database_url: str) -> None:
    await tenant.accept([enquiry(n, phone=SWITCHBOARD, name=f"P {n}") for n in range(8)], NOON)
    failed = await CommandLine(customers_command, database_url).run("show", SWITCHBOARD, "--tenant", "acme")
    assert (failed.exit_code, "shared by too many people" in failed.output) == (2, True)
