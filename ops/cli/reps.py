"""`lead-router reps`: import, list and set."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from ops.cli.context import CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import author_option, note_option, require_tenant, tenant_option
from ops.documents.reps import (
    availability,
    change_document,
    in_no_group,
    rep_document,
    unnamed_document,
    value_shown,
)
from router.domain.coverage import LostCoverage, UnnamedGroup
from router.domain.phrases import count, listed
from router.domain.rep_fields import read_field
from router.domain.roster_change import RepRecord, RosterChange
from router.intake.roster_file import RosterError, read_roster_file
from router.rules.file import RulesError
from router.store.leads import database_clock
from router.store.roster import NobodyLeft, RepUnknown, RosterBusy, current_reps, import_reps, set_rep
from router.store.rules_lint import groups_no_rule_names
from router.store.statements import Connection
from router.store.tenants import Tenant

_REPS_SHOWN = 20
_NAMES_SHOWN = 10
_anyway_option = click.option(
    "--anyway", is_flag=True, help="Change it although no rep of the tenant is available then."
)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@tenant_option
@author_option
@note_option
@click.option(
    "--missing",
    type=click.Choice(["keep", "inactive"]),
    default="keep",
    show_default=True,
    help="What happens to reps that are not in the file.",
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@_anyway_option
@click.option("--sheet", metavar="NAME", help="Of an .xlsx workbook. Default: the first one.")
@json_option
@async_command
async def import_(
    context: Context,
    /,
    *,
    file: Path,
    tenant_name: str,
    author: str,
    note: str,
    missing: str,
    dry_run: bool,
    anyway: bool,
    sheet: str | None,
    as_json: bool,
) -> None:
    """Import reps from FILE (.csv, .tsv, .txt or .xlsx): all of it, or nothing when something in it is wrong.

    A column that is absent leaves its field as it is. Importing the same file again changes nothing.

    \b
    Example:
      lead-router reps import reps.csv --tenant acme --note "new team in Wuhan"
    """
    try:
        lines = read_roster_file(file, sheet)
    except OSError as error:
        raise CannotRun(f"{file}: {error.strerror or error}") from error
    except RosterError as error:
        raise CannotRun(f"nothing was imported\n{error}") from error
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        try:
            change = await import_reps(
                conn,
                tenant.tenant_id,
                lines,
                author,
                note=note,
                retire_missing=missing == "inactive",
                dry_run=dry_run,
                anyway=anyway,
            )
        except NobodyLeft as error:
            raise _refused(error) from error
        except RosterBusy as error:
            raise Found(str(error)) from error
        unnamed = await _unnamed(conn, tenant)
        alone = [rep.rep_id for rep in await current_reps(conn, tenant.tenant_id) if in_no_group(rep)]
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                **change_document(change),
                "in_no_group": alone,
                "unnamed_groups": unnamed_document(unnamed),
            }
        )
        return
    print_change(change, dry_run=dry_run)
    if alone:
        names = listed(alone, _NAMES_SHOWN)
        console().print(f"{count(len(alone), 'active rep')} in no group, so no group rule can assign to them: {names}")
    _print_unnamed(unnamed)
    if change.missing:
        fate = "deactivated" if missing == "inactive" else "unchanged (use --missing inactive to deactivate them)"
        console().print(f"{count(change.missing, 'active rep')} not in the file: {fate}")


@click.command("list")
@tenant_option
@json_option
@async_command
async def list_(context: Context, tenant_name: str, as_json: bool) -> None:
    """List the reps of a tenant as the newest roster version has them.

    \b
    Example:
      lead-router reps list --tenant acme
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        found = await current_reps(conn, tenant.tenant_id)
        now = await database_clock(conn)
    if as_json:
        print_json([rep_document(rep, now) for rep in found])
    elif found:
        console().print(_table(found, now))
    else:
        console().print(f"no reps yet; lead-router reps import FILE.csv --tenant {tenant.name}")


@click.command("set")
@click.argument("rep_id")
@tenant_option
@click.option("--available", metavar="yes|no", help="Takes leads now.")
@click.option("--active", metavar="yes|no", help="Works here; an inactive rep loses known customers too.")
@click.option("--weight", metavar="N", help="Share of the leads, against others of the group (1 = normal).")
@click.option("--max-open", metavar="N", help='Most open leads ("" = as the rules say).')
@click.option("--max-per-day", metavar="N", help='Most leads of one business day ("" = as the rules say).')
@click.option("--holidays", metavar="COUNTRY", help='Whose public holidays: CN, DE-BY, none ("" = as the rules say).')
@click.option("--leave", metavar="DAYS", help='"2026-10-01..2026-10-07; 2026-12-24" ("" = none).')
@click.option("--groups", metavar="NAMES", help='All groups of the rep: "east; automation".')
@click.option("--working-hours", metavar="HOURS", help='"mon-fri 09:00-12:00,13:00-18:00" ("" = as the rules say).')
@author_option
@note_option
@_anyway_option
@json_option
@async_command
async def set_(
    context: Context,
    /,
    *,
    rep_id: str,
    tenant_name: str,
    author: str,
    note: str,
    anyway: bool,
    as_json: bool,
    **fields: str | None,
) -> None:
    """Change fields of one rep.

    \b
    Example:
      lead-router reps set r017 --tenant acme --available no --note "ill"
    """
    changes = _changes(fields)
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        try:
            change = await set_rep(conn, tenant.tenant_id, rep_id, changes, author, note=note, anyway=anyway)
        except NobodyLeft as error:
            raise _refused(error) from error
        except RepUnknown as error:
            raise CannotRun(f"tenant {tenant.name}: {error}") from error
        except RosterBusy as error:
            raise Found(str(error)) from error
        unnamed = [one for one in await _unnamed(conn, tenant) if rep_id in one.reps] if "groups" in changes else []
    if as_json:
        print_json(change_document(change) | {"unnamed_groups": unnamed_document(unnamed)})
    else:
        print_change(change)
        _print_unnamed(unnamed)


def _refused(error: NobodyLeft) -> Found:
    return Found(f"nothing was changed: {error}; with --anyway it is done nevertheless")


async def _unnamed(conn: Connection, tenant: Tenant) -> list[UnnamedGroup]:
    """Nothing where the rules cannot be read: other checks report that."""
    try:
        return await groups_no_rule_names(conn, tenant)
    except RulesError:
        return []


def _print_unnamed(groups: list[UnnamedGroup]) -> None:
    for one in groups[:_NAMES_SHOWN]:
        console().print(f"warning: {one.words}")
    if len(groups) > _NAMES_SHOWN:
        console().print(f"… and {len(groups) - _NAMES_SHOWN} more groups that no rule names (--json shows all)")


def _changes(fields: dict[str, str | None]) -> dict[str, Any]:
    """The values of the options that were given. Raises CannotRun naming every one that is not understood."""
    changes, problems = {}, []
    for name, text in fields.items():
        if text is None:
            continue
        try:
            changes[name] = read_field(name, text)
        except ValueError as error:
            problems.append(f"--{name.replace('_', '-')}: {error}")
    if problems:
        raise CannotRun("\n".join(problems))
    if not changes:
        raise CannotRun("nothing to set; give --available yes|no or another of the options (see --help)")
    return changes


def print_change(change: RosterChange, *, dry_run: bool = False) -> None:
    """A change for people."""
    out = console()
    for one in change.changed[:_REPS_SHOWN]:
        for name, (old, new) in one.fields.items():
            out.print(f"rep {one.rep_id}: {name}: {_text(name, old)} → {_text(name, new)}")
    if len(change.changed) > _REPS_SHOWN:
        out.print(f"… and {len(change.changed) - _REPS_SHOWN} more changed reps (--json shows all)")
    if lost := LostCoverage(change.left_alone, change.nobody_left).words:
        out.print(f"warning: {lost}")
    counts = f"{len(change.added)} added, {len(change.changed)} changed, {change.unchanged} unchanged"
    if dry_run:
        out.print(f"{counts}; nothing was written (--dry-run)")
    elif change.version == change.previous:
        out.print(f"{counts}; roster version {change.version} is unchanged")
    else:
        out.print(f"{counts}; roster version {change.version} is now active")


def _table(found: list[RepRecord], now: datetime) -> Table:
    fields = ("name", "groups", "time_zone", "available", "working_hours", "weight", "max_open", "max_per_day")
    titles = ("rep", "name", "groups", "zone", "available", "hours", "weight", "max open", "max per day")
    table = Table(*titles, box=None, pad_edge=False)
    for rep in found:
        cells = {name: _text(name, rep.values[name]) for name in fields}
        if not rep.values["active"]:
            cells["available"] = "inactive"
        elif (known := availability(rep, now)) != "known":
            at = f"{rep.values['availability_held_until']:%Y-%m-%d %H:%M:%S} UTC"
            holds = f"{cells['available']} until {at}, then unknown"
            cells["available"] = holds if known == "held" else f"unknown since {at}, so no candidate"
        table.add_row(rep.rep_id, *cells.values())
    return table


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return "; ".join(value) or "-"
    return "-" if value in (None, "") else str(value_shown(name, value))
