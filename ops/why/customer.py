"""The customer's history: who owns the customer now, and what became of the leads that came before."""

from collections.abc import Iterator

import asyncpg

from ops.why.languages import Words
from ops.why.story import CustomerStory, EarlierLead, LeadRow, Names, State, Story
from ops.why.words import counted, named_by_source, when
from router.store.statements import Connection, load

SHOWN = 5
COUNTED = 1_000

_SQL = load("why")


async def customer_story(conn: Connection, lead: LeadRow) -> CustomerStory | None:
    """What is known of the lead's customer; None for a lead of nobody."""
    if lead.customer_id is None:
        return None
    key = {"tenant_id": lead.tenant_id, "lead_id": lead.lead_id, "customer_id": lead.customer_id}
    row = await _SQL.customer.row(conn, **key, created_at=lead.created_at, most=COUNTED)
    assert row is not None
    earlier = await _SQL.earlier.fetch(conn, **key, created_at=lead.created_at, most=SHOWN)
    return CustomerStory(lead.customer_id, row["owner_no"], tuple(map(_earlier, earlier)), row["leads"])


def _earlier(row: asyncpg.Record) -> EarlierLead:
    fields = {name: row[name] for name in row.keys() if name != "state"}  # noqa: SIM118 - a Record iterates values
    return EarlierLead(state=State(row["state"]), **fields)


def customer_lines(story: Story, say: Words) -> Iterator[str]:
    """The customer in one line, and one for each earlier lead."""
    customer, names = story.customer, story.names
    if customer is None:
        return
    owned = say.customer_no_owner
    if customer.owner_no is not None:
        owned = say.customer_owner.format(rep=names.rep(customer.owner_no))
    earlier = counted(say.customer_earlier, customer.leads) if customer.leads else say.customer_first
    if customer.leads > len(customer.earlier):
        earlier = say.customer_shown.format(earlier=earlier, shown=len(customer.earlier))
    yield say.customer.format(customer=customer.customer_id, owner=owned, earlier=earlier)
    for lead in customer.earlier:
        yield "  " + say.earlier_lead.format(
            at=when(lead.created_at, story.lead.time_zone, say),
            lead=lead.lead_id,
            name=named_by_source(lead.source, lead.external_id),
            how=_how(lead, names, story.lead.time_zone, say),
        )


def _how(lead: EarlierLead, names: Names, zone_name: str, say: Words) -> str:
    had = lead.rep_no is not None and lead.ended_at is not None
    template = {
        State.WAITING: say.earlier_waiting_after if had else say.earlier_waiting,
        State.ASSIGNED: say.earlier_assigned,
        State.CLOSED: say.earlier_closed if had else say.earlier_closed_nobody,
        State.PARKED: say.earlier_parked,
        State.MERGED: say.earlier_merged,
        State.NOWHERE: say.earlier_nowhere,
    }[lead.state]
    return template.format(
        rep=names.rep(lead.rep_no) if lead.rep_no is not None else say.nobody,
        since=when(lead.assigned_at, zone_name, say) if lead.assigned_at else "",
        outcome=say.outcomes.get(lead.outcome or "", lead.outcome),
        ended=when(lead.ended_at, zone_name, say) if lead.ended_at else "",
        into=lead.into_lead_id,
    )
