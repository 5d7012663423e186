"""`lead-router blockers`: who has our rows and tables locked, and ending that."""

from datetime import UTC, datetime
from typing import Any

import asyncpg
import click
from rich.console import Console
from rich.text import Text

from ops.blocking.blockers import CannotAct, Deed, Done, act
from ops.cli.context import EXIT_FOUND, CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import me, note_option
from router.store.blocking.judge import Blocker, Hindrance, Limits, Scene, ago
from router.store.blocking.judge import blockers as judge
from router.store.blocking.sessions import look
from router.store.statements import Connection
from router.store.tenants import TenantUnknown, tenant_named

_PID = click.IntRange(min=1)
_DEEDS = {Deed.CANCEL: "was told to cancel its statement", Deed.TERMINATE: "was ended; its transaction is rolled back"}


@click.command()
@click.option("--cancel", type=_PID, metavar="PID", help="Cancel the statement of this process, if it is in our way.")
@click.option("--terminate", type=_PID, metavar="PID", help="End this process with its transaction, if it is.")
@click.option("--tenant", metavar="T", help="Look at the rows of this tenant only, and at more of them.")
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    default=Limits().old_s,
    show_default=True,
    metavar="SECONDS",
    help="From when on idle transactions and old snapshots count.",
)
@note_option
@json_option
@async_command
async def blockers(
    context: Context,
    *,
    cancel: int | None,
    terminate: int | None,
    tenant: str | None,
    older_than: float,
    note: str,
    as_json: bool,
) -> int:
    """Show who stands in our way, the worst first: locks on tables, lanes and rows, idle transactions, old snapshots.

    Never waits for a lock itself. All locks on tables and all lanes are seen; of the pool the first 20,000 ready and
    as many waiting leads of a tenant (of all together 50,000), the loads of as many reps, and the owners of those
    leads' customers. Exit code 1 = there is somebody.

    \b
    Example:
      lead-router blockers
      lead-router blockers --terminate 26180 --note "nightly cleanup hangs, its owner agrees"
    """
    if cancel is not None and terminate is not None:
        raise CannotRun("--cancel and --terminate: one of them at a time")
    async with context.connection() as conn:
        scene = await look(conn, tenant)
        await _check_tenant(conn, tenant, scene)
        found = judge(scene, Limits(old_s=older_than))
        pid = terminate if cancel is None else cancel
        if pid is None:
            done = None
        else:
            done = await _act(conn, Deed.TERMINATE if cancel is None else Deed.CANCEL, pid, found, note)
    if as_json:
        print_json(document(found, scene, done))
    elif done is not None:
        _say(done)
    else:
        show(found, scene, console())
    if done is not None:
        return 0 if done.gone else EXIT_FOUND
    return EXIT_FOUND if found else 0


async def _check_tenant(conn: Connection, tenant: str | None, scene: Scene) -> None:
    """A name that is misspelt must not look like a tenant that nobody blocks."""
    if tenant is None or any(lock.table == "tenant" and lock.blocks for lock in scene.table_locks):
        return
    try:
        await tenant_named(conn, tenant)
    except TenantUnknown as error:
        raise CannotRun(str(error)) from error


async def _act(conn: Connection, deed: Deed, pid: int, found: list[Blocker], note: str) -> Done:
    blocker = next((one for one in found if one.session.pid == pid), None)
    if blocker is None:
        others = ", ".join(str(one.session.pid) for one in found)
        there = f"in our way are {others}" if found else "nobody is"
        raise Found(f"process {pid} is not in our way ({there}); nothing was done. lead-router blockers shows who is")
    try:
        return await act(conn, deed, blocker, actor=me(), why=note)
    except CannotAct as error:
        raise Found(str(error)) from error
    except asyncpg.PostgresError as error:
        raise Found(f"process {pid} could not be told to {deed}: {error}") from error


def _say(done: Done) -> None:
    out = console()
    if done.gone:
        out.print(f"{done.blocker.session.named()} {_DEEDS[done.deed]}")
    else:
        out.print(f"{done.blocker.session.named()} was told to {done.deed}, but is still there; look again")
    if done.unrecorded is not None:
        out.print(f"this is NOT recorded among the changes: {done.unrecorded}", style="yellow")


def show(found: list[Blocker], scene: Scene, out: Console) -> None:
    """For people."""
    for blocker in found:
        session = blocker.session
        out.print(Text(session.named(), style="bold red" if blocker.holds_leads else "bold yellow"))
        for hindrance in blocker.hindrances:
            out.print(f"  {hindrance.words}")
        out.print(f"  {_doing(blocker)}")
        if session.query:
            out.print(Text(f"  query: {session.query}", style="dim"))
        out.print(f"  do: lead-router blockers --{blocker.deed} {session.pid}")
    if not found:
        out.print("nobody stands in our way")
    for note in scene.notes:
        out.print(f"note: {note}", style="yellow")
    if any(not blocker.session.visible for blocker in found):
        out.print("note: states and queries of other roles are hidden from us; grant pg_read_all_stats to our role")


def _doing(blocker: Blocker) -> str:
    session = blocker.session
    if not session.visible:
        return "what it does may not be seen by our role"
    waits = f", waits on {session.wait}" if session.wait and session.state == "active" else ""
    return f"{session.state or session.backend}{waits}; transaction open {ago(session.open_s)}"


def document(found: list[Blocker], scene: Scene, done: Done | None) -> dict[str, Any]:
    """The JSON document."""
    told = None
    if done is not None:
        told = {
            "deed": done.deed.value,
            "pid": done.blocker.session.pid,
            "gone": done.gone,
            "unrecorded": done.unrecorded,
        }
    return {"blockers": [_blocker(one) for one in found], "notes": scene.notes, "done": told}


def _blocker(blocker: Blocker) -> dict[str, Any]:
    session = blocker.session
    return {
        "pid": session.pid,
        "application": session.application,
        "user": session.role,
        "client": session.client or None,
        "backend": session.backend,
        "ours": session.ours,
        "state": session.state or None,
        "waits_on": session.wait or None,
        "waits_for": list(session.waits_for),
        "query": session.query or None,
        "visible": session.visible,
        "since": _time(session.since),
        "open_s": None if session.open_s is None else round(session.open_s, 3),
        "snapshot_age": session.snapshot_age,
        "holds_leads": blocker.holds_leads,
        "do": blocker.deed,
        "hindrances": [_hindrance(one) for one in blocker.hindrances],
    }


def _hindrance(hindrance: Hindrance) -> dict[str, Any]:
    return {
        "kind": hindrance.kind.value,
        "words": hindrance.words,
        "tables": list(hindrance.tables),
        "mode": hindrance.mode or None,
        "rows": hindrance.rows,
        "tenants": list(hindrance.tenants),
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()
