"""`lead-router blockers`: which sessions have our rows and tables locked, and ending them."""

from dataclasses import asdict

import click
from rich.console import Console
from rich.text import Text

from ops.blocking.document import document
from ops.blocking.ending_words import advice_for
from ops.cli.context import EXIT_FOUND, CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import current_user, filter_option, why_option
from router.store.blocking.action import Action, CannotAct, Done, act
from router.store.blocking.activity import look
from router.store.blocking.judge import MODES, Activity, Blocker, Limits, Session, open_time
from router.store.blocking.judge import blockers as judge
from router.store.blocking.work import work_elsewhere, work_of
from router.store.errors import PostgresError
from router.store.statements import Connection
from router.store.tenants import TenantUnknown, tenant_named

_PID = click.IntRange(min=1)
_DONE = {"cancel": "cancel request sent", "terminate": "terminated; its transaction is rolled back"}


@click.command()
@click.option("--cancel", type=_PID, metavar="PID", help="Cancel the statement of this process, if it blocks us.")
@click.option("--terminate", type=_PID, metavar="PID", help="End this process and its transaction, if it blocks us.")
@filter_option("Look at the rows of this tenant only, and at more of them.", "tenant")
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    default=Limits().old_s,
    show_default=True,
    metavar="SECONDS",
    help="From when on idle transactions and old snapshots count.",
)
@why_option("note")
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
    """Show the sessions that block us, worst first: locks on tables, lanes and rows, idle transactions, old snapshots.

    Never waits for a lock itself. All locks on tables and all lanes are seen; of the pool the first 20,000 ready and
    as many waiting leads of a tenant (of all together 50,000), the loads of as many reps, and the owners of those
    leads' customers. On a distributed database (Citus) it is who waits for whom on all servers instead of rows. Exit
    code 1 = there are blocking sessions.

    \b
    Example:
      lead-router blockers
      lead-router blockers --terminate 26180 --why "nightly cleanup hangs, its owner agrees"
    """
    if cancel is not None and terminate is not None:
        raise CannotRun("--cancel and --terminate: one of them at a time")
    async with context.connection() as conn:
        seen = await look(conn, tenant, elsewhere=True)
        await _check_tenant(conn, tenant, seen)
        found = judge(seen, Limits(old_s=older_than))
        pid = terminate if cancel is None else cancel
        if pid is None:
            if as_json:
                print_json({"database": context.database, **document(found, seen)})
            else:
                console().print(f"database: {context.database}")
                show(found, seen, console())
            return EXIT_FOUND if found or any(one.waiting.ours for one in seen.elsewhere) else 0
        action = Action("terminate" if cancel is None else "cancel", _chosen(pid, found), note)
        done = await _act(conn, action)
    if as_json:
        print_json(
            {"database": context.database}
            | document(found, seen)
            | {"done": {"deed": action.name, "pid": pid, **asdict(done)}}
        )
    else:
        console().print(f"database: {context.database}")
        _report(action, done)
    return 0 if done.gone else EXIT_FOUND


async def _check_tenant(conn: Connection, tenant: str | None, seen: Activity) -> None:
    """A name that is misspelt must not look like a tenant that nobody blocks."""
    if tenant is None or any(lock.table == "tenant" and lock.mode in MODES for lock in seen.table_locks):
        return
    try:
        await tenant_named(conn, tenant)
    except TenantUnknown as error:
        raise CannotRun(str(error)) from error


def _chosen(pid: int, found: list[Blocker]) -> Blocker:
    for blocker in found:
        if blocker.session.pid == pid:
            return blocker
    others = ", ".join(str(one.session.pid) for one in found)
    blocking = f"blocking sessions: {others}" if found else "no blocking sessions"
    raise Found(f"process {pid} does not block us ({blocking}); nothing was done. See lead-router blockers")


async def _act(conn: Connection, action: Action) -> Done:
    try:
        return await act(conn, action, current_user())
    except CannotAct as error:
        raise Found(str(error)) from error
    except PostgresError as error:
        raise Found(f"cannot {action.name} process {action.blocker.session.pid}: {error}") from error


def _report(action: Action, done: Done) -> None:
    out = console()
    did = _DONE[action.name] if done.gone else f"{action.name} request sent, but it is still there; look again"
    out.print(f"{action.blocker.session.named()}: {did}")
    if done.unrecorded is not None:
        out.print(f"this is NOT recorded among the changes: {done.unrecorded}", style="yellow")


def show(found: list[Blocker], seen: Activity, out: Console) -> None:
    """For people."""
    for blocker in found:
        session = blocker.session
        out.print(Text(session.named(), style="bold red" if blocker.holds_leads else "bold yellow"))
        for blocking in blocker.blocks:
            out.print(f"  {blocking.words}")
        out.print(f"  {_doing(session)}")
        if session.query:
            out.print(Text(f"  query: {session.query}", style="dim"))
        work = work_of(session, [one.kind for one in blocker.blocks])
        out.print(f"  wait or end it? {advice_for(work)}")
        out.print(f"  do: lead-router blockers --{blocker.remedy} {session.pid}")
    for wait in seen.elsewhere:
        out.print(Text(wait.blocking.named(), style="bold red" if wait.waiting.ours else "bold yellow"))
        out.print(f"  {wait.waiting.named()} waits for its locks")
        if wait.blocking.query:
            out.print(Text(f"  query: {wait.blocking.query}", style="dim"))
        out.print(f"  wait or end it? {advice_for(work_elsewhere(wait, seen.elsewhere))}")
        out.print(f"  do, on the coordinator: {wait.ends_it}")
    if not (found or seen.elsewhere):
        out.print("no blocking sessions")
    for note in seen.notes:
        out.print(f"note: {note}", style="yellow")
    if any(not blocker.session.visible for blocker in found):
        out.print("note: states and queries of other roles are hidden from us; grant pg_read_all_stats to our role")


def _doing(session: Session) -> str:
    if not session.visible:
        return "our role may not see what it does"
    waits = f", waits on {session.wait}" if session.wait and session.state == "active" else ""
    return f"{session.state or session.backend}{waits}; transaction open {open_time(session)}"
