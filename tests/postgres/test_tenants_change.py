"""A tenant can be renamed, moved to another zone while it has had no leads, and removed with all that is its own."""

import asyncio
from typing import Any

import asyncpg
import pytest

from ops.audit.audit import audit
from ops.cleanup.catalogue import TABLES
from ops.cli.commands import tenants as tenants_family
from router.store import tenants
from router.store.assignments import Ending, end
from router.store.connections.connections import Connections
from router.store.leads import TenantRemoved, accept
from tests.command_line import CommandLine
from tests.support import BLOCKED, connected, until
from tests.world import a_drain, lead, make_tenant, settle, simple_reps


def command(url: str) -> CommandLine:
    return CommandLine(tenants_family, url)


async def refused(url: str, *words: str, code: int = 1) -> str:
    result = await command(url).run(*words)
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


async def recorded(conn: asyncpg.Connection, action: str) -> tuple[Any, ...]:
    found = await conn.fetchrow("select tenant_id, subject, before, after, why from change where action = $1", action)
    assert found is not None
    return tuple(found)


async def test_a_tenant_has_another_name_and_everything_else_stays(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenants.add(conn, "other", "UTC")
    done = await command(database_url).json("rename", "acme", "acme-east", "--why", "two of them now")
    assert (done["name"], done["was"], done["tenant_id"]) == ("acme-east", "acme", tenant.tenant_id)
    assert await recorded(conn, "tenants rename") == (tenant.tenant_id, "name", "acme", "acme-east", "two of them now")
    await tenant.accept([lead(1)])
    assert (await settle(a_drain(connections), tenant.tenant_id)).assigned == 1
    assert "exists" in await refused(database_url, "rename", "acme-east", "other")
    await refused(database_url, "rename", "acme-east", "no good name", code=2)
    await refused(database_url, "rename", "acme", "x", code=2)


async def test_the_zone_moves_while_there_were_no_leads_and_never_after(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    rules = "business_time_zone: UTC\nrules:\n  - {name: all, match: {created: today}, assign_to: 'group:all'}\n"
    tenant = await make_tenant(conn, simple_reps(1), rules)
    assert "business_time_zone" in await refused(database_url, "set", "acme", "--time-zone", "Asia/Shanghai")
    assert await conn.fetchval("select time_zone from tenant") == "UTC"
    await tenant.rules(rules.partition("\n")[2])
    done = await command(database_url).json("set", "acme", "--time-zone", "Asia/Shanghai", "--why", "a slip")
    assert (done["time_zone"], done["was"], done["ruleset"]) == ("Asia/Shanghai", "UTC", 3)
    assert (await recorded(conn, "tenants set"))[1:] == ("time zone", "UTC", "Asia/Shanghai", "a slip")
    await refused(database_url, "set", "acme", "--time-zone", "Asia/Shangai")
    await tenant.accept([lead(1)])
    assert "has leads" in await refused(database_url, "set", "acme", "--time-zone", "UTC")
    assert (await settle(a_drain(connections), tenant.tenant_id)).assigned == 1
    assert (await audit(conn)).ok


async def test_a_tenant_is_removed_as_a_whole_after_a_summary_and_no_other_loses_a_row(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    stays = await make_tenant(conn, simple_reps(1), name="stays")
    goes = await make_tenant(conn, simple_reps(2), name="goes")
    for tenant in (stays, goes):
        taken = await tenant.accept([lead(n, phone=f"+861380013{n:04}") for n in range(6)])
        await settle(a_drain(connections), tenant.tenant_id)
        await end(conn, tenant.tenant_id, taken.lead_ids[0], Ending.WON)

    async def rows(tenant_id: int) -> dict[str, int]:
        found = {}
        for table in TABLES:
            asked = f"select count(*) from {table.name} where tenant_id = $1"
            found[table.name] = await conn.fetchval(asked, tenant_id)
        return found

    before, others = await rows(goes.tenant_id), await rows(stays.tenant_id)
    shown = await command(database_url).json("remove", "goes", code=1)
    assert (shown["removed"], shown["leads"]) == (False, 6)
    assert await rows(goes.tenant_id) == before
    assert "--yes" in await refused(database_url, "remove", "goes")
    done = await command(database_url).json("remove", "goes", "--yes", "--why", "a trial")
    assert (done["removed"], done["rows"]) == (True, shown["rows"])
    assert set((await rows(goes.tenant_id)).values()) == {0}
    assert await rows(stays.tenant_id) == others
    tenant_id, subject, counted, _, why = await recorded(conn, "tenants remove")
    assert (tenant_id, subject, why) == (0, "goes", "a trial")
    assert "6 leads and 2 reps" in counted
    assert (await audit(conn)).ok
    await refused(database_url, "remove", "goes", "--yes", code=2)
    again = await tenants.add(conn, "goes", "UTC")
    assert again.tenant_id != goes.tenant_id


async def test_leads_that_are_being_stored_while_their_tenant_goes_leave_no_row_behind(
    conn: asyncpg.Connection, database_url: str
) -> None:
    goes = await make_tenant(conn, simple_reps(1), name="goes")
    async with connected(database_url) as other:
        transaction = other.transaction()
        await transaction.start()
        await accept(other, goes.tenant_id, [lead(n) for n in range(3)])
        removing = asyncio.create_task(command(database_url).json("remove", "goes", "--yes"))

        async def is_gone() -> bool:
            return not await conn.fetchval("select count(*) from tenant") or bool(await conn.fetchval(BLOCKED))

        await until(is_gone, "the tenant is gone")
        await transaction.commit()
        await removing
    assert await conn.fetchval("select count(*) from lead") == 0
    with pytest.raises(TenantRemoved):
        await accept(conn, goes.tenant_id, [lead(9)])
    assert (await audit(conn)).ok
