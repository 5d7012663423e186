"""What is left of the five causes of the outage: how each is brought about, for all tests that need one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg

from loadtest.faults.residual import (
    SMALL,
    SYNC,
    lock_the_pool,
    say_it_in_known_words,
    say_it_in_other_words,
    taken_by_others,
)
from loadtest.faults.server import FaultServer, reachable_folder
from router.domain.lead_in import LeadIn
from router.store.migrate import migrate
from tests.failure_modes.scene import web
from tests.world import reps_csv

__all__ = [
    "FRESH",
    "NEW_REPS",
    "REPS",
    "RULES",
    "SMALL",
    "SYNC",
    "WEB_RULES",
    "a_small_server",
    "lock_the_pool",
    "make_crm_view",
    "of_the_right_zone",
    "of_the_web",
    "of_two_sources",
    "say_it_in_known_words",
    "say_it_in_other_words",
    "taken_by_others",
]

RULES = """
rules:
  - {name: everyone, match: {}, assign_to: "group:all"}
"""
REPS = reps_csv(f"r{n},Rep {n},yes,UTC,all,100000,100000" for n in range(1, 5))


async def make_crm_view(conn: asyncpg.Connection) -> None:
    """F1: the CRM says who is available, in words that are understood."""
    await conn.execute(
        "create table crm_people as select 'r' || n as rep_id, 'yes' as available, 'all' as groups "
        "from generate_series(1, 4) n"
    )


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
