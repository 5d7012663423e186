"""`lead-router groups`: who could take the leads of which rules now."""

from collections.abc import Iterable, Sequence

import click
import msgspec

from ops.cli.context import CannotRun, Context, async_command, console, json_option, print_json
from ops.cli.csv_output import csv_option, writing_csv
from ops.cli.options import require_tenant, tenant_option
from ops.listing.groups import Group, Groups, Member, Members, RulesMissing, list_groups, list_members
from ops.listing.leads import GroupUnknown, group_number
from ops.why.codes import UNSURE
from router.domain.phrases import count, listed
from router.store.tenants import Tenant


@click.command()
@tenant_option
@click.option("--group", metavar="G", help="Show the members of this group instead.")
@csv_option
@json_option
@async_command
async def groups(
    context: Context, tenant_name: str | None, group: str | None, csv_file: str | None, as_json: bool
) -> None:
    """Show the groups: members, who of them could take a lead now, their leads, the rules, and what waits for them.

    A rep in several groups counts in each of them, with all open leads. A lead that waits for several groups counts
    for each.

    \b
    Example:
      lead-router groups --tenant acme
      lead-router groups --tenant acme --group east
    """
    if csv_file is not None and as_json:
        raise click.UsageError("--csv and --json: one of them at a time")
    async with context.present() as (conn, presence):
        tenant = await require_tenant(conn, tenant_name)
        try:
            if group is None:
                found: Groups | Members = await list_groups(conn, presence, tenant.tenant_id)
            else:
                number = await group_number(conn, tenant.tenant_id, group)
                found = await list_members(conn, presence, tenant.tenant_id, number)
        except (GroupUnknown, RulesMissing) as error:
            raise CannotRun(str(error)) from error
    if as_json:
        print_json({"tenant": tenant.name, **msgspec.to_builtins(found)})
    elif csv_file is not None:
        _write_csv(csv_file, found)
    else:
        _print(tenant, found)


def _write_csv(csv_file: str, found: Groups | Members) -> None:
    kind, rows = (Group, found.groups) if isinstance(found, Groups) else (Member, found.members)
    columns = kind.__struct_fields__
    with writing_csv(csv_file, columns) as sheet:
        sheet.write([getattr(row, name) for name in columns] for row in rows)
    sheet.report("group" if isinstance(found, Groups) else "member")


def _print(tenant: Tenant, found: Groups | Members) -> None:
    out = console()
    if isinstance(found, Groups):
        out.print(_table(_GROUP, map(_group_cells, found.groups)) if found.groups else "no group has members or rules")
        if found.unused:
            size = count(len(found.unused), "group")
            out.print(f"{size} without members, rules and waiting leads: {listed(found.unused)}", style="dim")
    else:
        group = found.group
        out.print(f"group {group.group} of {tenant.name}", style="bold")
        rules = ", ".join(group.rules) or "none assigns to it"
        out.print(f"  rules: {rules}; {count(group.waiting, 'lead')} waiting for it")
        out.print(_table(_MEMBER, map(_member_cells, found.members)) if found.members else "  it has no members")
    if found.presence_unknown is not None:
        out.print(UNSURE[found.presence_unknown], style="yellow")


_GROUP = (
    *("group", "members", "at work", "available", "at daily cap", "at open cap"),
    *("open leads", "today", "waiting", "rules"),
)
_MEMBER = ("rep", "name", "now", "open leads", "max open", "today", "max per day", "weight")


def _group_cells(group: Group) -> Sequence[str]:
    members = f"{group.members:,}" + (f" (+{group.inactive:,} inactive)" if group.inactive else "")
    numbers = (group.at_work, group.available, group.at_daily_cap, group.at_open_cap)
    sums = (group.open_leads, group.today, group.waiting)
    return (group.group, members, *(f"{n:,}" for n in (*numbers, *sums)), ", ".join(group.rules) or "-")


def _member_cells(member: Member) -> Sequence[str]:
    caps = ["-" if cap is None else f"{cap:,}" for cap in (member.max_open, member.max_per_day)]
    now = str(member.standing).replace("_", " ")
    loads = (f"{member.open_leads:,}", caps[0], f"{member.today:,}", caps[1])
    return (member.rep_id, member.name, now, *loads, f"{member.weight:g}")


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> object:
    from rich.table import Table  # noqa: PLC0415 - `--csv` and `--json` need none

    table = Table(*titles, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    return table
