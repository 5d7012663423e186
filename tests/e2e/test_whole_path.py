"""From the fault to the person, and back: real servers, the project's own rules and routes, 15 times as fast.

Each cause of the outage in its residual form is brought about; the right alert must be sent within a minute, name the
cause, be the only one of its kind, and be over once the commands of its runbook were typed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import pytest_asyncio

from ops.runbooks.library import page_of
from tests.debian import install
from tests.e2e.whole_path import SYNCED, Expected, Surroundings, whole_path
from tests.failure_modes.residual import (
    FRESH,
    NEW_REPS,
    RULES,
    WEB_RULES,
    lock_the_pool,
    of_the_right_zone,
    of_the_web,
    of_two_sources,
    say_it_in_known_words,
    say_it_in_other_words,
    taken_by_others,
)
from tests.failure_modes.scene import Service, web
from tests.runbooks.incident import Incident, OnCall
from tests.runbooks.of_servers import OTHER_WAYS_TO_END_A_LOCK
from tests.support import connected

pytestmark = [pytest.mark.servers, pytest.mark.asyncio(loop_scope="module")]

QUIET_S = 120.0
PAGE = "LeadRouterLeadsWaitDespiteRoom"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def path(reachable_folder: Path) -> AsyncIterator[Surroundings]:
    """Started once for all tests here."""
    install()
    folder = reachable_folder / "whole-path"
    folder.mkdir()
    folder.chmod(0o755)
    async with whole_path(folder) as running:
        yield running


def on_call(path: Surroundings, service: Service, finding: str, **more: Any) -> OnCall:
    """Somebody who was sent the alert, and has the page of the finding that it names."""
    return OnCall(page_of(finding), Incident(finding, path.url, path.conn, service.all_routed, **more))


async def test_a_healthy_service_sends_nothing_for_two_minutes(path: Surroundings) -> None:
    tenant = await path.tenant("healthy")
    begin = monotonic()
    async with path.leads(tenant, web) as service:
        await asyncio.sleep(QUIET_S)
        await service.all_routed()
    assert path.sent(begin) == set()
    assert service.sent > QUIET_S
    assigned = await path.watching.prometheus.value('sum(lead_router_leads_assigned_total{tenant="healthy"})')
    assert assigned is not None and assigned > QUIET_S, "Prometheus does not see what the service does"
    assert await path.watching.prometheus.failing_rules() == []


async def test_f1_availability_in_unknown_words_reaches_people_who_end_it(path: Surroundings) -> None:
    ticket = "LeadRouterRosterNotUnderstood"
    async with path.leads(path.synced, web) as service:
        await service.all_routed()
        begin = monotonic()
        await say_it_in_other_words(path.conn)
        await path.arrive(
            begin,
            Expected(PAGE, "oncall", "availability_unreadable", SYNCED),
            Expected(ticket, "tickets", "availability_unreadable"),
        )
        engineer = on_call(path, service, "availability_unreadable")
        await engineer.looks()
        await engineer.fixes()
        await say_it_in_known_words(path.conn)  # the page: by hand only until the view is right
        await engineer.confirms()
        await path.resolve(begin, PAGE, ticket)
    path.only(begin, PAGE, ticket)


async def test_f2_an_empty_group_reaches_people_who_end_it(path: Surroundings) -> None:
    tenant = await path.tenant("grouped", NEW_REPS, WEB_RULES)
    begin = monotonic()
    async with path.leads(tenant, of_the_web) as service:
        await path.arrive(begin, Expected(PAGE, "oncall", "groups_empty", "grouped"))
        await on_call(path, service, "groups_empty").cures()
        await path.resolve(begin, PAGE)
    path.only(begin, PAGE)


async def test_f3_a_wrong_time_zone_reaches_people_who_end_it(path: Surroundings) -> None:
    ticket = "LeadRouterStampsShifted"
    tenant = await path.tenant("zoned", rules=FRESH)
    begin = monotonic()
    async with path.leads(tenant, of_two_sources) as service:
        await path.arrive(
            begin,
            Expected(PAGE, "oncall", "stamps_shifted", "zoned"),
            Expected(ticket, "tickets", "stamps_shifted"),
        )
        await corrected(path, service)
        await path.resolve(begin, PAGE, ticket)
    path.only(begin, PAGE, ticket)


async def corrected(path: Surroundings, service: Service) -> None:
    """First the mapping of the source, then the leads that came meanwhile."""
    engineer = on_call(path, service, "stamps_shifted")
    await engineer.looks()
    service.make = of_the_right_zone
    await engineer.fixes()
    await engineer.confirms()


async def test_f4_a_cleanup_job_that_has_a_table_locked_reaches_people_who_end_it(path: Surroundings) -> None:
    ticket = "LeadRouterTableLocked"
    tenant = await path.tenant("locked", rules=RULES)
    async with path.leads(tenant, web) as service, connected(path.url) as holder:
        await service.all_routed()
        begin = monotonic()
        await lock_the_pool(holder)
        await path.arrive(
            begin,
            Expected(PAGE, "oncall", "database_busy", "(all)"),
            Expected(ticket, "tickets", "lead-router blockers"),
        )
        more = {"chosen": {"TENANT": "locked"}, "left_out": OTHER_WAYS_TO_END_A_LOCK}
        await on_call(path, service, "database_busy", **more).cures()
        await path.resolve(begin, PAGE, ticket)
    path.only(begin, PAGE, ticket)


async def test_f5_connections_that_others_have_reach_people_who_end_it(path: Surroundings) -> None:
    ticket = "LeadRouterConnectionsSaturated"
    tenant = await path.tenant("short", rules=RULES)
    async with path.leads(tenant, web) as service, AsyncExitStack() as others:
        await service.all_routed()
        begin = monotonic()
        await taken_by_others(path.conn, path.url, path.role, others)
        await path.arrive(
            begin,
            Expected(PAGE, "oncall", "", "(all)"),
            Expected(ticket, "tickets", "lead-router connections list"),
        )
        await on_call(path, service, "connections_short").cures()
        await path.resolve(begin, PAGE, ticket)
    path.only(begin, PAGE, ticket)


async def test_f3_and_f5_at_once_reach_people_who_end_both(path: Surroundings) -> None:
    tickets = ["LeadRouterStampsShifted", "LeadRouterConnectionsSaturated"]
    tenant = await path.tenant("both", rules=FRESH)
    begin = monotonic()
    async with path.leads(tenant, of_two_sources) as service, AsyncExitStack() as others:
        await path.waits("both", 20)
        await taken_by_others(path.conn, path.url, path.role, others)
        await path.arrive(
            begin,
            Expected(PAGE, "oncall", "", "(all)"),
            Expected(tickets[0], "tickets", "stamps_shifted"),
            Expected(tickets[1], "tickets", "lead-router connections list"),
        )
        await on_call(path, service, "connections_short").cures()
        await corrected(path, service)
        await path.resolve(begin, PAGE, *tickets)
    path.only(begin, PAGE, *tickets)
