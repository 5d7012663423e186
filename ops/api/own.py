"""What a rep's token may speak of: its own rep, and the leads that this rep has now."""

from contextlib import suppress

from router.domain.access import TokenRole
from router.domain.worded import worded
from router.http.operations import Call
from router.http.problems import Kind, Refused
from router.store.assignments import FoundLead, LeadUnknown, place_of, rep_id_of
from router.store.statements import Connection


def check_own_rep(call: Call, rep_id: str) -> None:
    """`rep_id` as it was asked for, before it is looked up: else the answer says who there is.

    Raises Refused.
    """
    if call.token.role is TokenRole.REP and call.token.rep_id != rep_id:
        raise Refused(Kind.NOT_ALLOWED, worded("a rep's token speaks of its own rep only"))


async def check_own_lead(conn: Connection, call: Call, lead: FoundLead) -> int | None:
    """The number of the rep whose token it is, and who has the lead now; None = the token is no rep's.

    Raises LeadUnknown: what others have is not there, in the same words as a number that no lead has.
    """
    if call.token.role is not TokenRole.REP:
        return None
    with suppress(LeadUnknown):
        _, rep_no = await place_of(conn, lead)
        if rep_no is not None and await rep_id_of(conn, lead.tenant_id, rep_no) == call.token.rep_id:
            return rep_no
    raise LeadUnknown(worded("there is no lead number {lead}", lead=lead.lead_id))
