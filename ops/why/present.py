"""Why a waiting lead waits now: what it waits for, judged by the roster, the loads and the clock of this moment."""

from dataclasses import dataclass
from datetime import datetime

from ops.why.story import Present
from router.domain.standing import Standing
from router.domain.targets import WakeTargets, read_targets, reason_for
from router.drain.presence import Presence
from router.drain.present_state import present_state
from router.store.engines import Engines, Versions
from router.store.statements import Connection

_KEY = 1


@dataclass(frozen=True, slots=True)
class Question:
    """Of which tenant, under which versions in force, at which moment."""

    tenant_id: int
    tenant: str
    versions: Versions
    now: datetime


async def present(
    conn: Connection, engines: Engines, presence: Presence, question: Question, targets: str, key_ruleset: int
) -> Present:
    """The reason of a wake key's text (refused under `key_ruleset`) at this moment, and whether it has room."""
    tenant_id = question.tenant_id
    engine = await engines.get(conn, tenant_id, question.versions)
    state = await present_state(conn, presence, tenant_id, question.tenant, engine, question.now)
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
    return Present(reason, bool(state.keys_with_room(question.now)), old, each, presence.unsure(tenant_id))
