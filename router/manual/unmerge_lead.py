"""Undoing that a lead was merged into another one as its repeat: by hand, recorded; it waits for a rep by itself."""

from router.domain.worded import worded
from router.domain.worded_states import worded_state
from router.manual.merge_customers import undisturbed
from router.store import repeats
from router.store.assignments import LOCK_TIMEOUT_MS, FoundLead, place_of
from router.store.changes import Change, record_change, the_lead
from router.store.customer_merges import customer_of_lead, hold_keys
from router.store.leads import database_clock
from router.store.statements import Connection
from router.store.transactions import limit_transaction

_NAMED = 5


class CannotUnmerge(Exception):
    """The lead is not merged; nothing was changed. The message says where it is, and what may have been meant."""


async def unmerge_lead(conn: Connection, lead: FoundLead, *, actor: str, why: str = "") -> int:
    """The lead waits, and is merged with no other lead any more; returns the lead that it was merged into.

    Raises CannotUnmerge, CannotMerge when its customer keeps changing, and errors.LockNotAvailable.
    """

    async def attempt() -> int:
        await limit_transaction(conn, LOCK_TIMEOUT_MS)
        customer = await customer_of_lead(conn, lead.tenant_id, lead.lead_id)
        if customer is not None:
            # Intakes of this customer decide about its repeats: they take turns with us.
            await hold_keys(conn, lead.tenant_id, (customer,))
        root = await repeats.merged_into(conn, lead.tenant_id, lead.lead_id)
        if root is None:
            raise CannotUnmerge(await _why_not(conn, lead))
        await repeats.keep_apart(conn, lead.tenant_id, lead.lead_id)
        await repeats.release(conn, lead.tenant_id, [lead.lead_id], await database_clock(conn))
        change = Change(actor, "leads unmerge", the_lead(lead.lead_id), f"merged into lead {root}", "waiting", why)
        await record_change(conn, lead.tenant_id, change)
        return root

    return await undisturbed(conn, attempt)


async def _why_not(conn: Connection, lead: FoundLead) -> str:
    state, _ = await place_of(conn, lead)
    said = worded(
        "lead {lead} is {state}, not merged into another lead; nothing was changed",
        lead=lead.lead_id,
        state=worded_state(state),
    )
    into_it = await repeats.repeats_of(conn, lead.tenant_id, lead.lead_id, _NAMED)
    if not into_it:
        return said
    return said + worded(
        "; merged into it: {leads} (lead-router leads unmerge {first})",
        leads=", ".join(map(str, into_it)),
        first=into_it[0],
    )
