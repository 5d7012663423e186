"""The customer's history: who owns the customer now, and what became of the leads that came before."""

from collections.abc import Iterator

from ops.text.translation import Say
from ops.why.codes import OUTCOMES
from ops.why.description import CustomerSummary, EarlierLead, LeadDescription, LeadRow, Names, State
from ops.why.phrases import named_by_source, when
from router.store.statements import Connection, Row, load

SHOWN = 5
COUNTED = 1_000

_SQL = load("why")


async def summarise_customer(conn: Connection, lead: LeadRow) -> CustomerSummary | None:
    """What is known of the lead's customer; None for a lead of nobody."""
    if lead.customer_id is None:
        return None
    key = {"tenant_id": lead.tenant_id, "lead_id": lead.lead_id, "customer_id": lead.customer_id}
    row = await _SQL.customer.row(conn, **key, created_at=lead.created_at, limit=COUNTED)
    assert row is not None
    earlier = await _SQL.earlier.fetch(conn, **key, created_at=lead.created_at, limit=SHOWN)
    return CustomerSummary(lead.customer_id, row["owner_no"], tuple(map(_earlier, earlier)), row["leads"])


def _earlier(row: Row) -> EarlierLead:
    fields = {name: row[name] for name in row.keys() if name != "state"}  # noqa: SIM118 - a Record iterates values
    return EarlierLead(state=State(row["state"]), **fields)


def customer_lines(description: LeadDescription, say: Say) -> Iterator[str]:
    """The customer in one line, and one for each earlier lead."""
    customer, names = description.customer, description.names
    if customer is None:
        return
    owned = say.gettext("currently unowned")
    if customer.owner_no is not None:
        owned = say.gettext("owned by {rep}").format(rep=names.rep(customer.owner_no))
    earlier = (
        say.ngettext("{count:,} earlier lead", "{count:,} earlier leads", customer.leads).format(count=customer.leads)
        if customer.leads
        else say.gettext("no earlier lead")
    )
    if customer.leads > len(customer.earlier):
        earlier = say.gettext("{earlier}, the latest {shown}:").format(earlier=earlier, shown=len(customer.earlier))
    yield say.gettext("Customer {customer}: {owner}; {earlier}").format(
        customer=customer.customer_id, owner=owned, earlier=earlier
    )
    for lead in customer.earlier:
        yield "  " + say.gettext("{at}  lead {lead} ({name}): {how}").format(
            at=when(lead.created_at, description.lead.time_zone, say),
            lead=lead.lead_id,
            name=named_by_source(lead.source, lead.external_id),
            how=_how(lead, names, description.lead.time_zone, say),
        )


def _how(lead: EarlierLead, names: Names, zone_name: str, say: Say) -> str:
    had = lead.rep_no is not None and lead.ended_at is not None
    template = {
        State.WAITING: say.gettext("{rep} had it from {since}, {outcome} at {ended}; waiting for another rep")
        if had
        else say.gettext("waiting for a rep"),
        State.ASSIGNED: say.gettext("assigned to {rep} since {since}"),
        State.CLOSED: say.gettext("{rep} had it from {since}, {outcome} at {ended}")
        if had
        else say.gettext("closed as {outcome}"),
        State.PARKED: say.gettext("is parked"),
        State.MERGED: say.gettext("merged into lead {into}"),
        State.ARCHIVED: say.gettext("archived"),
        State.REMOVED: say.gettext("removed"),
        State.NOWHERE: say.gettext("has no state"),
    }[lead.state]
    return template.format(
        rep=names.rep(lead.rep_no) if lead.rep_no is not None else say.gettext("nobody"),
        since=when(lead.assigned_at, zone_name, say) if lead.assigned_at else "",
        outcome=say.gettext(OUTCOMES.get(lead.outcome or "", lead.outcome or "")),
        ended=when(lead.ended_at, zone_name, say) if lead.ended_at else "",
        into=lead.into_lead_id,
    )
