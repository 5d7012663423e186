"""A lead as routing sees it: what the pool row holds, never the free attributes."""

from datetime import datetime
from typing import NamedTuple

FACT_FIELDS = ("source", "region", "industry", "product", "campaign", "ad_id", "landing_page")


class Facts(NamedTuple):
    """What rules match on; None where the lead does not say. Field order is FACT_FIELDS."""

    source: str | None = None
    region: str | None = None
    industry: str | None = None
    product: str | None = None
    campaign: str | None = None
    ad_id: str | None = None
    landing_page: str | None = None


class PoolLead(NamedTuple):
    """One claimed row of the lead pool. All times are aware and in UTC.

    `rank` is minus the priority, `excluded` the reps (numbers) that must not get the lead again, `wake_key`
    what it waited for (0 = it was ready), `last_batch_no` the batch that refused it last.
    """

    lead_id: int
    rank: int
    queued_at: datetime
    created_at: datetime
    facts: Facts
    customer_id: int | None = None
    excluded: tuple[int, ...] = ()
    wake_key: int = 0
    last_batch_no: int | None = None

    def waits_since(self, now: datetime) -> datetime:
        """Since when it waits, for its age: a time that is yet to come, by a clock that was wrong, counts as now."""
        return min(self.queued_at, now)
