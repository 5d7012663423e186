"""The five causes of the outage, as they can still stop leads: each is noticed, named first, and its fix works.

In this order: the reasons of the leads, the stall, the doctor's first finding with its proof, the fix as it is printed,
everything routed without another hand, the recovery, a clean audit.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import asyncpg
import pytest

from tests.failure_modes.residual import (
    FRESH,
    NEW_REPS,
    REPS,
    RULES,
    SYNC,
    WEB_RULES,
    a_small_server,
    lock_the_pool,
    make_crm_view,
    of_the_right_zone,
    of_the_web,
    of_two_sources,
    say_it_in_other_words,
    taken_by_others,
)
from tests.failure_modes.scene import Pace, Service, role_with_connections, running, web
from tests.support import connected, until
from tests.world import make_tenant, usual


def leading(stall: dict[str, Any]) -> str:
    """The reason of most leads of a stall. One that came at the moment of the look is ready still."""
    reasons: dict[str, int] = stall["reasons"]
    assert len(reasons.keys() - {"ready"}) == 1
    return max(reasons, key=reasons.__getitem__)


async def named_first(service: Service, code: str, severity: str = "") -> dict[str, object]:
    """The doctor's first finding, once it is this one."""
    found: list[dict[str, object]] = []

    async def named() -> bool:
        found[:] = await service.doctor()
        return bool(found) and found[0]["code"] == code and severity in ("", found[0]["severity"])

    await until(named, f"{code} is the first finding")
    return found[0]


async def test_f1_availability_that_nobody_understands_is_named_and_one_command_routes_again(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path, pace: Pace
) -> None:
    tenant = await make_tenant(conn, REPS, RULES)
    await make_crm_view(conn)
    sync = tmp_path / "sync.yaml"
    sync.write_text(f"tenants: {{acme: {SYNC}}}")
    async with running(tenant, database_url, web, roster_sync_file=sync, pace=pace) as service:
        await service.all_routed()
        await say_it_in_other_words(conn)
        await service.waits("nobody_available")
        stall = await service.noticed()
        assert leading(stall) == "nobody_available"
        finding = await named_first(service, "availability_unreadable")
        assert finding["evidence"]
        assert finding["held_back"]
        await service.run(str(finding["command"]))
        await service.all_routed()
        await service.recovered()
        await service.audited()


async def test_f2_an_empty_group_is_named_and_one_command_routes_again(
    conn: asyncpg.Connection, database_url: str, pace: Pace
) -> None:
    tenant = await make_tenant(conn, NEW_REPS, WEB_RULES)
    async with running(tenant, database_url, of_the_web, pace=pace) as service:
        await service.waits("group_empty")
        stall = await service.noticed()
        assert leading(stall) == "group_empty"
        finding = await named_first(service, "groups_empty")
        assert finding["evidence"]
        await service.run(str(finding["command"]))
        await service.all_routed()
        await service.recovered()
        await service.audited()


CAUGHT = f'{FRESH}  - {{name: rest, match: {{}}, assign_to: "group:all"}}\n'


async def test_f3_a_source_whose_zone_is_wrong_is_named_first_and_one_command_routes_again(
    conn: asyncpg.Connection, database_url: str, pace: Pace
) -> None:
    tenant = await make_tenant(conn, REPS, FRESH)
    async with running(tenant, database_url, of_two_sources, pace=pace) as service:
        await service.waits("no_matching_rule", 20)
        stall = await service.noticed()
        assert leading(stall) == "no_matching_rule"
        finding = await named_first(service, "stamps_shifted")
        assert finding["evidence"] and "8 h behind" in str(finding["sentence"])
        assert [one["code"] for one in await service.doctor()][1:3] == ["no_rule_matches", "stalled"]
        service.make = of_the_right_zone
        await service.run(await service.run(str(finding["command"])))
        await service.all_routed()
        await service.recovered()
        await service.audited()


async def test_f3_with_a_catch_all_nothing_waits_and_the_wrong_routing_is_noticed(
    conn: asyncpg.Connection, database_url: str, pace: Pace
) -> None:
    tenant = await make_tenant(conn, REPS, CAUGHT)
    for name, leads in (("fresh", 900), ("rest", 100), ("", 1000)):
        await usual(tenant, "rule", name, leads, minutes=60)
    async with running(tenant, database_url, of_two_sources, pace=pace) as service:
        await service.noticed(message="leads may be routed wrongly")
        (first, second) = [one for one in await service.doctor(code=0) if one["severity"] == "warning"][:2]
        assert (first["code"], second["code"]) == ("stamps_shifted", "misrouted")
        assert await tenant.conn.fetchval("select count(*) from stall where topic = 'waiting'") == 0
        await service.audited()


@pytest.fixture
async def small_server() -> AsyncIterator[str]:
    async with a_small_server() as url:
        yield url


async def test_f3_and_f5_together_are_the_first_two_findings(small_server: str, pace: Pace) -> None:
    async with (
        connected(small_server) as conn,
        role_with_connections(conn, small_server, -1) as (role, url),
        AsyncExitStack() as others,
    ):
        tenant = await make_tenant(conn, REPS, FRESH)
        async with running(
            tenant, url, of_two_sources, direct=small_server, connections_maximum=8, pace=pace
        ) as service:
            await service.waits("no_matching_rule", 20)
            await taken_by_others(conn, small_server, role, others)
            service.url = small_server
            found: list[dict[str, object]] = []

            async def both() -> bool:
                found[:] = await service.doctor()
                first = {(one["code"], one["severity"]) for one in found[:2]}
                return first == {("stamps_shifted", "critical"), ("connections_short", "critical")}

            await until(both, "the first two findings are the two causes")
            assert all(one["evidence"] for one in found[:2])


async def test_f4_a_pool_that_somebody_has_locked_is_named_and_the_printed_command_ends_it(
    conn: asyncpg.Connection, database_url: str, pace: Pace
) -> None:
    tenant = await make_tenant(conn, REPS, RULES)
    async with running(tenant, database_url, web, pace=pace) as service, connected(database_url) as holder:
        await service.all_routed()
        await lock_the_pool(holder)
        stall = await service.noticed()
        assert stall["kind"] == "cannot_look"
        finding = await named_first(service, "database_busy")
        assert finding["evidence"]
        assert "nightly cleanup" in str(finding["sentence"])
        await service.run(str(finding["command"]))
        await service.all_routed()
        await service.recovered()
        await service.audited()


async def test_f5_when_others_have_all_connections_they_are_named_and_the_printed_command_routes_again(
    small_server: str, pace: Pace
) -> None:
    async with (
        connected(small_server) as conn,
        role_with_connections(conn, small_server, -1) as (role, url),
        role_with_connections(conn, small_server, -1) as (on_call, on_call_url),
        AsyncExitStack() as others,
    ):
        await conn.execute(f"grant pg_use_reserved_connections to {on_call}")
        tenant = await make_tenant(conn, REPS, RULES)
        async with running(tenant, url, web, direct=small_server, connections_maximum=8, pace=pace) as service:
            await service.all_routed()
            await taken_by_others(conn, small_server, role, others)
            await tenant.accept(web(n) for n in range(10_000, 10_005))
            stall = await service.noticed()
            assert stall["kind"] == "cannot_look"
            unusable = await named_first(service, "database_unusable")
            assert "lead-router connections" in str(unusable["command"])
            service.url = on_call_url
            assert (await service.waiting()).keys() == {"ready"}
            finding = await named_first(service, "connections_short", "critical")
            evidence = cast(list[dict[str, object]], finding["evidence"])
            assert any(row.get("application") == "crm" for row in evidence)
            await service.run(await service.run(str(finding["command"])))
            await service.all_routed()
            service.url = small_server
            await service.recovered()
            await service.audited()
