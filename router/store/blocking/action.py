"""What is done about a blocker: its statement is cancelled or its session terminated, and that is recorded."""

from dataclasses import dataclass

from asyncpg import InsufficientPrivilegeError

from router.domain.worded import said_by, worded
from router.store.blocking.judge import Blocker, open_time
from router.store.changes import SERVICE, Change, record_if_possible
from router.store.statements import Connection, load
from router.telemetry.masking import mask_literals

_SQL = load("blocking")

# A session that is terminated ends at once, unless its disk or its kernel does not answer.
_GONE_WITHIN_MS = 2_000


@dataclass(frozen=True, slots=True)
class Action:
    """What is to be done to whom: `name` is cancel or terminate. `own` = it is a backend of ours."""

    name: str
    blocker: Blocker
    why: str = ""
    own: bool = False


class CannotAct(Exception):
    """The session was left alone; the message says why, and what to do instead."""


@dataclass(frozen=True, slots=True)
class Done:
    """How it ended: `gone` False = the session had not ended in time; `unrecorded` = why the change could not be
    recorded, None = it is.
    """

    gone: bool
    unrecorded: str | None


async def alone(conn: Connection) -> bool:
    """Whether no other blocking watch acts just now; until the transaction ends."""
    return bool(await _SQL.watch_alone.value(conn))


async def act(conn: Connection, action: Action, actor: str) -> Done:
    """Does it to that very session, and not to a later one of the same number. Raises CannotAct.

    First the action, then the record: the session may be what keeps us from recording.
    """
    session = action.blocker.session
    gone = await _signal(conn, action)
    change = Change(
        actor=actor,
        action=action.name,
        subject=str(session.named()),
        before="; ".join(one.words for one in action.blocker.blocks),
        after=f"{session.state or 'state unknown'} {open_time(session)}: {mask_literals(session.query)}",
        why=action.why,
    )
    return Done(gone, await record_if_possible(conn, SERVICE, change))


async def _signal(conn: Connection, action: Action) -> bool:
    session, cancel = action.blocker.session, action.name == "cancel"
    if cancel and session.visible and session.state != "active":
        raise CannotAct(
            worded(
                "{session} runs no statement that could be cancelled ({state}); --terminate {pid} ends it "
                "with its transaction",
                session=session.named(),
                state=session.state or "idle",
                pid=session.pid,
            )
        )
    same = {"pid": session.pid, "backend_start": session.started_at}
    try:
        if cancel:
            sent = await _SQL.cancel.value(conn, **same, query_start=session.query_at)
        else:
            sent = await _SQL.terminate.value(conn, **same, xact_start=session.since, wait_ms=_GONE_WITHIN_MS)
    except InsufficientPrivilegeError as error:
        raise CannotAct(
            worded(
                "our role may not {name} {session}: {why}; grant pg_signal_backend to it (superusers' "
                "sessions need a superuser), or have an administrator run: select pg_{name}_backend({pid})",
                name=action.name,
                session=session.named(),
                why=said_by(error),
                pid=session.pid,
            )
        ) from error
    if sent is None:
        raise CannotAct(
            worded("{session} is gone or has gone on to other work; nothing was done", session=session.named())
        )
    return bool(sent)
