"""The present state in which a lead can be decided as though its turn came now; nothing is changed."""

from datetime import datetime

import numpy as np

from ops.waiting.present import present_state
from ops.why.change import Now
from router.domain.decide import Inputs
from router.domain.eligibility import GroupCredits
from router.domain.engine import Engine
from router.domain.lead import PoolLead
from router.drain.lane_state import LaneState, aligned_credits, moment_at
from router.drain.presence import Presence
from router.store.customer_merges import owner_of
from router.store.lane import read_shares
from router.store.statements import Connection


async def state_now(
    conn: Connection, presence: Presence, tenant: tuple[int, str], engine: Engine, lead: PoolLead, now: datetime
) -> Now:
    """Loads, presence, credits and the customer's owner at `now`; `tenant` = its number and name."""
    tenant_id, name = tenant
    customer = lead.customer_id
    owner = None if customer is None else await owner_of(conn, tenant_id, customer)
    state = await _state(conn, presence, tenant_id, name, engine, now)
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


async def _state(
    conn: Connection, presence: Presence, tenant_id: int, name: str, engine: Engine, now: datetime
) -> LaneState:
    state = await present_state(conn, presence, tenant_id, name, engine, now)
    shares = {
        row[0]: GroupCredits(np.array(row[1], dtype=np.int64), np.array(row[2], dtype=np.int64))
        for row in await read_shares(conn, tenant_id)
    }
    state.credits = aligned_credits(engine, shares)
    return state
