"""What is left of the five causes of the outage: how each is brought about, for all tests that need one."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import asyncpg

from loadtest.faults.server import FaultServer, reachable_folder
from router.domain.lead_in import LeadIn
from router.store.migrate import migrate
from tests.failure_modes.scene import role_with_connections, web
from tests.support import connected
from tests.world import reps_csv

RULES = """
rules:
  - {name: everyone, match: {}, assign_to: "group:all"}
"""
REPS = reps_csv(f"r{n},Rep {n},yes,UTC,all,100000,100000" for n in range(1, 5))
SYNC = "{view: crm_people, every: 1s, unknown_holds_for: 1s}"
"""F1: how a tenant's roster is synced with the CRM."""


async def make_crm_view(conn: asyncpg.Connection) -> None:
    """F1: the CRM says who is available, in words that are understood."""
    await conn.execute(
        "create table crm_people as select 'r' || n as rep_id, 'yes' as available, 'all' as groups "
        "from generate_series(1, 4) n"
    )


async def say_it_in_other_words(conn: asyncpg.Connection) -> None:
    """F1: the CRM's word for available is one that nothing else knows."""
    await conn.execute("update crm_people set available = 'oncall'")


async def say_it_in_known_words(conn: asyncpg.Connection) -> None:
    """F1: the owners of the CRM's view have corrected it."""
    await conn.execute("update crm_people set available = 'yes'")


WEB_RULES = """
rules:
  - {name: web, match: {region: web}, assign_to: "group:web", on_no_candidate: wait}
  - {name: rest, match: {}, assign_to: "group:rest"}
"""
NEW_REPS = reps_csv(
    [
        "r1,One,yes,UTC,rest,1,1",
        "r2,Two,yes,UTC,rest,1,1",
        *(f"n{n},New {n},yes,UTC,,100000,100000" for n in range(5)),
    ]
)
"""F2: five new reps are in no group, and the rule needs one."""


def in_the_group(roster: bytes) -> bytes:
    """F2: the same roster once the new reps are in the group of the rule."""
    return roster.replace(b",yes,UTC,,", b",yes,UTC,web,")


def of_the_web(number: int) -> LeadIn:
    """F2: a lead for the group that has nobody."""
    return web(number, region="web")


FRESH = """
rules:
  - {name: fresh, match: {created: {within: 2h}}, assign_to: "group:all"}
"""


def of_two_sources(number: int) -> LeadIn:
    """F3: three of four are of a form whose times are declared in the wrong zone."""
    now = datetime.now(UTC)
    return web(number, **({"source": "form", "created_at": now - timedelta(hours=8)} if number % 4 else {}))


def of_the_right_zone(number: int) -> LeadIn:
    """The same once somebody has corrected the mapping of the form."""
    return of_two_sources(number)._replace(created_at=datetime.now(UTC))


async def lock_the_pool(holder: asyncpg.Connection) -> None:
    """F4: a cleanup job has the whole pool, and works on in its transaction."""
    await holder.execute(
        "set application_name = 'nightly cleanup'; begin; lock table lead_pool in access exclusive mode"
    )


SMALL: Mapping[str, str] = {"max_connections": "30", "reserved_connections": "2"}
"""F5: options of a server with 30 connections, three of them for superusers and two for whoever is on call."""


@asynccontextmanager
async def a_small_server() -> AsyncIterator[str]:
    """F5: the URL of a superuser on a server of its own, migrated."""
    with reachable_folder("lead-router-own-") as folder:
        server = FaultServer(folder, SMALL)
        await server.start()
        try:
            await migrate(server.url())
            yield server.url()
        finally:
            await server.crash()


async def taken_by_others(conn: asyncpg.Connection, url: str, role: str, others: AsyncExitStack) -> None:
    """F5: the CRM opens whatever the server gives, and `role` loses what it had."""
    await conn.execute(f"alter role {role} connection limit 0")
    await conn.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", role)
    crm = await others.enter_async_context(role_with_connections(conn, url, -1))
    with suppress(asyncpg.TooManyConnectionsError):
        while True:
            await others.enter_async_context(connected(f"{crm[1]}&application_name=crm"))
    await conn.execute(f"alter role {role} connection limit -1")
