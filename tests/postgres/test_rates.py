"""What reps sold lately is counted as of a moment, and counted anew when the rules ask for something else."""

from datetime import UTC, datetime, timedelta

import asyncpg

from router.domain.rates import Tally
from router.drain.close_rates import refresh
from router.store.assignments import Ending, end
from router.store.connections.connections import Connections
from router.store.rates import load_rates
from router.store.tenants import tenant_named
from tests.world import a_drain, lead, make_tenant, settle, simple_reps

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def rules(segment: str) -> str:
    return f"""
weights:
  close_rate: {{lookback_days: 90, prior_leads: 5, segment: {segment}}}
  sold_product: {{lookback_days: 90, factor: 2}}
rules:
  - {{name: everyone, match: {{}}, assign_to: group:all}}
"""


async def test_history_is_counted_up_to_the_day_and_again_when_the_rules_count_something_else(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(1), rules("industry"))
    accepted = await tenant.accept([lead(i, industry="Food", product="Pump", created_at=NOON) for i in range(4)], NOON)
    await settle(a_drain(connections), tenant.tenant_id, NOON)
    for lead_id, how in zip(accepted.lead_ids, (Ending.WON, Ending.WON, Ending.LOST), strict=False):
        await end(conn, tenant.tenant_id, lead_id, how, NOON + timedelta(hours=1))

    # As of the morning of the same day nothing had happened yet.
    assert await refresh(conn, await tenant_named(conn, "acme"), NOON) == 1
    before = await load_rates(conn, tenant.tenant_id, 1)
    assert not before.by_segment and not before.sold

    assert await refresh(conn, await tenant_named(conn, "acme"), NOON + DAY) == 2
    rates = await load_rates(conn, tenant.tenant_id, 2)
    assert rates.by_segment == {"food": {1: Tally(leads=4, wins=2)}}
    assert rates.sold == {"pump": frozenset({1})}
    assert await refresh(conn, await tenant_named(conn, "acme"), NOON + DAY) == 2

    await tenant.rules(rules("product"))
    assert await refresh(conn, await tenant_named(conn, "acme"), NOON + DAY) == 3
    assert (await load_rates(conn, tenant.tenant_id, 3)).by_segment == {"pump": {1: Tally(leads=4, wins=2)}}

    # Outside the 90 days only what is still open counts no more.
    assert await refresh(conn, await tenant_named(conn, "acme"), NOON + 100 * DAY) == 4
    assert not (await load_rates(conn, tenant.tenant_id, 4)).sold
