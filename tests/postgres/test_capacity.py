"""`capacity` on a real database: leads count once, costs come from what was recorded, caps are the tenant's."""

import asyncpg

from ops.cli.capacity import capacity
from ops.stalls.counting import RuleBook, count_new
from router.store.connections.connections import Connections
from router.store.stalls import watched_tenants
from tests.command_line import CommandLine
from tests.world import a_drain, lead, make_tenant, settle, simple_reps

NOWHERE = ("--metrics", "http://127.0.0.1:1/metrics")
BATCHES, SIZE = 7, 200


async def test_what_was_recorded_says_what_is_needed_and_what_is_too_small(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    command = CommandLine(capacity, database_url)
    assert "there is no tenant yet" in (await command.run()).output
    tenant = await make_tenant(conn, simple_reps(4))
    unknown = await command.run("--leads", "100", *NOWHERE)
    assert unknown.exit_code == 2
    assert "--bench" in unknown.output
    nobody = await command.run(*NOWHERE)
    assert nobody.exit_code == 2
    assert "give --leads N" in nobody.output

    for absurd in (("--leads", "nan"), ("--leads", "0"), ("--peak", "nan"), ("--peak", "0.5")):
        assert (await command.run("--leads", "5", *absurd)).exit_code == 2
    local = await command.run("--leads", "5", "--metrics", "file:///etc/hostname")
    assert "is not a URL with http" in local.output

    await tenant.accept(lead(n) for n in range(BATCHES * SIZE))
    done = await settle(a_drain(connections, ready=SIZE), tenant.tenant_id)
    assert done.assigned == BATCHES * SIZE
    # Its own sessions show that this process routes, with its maximum.
    found = await command.json()
    assert found["wanted"]["leads_per_day"] == found["history"]["leads"] == BATCHES * SIZE
    assert found["history"]["tenants"] == {"acme": BATCHES * SIZE}
    assert f"{BATCHES - 1} recorded batches" in found["cost"]["source"]
    assert found["cost"]["tenant_leads_per_s"] > 0
    assert found["present"]["routers"] == 1
    assert found["warnings"] == []

    # What the service counts by hour is not counted again.
    [watched] = await watched_tenants(conn)
    await count_new(conn, watched, RuleBook())
    await count_new(conn, (await watched_tenants(conn))[0], RuleBook())
    assert await conn.fetchval("select sum(leads) from hour_count where what = 'received'") == BATCHES * SIZE
    await tenant.accept([lead(-1)])
    again = await command.json("--tenant", "acme")
    assert again["history"]["leads"] == BATCHES * SIZE + 1

    # A router that is gone is not counted on.
    await conn.execute("update process set ended_at = clock_timestamp()")
    gone = await command.json(code=1)
    assert any(words.startswith("routers: too small") for words in gone["warnings"])

    full = await command.json("--leads", "5000", code=1)
    [reps] = [one for one in full["limits"] if one["name"] == "reps"]
    assert (reps["leads_per_day"], reps["used"], reps["too_small"]) == (4000, 1.25, True)
    shown = await command.run("--leads", "5000", "--peak", "8")
    assert shown.exit_code == 1
    for words in (
        "next bottleneck:",
        "warning: reps: too small",
        "5,000 leads a day, the busiest hour 8.0 times the mean",
    ):
        assert words in shown.output
