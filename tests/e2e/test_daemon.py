"""`lead-router serve --role drain` as a real process: fast by hints, sure without them, and honest about itself."""

import json
import socket

import asyncpg
import pytest

from router.store.assignments import Ending, end
from tests.e2e.commands import lead_router
from tests.support import connected, until
from tests.workers import Daemon, serving
from tests.world import Tenancy, lead, make_tenant, simple_reps

# Longer than a busy machine needs, and shorter than the poll of who is woken by hints alone.
SOON_S = 30.0
RULES = """
rules:
  - {name: everyone, match: {}, assign_to: "group:all"}
"""
# Only a hint can wake the one, only its own look the other: with few connections none is kept for listening.
BY_HINT: dict[str, object] = {"drain_poll_interval_s": 60}
# In this test's database: others share the server.
LISTENING = "from pg_stat_activity where datname = current_database() and query ~ '^LISTEN'"
BY_POLL: dict[str, object] = {"connections_maximum": 3}


async def awake(daemon: Daemon, conn: asyncpg.Connection, *, listens: bool) -> None:
    """Until it can be reached, and hears hints if it is to."""
    await daemon.said("listening")

    async def there() -> bool:
        return bool(await conn.fetchval(f"select exists (select {LISTENING})"))

    if listens:
        await until(there, "it listens to hints")


async def assigned(tenant: Tenancy, count: int) -> None:
    """Soon there are so many assigned leads."""

    async def all_there() -> bool:
        return (await tenant.states())["assigned"] == count

    await until(all_there, f"{count} leads are assigned", SOON_S)


async def waiting(tenant: Tenancy, count: int) -> None:
    """Soon so many leads have been refused, and wait."""

    async def refused() -> bool:
        return bool(await tenant.conn.fetchval("select count(*) = $1 from lead_pool where wake_key > 0", count))

    await until(refused, f"{count} leads wait", SOON_S)


@pytest.mark.parametrize("settings", [BY_HINT, BY_POLL], ids=["by hint", "by its own look"])
async def test_a_lead_gets_a_rep_soon(database_url: str, conn: asyncpg.Connection, settings: dict[str, object]) -> None:
    tenant = await make_tenant(conn, simple_reps(3, max_open=4), RULES)
    async with serving(database_url, **settings) as daemon:
        await awake(daemon, conn, listens=settings is BY_HINT)
        for number in range(1, 4):
            accepted = await tenant.accept([lead(number)])
            await assigned(tenant, number)
        await tenant.accept(lead(number) for number in range(4, 14))
        await assigned(tenant, 12)
        await waiting(tenant, 1)
        await end(conn, tenant.tenant_id, accepted.lead_ids[0], Ending.WON)
        await waiting(tenant, 0)
        await assigned(tenant, 12)
        assert await daemon.stop() == 0


async def test_a_taken_port_is_told_in_one_sentence(database_url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        # The others are free, also where another process of this machine has the usual ones.
        ports = {"LEAD_ROUTER_LISTEN_PORT": str(port), "LEAD_ROUTER_API_PORT": "0", "LEAD_ROUTER_CONSOLE_PORT": "0"}
        code, _, errors = await lead_router("serve", LEAD_ROUTER_DATABASE_URL=database_url, **ports)
    assert (code, "Traceback" in errors, errors.count("cannot listen")) == (1, False, 1)
    assert errors.splitlines()[-1].startswith(f"Error: cannot listen on 127.0.0.1 port {port}: Address already in use")


async def test_hints_that_are_lost_delay_a_lead_and_no_more(database_url: str, conn: asyncpg.Connection) -> None:
    tenant = await make_tenant(conn, simple_reps(3), RULES)
    async with serving(database_url) as daemon:
        await awake(daemon, conn, listens=True)
        # More often than a service may die.
        for number in range(1, 9):
            async with conn.transaction():
                # The hint comes when nobody listens.
                await conn.execute(f"select pg_terminate_backend(pid) {LISTENING}")
                await tenant.accept([lead(number)])
            await assigned(tenant, number)
        await awake(daemon, conn, listens=True)


@pytest.mark.parametrize("settings", [{}, BY_HINT], ids=["as it comes", "by hint alone"])
async def test_a_change_of_the_cause_takes_effect_soon(
    database_url: str, conn: asyncpg.Connection, settings: dict[str, object]
) -> None:
    tenant = await make_tenant(conn, simple_reps(1, groups=""), RULES)
    async with serving(database_url, **settings) as daemon:
        await awake(daemon, conn, listens=True)
        await tenant.accept([lead(1)])
        await waiting(tenant, 1)
        await tenant.roster(simple_reps(1, groups="all", max_open=2))
        await assigned(tenant, 1)

        await tenant.rules(RULES.replace("{}", "{region: [Shanghai]}"))
        await tenant.accept([lead(2, region="Hangzhou")])
        await waiting(tenant, 1)
        await tenant.rules(RULES)
        await assigned(tenant, 2)

        accepted = await tenant.accept([lead(3)])
        await waiting(tenant, 1)
        await tenant.roster(simple_reps(1, groups="all", max_open=3))
        await assigned(tenant, 3)
        assert await conn.fetchval("select rep_no from assignment where lead_id = $1", accepted.lead_ids[0]) == 1


async def test_it_says_that_it_lives_is_ready_and_what_it_did(database_url: str, conn: asyncpg.Connection) -> None:
    tenant = await make_tenant(conn, simple_reps(2, max_open=3), RULES)
    async with serving(database_url) as daemon:
        await awake(daemon, conn, listens=True)
        await tenant.accept(lead(number) for number in range(8))
        await waiting(tenant, 2)
        status, text = await daemon.get("/livez")
        services = json.loads(text)["services"]
        assert (status, set(services)) == (
            200,
            {
                "listener",
                "schema",
                "connections",
                "settings",
                "mutes",
                "wakeups",
                "presence",
                "held back",
                "memory",
                "drain",
            },
        )
        assert all(service["alive"] and not service["deaths"] for service in services.values())
        status, text = await daemon.get("/readyz")
        # Other tests' daemons on the same server may want more connections than it has.
        assert (status, json.loads(text)["reasons"]) == (200, {})

        async def counted() -> bool:
            lines = (await daemon.get("/metrics"))[1].splitlines()
            return {
                'lead_router_leads_assigned_total{tenant="acme"} 6.0',
                'lead_router_leads_refused_total{reason="all_at_open_cap",tenant="acme"} 2.0',
            } <= set(lines)

        await until(counted, "the metrics show what the database shows")
        assert [line["event"] for line in daemon.log].count("started") == 1


async def drain(url: str, *words: str) -> tuple[int, str]:
    """Exit code and output of `drain --until-idle`."""
    code, output, errors = await lead_router(
        "drain", "--until-idle", "--patience", "0.3", *words, LEAD_ROUTER_DATABASE_URL=url
    )
    assert "Traceback" not in errors
    return code, output


async def test_locked_leads_come_back_and_nobody_waits_for_them(database_url: str, conn: asyncpg.Connection) -> None:
    tenant = await make_tenant(conn, simple_reps(3), RULES)
    ids = (await tenant.accept(lead(number) for number in range(30))).lead_ids
    async with connected(database_url) as foreign, foreign.transaction():
        await foreign.execute("select from lead_pool where lead_id = any($1) for update", ids[:10])
        code, output = await drain(database_url, "--json")
        told = json.loads(output)
        assert (code, told["assigned"], told["idle"]) == (1, 20, False)
        assert [(left["tenant"], left["locked_leads"]) for left in told["left_behind"]] == [("acme", 10)]
        code, output = await drain(database_url)
        assert code == 1
        assert "acme: 10 ready leads locked by another session" in output
    code, output = await drain(database_url)
    assert code == 0
    assert "10 assigned" in output and "done: nothing else" in output
    assert (await tenant.states())["assigned"] == 30


async def test_a_daemon_passes_over_locked_leads_until_they_are_free(
    database_url: str, conn: asyncpg.Connection
) -> None:
    tenant = await make_tenant(conn, simple_reps(3), RULES)
    ids = (await tenant.accept(lead(number) for number in range(30))).lead_ids
    async with connected(database_url) as foreign, serving(database_url, drain_batch_leads=5) as daemon:
        async with foreign.transaction():
            await foreign.execute("select from lead_pool where lead_id = any($1) for update", ids[:10])
            await awake(daemon, conn, listens=True)
            await assigned(tenant, 20)
            await tenant.accept([lead(99)])
            await assigned(tenant, 21)
        await assigned(tenant, 31)
