"""One sync of a tenant's roster with its view: all of what can be believed, or nothing and a problem to look at."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ops.roster_sync.holds import Hold, holds
from ops.roster_sync.judge import Judged, check_loss, judge
from ops.roster_sync.sources import Source
from ops.roster_sync.view import ViewRefused, read_view
from router.domain.roster_change import RosterChange
from router.store.errors import TRANSIENT_ERRORS
from router.store.roster import RosterBusy, current_reps, import_reps
from router.store.sentence_parts import written_parts, written_parts_of
from router.store.statements import Connection, Row, load
from router.store.tenants import Tenant
from router.telemetry.instruments import SyncResult
from router.telemetry.masking import mask_passwords

AUTHOR = "roster sync"
# Any number of ours: the locks of one class are one per tenant.
_LOCK_CLASS = 20_260_311
# An instance that looks a little early need not wait a whole interval more.
_EARLY = 0.9

_SQL = load("roster_sync")


@dataclass(frozen=True, slots=True)
class Synced:
    """How it went. `change` None = nothing was taken, and `problem` says why. `news` = problem or warnings are not
    those of the time before. `unknown` = reps whose availability is not understood; `held` = the same of the roster
    that is in force afterwards, as of `at`. `loss` = the problem is one that `accept_loss` would pass over.
    """

    result: SyncResult
    change: RosterChange | None = None
    problem: str = ""
    warnings: Sequence[str] = ()
    unknown: int = 0
    news: bool = False
    held: Sequence[Hold] = ()
    at: datetime | None = None
    loss: bool = False


async def sync(
    conn: Connection,
    tenant: Tenant,
    source: Source,
    *,
    author: str = AUTHOR,
    if_older_than: timedelta | None = None,
    dry_run: bool = False,
    accept_loss: bool = False,
) -> Synced | None:
    """Syncs once, in one transaction. None = another instance does it now, or did it within `if_older_than`.

    `accept_loss` takes the view although columns or many reps are gone from it; `dry_run` writes nothing at all.
    Raises what a lost connection raises.
    """
    async with conn.transaction():
        if not await _SQL.try_lock.value(conn, lock_class=_LOCK_CLASS, tenant_id=tenant.tenant_id):
            return None
        last = await _SQL.last.row(conn, tenant_id=tenant.tenant_id)
        assert last is not None
        # A look at a time that is yet to come was by a clock that was wrong.
        if (
            if_older_than
            and last["tried_at"]
            and timedelta(0) <= last["now"] - last["tried_at"] < if_older_than * _EARLY
        ):
            return None
        try:
            judged, types = await _judged(conn, tenant, source, last, accept_loss=accept_loss)
            change = await import_reps(
                conn,
                tenant.tenant_id,
                judged.lines,
                author,
                note=f"view {source.shown}",
                retire_missing=True,
                dry_run=dry_run,
                unknown_holds_for=source.unknown_holds_for,
            )
        except ViewRefused as refused:
            synced = await _problem(conn, tenant, last, SyncResult.REFUSED, refused.words, dry_run=dry_run)
            return replace(synced, loss=refused.loss)
        except (*TRANSIENT_ERRORS, RosterBusy) as error:
            if conn.is_closed():
                raise
            problem = f"{type(error).__name__}: {error}"
            return await _problem(conn, tenant, last, SyncResult.FAILED, problem, dry_run=dry_run)
        if not dry_run:
            await _SQL.put_taken.execute(
                conn,
                tenant_id=tenant.tenant_id,
                at=last["now"],
                columns=json.dumps(types),
                warnings=list(map(str, judged.warnings)),
                warning_parts=written_parts_of(judged.warnings),
            )
    held = (await holds(conn, [tenant.tenant_id])).get(tenant.tenant_id, ())
    differs = bool(change.added or change.changed)
    news = bool(last["problem"]) or list(judged.warnings) != (last["warnings"] or [])
    result = SyncResult.CHANGED if differs else SyncResult.UNCHANGED
    return Synced(
        result, change, warnings=judged.warnings, unknown=judged.unknown, news=news, held=held, at=last["now"]
    )


async def _judged(
    conn: Connection, tenant: Tenant, source: Source, last: Row, *, accept_loss: bool
) -> tuple[Judged, dict[str, str]]:
    """What may be taken, and the columns' types. Raises ViewRefused and what reading the view raises."""
    view = await read_view(conn, source)
    reps = await current_reps(conn, tenant.tenant_id)
    before = json.loads(last["columns"] or "{}")
    judged = judge(view, {rep.rep_id for rep in reps}, before, last["now"], accept_loss=accept_loss)
    if not accept_loss:
        check_loss(judged, {rep.rep_id for rep in reps if rep.values["active"]}, source.most_lost_share)
    return judged, dict(view.types)


async def _problem(
    conn: Connection, tenant: Tenant, last: Row, result: SyncResult, problem: str, *, dry_run: bool
) -> Synced:
    told = mask_passwords(str(problem))
    parts = written_parts(problem) if told == problem else None
    if not dry_run:
        await _SQL.put_problem.execute(
            conn, tenant_id=tenant.tenant_id, at=last["now"], problem=told, problem_parts=parts
        )
    return Synced(result, problem=told, warnings=last["warnings"] or (), news=told != (last["problem"] or ""))
