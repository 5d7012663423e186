"""Other customers who have contacts of a customer's leads: they may be the same."""

from typing import Any

from router.rules.customers import customer_keys
from router.store import customer_merges as store
from router.store.customers import known_keys
from router.store.statements import Connection


async def overlaps_of(conn: Connection, tenant_id: int, customer_id: int) -> list[dict[str, Any]]:
    """Leads of the customer with a contact by which another customer is known; each key once."""
    rules = await store.match_rules(conn, tenant_id)
    leads = await store.leads_of(conn, tenant_id, (customer_id,))
    keys = {key.name: (key, lead.lead_id) for lead in reversed(leads) for key in customer_keys(lead.came, rules)}
    known = await known_keys(conn, tenant_id, sorted(keys))
    return [
        {
            "lead_id": lead_id,
            "key": f"{key.kind} {key.value}".replace("\0", " + "),
            "other_customer_id": known[name].customer,
        }
        for name, (key, lead_id) in reversed(keys.items())
        if name in known and known[name].shared_as is None and known[name].customer not in (None, customer_id)
    ]
