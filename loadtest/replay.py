"""Replaying the Olist leads: intake, endings, rates and routing, all at the simulated time of each step."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from loadtest.datasets.olist import Deal, OlistLead
from loadtest.timeline import Step, slot_end
from router.domain.lead_in import LeadIn
from router.drain import Drain, Drained
from router.rates_duty import refresh
from router.store.assignments import Ending, end
from router.store.connections import Part
from router.store.leads import accept
from router.store.statements import load
from router.store.tenants import Tenant

_SQL = load("summary")


def lead_in(lead: OlistLead) -> LeadIn:
    """The lead as `leads import` with the data's mapping would take it, but for the time of day."""
    return LeadIn(
        source=lead.origin or "",
        external_id=lead.mql_id,
        created_at=lead.arrives_at,
        landing_page=lead.landing_page,
    )


@dataclass
class Replay:
    """A replay in progress. `open_deals` are won, but nobody has the lead; `late` ones were booked afterwards."""

    drain: Drain
    tenant: Tenant
    lead_ids: dict[str, int] = field(default_factory=dict)
    open_deals: list[Deal] = field(default_factory=list)
    won: int = 0
    late: int = 0
    total: Drained = field(default_factory=Drained)
    at: datetime | None = None

    async def take(self, step: Step) -> None:
        """Everything that has happened by the step's time, and then the routing of what can be routed."""
        self.at = step.at
        async with self.drain.connections.acquire(Part.INTAKE) as conn:
            if step.opens_day:
                await refresh(conn, self.tenant, step.at)
            if step.leads:
                taken = await accept(conn, self.tenant.tenant_id, [lead_in(lead) for lead in step.leads], step.at)
                self.lead_ids |= dict(zip((lead.mql_id for lead in step.leads), taken.lead_ids, strict=True))
        self.total = self.total.plus(await self.drain.drain_tenant(self.tenant.tenant_id, now=step.at))
        self.open_deals += step.deals
        if self.open_deals:
            await self._book(step.at)

    async def _book(self, at: datetime) -> None:
        """Ends the leads of won deals that have a rep; the others stay open until somebody has the lead."""
        owned = await self._assigned(self.open_deals)
        async with self.drain.connections.acquire(Part.INTAKE) as conn:
            for lead_id in owned.values():
                await end(conn, self.tenant.tenant_id, lead_id, Ending.WON, at)
        booked = [deal for deal in self.open_deals if deal.mql_id in owned]
        self.open_deals = [deal for deal in self.open_deals if deal.mql_id not in owned]
        self.won += len(booked)
        self.late += sum(slot_end(deal.won_at) < at for deal in booked)

    async def _assigned(self, deals: Sequence[Deal]) -> dict[str, int]:
        """The leads of these deals that somebody has now: id of the data to lead id."""
        known = {self.lead_ids[deal.mql_id]: deal.mql_id for deal in deals if deal.mql_id in self.lead_ids}
        async with self.drain.connections.acquire(Part.INTAKE) as conn:
            rows = await _SQL.assigned_of.fetch(conn, tenant_id=self.tenant.tenant_id, lead_ids=list(known))
        return {known[row["lead_id"]]: row["lead_id"] for row in rows}
