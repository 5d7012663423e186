"""Ending idle sessions of somebody else, so that there are connections again; recorded as a change."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from router.domain.phrases import count, duration
from router.store.changes import SERVICE, Change, record_if_possible
from router.store.connections.client_sessions import ClientSession, Which
from router.store.statements import Connection, load

_SQL = load("end_idle")

# A session that is terminated ends at once, unless its disk or its kernel does not answer.
_GONE_WITHIN_S = 2.0
_LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of the sessions: `ended`, `at_work` again before they could be ended (left alone), or `still_there`
    although they were told to end. `unrecorded` = why the change could not be recorded, None = it is.
    """

    ended: int
    at_work: int
    still_there: int
    unrecorded: str | None


async def end_idle(conn: Connection, which: Which, sessions: Sequence[ClientSession], actor: str, why: str) -> Ended:
    """Ends these sessions, as far as they are still idle. Raises asyncpg errors when our role may not.

    First the sessions, then the record, as there may be something that keeps us from recording.
    """
    known = {one.pid: one for one in sessions}
    sent = await _SQL.end_idle.fetch(
        conn,
        pids=list(known),
        started=[one.started_at for one in sessions],
        since=[one.state_at for one in sessions],
    )
    told = [known[row["pid"]] for row in sent if row["sent"]]
    left = await _left_of(conn, told)
    unrecorded = None
    if told:
        unrecorded = await record_if_possible(conn, SERVICE, _change(which, sessions, len(told) - left, actor, why))
    return Ended(len(told) - left, len(sessions) - len(told), left, unrecorded)


async def _left_of(conn: Connection, told: Sequence[ClientSession]) -> int:
    """How many of these are still there, when they have had time to end."""
    until = monotonic() + _GONE_WITHIN_S
    while left := int(
        await _SQL.still_there.value(conn, pids=[one.pid for one in told], started=[one.started_at for one in told])
    ):
        if monotonic() >= until:
            break
        await asyncio.sleep(_LOOK_EVERY_S)
    return left


def _change(which: Which, sessions: Sequence[ClientSession], ended: int, actor: str, why: str) -> Change:
    roles = ", ".join(sorted({one.role or "?" for one in sessions})[:5])
    longest = duration(max(one.state_s or 0.0 for one in sessions))
    were = count(len(sessions), "session")
    return Change(
        actor=actor,
        action="end_connections",
        subject=f"{named(which.application)} of {roles}",
        before=f"{were} idle for {duration(which.idle_s)} or longer, at most {longest}",
        after=f"{ended:,} ended",
        why=why,
    )


def named(application: str) -> str:
    """An application in words."""
    return application or "(without a name)"
