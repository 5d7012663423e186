"""What the history of arrivals says: leads a day, and how much busier the busiest hour is than the mean. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

_HOUR = timedelta(hours=1)
DAY_H = 24
# A peak of less than a day's hours says nothing.
_ENOUGH = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class History:
    """Leads of all tenants together from the first hour that has any to the last. `busiest_at` is the start (UTC) of
    the hour with the most, `by_tenant` the leads of each.
    """

    leads: int
    hours: int
    busiest: int
    busiest_at: datetime | None
    by_tenant: dict[int, int]

    @property
    def per_day(self) -> float:
        """Leads a day, over whole days: less than a day of history counts as one."""
        return self.leads / max(self.hours, DAY_H) * DAY_H

    @property
    def peak_factor(self) -> float | None:
        """Leads of the busiest hour by those of the mean hour; None = less than a day of history."""
        if not self.leads or self.hours * _HOUR < _ENOUGH:
            return None
        return self.busiest / (self.leads / self.hours)

    def share(self, tenant_id: int) -> float:
        """The tenant's part of all leads."""
        return self.by_tenant.get(tenant_id, 0) / self.leads if self.leads else 0.0


def history_of(counts: Iterable[tuple[int, datetime, int]]) -> History:
    """Of rows of tenant, hour (its start) and leads; an hour may come in several rows, which are added up."""
    by_hour, by_tenant = Counter[datetime](), Counter[int]()
    for tenant_id, hour, leads in counts:
        by_hour[hour] += leads
        by_tenant[tenant_id] += leads
    if not by_hour:
        return History(0, 0, 0, None, {})
    first, last = min(by_hour), max(by_hour)
    # Of several equal ones the latest: people remember it.
    busiest_at = max(by_hour, key=lambda hour: (by_hour[hour], hour))
    return History(by_hour.total(), (last - first) // _HOUR + 1, by_hour[busiest_at], busiest_at, dict(by_tenant))
