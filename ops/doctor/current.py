"""What is found now, and which of it is muted; and recording the mutes that are over."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from ops.doctor.finding import Finding
from ops.doctor.look import LIMIT_S, Checked, examine, findings_of
from ops.doctor.mutes import endings, with_mutes
from ops.doctor.scene import Scene
from router.store.errors import TRANSIENT_ERRORS
from router.store.mutes import Ending, Mute, end_mutes, read_mutes
from router.store.statements import Connection
from router.store.transactions import with_lock_timeout

_LOCK_TIMEOUT_S = 2.0


async def look(scene: Scene) -> list[Finding]:
    """What all checks find: the worst first, and what is muted last."""
    return with_mutes(findings_of(await examine(scene)), await mutes_of(scene), scene.at)


async def mutes_of(scene: Scene) -> list[Mute]:
    """The mutes of the scene's tenants and of the service. Where they cannot be read, nothing is muted."""
    try:
        async with scene.conn.transaction(), asyncio.timeout(LIMIT_S):
            return await read_mutes(scene.conn, scene.tenant_ids)
    except (TimeoutError, *TRANSIENT_ERRORS):
        return []


async def record_endings(
    conn: Connection, results: Sequence[Checked], mutes: Sequence[Mute], at: datetime, actor: str, *, whole: bool
) -> list[Ending]:
    """Ends the mutes that are over by what was found at `at` (UTC), after the scene was closed; returns these.

    `whole` = it was of all tenants. Raises the errors of the database, also where nothing can be written (a standby).
    """
    over = endings(results, mutes, at, whole=whole)
    return await end_mutes(with_lock_timeout(conn, _LOCK_TIMEOUT_S), over, actor) if over else []
