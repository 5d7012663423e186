"""How things stand, as messages say it: what waits, the doctor's top finding, the last change."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import timedelta

from ops.doctor.finding import Finding
from ops.doctor.scene import Scene
from ops.notify.message import Facts, clean, item_of
from ops.notify.plan import SERVICE, scope_of
from router.domain.written_time import written
from router.store.change_log import Entry, read_changes
from router.store.changes import SERVICE as OF_SERVICE
from router.store.errors import TRANSIENT_ERRORS

_CHANGES_SINCE = timedelta(days=7)
_READ = 500
_LIMIT_S = 3.0


async def facts_of(scene: Scene, findings: Sequence[Finding], scopes: Collection[str]) -> dict[str, Facts]:
    """By scope; SERVICE has the leads of all tenants. `findings` in the order of the doctor."""
    numbers = {tenant.name: tenant.tenant_id for tenant in scene.tenants}
    asked = [
        OF_SERVICE,
        *(numbers.values() if SERVICE in scopes else (numbers[name] for name in scopes if name in numbers)),
    ]
    changes = await _changes(scene, asked) if scopes else []
    return {scope: _facts(scene, findings, changes, scope, numbers) for scope in scopes}


async def _changes(scene: Scene, tenant_ids: Sequence[int]) -> Sequence[Entry]:
    """Without them where they cannot be read in time: the alert is worth more."""
    try:
        async with scene.conn.transaction(), asyncio.timeout(_LIMIT_S):
            return await read_changes(scene.conn, tenant_ids, scene.at - _CHANGES_SINCE, scene.at, _READ)
    except (TimeoutError, *TRANSIENT_ERRORS):
        return []


def _facts(
    scene: Scene, findings: Sequence[Finding], changes: Sequence[Entry], scope: str, numbers: dict[str, int]
) -> Facts:
    ids = list(numbers.values()) if scope == SERVICE else [numbers[scope]] if scope in numbers else []
    reasons = [part for number in ids for part in scene.waiting[number].reasons]
    top = next((one for one in findings if one.muted is None and _concerns(one, scope, numbers)), None)
    change = next((one for one in changes if one.tenant_id in (OF_SERVICE, *ids)), None)
    return Facts(
        at=scene.at,
        waiting=sum(part.leads for part in reasons),
        oldest=min((part.oldest_queued_at for part in reasons), default=None),
        top=None if top is None else item_of(top),
        change=None if change is None else change_in_words(change),
    )


def _concerns(finding: Finding, scope: str, tenants: Collection[str]) -> bool:
    return scope in (SERVICE, of := scope_of(finding, tenants)) or of == SERVICE


def change_in_words(entry: Entry) -> str:
    """A change in one line, without what others must not see."""
    by = f" by {entry.actor}" if entry.actor else ""
    became = f", {entry.before or '-'} → {entry.after or '-'}" if entry.before or entry.after else ""
    why = f" ({entry.why})" if entry.why else ""
    return clean(f"{written(entry.at)}{by}: {' '.join(filter(None, (entry.action, entry.subject)))}{became}{why}")
