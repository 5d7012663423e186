"""Tests on a server with Citus: each gets a database of its own, the same on every worker, with distributed tables.

`LEAD_ROUTER_TEST_DATABASE_URL` names the coordinator (a superuser's URL); `LEAD_ROUTER_TEST_CITUS_WORKERS` its workers,
as `host:port` with commas between (none = one server, which has the shards itself). The superuser's name and password
are the same everywhere.
"""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

from router.store.migrate import migrate_and_distribute
from tests.support import connected, created, database_of

WORKERS = "LEAD_ROUTER_TEST_CITUS_WORKERS"
SHARDS = 4

PLANS = "reads plans, which are made on the workers there"
LOCKS = "row locks on workers cannot be seen from the coordinator"
OTHER = "makes or changes the schema of a database by itself, as one server has it"
ONE_SERVER = {
    "test_altered_tables": OTHER,
    "test_backup": "dumps and restores one server",
    "test_blockers": LOCKS,
    "test_blocking_watch": LOCKS,
    "test_blockers_elsewhere": "has a stand-in for Citus",
    "test_busy": LOCKS,
    "test_cleanup_partitions": "partitions are detached at once there, and not beside writers",
    "test_distribute": "has a stand-in for Citus",
    "test_handover_plans": PLANS,
    "test_held_back": "looks at dead rows, which are on the workers",
    "test_intake_plans": PLANS,
    "test_lead_lists_plans": PLANS,
    "test_migrate": OTHER,
    "test_plans": PLANS,
    "test_pooler_console": "is about a pooler in front of one server",
    "test_schema": OTHER,
    "test_seen_blockers": LOCKS,
    "test_servers_away": "makes rows fail on one server",
    "test_table_locks": LOCKS,
    "test_webhooks_plans": PLANS,
}
"""Modules of tests/postgres that say nothing about Citus, and why."""


async def has_citus(admin_url: str) -> bool:
    """Whether databases of this server can be distributed."""
    async with connected(admin_url) as admin:
        loaded = await admin.fetchval("select current_setting('shared_preload_libraries') ~ '\\mcitus\\M'")
        known = await admin.fetchval("select exists (select from pg_available_extensions where name = 'citus')")
        return bool(loaded and known)


@asynccontextmanager
async def distributed(admin_url: str, name: str) -> AsyncIterator[str]:
    """A database of this name on all servers, migrated and distributed; dropped afterwards."""
    workers = [
        (host, int(port))
        for one in os.environ.get(WORKERS, "").split(",")
        if one
        for host, _, port in [one.partition(":")]
    ]
    async with AsyncExitStack() as made:
        url = await made.enter_async_context(created(admin_url, name, "template0"))
        for host, port in workers:
            await made.enter_async_context(created(_on(admin_url, host, port), name, "template0"))
            async with connected(database_of(_on(admin_url, host, port), name)) as conn:
                await conn.execute("create extension citus")
        async with connected(url) as conn:
            await conn.execute("create extension citus")
            port = int(await conn.fetchval("select current_setting('port')"))
            await conn.execute(
                f"select citus_set_coordinator_host('{urlsplit(admin_url).hostname or 'localhost'}', {port})"
            )
            for worker in workers:
                await conn.execute(f"select citus_add_node('{worker[0]}', {worker[1]})")
            if not workers:
                node = "select citus_set_node_property(nodename, nodeport, 'shouldhaveshards', true) from pg_dist_node"
                await conn.execute(node)
            await conn.execute(f'alter database "{name}" set citus.shard_count = {SHARDS}')
        await migrate_and_distribute(url)
        yield url


def _on(url: str, host: str, port: int) -> str:
    scheme, netloc, path, query, fragment = urlsplit(url)
    user = f"{netloc.rpartition('@')[0]}@" if "@" in netloc else ""
    return urlunsplit((scheme, f"{user}{host}:{port}", path, query, fragment))
