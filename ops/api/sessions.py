"""Sessions of the database server over HTTP: those that block us, who has the connections, and ending either.

Ending them needs a token for all tenants: they are of other applications, and serve whoever is on that server.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import fields

from ops.api.fields import OF_PARTS, Json, Moment, Note, Seconds, Why
from ops.api.ids import PROCESS, number_of
from ops.api.personal import seen_by
from ops.api.refusals import refusals
from ops.blocking.document import document as blockers_document
from ops.documents.connections import NothingToEnd, connections_document, ended_document, to_be_ended
from router.domain.access import Permission
from router.domain.worded import said_by, worded
from router.http.operations import Answer, Call, Operation
from router.http.problems import Kind, Refused
from router.store.blocking.action import Action, CannotAct, Done, act
from router.store.blocking.activity import look
from router.store.blocking.judge import Blocker, Limits, blockers
from router.store.connections.client_sessions import Which, client_sessions
from router.store.connections.end_idle import end_idle
from router.store.connections.server_capacity import read_server_capacity
from router.store.leads import database_clock
from router.store.processes import SILENT_FOR_S, known_processes
from router.store.statements import Connection

_Name = Annotated[str, Meta(max_length=200)]


class BlockersDocument(msgspec.Struct, frozen=True):
    """The sessions that block us, worst first. Statements are without values for a tenant's token. `elsewhere` = who
    waits for whom on other servers of a distributed database; absent without such waits.
    """

    blockers: list[Json]
    notes: list[str]
    notes_parts: Annotated[list[list[Json] | None], Meta(description=OF_PARTS)]
    elsewhere: list[Json] | UnsetType = UNSET


class BlockersQuery(msgspec.Struct, frozen=True):
    """From when on transactions count."""

    older_than: Annotated[float, Meta(ge=0, le=1e9, description="Seconds: idle transactions, old snapshots")] = (
        Limits().old_s
    )


class BlockerEnd(msgspec.Struct, frozen=True):
    """What is done to a blocking session: its statement is cancelled, or it is ended with its transaction."""

    how: Literal["cancel", "terminate"]
    why: Note = ""
    since: Annotated[
        Moment | None,
        Meta(description="The session's `since` when it was looked at: in another transaction by now it is left alone"),
    ] = None


class BlockerEnded(msgspec.Struct, frozen=True):
    """`gone` false = it had not ended in two seconds. `unrecorded` = why the change is not on record (null = it is)."""

    pid: int
    how: str
    gone: bool
    unrecorded: str | None


class ConnectionsRow(msgspec.Struct, frozen=True):
    """Sessions that are alike. `longest_s` = for how many seconds the longest has been in that state."""

    application: str
    user: str
    database: str
    state: str
    ours: bool
    sessions: int
    longest_s: float


class ConnectionsDocument(msgspec.Struct, frozen=True):
    """The server's connections, and who has them; the most first."""

    max_connections: int
    reserved: int
    in_use: int
    sessions: list[ConnectionsRow]


class ConnectionsEnd(msgspec.Struct, frozen=True):
    """Which idle sessions are ended: of an application, and of one role of it where that is given."""

    application: _Name
    why: Why
    user: _Name | None = None
    idle_for_s: Seconds = 60
    in_transaction: Annotated[bool, Meta(description="Also those idle in a transaction, which is rolled back")] = False
    dry_run: Annotated[bool, Meta(description="Only count them")] = False


class EndedSessions(msgspec.Struct, frozen=True):
    """How many were ended, were `at_work` again and left alone, or are `still_there` after two seconds."""

    ended: int
    at_work: int
    still_there: int
    unrecorded: str | None


class ConnectionsEnded(msgspec.Struct, frozen=True):
    """How many sessions were found, and what became of them (null = a dry run)."""

    dry_run: bool
    found: int
    not_permitted: int
    done: EndedSessions | None


class ProcessRow(msgspec.Struct, frozen=True, kw_only=True):
    """A process that routes leads. `state`: lives, silent (no sign of life for a while), ended, or died."""

    instance: str
    host: str
    pid: int
    version: str
    state: Literal["lives", "silent", "ended", "died"]
    started_at: Moment
    beat_at: Moment
    ended_at: Moment | None
    host_ahead_s: float | None


class ProcessList(msgspec.Struct, frozen=True):
    """Those of the last week, the latest sign of life first; `at` is the database's clock."""

    at: Moment
    processes: list[ProcessRow]


def operations() -> list[Operation]:
    """Of the server's sessions."""
    made = partial(Operation, tag="sessions")
    return [
        made(
            id="list_blockers",
            method="GET",
            path="/v1/blockers",
            summary="The database sessions that block us",
            handler=_blockers,
            answers={200: BlockersDocument},
            permission=Permission.OPERATE,
            query=BlockersQuery,
        ),
        made(
            id="end_blocker",
            method="POST",
            path="/v1/blockers/{pid}/end",
            summary="Cancel the statement of a session that blocks us, or end the session",
            description="With a token for all tenants. A session that does not block us is left alone.",
            handler=_end_blocker,
            answers={200: BlockerEnded},
            permission=Permission.OPERATE,
            body=BlockerEnd,
            of_tenant=False,
            of_all=True,
        ),
        made(
            id="list_connections",
            method="GET",
            path="/v1/connections",
            summary="Who has the connections of the database server",
            description="With a token for all tenants.",
            handler=_connections,
            answers={200: ConnectionsDocument},
            permission=Permission.OPERATE,
            of_tenant=False,
            of_all=True,
        ),
        made(
            id="list_processes",
            method="GET",
            path="/v1/processes",
            summary="The processes that route leads, with their last sign of life",
            description="With a token for all tenants.",
            handler=_processes,
            answers={200: ProcessList},
            permission=Permission.OPERATE,
            of_tenant=False,
            of_all=True,
        ),
        made(
            id="end_connections",
            method="POST",
            path="/v1/connections:end",
            summary="End idle sessions of another application, so that there are connections again",
            description="With a token for all tenants. Sessions of lead-router are never ended.",
            handler=_end_connections,
            answers={200: ConnectionsEnded},
            permission=Permission.OPERATE,
            body=ConnectionsEnd,
            of_tenant=False,
            of_all=True,
        ),
    ]


async def _blockers(call: Call) -> Answer:
    tenant = None if call.of_tenant is None else call.of_tenant.name
    with refusals(call):
        async with call.connection() as conn:
            seen = await look(conn, tenant, elsewhere=True)
    document = seen_by(call, blockers_document(blockers(seen, Limits(old_s=call.query.older_than)), seen))
    notes, parts = document["notes"], document["notes_parts"]
    return Answer(BlockersDocument(document["blockers"], notes, parts, document.get("elsewhere", UNSET)))


async def _end_blocker(call: Call) -> Answer:
    pid, body = number_of(call.path["pid"], PROCESS), call.body
    with refusals(call):
        async with call.connection() as conn:
            blocker = await _blocker(conn, pid)
            _check_same(blocker, body.since)
            done = await _act(conn, Action(body.how, blocker, body.why.strip()), call.actor)
    return Answer(BlockerEnded(pid, body.how, **asdict(done)))


async def _blocker(conn: Connection, pid: int) -> Blocker:
    found = blockers(await look(conn, None), Limits())
    for one in found:
        if one.session.pid == pid:
            return one
    others = ", ".join(str(one.session.pid) for one in found)
    raise Refused(
        Kind.NOT_FOUND,
        worded(
            "process {pid} does not block us (blocking sessions: {sessions}); nothing was done",
            pid=pid,
            sessions=others or worded("none"),
        ),
    )


def _check_same(blocker: Blocker, since: datetime | None) -> None:
    """It still has the transaction that it had `since` then (None = not said). Raises Refused."""
    if since is not None and since != blocker.session.since:
        raise Refused(
            Kind.CONFLICT,
            worded(
                "{session} has another transaction than when it was looked at: look again; nothing was done",
                session=blocker.session.named(),
            ),
        )


async def _act(conn: Connection, action: Action, actor: str) -> Done:
    try:
        return await act(conn, action, actor)
    except CannotAct as error:
        raise Refused(Kind.CONFLICT, said_by(error)) from error


async def _connections(call: Call) -> Answer:
    with refusals(call):
        async with call.connection() as conn:
            document = connections_document(await client_sessions(conn), await read_server_capacity(conn))
    return Answer(msgspec.convert(document, ConnectionsDocument))


async def _processes(call: Call) -> Answer:
    with refusals(call):
        async with call.connection() as conn:
            found, now = await known_processes(conn), await database_clock(conn)
    return Answer(ProcessList(now, [_process(row, now) for row in found]))


def _process(row: Mapping[str, Any], now: datetime) -> ProcessRow:
    """As it is known; a host's name is followed by what only machines compare."""
    if row["died_at"] is not None:
        state = "died"
    elif row["ended_at"] is not None:
        state = "ended"
    else:
        state = "silent" if now - row["beat_at"] > timedelta(seconds=SILENT_FOR_S) else "lives"
    known = {field.name: row.get(field.name) for field in fields(ProcessRow)}
    named = {"host": str(row["host"]).partition(" ")[0], "state": state, "ended_at": row["died_at"] or row["ended_at"]}
    return msgspec.convert({**known, **named}, ProcessRow)


async def _end_connections(call: Call) -> Answer:
    body: ConnectionsEnd = call.body
    which = Which(body.application, float(body.idle_for_s), body.user, body.in_transaction)
    with refusals(call):
        async with call.connection() as conn:
            document = await _end(conn, call, which)
    return Answer(msgspec.convert(document, ConnectionsEnded))


async def _end(conn: Connection, call: Call, which: Which) -> dict[str, Any]:
    try:
        sessions, forbidden = to_be_ended(await client_sessions(conn), which)
        done = None if call.body.dry_run else await end_idle(conn, which, sessions, call.actor, call.body.why.strip())
    except NothingToEnd as error:
        raise Refused(Kind.CONFLICT, said_by(error)) from error
    return ended_document(sessions, forbidden, done)
