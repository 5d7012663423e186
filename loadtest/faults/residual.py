"""What is left of the causes of the outage, as tests and load runs bring it about: others lock the pool, others take
all connections, the CRM says in other words who is available.
"""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import asyncpg

SYNC = "{view: crm_people, every: 1s, unknown_holds_for: 1s}"
"""F1: how a tenant's roster is synced with the CRM."""
SMALL: Mapping[str, str] = {"max_connections": "30", "reserved_connections": "2"}
"""F5: options of a server with 30 connections, three of them for superusers and two for whoever is on call."""


async def say_it_in_other_words(conn: asyncpg.Connection) -> None:
    """F1: the CRM's word for available is one that nothing else knows."""
    await conn.execute("update crm_people set available = 'oncall'")


async def say_it_in_known_words(conn: asyncpg.Connection) -> None:
    """F1: the CRM's word for available is understood again."""
    await conn.execute("update crm_people set available = 'yes'")


async def lock_the_pool(holder: asyncpg.Connection) -> None:
    """F4: a cleanup job has the whole pool, and works on in its transaction."""
    await holder.execute(
        "set application_name = 'nightly cleanup'; begin; lock table lead_pool in access exclusive mode"
    )


async def taken_by_others(conn: asyncpg.Connection, url: str, role: str, others: AsyncExitStack) -> None:
    """F5: the CRM opens whatever the server gives, and `role` loses what it had."""
    await conn.execute(f"alter role {role} connection limit 0")
    await conn.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", role)
    crm = await others.enter_async_context(role_with_connections(conn, url, -1))
    with suppress(asyncpg.TooManyConnectionsError):
        while True:
            opened = await asyncpg.connect(f"{crm[1]}&application_name=crm")
            others.push_async_callback(opened.close)
    await conn.execute(f"alter role {role} connection limit -1")


async def make_role(conn: asyncpg.Connection, url: str, limit: int) -> tuple[str, str]:
    """A role that may have so many connections (-1 = any number), and the URL with it."""
    role = f"router_{uuid.uuid4().hex[:12]}"
    await conn.execute(f"create role {role} login connection limit {limit}")
    await conn.execute(f"grant pg_read_all_data, pg_write_all_data, pg_monitor, pg_signal_backend to {role}")
    await conn.execute(f"grant usage on all sequences in schema public to {role}")
    return role, url.replace("postgres@", f"{role}@")


@asynccontextmanager
async def role_with_connections(conn: asyncpg.Connection, url: str, limit: int) -> AsyncIterator[tuple[str, str]]:
    """As `make_role`, of which nothing is left at the end."""
    role, its_url = await make_role(conn, url, limit)
    try:
        yield role, its_url
    finally:
        await conn.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = $1", role)
        await conn.execute(f"drop owned by {role}; drop role {role}")
