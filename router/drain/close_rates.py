"""The duty that counts what reps sold lately: once per business day of each tenant, as of the day's beginning."""

from datetime import datetime

from router.domain.calendar import business_day
from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.store.connections.connections import Connections, Part
from router.store.errors import TRANSIENT_ERRORS
from router.store.rates import Wanted, is_taken, take_snapshot
from router.store.rulesets import load_ruleset
from router.store.statements import Connection
from router.store.tenants import Tenant, all_tenants
from router.telemetry.logs import get_logger

log = get_logger(__name__)


async def refresh(conn: Connection, tenant: Tenant, now: datetime) -> int | None:
    """Takes the snapshot of the business day that holds `now`, if the rules use one and it is not taken yet.

    New rules that count something else take another one at once.

    Returns the version in force after it, None when the rules use no history.
    """
    if not tenant.ruleset:
        return None
    weights = (await load_ruleset(conn, tenant.tenant_id, tenant.ruleset)).weights
    if weights.close_rate is None and weights.sold_product is None:
        return None
    wanted = Wanted(business_day(now, tenant.time_zone).start, weights.close_rate, weights.sold_product)
    if await is_taken(conn, tenant.tenant_id, wanted):
        return tenant.rates
    return await take_snapshot(conn, tenant.tenant_id, wanted)


async def _refresh_alone(conn: Connection, tenant: Tenant, now: datetime) -> None:
    """What one tenant has stored, such as rules of a later release, keeps no other from its snapshot."""
    try:
        version = await refresh(conn, tenant, now)
    except TRANSIENT_ERRORS:
        raise
    except Exception as error:
        log.error("close rates not refreshed", tenant=tenant.name, exc_info=error)
        return
    if version is not None and version != tenant.rates:
        log.info("close rates counted", tenant=tenant.name, version=version)


class CloseRatesService(Periodic):
    """Several instances may do it at once: the second finds the day's snapshot taken."""

    name = "close rates"
    failing = "close rates not refreshed"
    interval_s = 60.0
    longest_wait_s = 10.0
    max_silence_s = 120.0
    deadline_s = None

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def once(self, life: Lifeline) -> None:
        """Looks at every tenant."""
        async with self._connections.acquire(Part.DUTIES) as conn:
            now: datetime = await conn.fetchval("select clock_timestamp()")
            tenants = await all_tenants(conn)
        for tenant in tenants:
            if life.stopping:
                return
            # One connection for all of them would be held for minutes, and may be the only one there is.
            async with self._connections.acquire(Part.DUTIES) as conn:
                await _refresh_alone(conn, tenant, now)
            life.beat()
