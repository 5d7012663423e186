"""The present state in which a lead can be decided as though its turn came now; nothing is changed."""

from datetime import datetime

from ops.why.change import Now
from router.domain.decide import Inputs
from router.domain.engine import Engine
from router.domain.lead import PoolLead
from router.drain.lane_state import moment_at
from router.drain.presence import Presence
from router.drain.present_state import state_to_decide
from router.store.customer_merges import owner_of
from router.store.more_facts import with_more_facts
from router.store.statements import Connection


async def state_now(
    conn: Connection, presence: Presence, tenant: tuple[int, str], engine: Engine, lead: PoolLead, now: datetime
) -> Now:
    """Loads, presence, credits and the customer's owner at `now`; `tenant` = its number and name.

    A stored lead is read again with all that the rules ask for; one that is not stored (number 0) is as it came.
    """
    tenant_id, name = tenant
    if lead.lead_id:
        (lead,) = await with_more_facts(conn, tenant_id, [lead], engine.matcher.asked)
    customer = lead.customer_id
    owner = None if customer is None else await owner_of(conn, tenant_id, customer)
    state = await state_to_decide(conn, presence, tenant_id, name, engine, now)
    inputs = Inputs(
        moment=moment_at(engine, now),
        leads=[lead],
        attendance=state.on_duty(now).attendance,
        open_counts=state.open_counts,
        today_counts=state.today_counts,
        credits=state.credits,
        owners={} if customer is None or owner is None else {customer: owner},
    )
    return Now(engine, inputs, state.absent, presence.unsure(tenant_id) is None)
