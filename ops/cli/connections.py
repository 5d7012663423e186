"""`lead-router connections`: who has the connections of the server, and ending idle ones of others."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import click

from ops.cli.context import EXIT_FOUND, CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import current_user, span, why_option
from ops.doctor.idle_sessions import ending
from ops.documents.connections import (
    GRANT,
    HIDDEN,
    NothingToEnd,
    SessionsOfOurs,
    connections_document,
    ended_document,
    to_be_ended,
    words,
)
from router.domain.phrases import count, duration
from router.store.connections.client_sessions import ClientSession, Which, client_sessions
from router.store.connections.end_idle import Ended, end_idle, named
from router.store.connections.server_capacity import read_server_capacity
from router.store.errors import PostgresError


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
        document = connections_document(await client_sessions(conn), await read_server_capacity(conn))
    if as_json:
        print_json(document)
    else:
        _show(document)


def _show(document: dict[str, Any]) -> None:
    from rich.table import Table  # noqa: PLC0415 - `--json` needs none

    out = console()
    room = f"{document['in_use']} in use of max_connections {document['max_connections']}"
    out.print(f"{room}, {document['reserved']} of these reserved")
    table = Table("sessions", "application", "user", "database", "state", "longest", box=None, pad_edge=False)
    for one in document["sessions"]:
        names = (named(one["application"]), one["user"], one["database"], one["state"])
        table.add_row(str(one["sessions"]), *names, duration(one["longest_s"]))
    out.print(table)
    if any(one["state"] == "hidden" for one in document["sessions"]):
        out.print(f"note: sessions of other roles: {HIDDEN}", style="yellow")


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
        allowed, forbidden = _to_be_ended(await client_sessions(conn), which)
        try:
            done = None if dry_run else await end_idle(conn, which, allowed, current_user(), why)
        except PostgresError as error:
            raise Found(f"cannot end {words(allowed)}: {error}") from error
    do = _command(which, idle, why) if dry_run else None
    if as_json:
        print_json(ended_document(allowed, forbidden, done) | {"command": do})
    else:
        _report(allowed, forbidden, done, do)
    return EXIT_FOUND if forbidden or (done is not None and (done.still_there or not done.ended)) else 0


def _to_be_ended(sessions: Sequence[ClientSession], which: Which) -> tuple[list[ClientSession], int]:
    """Raises CannotRun and Found when nothing is."""
    try:
        return to_be_ended(sessions, which)
    except SessionsOfOurs as error:
        raise CannotRun(str(error)) from error
    except NothingToEnd as error:
        raise Found(str(error)) from error


def _command(which: Which, idle: timedelta, why: str) -> str:
    """The same without --dry-run."""
    more = [] if which.role is None else [f"--user={which.role}"]
    more += ["--in-transaction"] if which.in_transaction else []
    return ending(which.application, f"{int(idle.total_seconds())}s", why, more=more)


def _report(found: Sequence[ClientSession], forbidden: int, done: Ended | None, do: str | None) -> None:
    out = console()
    longest = duration(max(one.state_s or 0.0 for one in found))
    if done is None:
        out.print(f"would end {words(found)}, idle for at most {longest}; nothing was done (--dry-run)")
        out.print(f"do: {do}")
    else:
        out.print(f"{words(found)}: {done.ended} ended")
    if done is not None and done.at_work:
        out.print(f"{count(done.at_work, 'session')} left alone: at work again, or gone")
    if done is not None and done.still_there:
        out.print(f"{count(done.still_there, 'session')} told to end, but still there; look again", style="yellow")
    if forbidden:
        out.print(f"{count(forbidden, 'session')} that our role may not end: {GRANT}", style="yellow")
    if done is not None and done.unrecorded is not None:
        out.print(f"this is NOT recorded among the changes: {done.unrecorded}", style="yellow")
