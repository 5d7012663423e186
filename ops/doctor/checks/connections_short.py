"""Instances together may open more connections than there are, others have them all, or they are fewer than lately."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from ops.doctor.finding import Finding, Severity, Subject
from ops.doctor.idle import idle_tenants
from ops.doctor.idle_sessions import freeing
from ops.doctor.scene import Scene
from router.domain.worded import Worded, worded
from router.domain.worded_phrases import in_a_row, worded_list
from router.domain.written_time import written
from router.store.configuration import SizeChange, sizes_changed
from router.store.connections.client_sessions import client_sessions
from router.store.connections.server_capacity import ServerCapacity, sessions_by_application
from router.store.status import ready_leads

CODE = "connections_short"

# A change of the size that is as old as that is no news, nor the cause of what begins now.
_NEWS = timedelta(days=1)
_CAUSE = timedelta(days=7)
_PATIENCE = timedelta(seconds=10)
_SHOWN = 5


async def look(scene: Scene) -> Sequence[Finding]:
    changes = await sizes_changed(scene.conn, scene.at - _CAUSE)
    if scene.room.exhausted or scene.room.excess() is not None:
        return (await _short(scene, changes),)
    lowered = [one for one in changes if one.at > scene.at - _NEWS and _by_a_third(one)]
    return [_lowered(one) for one in lowered]


async def _short(scene: Scene, changes: Sequence[SizeChange]) -> Finding:
    excess, used = scene.room.excess(), await sessions_by_application(scene.conn)
    leads, oldest = await _standing(scene) if scene.room.exhausted else (0, None)
    lowered = [change for change in changes if change.lost > 0]
    parts = [_exhausted(scene.room, used)] if scene.room.exhausted else []
    parts += [excess] if excess is not None else []
    parts += [_words(change) for change in lowered[:1]]
    return Finding(
        CODE,
        Severity.CRITICAL if leads else Severity.WARNING,
        Subject("server", "PostgreSQL"),
        in_a_row(parts),
        _evidence(scene.room, used, lowered),
        lowered[0].at if lowered else oldest,
        await _command(scene),
        held_back=leads,
        oldest=oldest,
    )


async def _command(scene: Scene) -> str:
    """What gets connections back from others who have all; else what was changed."""
    if scene.room.max_connections - scene.room.reserved > scene.room.others:
        return "lead-router changes --since 7d"
    return freeing(await client_sessions(scene.conn), scene.room.wanted)


async def _standing(scene: Scene) -> tuple[int, datetime | None]:
    """Ready leads of tenants that have had no batch for a while, and since when the oldest is queued."""
    idle = [tenant.tenant_id for tenant in idle_tenants(scene, _PATIENCE)]
    found = (await ready_leads(scene.conn, idle)).values()
    standing = [(leads, oldest) for leads, oldest in found if scene.at - oldest > _PATIENCE]
    return sum(leads for leads, _ in standing), min((oldest for _, oldest in standing), default=None)


def _evidence(room: ServerCapacity, used: dict[str, int], changes: Sequence[SizeChange]) -> tuple[dict[str, Any], ...]:
    rows: list[dict[str, Any]] = [_row(change) for change in changes[:2]]
    rows += [{"instance": name, "maximum": maximum} for name, maximum in list(room.instances.items())[:_SHOWN]]
    return (*rows, *({"application": name, "sessions": number} for name, number in used.items()))[:10]


def _exhausted(room: ServerCapacity, used: dict[str, int]) -> Worded:
    unnamed = worded("without a name")
    most = [worded("{name} {number}", name=name or unnamed, number=number) for name, number in used.items()]
    return worded(
        "the server has no connection left for us (max_connections {maximum}, {reserved} reserved); most are used by: "
        "{most}",
        maximum=room.max_connections,
        reserved=room.reserved,
        most=worded_list(most, 3),
    )


def _by_a_third(change: SizeChange) -> bool:
    return change.before is not None and 3 * change.lost >= change.before


def _lowered(change: SizeChange) -> Finding:
    return Finding(
        CODE,
        Severity.WARNING,
        Subject("setting", change.name),
        _words(change) + worded(": what needs many connections at once takes longer"),
        (_row(change),),
        change.at,
        "lead-router changes --since 24h",
    )


def _words(change: SizeChange) -> Worded:
    return worded(
        "{setting} was {before} until {at} and is {after} now (recorded by {by})",
        setting=change.name,
        before=change.before,
        at=written(change.at),
        after=change.after,
        by=change.actor,
    )


def _row(change: SizeChange) -> dict[str, Any]:
    return {
        "setting": change.name,
        "before": change.before,
        "after": change.after,
        "at": change.at.isoformat(timespec="seconds"),
        "by": change.actor,
    }
