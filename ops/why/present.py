"""Why a waiting lead waits now: what it waits for, judged by the roster, the loads and the clock of this moment."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from ops.why.story import Present
from router.domain.calendar import business_day
from router.domain.engine import Engine
from router.domain.standing import Standing
from router.domain.targets import WakeTargets, read_targets, reason_for
from router.lane_state import LaneState, aligned_credits, rep_loads
from router.store import lane as store
from router.store.engines import Engines, Versions
from router.store.statements import Connection, load

_SQL = load("why")
_KEY = 1


@dataclass(frozen=True, slots=True)
class Question:
    """Of which tenant, under which versions in force, at which moment."""

    tenant_id: int
    versions: Versions
    now: datetime


async def present(conn: Connection, engines: Engines, question: Question, targets: str, key_ruleset: int) -> Present:
    """The reason of a wake key's text (refused under `key_ruleset`) at this moment, and whether it has room."""
    engine = await engines.get(conn, question.tenant_id, question.versions)
    state = await _state(conn, engine, question)
    state.learn_key(_KEY, key_ruleset, targets)
    codes = state.on_duty(question.now).codes
    standing = Standing(engine, codes, state.opened, state.today, state.credits)
    waits = read_targets(targets)
    reason = reason_for(waits, standing.group_reason, standing.owner_reason)
    each = {
        target: reason_for(WakeTargets((target,), waits.excluded), standing.group_reason, standing.owner_reason)
        for target in waits.order
    }
    old = key_ruleset != engine.ruleset.version
    return Present(reason, bool(state.keys_with_room(question.now)), old, each)


async def _state(conn: Connection, engine: Engine, question: Question) -> LaneState:
    """Loads of this moment, with the endings that no batch has folded in yet."""
    tenant_id = question.tenant_id
    day = business_day(question.now, engine.ruleset.business_time_zone).date
    opened, today = rep_loads(engine, await store.read_loads(conn, tenant_id), day)
    state = LaneState(engine, 0, day, opened, today, aligned_credits(engine, {}))
    news = await _SQL.inbox.fetch(conn, tenant_id=tenant_id, day=day)
    state.fold({r["rep_no"]: r["open_delta"] for r in news}, {(r["rep_no"], day): r["today_delta"] for r in news})
    state.opened = np.maximum(state.opened, 0)
    return state
