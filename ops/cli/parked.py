"""`lead-router parked`: why leads are parked, and how they come back."""

import shlex
from datetime import datetime
from typing import TYPE_CHECKING

import click

from ops.cli.context import Context, async_command, console, json_option, print_json
from ops.cli.options import filter_option, require_tenant
from ops.listing.parked import Parked, ParkedOfTenant, commands, document
from ops.listing.parked import parked as find_parked
from ops.why.codes import REASONS
from router.domain.phrases import count, duration
from router.domain.reason import Reason
from router.domain.written_time import in_column
from router.store.tenants import all_tenants

if TYPE_CHECKING:
    from ops.cli.screen import Screen

_LIMIT = 10
_WORDS = {str(reason): words for reason, words in REASONS.items()}
_DETAIL = 160
"""Letters of a sentence that are shown; `--json` and `lead-router why` have all of it."""


@click.command()
@filter_option("Only leads of this tenant (default: all).")
@click.option(
    "--reason",
    metavar="R",
    type=click.Choice([str(reason) for reason in Reason]),
    help="Only leads parked for this reason.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0, max=1_000),
    default=_LIMIT,
    show_default=True,
    metavar="N",
    help="Show the newest N leads of each tenant; 0 = none.",
)
@json_option
@async_command
async def parked(context: Context, tenant_name: str | None, reason: str | None, limit: int, as_json: bool) -> None:
    """Show which leads are parked: why, since when, and how to send them back once the cause is fixed.

    Nothing sends parked leads back by itself. Of each reason the sentences that most of its leads have are shown, with
    a lead as example. This changes nothing; `lead-router retry` sends back many, `lead-router unpark` one.

    \b
    Example:
      lead-router parked
      lead-router parked --tenant acme --reason internal_error --json
    """
    async with context.present() as (conn, presence):
        tenants = [await require_tenant(conn, tenant_name)] if tenant_name else await all_tenants(conn)
        found = await find_parked(conn, presence, tenants, reason, limit)
    if as_json:
        print_json(document(found, _WORDS))
    else:
        _print(found, reason)


def _print(found: Parked, reason: str | None) -> None:
    out = console()
    if not found.tenants:
        out.print(f"no lead is parked for {reason}" if reason else "no lead is parked")
    for place, of in enumerate(found.tenants):
        if place:
            out.print()
        _print_tenant(out, of, found.as_of)


def _print_tenant(out: "Screen", of: ParkedOfTenant, now: datetime) -> None:
    from rich.table import Table  # noqa: PLC0415 - `--json` needs none

    name = of.tenant.name
    out.print(f"{name}: {count(of.leads, 'parked lead')}")
    for one in of.reasons:
        part = one.counted
        since = f"oldest {_ago(part.oldest, now)}, newest {_ago(part.newest, now)}"
        recent = f"{part.last_hour:,} in the last hour, {part.last_day:,} in the last day"
        # A newer release may have parked for a reason that this one does not know.
        words = _WORDS.get(part.reason, "")
        out.print(f"{part.reason}: {count(part.leads, 'lead')}, {words}; {since}; {recent}", style="bold")
        for it in one.details:
            if it.detail:
                cut = it.detail if len(it.detail) <= _DETAIL else f"{it.detail[:_DETAIL]}…"
                which = f"lead {it.example}" if it.leads == 1 else f"{it.leads:,} leads, such as lead {it.example}"
                out.print(f"  {which}: {cut}")
        todo = commands(name, part.reason)
        out.print(f"  what to do about the cause: {todo['runbook']}")
        out.print(f"  then, to send them back:    {todo['try']}   (without --dry-run it does it)")
    if not of.newest:
        return
    table = Table(box=None, pad_edge=False)
    for title in ("lead", "source", "external id", f"parked since ({of.tenant.time_zone})", "reason", "why"):
        table.add_column(title)
    for lead in of.newest:
        since = in_column(lead.state_since, of.tenant.time_zone)
        table.add_row(
            str(lead.lead_id), lead.source or "-", lead.external_id, since, lead.reason or "-", lead.detail or "-"
        )
    out.print(table)
    if len(of.newest) < of.leads:
        all_of_them = f"lead-router leads list --tenant {shlex.quote(name)} --state parked"
        out.print(f"the newest {len(of.newest):,} of {of.leads:,}; all: {all_of_them}")


def _ago(at: datetime, now: datetime) -> str:
    return f"{duration(abs((at - now).total_seconds()))} ago"
