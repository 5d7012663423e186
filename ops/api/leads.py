"""What operations about one lead share: its number in the path."""

from ops.api.fields import number_of
from router.http.operations import Call
from router.store.assignments import FoundLead, lead_numbered
from router.store.statements import Connection


async def lead_of(conn: Connection, call: Call) -> FoundLead:
    """The lead that the path names: of the caller's tenant, since numbers are unique over all. Raises LeadUnknown."""
    return await lead_numbered(conn, call.tenant.tenant_id, number_of(call.path["lead"], "lead number"))
