"""Acting on who stands in our way: cancelling a statement or ending a session, and recording that it was done."""

from dataclasses import dataclass
from enum import StrEnum

import asyncpg

from router.store.blocking.judge import Blocker, ago
from router.store.changes import SERVICE, Change, record_change
from router.store.patience import patient
from router.store.statements import Connection, load

_SQL = load("blockers")

# A session that was told to end does so at once, unless its disk or its kernel does not answer.
_GONE_WITHIN_MS = 2_000
_RECORD_LOCK_TIMEOUT_S = 2.0


class Deed(StrEnum):
    """What is done to a session: its statement is cancelled, or it is ended with its transaction."""

    CANCEL = "cancel"
    TERMINATE = "terminate"


class CannotAct(Exception):
    """The session was left alone; the message says why, and what to do instead."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was done to whom. `gone` False = it was told to, but had not ended in time; `unrecorded` = why the change
    could not be recorded, None = it is.
    """

    deed: Deed
    blocker: Blocker
    gone: bool
    unrecorded: str | None


async def act(conn: Connection, deed: Deed, blocker: Blocker, *, actor: str, why: str = "") -> Done:
    """Does it to that very session, and not to a later one of the same number. Raises CannotAct.

    First the deed, then the record: the session may be what keeps us from recording.
    """
    gone = await _done(conn, deed, blocker)
    change = Change(
        actor=actor,
        action=deed.value,
        subject=blocker.session.named(),
        before="; ".join(hindrance.words for hindrance in blocker.hindrances),
        after=f"{blocker.session.state or 'state not told'} {ago(blocker.session.open_s)}: {blocker.session.query}",
        why=why,
    )
    return Done(deed, blocker, gone, await _recorded(conn, change))


async def _done(conn: Connection, deed: Deed, blocker: Blocker) -> bool:
    session = blocker.session
    if deed is Deed.CANCEL and session.visible and session.state != "active":
        raise CannotAct(
            f"{session.named()} runs no statement that could be cancelled ({session.state or 'idle'}); "
            f"--terminate {session.pid} ends it with its transaction"
        )
    try:
        if deed is Deed.CANCEL:
            told = await _SQL.cancel.value(
                conn, pid=session.pid, backend_start=session.started_at, query_start=session.query_at
            )
        else:
            told = await _SQL.terminate.value(
                conn,
                pid=session.pid,
                backend_start=session.started_at,
                xact_start=session.since,
                wait_ms=_GONE_WITHIN_MS,
            )
    except asyncpg.InsufficientPrivilegeError as error:
        raise CannotAct(
            f"our role may not {deed} {session.named()}: {error}; grant pg_signal_backend to it (superusers' sessions "
            f"need a superuser), or have an administrator run: select pg_{deed}_backend({session.pid})"
        ) from error
    if told is None:
        raise CannotAct(f"{session.named()} is gone or has gone on to other work; nothing was done")
    return bool(told)


async def _recorded(conn: Connection, change: Change) -> str | None:
    """Records it, waiting for a lock only for moments; answers why it could not be."""
    bounded = patient(conn, _RECORD_LOCK_TIMEOUT_S)
    try:
        async with bounded.transaction():
            await record_change(bounded, SERVICE, change)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        return str(error) or type(error).__name__
    return None
