"""`lead-router connections`: who has the connections of the server, and ending idle ones of others."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import click

from ops.cli.context import EXIT_FOUND, CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import current_user, span, why_option
from ops.doctor.idle_sessions import ending
from router.domain.phrases import count, duration, listed, suggestion
from router.store.connections.client_sessions import ClientSession, Which, chosen, client_sessions
from router.store.connections.end_idle import Ended, end_idle, named
from router.store.connections.server_capacity import ServerCapacity, read_server_capacity
from router.store.errors import PostgresError

_HIDDEN = "what they do is hidden from our role: grant pg_read_all_stats to it"
_GRANT = "grant pg_signal_backend to our role (superusers' sessions need a superuser)"


@click.command("list")
@json_option
@async_command
async def list_(context: Context, as_json: bool) -> None:
    """Show who has the connections of the server: sessions by application, role, database and state.

    Of all databases, since they share the server's connections. Needs one connection itself: where others have them
    all, run it with a role that may use the reserved ones (docs/operating.md#connections-in-use).

    \b
    Example:
      lead-router connections list
    """
    async with context.connection() as conn:
        sessions, room = await client_sessions(conn), await read_server_capacity(conn)
    groups = _groups(sessions)
    if as_json:
        print_json({**_room(room), "sessions": groups})
    else:
        _show(groups, room)


def _groups(sessions: Sequence[ClientSession]) -> list[dict[str, Any]]:
    """Sessions that are alike, the most first."""
    alike = Counter((one.application, one.role, one.database, _state(one), one.ours) for one in sessions)
    longest: dict[object, float] = {}
    for one in sessions:
        key = (one.application, one.role, one.database, _state(one), one.ours)
        longest[key] = max(longest.get(key, 0.0), one.state_s or 0.0)
    return [
        dict(zip(("application", "user", "database", "state", "ours"), key, strict=True))
        | {"sessions": number, "longest_s": round(longest[key], 1)}
        for key, number in sorted(alike.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def _state(session: ClientSession) -> str:
    return (session.state or "unknown") if session.visible else "hidden"


def _room(room: ServerCapacity) -> dict[str, int]:
    return {"max_connections": room.max_connections, "reserved": room.reserved, "in_use": room.sessions}


def _show(groups: Sequence[dict[str, Any]], room: ServerCapacity) -> None:
    from rich.table import Table  # noqa: PLC0415 - `--json` needs none

    out = console()
    out.print(f"{room.sessions} in use of max_connections {room.max_connections}, {room.reserved} of these reserved")
    table = Table("sessions", "application", "user", "database", "state", "longest", box=None, pad_edge=False)
    for one in groups:
        names = (named(one["application"]), one["user"], one["database"], one["state"])
        table.add_row(str(one["sessions"]), *names, duration(one["longest_s"]))
    out.print(table)
    if any(one["state"] == "hidden" for one in groups):
        out.print(f"note: sessions of other roles: {_HIDDEN}", style="yellow")


@click.command()
@click.option("--application", required=True, metavar="NAME", help="Only sessions that call themselves so.")
@click.option("--user", metavar="ROLE", help="Only sessions of this role.")
@click.option(
    "--idle-for", "idle", default="60s", show_default=True, metavar="SPAN", callback=span, help="Idle for so long."
)
@click.option("--in-transaction", is_flag=True, help="Also those idle in a transaction, which is rolled back.")
@click.option("--dry-run", is_flag=True, help="Count what would be ended, and end nothing.")
@why_option(required=True)
@json_option
@async_command
async def end(
    context: Context,
    /,
    *,
    application: str,
    user: str | None,
    idle: timedelta,
    in_transaction: bool,
    dry_run: bool,
    why: str,
    as_json: bool,
) -> int:
    """End idle sessions of another application, so that there are connections again.

    Only sessions that do nothing and have no transaction open, unless --in-transaction. Never those of lead-router,
    of replication or of the server itself. An application that has a connection pool of its own opens them again when
    it needs them; limit its role then (alter role … connection limit N). Recorded among the changes.

    Exit code 1 when there is nothing to end, or some of it could not be ended.

    \b
    Example:
      lead-router connections end --application reporting --idle-for 10m --dry-run --why "leads stand"
    """
    which = Which(application, idle.total_seconds(), user, in_transaction)
    async with context.connection() as conn:
        sessions = await client_sessions(conn)
        found = _found(sessions, which)
        allowed = [one for one in found if one.may_end]
        if not allowed:
            raise Found(f"our role may not end any of {_words(found)}: {_GRANT}; nothing was done")
        try:
            done = None if dry_run else await end_idle(conn, which, allowed, current_user(), why)
        except PostgresError as error:
            raise Found(f"cannot end {_words(allowed)}: {error}") from error
    do = _command(which, idle, why) if dry_run else None
    forbidden = len(found) - len(allowed)
    if as_json:
        ended = None if done is None else asdict(done)
        print_json({"dry_run": dry_run, "found": len(found), "not_permitted": forbidden, "command": do, "done": ended})
    else:
        _report(found, forbidden, done, do)
    return EXIT_FOUND if forbidden or (done is not None and (done.still_there or not done.ended)) else 0


def _found(sessions: Sequence[ClientSession], which: Which) -> list[ClientSession]:
    """What is to be ended. Raises CannotRun and Found when that is nothing."""
    if found := chosen(sessions, which):
        return found
    same = [one for one in sessions if one.application == which.application]
    if any(one.ours for one in same):
        raise CannotRun("sessions of lead-router are never ended by this; lower connections.maximum instead")
    of_role = [one for one in same if which.of(one)]
    if not of_role:
        raise Found(_unknown(sessions, which, [one.role for one in same]))
    if not all(one.visible for one in of_role):
        raise Found(f"{count(len(of_role), 'session')} of {named(which.application)}: {_HIDDEN}; nothing was done")
    raise Found(
        f"none of {count(len(of_role), 'session')} of {named(which.application)} has been idle for "
        f"{duration(which.idle_s)} ({_states(of_role)}); nothing was done"
    )


def _unknown(sessions: Sequence[ClientSession], which: Which, roles: Sequence[str]) -> str:
    """No session is called so."""
    if roles:
        return f"{named(which.application)} has no session of role {which.role}, but of {listed(sorted(set(roles)))}"
    names = {one.application for one in sessions if not one.ours}
    near = suggestion(which.application, names)
    meant = f"; did you mean {near}?" if near else f"; there are: {listed(map(named, sorted(names))) or 'none'}"
    return f"no session is called {named(which.application)}{meant}"


def _states(sessions: Sequence[ClientSession]) -> str:
    return ", ".join(f"{number} {state}" for state, number in Counter(map(_state, sessions)).most_common())


def _words(sessions: Sequence[ClientSession]) -> str:
    roles = listed(sorted({one.role or "?" for one in sessions}))
    return f"{count(len(sessions), 'idle session')} of {named(sessions[0].application)} (role {roles})"


def _command(which: Which, idle: timedelta, why: str) -> str:
    """The same without --dry-run."""
    more = [] if which.role is None else [f"--user={which.role}"]
    more += ["--in-transaction"] if which.in_transaction else []
    return ending(which.application, f"{int(idle.total_seconds())}s", why, more=more)


def _report(found: Sequence[ClientSession], forbidden: int, done: Ended | None, do: str | None) -> None:
    out = console()
    longest = duration(max(one.state_s or 0.0 for one in found))
    if done is None:
        out.print(f"would end {_words(found)}, idle for at most {longest}; nothing was done (--dry-run)")
        out.print(f"do: {do}")
    else:
        out.print(f"{_words(found)}: {done.ended} ended")
    if done is not None and done.at_work:
        out.print(f"{count(done.at_work, 'session')} left alone: at work again, or gone")
    if done is not None and done.still_there:
        out.print(f"{count(done.still_there, 'session')} told to end, but still there; look again", style="yellow")
    if forbidden:
        out.print(f"{count(forbidden, 'session')} that our role may not end: {_GRANT}", style="yellow")
    if done is not None and done.unrecorded is not None:
        out.print(f"this is NOT recorded among the changes: {done.unrecorded}", style="yellow")
