"""`lead-router reps`: import and set."""

from pathlib import Path
from typing import Any

import click

from ops.cli.context import CannotRun, Context, Found, async_command, cannot_read, console, json_option, print_json
from ops.cli.options import author_option, require_tenant, tenant_option, why_option
from ops.cli.reps_shared import print_change, print_notes, refused
from ops.documents.reps import change_document, in_no_group, unnamed_document
from ops.documents.roster_notes import roster_notes
from router.domain.coverage import UnnamedGroup, groups_with_commas
from router.domain.phrases import count, listed
from router.domain.rep_fields import read_field
from router.intake.roster_file import RosterError, read_roster_file
from router.rules.file import RulesError
from router.store.roster import NobodyLeft, RepUnknown, RosterBusy, current_reps, import_reps, set_rep
from router.store.rules_lint import groups_no_rule_names
from router.store.statements import Connection
from router.store.tenants import Tenant

_NAMES_SHOWN = 10
_anyway_option = click.option(
    "--anyway", is_flag=True, help="Change it although no rep of the tenant is available then."
)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@tenant_option
@author_option
@why_option("note", author=False)
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
    tenant_name: str | None,
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
      lead-router reps import reps.csv --tenant acme --why "new team in Wuhan"
    """
    try:
        lines = read_roster_file(file, sheet)
    except OSError as error:
        raise cannot_read(file, error) from error
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
            raise refused(error) from error
        except RosterBusy as error:
            raise Found(str(error)) from error
        unnamed = await _unnamed(conn, tenant)
        alone = [rep.rep_id for rep in await current_reps(conn, tenant.tenant_id) if in_no_group(rep)]
        notes = await roster_notes(conn, tenant, change)
    written = {*change.added, *(one.rep_id for one in change.changed if "groups" in one.fields)}
    with_commas = groups_with_commas(
        (one.rep_id, one.values.get("groups", ())) for one in lines if one.rep_id in written
    )
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                **change_document(change),
                "in_no_group": alone,
                "unnamed_groups": unnamed_document(unnamed),
                "groups_with_commas": with_commas,
                **notes.document(),
            }
        )
        return
    print_change(change, dry_run=dry_run)
    if alone:
        names = listed(alone, _NAMES_SHOWN)
        console().print(f"{count(len(alone), 'active rep')} in no group, so no group rule can assign to them: {names}")
    _print_unnamed(unnamed)
    for group, reps in with_commas.items():
        console().print(
            f'warning: "{group}" ({listed(reps, _NAMES_SHOWN)}) is one group with a comma in its name; if several are '
            "meant, put ; or | between them"
        )
    print_notes(notes, dry_run=dry_run)
    if change.missing:
        fate = "deactivated" if missing == "inactive" else "unchanged (use --missing inactive to deactivate them)"
        console().print(f"{count(change.missing, 'active rep')} not in the file: {fate}")


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
@click.option("--time-zone", metavar="ZONE", help='IANA name, for hours and leave ("" = the tenant\'s).')
@click.option("--name", metavar="TEXT", help='For people ("" = the rep_id).')
@click.option("--regions", metavar="NAMES", help='What the rep knows best: "Shanghai; Hangzhou".')
@click.option("--industries", metavar="NAMES", help='The same of industries: "automation; medical".')
@click.option("--team", metavar="TEXT", help='The team, as text ("" = none).')
@click.option("--manager-id", metavar="ID", help="The manager's id in the CRM.")
@click.option("--email", metavar="ADDRESS", help="E-mail address, as text.")
@click.option("--mobile", metavar="NUMBER", help="Mobile phone, as text.")
@click.option("--wecom-user-id", metavar="ID", help="User id in WeCom.")
@click.option("--dingtalk-user-id", metavar="ID", help="User id in DingTalk.")
@click.option("--feishu-user-id", metavar="ID", help="User id in Feishu.")
@author_option
@why_option("note", author=False)
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@_anyway_option
@json_option
@async_command
async def set_(
    context: Context,
    /,
    *,
    rep_id: str,
    tenant_name: str | None,
    author: str,
    note: str,
    dry_run: bool,
    anyway: bool,
    as_json: bool,
    **fields: str | None,
) -> None:
    """Change fields of one rep.

    A rep who goes away keeps the open leads: how many is said, and the command that hands them over.

    \b
    Example:
      lead-router reps set r017 --tenant acme --available no --why "ill"
      lead-router reps set r017 --tenant acme --time-zone Europe/Berlin --working-hours "mon-fri 09:00-18:00"
    """
    changes = _changes(fields)
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        try:
            change = await set_rep(
                conn, tenant.tenant_id, rep_id, changes, author, note=note, dry_run=dry_run, anyway=anyway
            )
        except NobodyLeft as error:
            raise refused(error) from error
        except RepUnknown as error:
            raise CannotRun(f"tenant {tenant.name}: {error}") from error
        except RosterBusy as error:
            raise Found(str(error)) from error
        unnamed = [one for one in await _unnamed(conn, tenant) if rep_id in one.reps] if "groups" in changes else []
        notes = await roster_notes(conn, tenant, change)
    if as_json:
        document = {"dry_run": dry_run, **change_document(change), "unnamed_groups": unnamed_document(unnamed)}
        print_json(document | notes.document())
    else:
        print_change(change, dry_run=dry_run)
        _print_unnamed(unnamed)
        print_notes(notes, dry_run=dry_run)


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
