"""Reads what capacity is worked out from: the history of arrivals, the cost of a lead, and what there is now."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.error import URLError
from urllib.request import urlopen

from ops.capacity.arrivals import History, history_of
from ops.capacity.costs import LONGEST_S, MINIMUM_LEADS, NotMeasured, cost_of_batches, cost_of_metrics
from ops.capacity.plan import Cost, Present
from router.rules.problems import InvalidFile
from router.settings.model import Settings
from router.store import hour_counts
from router.store.capacity import back_to_back, counted_hours, places_of_reps
from router.store.connections.connect import short_name
from router.store.connections.server_capacity import read_server_capacity
from router.store.processes import versions_of_processes
from router.store.rulesets import RulesUnknown, load_ruleset
from router.store.stalls import WatchedTenant, watched_tenants
from router.store.statements import Connection

HISTORY = timedelta(days=35)
# Leads that were not counted by hour yet: where no service with the role `duties` has run.
_UNCOUNTED = 1_000_000
# Rules are read to know the caps of reps who have none of their own; of more tenants that would take long.
_CAPS_OF = 50
_METRICS_DEADLINE_S = 2.0


@dataclass(frozen=True, slots=True)
class Known:
    """What the database says. `names` = the tenants looked at, by number."""

    names: Mapping[int, str]
    history: History
    cost: Cost | None
    present: Present


async def read(conn: Connection, settings: Settings, only: int | None) -> Known:
    """Of one tenant (its number) or of all."""
    tenants = [one for one in await watched_tenants(conn) if only in (None, one.tenant_id)]
    ids = [one.tenant_id for one in tenants]
    history = await _history(conn, tenants)
    largest = sorted(tenants, key=lambda one: (-history.by_tenant.get(one.tenant_id, 0), one.tenant_id))
    return Known(
        {one.tenant_id: one.name for one in tenants},
        history,
        cost_of_batches(await back_to_back(conn, ids, MINIMUM_LEADS, LONGEST_S)),
        await _present(conn, settings, largest[:_CAPS_OF]),
    )


async def _history(conn: Connection, tenants: Sequence[WatchedTenant]) -> History:
    if not tenants:
        return history_of([])
    since = tenants[0].now - HISTORY
    counts = await counted_hours(conn, [one.tenant_id for one in tenants], since)
    for one in tenants:
        counts += await _uncounted(conn, one, since)
    return history_of(counts)


async def _uncounted(conn: Connection, tenant: WatchedTenant, since: datetime) -> list[tuple[int, datetime, int]]:
    """The tenant's last leads that no service has counted yet, by hour."""
    last = tenant.last_lead or 0
    after = tenant.reached.lead_id if tenant.reached is not None else 0
    if last <= after:
        return []
    rows = await hour_counts.leads_after(conn, tenant.tenant_id, max(after, last - _UNCOUNTED), _UNCOUNTED)
    return [(tenant.tenant_id, row["hour"], row["leads"]) for row in rows if row["hour"] >= since]


async def _present(conn: Connection, settings: Settings, tenants: Sequence[WatchedTenant]) -> Present:
    server = await read_server_capacity(conn)
    caps = {one.tenant_id: await _default_cap(conn, one) for one in tenants if one.ruleset}
    places = await places_of_reps(conn, caps)
    names = {one.tenant_id: one.name for one in tenants}
    # The server may have instances of other databases, too; and behind a pooler sessions do not tell whose they are.
    routers = await versions_of_processes(conn)
    return Present(
        routers=len(routers),
        maxima=sorted(server.instances.get(short_name(one), settings.connections.maximum) for one in routers),
        maximum=settings.connections.maximum,
        concurrency=settings.drain.concurrency,
        allowed=server.allowed,
        places={names[tenant_id]: found for tenant_id, (_, found) in places.items()},
    )


async def _default_cap(conn: Connection, tenant: WatchedTenant) -> int | None:
    """None also where the rules cannot be read: doctor says so, and here nothing can be said."""
    try:
        return (await load_ruleset(conn, tenant.tenant_id, tenant.ruleset)).defaults.max_per_day
    except (InvalidFile, RulesUnknown):
        return None


async def cost_of_service(url: str) -> Cost:
    """What a running router shows at this address. Raises NotMeasured."""
    if not url.startswith(("http://", "https://")):
        raise NotMeasured(f"{url} is not a URL with http:// or https://")
    try:
        page = await asyncio.to_thread(_fetched, url)
    except (URLError, OSError, ValueError) as error:
        raise NotMeasured(f"{url}: {error}") from error
    return cost_of_metrics(page, url)


def _fetched(url: str) -> str:
    with urlopen(url, timeout=_METRICS_DEADLINE_S) as answer:
        return str(answer.read().decode("utf-8"))
