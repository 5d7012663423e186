"""A tenant's state at this moment, for those who judge it without taking the lane."""

from datetime import datetime

from router.domain.calendar import business_day
from router.domain.engine import Engine
from router.drain.lane_state import LaneState, rep_loads
from router.drain.presence import Presence
from router.store.lane import read_loads
from router.store.statements import Connection, load

_SQL = load("waiting")


async def present_state(
    conn: Connection, presence: Presence, tenant_id: int, tenant: str, engine: Engine, now: datetime
) -> LaneState:
    """Loads and presence as the next batch would have them: with the endings that no batch has folded in yet.

    No wake keys and no credits are in it. Who is absent is what `presence` hears now, or its fallback.
    """
    day = business_day(now, engine.ruleset.business_time_zone).date
    opened, today = rep_loads(engine, await read_loads(conn, tenant_id), day)
    state = LaneState(engine=engine, token=0, day=day, opened=opened, today=today, credits={})
    news = await _SQL.inbox.fetch(conn, tenant_id=tenant_id)
    ended: dict[int, int] = {}
    for row in news:
        ended[row["rep_no"]] = ended.get(row["rep_no"], 0) + row["open_delta"]
    state.fold(ended, {(row["rep_no"], row["day"]): row["today_delta"] for row in news if row["today_delta"]})
    await presence.watch(tenant_id, tenant, engine)
    state.leave_out(presence.absent(tenant_id))
    return state
