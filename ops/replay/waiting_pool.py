"""The lead pool of a replay, in memory: who is ready, who waits for which wake key, and who is due."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from heapq import heappop, heappush

from router.domain.lead import PoolLead
from router.drain.claim import order_of
from router.store.lane import OrderKey


class WaitingPool:
    """Leads by number; a lead's `wake_key` is where it stands (0 = ready).

    The heaps keep entries of leads that have left; an entry holds only while the lead is still where it says.
    """

    def __init__(self) -> None:
        self.leads: dict[int, PoolLead] = {}
        self.counts: Counter[int] = Counter()
        self._recheck: dict[int, datetime] = {}
        self._lines: defaultdict[int, list[OrderKey]] = defaultdict(list)
        self._due: list[tuple[datetime, int]] = []
        self._of_customer: defaultdict[int, set[int]] = defaultdict(set)

    def put(self, lead: PoolLead, recheck_at: datetime | None = None) -> None:
        """Adds a lead under its wake key; one that waits is due at `recheck_at` (UTC)."""
        self.leads[lead.lead_id] = lead
        self.counts[lead.wake_key] += 1
        heappush(self._lines[lead.wake_key], order_of(lead))
        if lead.customer_id is not None:
            self._of_customer[lead.customer_id].add(lead.lead_id)
        if recheck_at is not None:
            self._recheck[lead.lead_id] = recheck_at
            heappush(self._due, (recheck_at, lead.lead_id))

    def remove(self, lead_id: int) -> PoolLead | None:
        """Takes a lead out; None when it is not here."""
        lead = self.leads.pop(lead_id, None)
        if lead is None:
            return None
        self._recheck.pop(lead_id, None)
        self.counts[lead.wake_key] -= 1
        if not self.counts[lead.wake_key]:
            del self.counts[lead.wake_key]
            self._lines.pop(lead.wake_key, None)
        if lead.customer_id is not None:
            others = self._of_customer[lead.customer_id]
            others.discard(lead_id)
            if not others:
                del self._of_customer[lead.customer_id]
        return lead

    def take(self, wake_key: int, limit: int) -> list[PoolLead]:
        """The first leads of a key, in their order."""
        return [lead for lead, _ in self._first(wake_key, limit)]

    def take_waiting(self, asked: Mapping[int, int], limit: int) -> list[PoolLead]:
        """The first leads of all keys together, at most as many of each key as is asked of it."""
        found = list[tuple[PoolLead, datetime | None]]()
        for key, n in asked.items():
            found += self._first(key, n)
        found.sort(key=lambda pair: order_of(pair[0]))
        for lead, recheck_at in found[limit:]:
            self.put(lead, recheck_at)
        return [lead for lead, _ in found[:limit]]

    def take_due(self, now: datetime, limit: int) -> list[PoolLead]:
        """Leads whose time to be looked at again has come."""
        taken = list[PoolLead]()
        while self._due and self._due[0][0] <= now and len(taken) < limit:
            at, lead_id = heappop(self._due)
            if self._recheck.get(lead_id) == at:
                lead = self.remove(lead_id)
                assert lead is not None
                taken.append(lead)
        return taken

    def next_due(self) -> datetime | None:
        """When the next lead is due (UTC)."""
        while self._due and self._recheck.get(self._due[0][1]) != self._due[0][0]:
            heappop(self._due)
        return self._due[0][0] if self._due else None

    def has_customer(self, customer_id: int) -> bool:
        """Whether a lead of the customer is here."""
        return customer_id in self._of_customer

    def wake_customers(self, customers: Iterable[int]) -> int:
        """Makes the waiting leads of these customers ready; returns how many."""
        ids = [i for c in customers for i in self._of_customer.get(c, ()) if self.leads[i].wake_key]
        for lead_id in ids:
            lead = self.remove(lead_id)
            assert lead is not None
            self.put(lead._replace(wake_key=0))
        return len(ids)

    def _first(self, wake_key: int, limit: int) -> list[tuple[PoolLead, datetime | None]]:
        """Takes the first leads of a key, each with the time at which it is due."""
        taken = list[tuple[PoolLead, datetime | None]]()
        while len(taken) < limit and (line := self._lines.get(wake_key)):
            lead_id = heappop(line)[2]
            lead, recheck_at = self.leads.get(lead_id), self._recheck.get(lead_id)
            if lead is not None and lead.wake_key == wake_key:
                self.remove(lead_id)
                taken.append((lead, recheck_at))
        return taken
