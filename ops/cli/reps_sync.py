"""`lead-router reps sync`: the roster as the CRM has it, once."""

from collections.abc import Mapping
from typing import Any

import click

from ops.cli.context import EXIT_FOUND, CannotRun, Context, async_command, console, json_option, print_json
from ops.cli.options import author_option, require_tenant, tenant_option
from ops.cli.reps_shared import print_change, print_notes
from ops.documents.reps import change_document
from ops.documents.roster_notes import RosterNotes, roster_notes
from ops.roster_sync.holds import holds_told, over
from ops.roster_sync.sources import EXAMPLE, Source, configured_sources
from ops.roster_sync.sync import Synced, sync


@click.command("sync")
@tenant_option
@author_option
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--accept-loss", is_flag=True, help="Take the view although columns or many reps are gone from it.")
@json_option
@async_command
async def sync_(
    context: Context, /, *, tenant_name: str | None, author: str, dry_run: bool, accept_loss: bool, as_json: bool
) -> int:
    """Sync the roster with the tenant's view of the CRM once, now (the daemon does it by itself).

    Exit code 1 when nothing was taken, or when the availability of a rep is not understood.

    \b
    Example:
      lead-router reps sync --tenant acme --dry-run
    """
    sources = configured_sources(context.settings)
    if tenant_name is not None:
        _source_of(sources, tenant_name)
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        source = _source_of(sources, tenant.name)
        synced = await sync(conn, tenant, source, author=author, dry_run=dry_run, accept_loss=accept_loss)
        done = None if synced is None else synced.change
        notes = RosterNotes(tenant) if done is None else await roster_notes(conn, tenant, done)
    if synced is None:
        raise click.ClickException(f"another instance syncs tenant {tenant.name} right now; try again")
    if as_json:
        print_json({"dry_run": dry_run, "view": source.shown, **_document(synced, notes)})
    else:
        _show(synced, source, notes, dry_run=dry_run)
    return EXIT_FOUND if synced.change is None or synced.unknown else 0


def _source_of(sources: Mapping[str, Source], tenant: str) -> Source:
    """Raises CannotRun."""
    source = sources.get(tenant)
    if source is None:
        raise CannotRun(
            f"no view is configured for tenant {tenant!r}: name a file in roster_sync.file "
            f"(LEAD_ROUTER_ROSTER_SYNC_FILE); {EXAMPLE} is one to start from"
        )
    return source


def _holds(synced: Synced) -> tuple[str, ...]:
    return () if synced.at is None else holds_told(synced.held, synced.at)


def _document(synced: Synced, notes: RosterNotes) -> dict[str, Any]:
    ended = [] if synced.at is None else over(synced.held, synced.at)
    change = None if synced.change is None else change_document(synced.change)
    return {
        "result": synced.result.value,
        "problem": synced.problem or None,
        "warnings": list(map(str, synced.warnings)),
        "accept_loss_helps": synced.loss,
        "availability_unknown": synced.unknown,
        "availability_held": [
            {"rep_id": hold.rep_id, "last_known": hold.available, "until": hold.until, "over": hold in ended}
            for hold in synced.held
        ],
        "change": change,
        **notes.document(),
    }


def _show(synced: Synced, source: Source, notes: RosterNotes, *, dry_run: bool) -> None:
    out = console()
    for warning in synced.warnings if synced.change else ():
        out.print(f"warning: {warning}")
    for told in _holds(synced):
        out.print(f"warning: {told}")
    if synced.change is None:
        out.print(f"nothing was taken from {source.shown}: {synced.problem}")
        if synced.loss:
            out.print("when columns or reps are gone for good: the same command with --accept-loss")
        return
    print_change(synced.change, dry_run=dry_run)
    print_notes(notes, dry_run=dry_run)
