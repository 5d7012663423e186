"""A lead as routing sees it: what the pool row holds, and of its company and attributes what the rules ask for."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

FACT_FIELDS = ("source", "region", "industry", "product", "campaign", "ad_id", "landing_page")
PLACES = {name: place for place, name in enumerate(FACT_FIELDS)}


MoreFacts = tuple[tuple[str, str], ...]
"""Names, as `company` or `attributes.NAME`, and what the lead says there, by name; what it does not say is left out."""


class Facts(NamedTuple):
    """What rules match on; None where the lead does not say. Field order is FACT_FIELDS, then `more`.

    `more` is what the pool does not hold, and only of the names that the rules ask for (`router.domain.asked`).
    """

    source: str | None = None
    region: str | None = None
    industry: str | None = None
    product: str | None = None
    campaign: str | None = None
    ad_id: str | None = None
    landing_page: str | None = None
    more: MoreFacts = ()

    @classmethod
    def of(cls, plain: Iterable[str | None], more: MoreFacts = ()) -> "Facts":
        """From the values in the order of FACT_FIELDS."""
        return cls._make((*plain, more))

    def value_of(self, field: str) -> str | None:
        """What the lead says in a field that a rule can ask for, by its name in the rules file."""
        if (place := PLACES.get(field)) is not None:
            return self.plain[place]
        return next((value for name, value in self.more if name == field), None)

    @property
    def plain(self) -> tuple[str | None, ...]:
        """The facts that the pool holds, in the order of FACT_FIELDS."""
        return self[: len(FACT_FIELDS)]  # type: ignore[return-value]


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
