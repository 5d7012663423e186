"""From the fault to the person, and back: real servers, the project's own rules and routes, 15 times as fast.

Each cause of the outage in its residual form is brought about; the right alert must be sent within a minute and name
the cause, nothing unrelated may be sent, and all of it must end once the commands of the runbook were typed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic
from typing import Any

import pytest
import pytest_asyncio

from ops.runbooks.library import page_of
from tests.debian import install
from tests.e2e.heard import Expected
from tests.e2e.whole_path import SYNCED, Surroundings, whole_path
from tests.failure_modes.residual import (
    FRESH,
    NEW_REPS,
    RULES,
    WEB_RULES,
    in_the_group,
    lock_the_pool,
    of_the_right_zone,
    of_the_web,
    of_two_sources,
    say_it_in_known_words,
    say_it_in_other_words,
    taken_by_others,
)
from tests.failure_modes.scene import Service, web
from tests.runbooks.incident import Incident, OnCall, nothing
from tests.runbooks.of_servers import OTHER_WAYS_TO_END_A_LOCK
from tests.support import connected

pytestmark = [pytest.mark.servers, pytest.mark.timeout(420), pytest.mark.asyncio(loop_scope="module")]

QUIET_S = 120.0
PAGE = "LeadRouterLeadsWaitDespiteRoom"
ROUTED_WITHIN_S = 30.0
ALL = "(all)"
"""The tenant of what is not about one."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def path(reachable_folder: Path) -> AsyncIterator[Surroundings]:
    """Started once for all tests here."""
    install()
    folder = Path(mkdtemp(prefix="whole-path-", dir=reachable_folder))
    folder.chmod(0o755)
    async with whole_path(folder) as running:
        yield running


def on_call(path: Surroundings, service: Service, finding: str, **more: Any) -> OnCall:
    """Somebody who was sent the alert, and has the page of the finding that it names."""
    more = {"by_itself": partial(service.all_routed, ROUTED_WITHIN_S), **more}
    return OnCall(page_of(finding), Incident(finding, path.url, path.conn, **more))


async def test_a_healthy_service_sends_nothing_for_two_minutes(path: Surroundings) -> None:
    tenant = await path.tenant("healthy")
    begin = monotonic()
    async with path.leads(tenant, web) as service:
        await asyncio.sleep(QUIET_S)
        await service.all_routed(ROUTED_WITHIN_S)
    assert path.watching.sink.since(begin) == []
    assert service.sent > QUIET_S
    assigned = await path.watching.prometheus.value('sum(lead_router_leads_assigned_total{tenant="healthy"})')
    assert assigned is not None and assigned > QUIET_S, "Prometheus does not see what the service does"
    assert await path.watching.prometheus.failing_rules() == []


async def test_f1_availability_in_unknown_words_reaches_people_who_end_it(path: Surroundings) -> None:
    async with path.leads(path.synced, web) as service:
        await service.all_routed(ROUTED_WITHIN_S)
        fault = path.fault(
            Expected(PAGE, "oncall", SYNCED, "availability_unreadable"),
            Expected("LeadRouterRosterNotUnderstood", "tickets"),
            companions={"LeadRouterNobodyAvailable": "the same cause from the side of the group"},
        )
        await say_it_in_other_words(path.conn)
        await fault.arrives()
        engineer = on_call(path, service, "availability_unreadable")
        await engineer.looks()
        await engineer.fixes()
        await say_it_in_known_words(path.conn)  # the page: by hand only until the view is right
        await engineer.confirms()
        await fault.ends()


async def test_f2_an_empty_group_reaches_people_who_end_it(path: Surroundings) -> None:
    tenant = await path.tenant("grouped", NEW_REPS, WEB_RULES)
    fault = path.fault(
        Expected(PAGE, "oncall", "grouped", "groups_empty"),
        companions={"LeadRouterRepsWithoutLeads": "the same cause from the side of the reps: they are in no group"},
    )
    async with path.leads(tenant, of_the_web) as service:
        await fault.arrives()
        await on_call(path, service, "groups_empty").cures()
        await tenant.roster(in_the_group(NEW_REPS))  # the page has a command for one of them; the roster has all
        await fault.ends()


async def test_f3_a_wrong_time_zone_reaches_people_who_end_it(path: Surroundings) -> None:
    tenant = await path.tenant("zoned", rules=FRESH)
    fault = path.fault(
        Expected(PAGE, "oncall", "zoned", "stamps_shifted"), Expected("LeadRouterStampsShifted", "tickets")
    )
    async with path.leads(tenant, of_two_sources) as service:
        await fault.arrives()
        await corrected(path, service)
        await fault.ends()


async def corrected(path: Surroundings, service: Service) -> None:
    """First the mapping of the source, then the leads that came meanwhile."""
    engineer = on_call(path, service, "stamps_shifted")
    await engineer.looks()
    service.make = of_the_right_zone
    await engineer.fixes()
    await engineer.confirms()


async def test_f4_a_cleanup_job_that_has_a_table_locked_reaches_people_who_end_it(path: Surroundings) -> None:
    tenant = await path.tenant("locked", rules=RULES)
    async with path.leads(tenant, web) as service, connected(path.url) as holder:
        await service.all_routed(ROUTED_WITHIN_S)
        fault = path.fault(Expected(PAGE, "oncall", ALL, "database_busy"), Expected("LeadRouterTableLocked", "tickets"))
        await lock_the_pool(holder)
        await fault.arrives()
        more = {"chosen": {"TENANT": "locked"}, "left_out": OTHER_WAYS_TO_END_A_LOCK}
        await on_call(path, service, "database_busy", **more).cures()
        await fault.ends()


async def test_f5_connections_that_others_have_reach_people_who_end_it(path: Surroundings) -> None:
    tenant = await path.tenant("short", rules=RULES)
    async with path.leads(tenant, web) as service, AsyncExitStack() as others:
        await service.all_routed(ROUTED_WITHIN_S)
        fault = path.fault(
            Expected(PAGE, "oncall", ALL, "not opened: refused"), Expected("LeadRouterConnectionsSaturated", "tickets")
        )
        await taken_by_others(path.conn, path.url, path.role, others)
        await fault.arrives()
        await on_call(path, service, "connections_short").cures()
        await fault.ends()


async def test_f3_and_f5_at_once_reach_people_who_end_both(path: Surroundings) -> None:
    tenant = await path.tenant("both", rules=FRESH)
    fault = path.fault(
        Expected(PAGE, "oncall", ALL, "not opened: refused"),
        Expected("LeadRouterConnectionsSaturated", "tickets"),
        Expected("LeadRouterStampsShifted", "tickets"),
        later=[Expected(PAGE, "oncall", "both", "stamps_shifted")],
    )
    async with path.leads(tenant, of_two_sources) as service, AsyncExitStack() as others:
        # Without a connection nothing can be found: the times are wrong for some seconds before it is gone.
        await path.found("stamps_shifted")
        await taken_by_others(path.conn, path.url, path.role, others)
        await fault.arrives()
        await on_call(path, service, "connections_short", by_itself=nothing).cures()
        await fault.follows()
        await corrected(path, service)
        await fault.ends()
