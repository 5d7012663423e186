"""`lead-router reps` about versions: history and rollback."""

from collections.abc import Iterator

import click

from ops.cli.context import CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import author_option, require_tenant, tenant_option, why_option
from ops.cli.reps_shared import print_change, print_notes, refused, value_text
from ops.documents.reps import change_document
from ops.documents.roster_history import entry_document, rep_entry_document, version_document
from ops.documents.roster_notes import roster_notes
from router.domain.phrases import count, listed
from router.domain.roster_change import RepChange
from router.domain.written_time import written
from router.store.roster import NobodyLeft, RepUnknown, RosterBusy, RosterVersionUnknown, roll_back_roster
from router.store.roster_history import RepEntry, RosterEntry, VersionShown, history, rep_history, version_shown
from router.store.statements import Connection
from router.store.tenants import Tenant

_VERSION = click.IntRange(1, 2**31 - 1)
_NAMED = 10
_LIMIT = 20


@click.command("history")
@tenant_option
@click.option("--rep", "rep_id", metavar="REP", help="Only what changed for this rep, field by field.")
@click.option("--version", type=_VERSION, metavar="N", help="What this version changed, rep by rep.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=_LIMIT, show_default=True, help="At most N versions.")
@json_option
@async_command
async def history_(
    context: Context,
    /,
    *,
    tenant_name: str | None,
    rep_id: str | None,
    version: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show the versions of the roster, the last one first: when, by whom, what for, and what changed.

    \b
    Example:
      lead-router reps history --tenant acme
      lead-router reps history --tenant acme --rep r017
      lead-router reps history --tenant acme --version 12
    """
    if rep_id is not None and version is not None:
        raise click.UsageError("--rep and --version: one of them at a time")
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        try:
            lines = await _told(conn, tenant, rep_id, version, limit, as_json=as_json)
        except (RepUnknown, RosterVersionUnknown) as error:
            raise CannotRun(f"tenant {tenant.name}: {error}") from error
    for line in lines:
        console().print(line)


async def _told(
    conn: Connection, tenant: Tenant, rep_id: str | None, version: int | None, limit: int, *, as_json: bool
) -> list[str]:
    """What is printed for people; nothing where it was printed for machines."""
    if version is not None:
        shown = await version_shown(conn, tenant.tenant_id, version)
        if not as_json:
            return list(_version_lines(shown, tenant))
        print_json(version_document(shown))
    elif rep_id is not None:
        changes = await rep_history(conn, tenant.tenant_id, rep_id, limit)
        if not as_json:
            return [line for one in changes for line in _rep_lines(one, tenant)]
        print_json([rep_entry_document(one) for one in changes])
    else:
        entries = await history(conn, tenant.tenant_id, limit + 1)
        more, entries = len(entries) > limit, entries[:limit]
        if not as_json:
            return list(_history_lines(entries, tenant, more=more))
        print_json([entry_document(one, tenant.roster) for one in entries])
    return []


def _history_lines(entries: list[RosterEntry], tenant: Tenant, *, more: bool) -> Iterator[str]:
    for one in entries:
        state = ", active" if one.version == tenant.roster else ""
        what = ", ".join(filter(None, (_counted(one.added, "added"), _counted(one.changed, "changed")))) or "no reps"
        yield f"{one.version:>4}  {_made(one, tenant)}: {what}{state}"
    if not entries:
        yield f"no reps yet; lead-router reps import FILE.csv --tenant {tenant.name}"
    if more:
        yield f"the latest {count(len(entries), 'version')}; there are more: --limit"


def _version_lines(shown: VersionShown, tenant: Tenant) -> Iterator[str]:
    yield f"roster version {shown.version}, {_made(shown, tenant)}{' (active)' if shown.in_force else ''}"
    if shown.added:
        yield f"  added: {listed(shown.added, _NAMED)}"
    for one in shown.changed:
        yield from (f"  rep {one.rep_id}: {line}" for line in _fields(one))


def _rep_lines(one: RepEntry, tenant: Tenant) -> Iterator[str]:
    yield f"{one.version:>4}  {_made(one, tenant)}{': added' if one.change is None else ''}"
    if one.change is not None:
        yield from (f"      {line}" for line in _fields(one.change))


def _made(one: RosterEntry | VersionShown | RepEntry, tenant: Tenant) -> str:
    note = f" ({one.note})" if one.note else ""
    return f"{written(one.at, tenant.time_zone, seconds=True)}  {one.author}{note}"


def _fields(change: RepChange) -> Iterator[str]:
    for name, (old, new) in change.fields.items():
        yield f"{name}: {value_text(name, old)} → {value_text(name, new)}"


def _counted(number: int, what: str) -> str:
    return f"{count(number, 'rep')} {what}" if number else ""


@click.command()
@tenant_option
@click.option("--to", "version", type=_VERSION, metavar="VERSION", help="Default: the version before the active one.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--anyway", is_flag=True, help="Change it although no rep of the tenant is available then.")
@author_option
@why_option("note", author=False)
@json_option
@async_command
async def rollback(
    context: Context,
    /,
    *,
    tenant_name: str | None,
    version: int | None,
    dry_run: bool,
    anyway: bool,
    author: str,
    note: str,
    as_json: bool,
) -> None:
    """Make the reps again what they were in an earlier version, as a new version.

    Reps who came later become inactive: leads and decisions refer to them. The history keeps every version, so that a
    rollback can be rolled back, too. Where the roster is synced with the CRM, the next sync brings the CRM's values.

    \b
    Example:
      lead-router reps rollback --tenant acme --to 12 --dry-run
      lead-router reps rollback --tenant acme --to 12 --why "13 was last month's file"
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        try:
            change = await roll_back_roster(
                conn, tenant.tenant_id, version, author, note=note, dry_run=dry_run, anyway=anyway
            )
        except NobodyLeft as error:
            raise refused(error) from error
        except RosterVersionUnknown as error:
            raise CannotRun(f"tenant {tenant.name}: {error}") from error
        except RosterBusy as error:
            raise Found(str(error)) from error
        notes = await roster_notes(conn, tenant, change)
    back_to = change.previous - 1 if version is None else version
    if as_json:
        print_json({"dry_run": dry_run, "back_to": back_to, **change_document(change), **notes.document()})
        return
    print_change(change, dry_run=dry_run, back_to=back_to)
    print_notes(notes, dry_run=dry_run)
