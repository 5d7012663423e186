"""Leads through their whole life at a steady rate: accepted, assigned by the routers, ended a while later."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from heapq import heappop, heappush
from time import monotonic

import asyncpg

from loadtest.bench.world import CAMPAIGNS, INDUSTRIES, REGIONS
from loadtest.faults.people import Session
from router.domain.lead_in import LeadIn
from router.store.assignments import Ending, NotAssigned, end
from router.store.leads import accept

SOURCE = "steady"
_PORTION = 10
_WRITERS, _ENDERS = 2, 4
# Without a rate: so many leads at once are on their way, enough for full batches, too few for a backlog.
_ON_THEIR_WAY = 4_000
_CUSTOMERS = 500
_RETRY_S = 0.2
_ASSIGNED_WITHIN_S = 60.0
_NAP_S = 0.005
# Of ten endings: six won, three lost, one given back, which then comes to another rep and ends later.
_ENDINGS = (*[Ending.WON] * 6, *[Ending.LOST] * 3, Ending.RETURNED)


@dataclass(frozen=True, slots=True, order=True)
class _Due:
    """A lead to be ended at `at_s` (monotonic seconds), and when it is too late for it to be without a rep."""

    at_s: float
    late_s: float
    tenant_id: int
    lead_id: int


@dataclass
class Stream:
    """`rate` leads a second for all tenants together (None = as many as can be), each ended `lag_s` after it came.

    `accepted` and `ended` count; `wrong` has what was seen and must not be.
    """

    url: str
    tenants: Sequence[int]
    seed: int
    rate: float | None = None
    lag_s: float = 0.0
    accepted: int = 0
    ended: int = 0
    wrong: list[str] = field(default_factory=list)
    _number: int = 0
    _begin_s: float = 0.0
    _due: list[_Due] = field(default_factory=list)

    @asynccontextmanager
    async def flowing(self, rate: float | None, lag_s: float) -> AsyncIterator[None]:
        """It flows inside of the block; what is on its way at its end is left as it is, and ended by the next one."""
        self.rate, self.lag_s, stop = rate, lag_s, asyncio.Event()
        self._begin_s = monotonic() - (0 if rate is None else self._number / rate)
        async with asyncio.TaskGroup() as group:
            for number in range(_WRITERS):
                group.create_task(self._write(stop, random.Random(f"{self.seed} {number}")))
            for number in range(_ENDERS):
                group.create_task(self._end(stop, random.Random(f"{self.seed} {number}")))
            try:
                yield
            finally:
                stop.set()

    async def _write(self, stop: asyncio.Event, rng: random.Random) -> None:
        async with _session(self.url) as conn:
            while not stop.is_set():
                if (pause_s := self._pause_s()) > 0:
                    await asyncio.sleep(min(pause_s, 0.1))
                    continue
                first, self._number = self._number, self._number + _PORTION
                tenant_id = self.tenants[first // _PORTION % len(self.tenants)]
                await self._hand_in(conn, tenant_id, [_lead(rng, first + i) for i in range(_PORTION)])

    def _pause_s(self) -> float:
        """Until the next portion is due."""
        if self.rate is None:
            return _NAP_S if len(self._due) >= _ON_THEIR_WAY else 0.0
        return self._begin_s + self._number / self.rate - monotonic()

    async def _hand_in(self, conn: Session, tenant_id: int, leads: Sequence[LeadIn]) -> None:
        accepted = await accept(conn, tenant_id, leads)
        now = monotonic()
        self.accepted += accepted.new
        if accepted.new != len(leads) or accepted.merged or accepted.parked:
            self.wrong.append(f"of {len(leads)} new leads intake made {accepted}")
        for lead_id in accepted.lead_ids:
            heappush(self._due, _Due(now + self.lag_s, now + self.lag_s + _ASSIGNED_WITHIN_S, tenant_id, lead_id))

    async def _end(self, stop: asyncio.Event, rng: random.Random) -> None:
        async with _session(self.url) as conn:
            while not stop.is_set():
                if not self._due or self._due[0].at_s > monotonic():
                    await asyncio.sleep(_NAP_S)
                    continue
                await self._end_one(conn, heappop(self._due), rng.choice(_ENDINGS))

    async def _end_one(self, conn: Session, due: _Due, how: Ending) -> None:
        now = monotonic()
        try:
            await end(conn, due.tenant_id, due.lead_id, how)
        except NotAssigned as error:
            if now > due.late_s:
                self.wrong.append(str(error))
                return
            heappush(self._due, _Due(now + _RETRY_S, due.late_s, due.tenant_id, due.lead_id))
            return
        self.ended += 1
        if how is Ending.RETURNED:
            late_s = now + self.lag_s + _ASSIGNED_WITHIN_S
            heappush(self._due, _Due(now + max(_RETRY_S, self.lag_s), late_s, due.tenant_id, due.lead_id))


def _lead(rng: random.Random, number: int) -> LeadIn:
    """Of a third the customer is known; none says the same as another."""
    return LeadIn(
        SOURCE,
        f"s{number}",
        declared_customer=f"c{rng.randrange(_CUSTOMERS)}" if number % 3 == 0 else None,
        region=f"region{rng.randrange(REGIONS)}",
        industry=f"industry{rng.randrange(INDUSTRIES)}",
        campaign=f"campaign{rng.randrange(CAMPAIGNS)}",
        product=f"p{number}",
    )


@asynccontextmanager
async def _session(url: str) -> AsyncIterator[Session]:
    conn = await asyncpg.connect(url, timeout=10)
    try:
        yield conn
    finally:
        conn.terminate()
