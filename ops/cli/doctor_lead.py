"""`lead-router doctor --lead`: the lead that it is asked about."""

from ops.cli.context import CannotRun
from ops.documents.lead_asked import LeadAsked, ask_about
from router.drain.presence import Presence
from router.store.assignments import LeadUnknown, find_lead
from router.store.statements import Connection
from router.store.tenants import TenantUnknown


async def ask(conn: Connection, presence: Presence, text: str, tenant: str | None) -> LeadAsked:
    """Reads it, by its number or external id. Raises CannotRun when there is no such lead or tenant."""
    try:
        return await ask_about(conn, presence, await find_lead(conn, text, tenant))
    except (LeadUnknown, TenantUnknown) as error:
        raise CannotRun(str(error)) from error
