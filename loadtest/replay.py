"""Replaying real leads: intake, endings, rates and routing, all at the simulated time of each step."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from loadtest.datasets.dataset import Outcome
from loadtest.timeline import SLOT, Step, slot_end
from router.drain.close_rates import refresh
from router.drain.drain import Drain
from router.drain.outcome import Drained
from router.store.assignments import end
from router.store.connections.connections import Part
from router.store.leads import accept
from router.store.statements import load
from router.store.tenants import Tenant

_SQL = load("summary")


@dataclass
class Replay:
    """A replay in progress. `open_outcomes` are known, but nobody has the lead; `late` ones were booked afterwards."""

    drain: Drain
    tenant: Tenant
    slot: timedelta = SLOT
    lead_ids: dict[str, int] = field(default_factory=dict)
    open_outcomes: list[Outcome] = field(default_factory=list)
    ended: int = 0
    late: int = 0
    total: Drained = field(default_factory=Drained)
    at: datetime | None = None

    async def take(self, step: Step) -> None:
        """Everything that has happened by the step's time, and then the routing of what can be routed."""
        self.at = step.at
        async with self.drain.connections.acquire(Part.INTAKE) as conn:
            if step.opens_day:
                await refresh(conn, self.tenant, step.at)
            if step.arrivals:
                leads = [arrival.lead for arrival in step.arrivals]
                taken = await accept(conn, self.tenant.tenant_id, leads, step.at)
                self.lead_ids |= dict(zip((lead.external_id for lead in leads), taken.lead_ids, strict=True))
        await self._route_and_book(step.outcomes)

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        """For leads that were imported: routing and endings by the database's clock, until nothing changes."""
        async with self.drain.connections.acquire(Part.INTAKE) as conn:
            rows = await _SQL.ids_of.fetch(conn, tenant_id=self.tenant.tenant_id)
        self.lead_ids = {row["external_id"]: row["lead_id"] for row in rows}
        before = -1
        await self._route_and_book(outcomes)
        while self.ended > before:
            before = self.ended
            await self._route_and_book(())

    async def _route_and_book(self, outcomes: Sequence[Outcome]) -> None:
        self.total = self.total + await self.drain.drain_tenant(self.tenant.tenant_id, now=self.at)
        self.open_outcomes += outcomes
        if self.open_outcomes:
            await self._book()

    async def _book(self) -> None:
        """Ends the leads with an outcome that have a rep; the others stay open until somebody has the lead."""
        owned = await self._assigned()
        booked = [outcome for outcome in self.open_outcomes if outcome.external_id in owned]
        if not booked:
            return
        async with self.drain.connections.acquire(Part.INTAKE) as conn, conn.transaction():
            for outcome in booked:
                await end(conn, self.tenant.tenant_id, owned[outcome.external_id], outcome.how, self.at)
        self.open_outcomes = [outcome for outcome in self.open_outcomes if outcome.external_id not in owned]
        self.ended += len(booked)
        self.late += sum(self._is_late(outcome) for outcome in booked)

    def _is_late(self, outcome: Outcome) -> bool:
        return outcome.at is not None and self.at is not None and slot_end(outcome.at, self.slot) < self.at

    async def _assigned(self) -> dict[str, int]:
        """The leads with open outcomes that somebody has now: id of the data to lead id."""
        ids = (outcome.external_id for outcome in self.open_outcomes)
        known = {self.lead_ids[key]: key for key in ids if key in self.lead_ids}
        async with self.drain.connections.acquire(Part.INTAKE) as conn:
            rows = await _SQL.assigned_of.fetch(conn, tenant_id=self.tenant.tenant_id, lead_ids=list(known))
        return {known[row["lead_id"]]: row["lead_id"] for row in rows}
