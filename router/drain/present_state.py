"""A tenant's state as the next batch would find it, for who judges or previews: reads only, and takes no lane."""

from datetime import datetime

import numpy as np

from router.domain.calendar import business_day
from router.domain.eligibility import GroupCredits
from router.domain.engine import Engine
from router.drain.lane_state import LaneState, aligned_credits, rep_loads
from router.drain.presence import Presence
from router.store.lane import read_loads, read_shares
from router.store.statements import Connection
from router.store.waiting import inbox_loads


async def present_state(
    conn: Connection, presence: Presence, tenant_id: int, tenant: str, engine: Engine, now: datetime
) -> LaneState:
    """Loads and presence as the next batch would have them: with the endings that no batch has folded in yet.

    No wake keys and no credits are in it. Who is absent is what `presence` hears now, or its fallback.
    """
    day = business_day(now, engine.ruleset.business_time_zone).date
    open_counts, today_counts = rep_loads(engine, await read_loads(conn, tenant_id), day)
    state = LaneState(engine=engine, token=0, day=day, open_counts=open_counts, today_counts=today_counts, credits={})
    state.fold(*await inbox_loads(conn, tenant_id))
    await presence.watch(tenant_id, tenant, engine)
    state.leave_out(presence.absent(tenant_id))
    return state


async def state_to_decide(
    conn: Connection, presence: Presence, tenant_id: int, tenant: str, engine: Engine, now: datetime
) -> LaneState:
    """The same with the credits of the groups."""
    state = await present_state(conn, presence, tenant_id, tenant, engine, now)
    shares = {
        row[0]: GroupCredits(np.array(row[1], dtype=np.int64), np.array(row[2], dtype=np.int64))
        for row in await read_shares(conn, tenant_id)
    }
    state.credits = aligned_credits(engine, shares)
    return state
