"""How many leads per minute come in and are decided."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from router.domain.flight_format import decode
from router.store.statements import Connection
from router.store.status import came_in, last_batches

RATES_OVER = timedelta(minutes=5)
# Rates look at no more than this, and then at a shorter time: status is asked for when routers are busiest.
_LEADS_LIMIT = 10_000
_BATCHES_LIMIT = 50


@dataclass(frozen=True, slots=True)
class Rates:
    """Leads per minute over the last RATES_OVER, or less where more happened than is looked at."""

    accepted: float = 0.0
    assigned: float = 0.0
    refused: float = 0.0
    parked: float = 0.0

    def __add__(self, other: "Rates") -> "Rates":
        return Rates(
            self.accepted + other.accepted,
            self.assigned + other.assigned,
            self.refused + other.refused,
            self.parked + other.parked,
        )


async def read_rates(conn: Connection, ids: Sequence[int], at: datetime) -> dict[int, Rates]:
    """By tenant, of the minutes before `at`."""
    since = at - RATES_OVER
    rates = dict.fromkeys(ids, Rates())
    for tenant_id, leads, first in await came_in(conn, ids, since, _LEADS_LIMIT):
        rates[tenant_id] = Rates(accepted=_per_minute(leads, since if leads < _LEADS_LIMIT else first, at))
    batches: defaultdict[int, list[tuple[datetime, bytes]]] = defaultdict(list)
    for tenant_id, batch_at, inputs in await last_batches(conn, ids, since, _BATCHES_LIMIT):
        batches[tenant_id].append((batch_at, inputs))
    for tenant_id, found in batches.items():
        rates[tenant_id] += _decided(found, since, at)
    return rates


def _decided(batches: Sequence[tuple[datetime, bytes]], since: datetime, at: datetime) -> Rates:
    """What batches decided, the youngest first, per minute."""
    assigned = refused = parked = 0
    for _, inputs in batches:
        decided = decode(inputs).rep_numbers
        waiting = decided.count(0)
        given = sum(1 for rep_no in decided if rep_no > 0)
        assigned, refused, parked = assigned + given, refused + waiting, parked + len(decided) - given - waiting
    begin = since if len(batches) < _BATCHES_LIMIT else batches[-1][0]
    return Rates(0.0, *(_per_minute(leads, begin, at) for leads in (assigned, refused, parked)))


def _per_minute(leads: int, since: datetime, until: datetime) -> float:
    """Below a second the clock's steps would count for more than the leads."""
    return 60 * leads / max((until - since).total_seconds(), 1.0)
