"""One look of the doctor as people get it: also with a table locked, or without a database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ops.doctor.changes_before import with_changes
from ops.doctor.current import mutes_of
from ops.doctor.document import document
from ops.doctor.finding import Finding
from ops.doctor.look import Checked, examine, findings_of
from ops.doctor.mutes import with_mutes
from ops.doctor.outside import behind_a_lock, without_database
from ops.doctor.scene import open_scene
from router.drain.presence import Presence
from router.store.mutes import Mute
from router.store.statements import Connection

if TYPE_CHECKING:
    from router.store.engines import Engines

LOCK_TIMEOUT_S = 2.0
"""Others wait for a table longer; here that it is locked is the answer."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the checks came to at `at` (UTC): `findings` in their order, with what is muted last. `mutes` None = they
    could not be read. `whole` = it was of all tenants.
    """

    results: Sequence[Checked]
    findings: Sequence[Finding]
    at: datetime
    mutes: Sequence[Mute] | None = None
    whole: bool = False

    def document(self) -> dict[str, Any]:
        """For machines."""
        return document(self.findings, self.results, self.at)


async def diagnose(
    conn: Connection,
    presence: Presence,
    host_clock: Callable[[], datetime],
    tenant: str | None = None,
    only: Sequence[str] = (),
    engines: Engines | None = None,
) -> Diagnosis:
    """Of one tenant or of all, by all checks or `only` those; `engines` as of `open_scene`. Raises TenantUnknown, and
    one of LOCK_TIMEOUTS when somebody keeps a whole table locked: `diagnose_locked` has the answer to that.
    """
    looking = open_scene(
        conn, tenant, None, presence, host_clock, LOCK_TIMEOUT_S, thorough=True, partly=True, engines=engines
    )
    async with looking as scene:
        results, mutes = await with_changes(scene, await examine(scene, only)), await mutes_of(scene)
    whole = tenant is None and not scene.away
    return Diagnosis(results, with_mutes(findings_of(results), mutes, scene.at), scene.at, mutes, whole)


async def diagnose_locked(conn: Connection, error: Exception, at: datetime) -> Diagnosis:
    """When `error` says that a table could not be read in time: who has it."""
    return _plain(await behind_a_lock(conn, f"{type(error).__name__}: {error}"), at)


async def diagnose_without_database(
    why: str, presence: Presence, at: datetime, pooler: tuple[str, str] | None = None
) -> Diagnosis:
    """When the database cannot be asked at all. `pooler` as of `without_database`."""
    return _plain(await without_database(why, presence, pooler), at)


def _plain(results: Sequence[Checked], at: datetime) -> Diagnosis:
    return Diagnosis(results, findings_of(results), at)
