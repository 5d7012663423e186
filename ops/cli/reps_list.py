"""`lead-router reps`: list and show."""

from collections.abc import Iterator
from datetime import datetime

import click
from rich.table import Table

from ops.cli.context import CannotRun, Context, async_command, console, json_option, print_json
from ops.cli.options import require_tenant, tenant_option
from ops.cli.reps_shared import value_text
from ops.documents.reps import availability, rep_document
from ops.listing.groups import Standing
from ops.listing.reps import SHARE_OVER, HoursFrom, RepNow, Reps, reps_now
from router.domain.roster_change import RepRecord
from router.domain.written_time import written, written_soon
from router.store.roster import RepUnknown
from router.store.tenants import Tenant

_TITLES = ("rep", "name", "groups", "on duty", "open", "today", "weight", "got/due", "hours", "zone", "leave")
_NOT_SHOWN_BY_NOW = (
    *("name", "groups", "regions", "industries", "active", "available", "manager_id", "team"),
    *("email", "mobile", "wecom_user_id", "dingtalk_user_id", "feishu_user_id"),
)
_DAYS = SHARE_OVER.days


@click.command("list")
@tenant_option
@json_option
@async_command
async def list_(context: Context, tenant_name: str | None, as_json: bool) -> None:
    """List the reps of a tenant: loads against caps, on duty or when next, weight, hours, leave.

    "got/due" are the leads of the rep's groups in the last 30 days: those the rep got by share, and the part that the
    weight stands for. Hours, zones and holidays with (rules) are those of the rules; always = neither the rep nor the
    rules have any hours.

    \b
    Example:
      lead-router reps list --tenant acme
    """
    async with context.present() as (conn, presence):
        tenant = await require_tenant(conn, tenant_name)
        found = await reps_now(conn, presence, tenant.tenant_id)
    if as_json:
        print_json([rep_document(rep, found.at, found.now[rep.rep_id]) for rep in found.records])
        return
    if not found.records:
        console().print(f"no reps yet; lead-router reps import FILE.csv --tenant {tenant.name}")
        return
    holidays = any(now.holidays for now in found.now.values())
    table = Table(*_TITLES, *(("holidays",) if holidays else ()), box=None, pad_edge=False)
    for rep in found.records:
        more = (_holidays_cell(rep, found.now[rep.rep_id]),) if holidays else ()
        table.add_row(*_cells(rep, found, tenant), *more)
    console().print(table)
    _print_problem(found)


@click.command()
@click.argument("rep_id")
@tenant_option
@json_option
@async_command
async def show(context: Context, rep_id: str, tenant_name: str | None, as_json: bool) -> None:
    """Show one rep: all fields, loads against caps, on duty or when next, leave, and share against weight.

    \b
    Example:
      lead-router reps show r017 --tenant acme
    """
    async with context.present() as (conn, presence):
        tenant = await require_tenant(conn, tenant_name)
        try:
            found = await reps_now(conn, presence, tenant.tenant_id, rep_id=rep_id)
        except RepUnknown as error:
            raise CannotRun(f"tenant {tenant.name}: {error}") from error
    (rep,) = found.records
    if as_json:
        print_json(rep_document(rep, found.at, found.now[rep.rep_id]))
        return
    out = console()
    out.print(f"rep {rep.rep_id} of {tenant.name}", style="bold")
    for what, text in _lines(rep, found, tenant):
        out.print(f"  {what}: {text}")
    _print_problem(found)


def _cells(rep: RepRecord, found: Reps, tenant: Tenant) -> Iterator[str]:
    now = found.now[rep.rep_id]
    yield rep.rep_id
    yield value_text("name", rep.values["name"])
    yield value_text("groups", rep.values["groups"])
    yield duty_words(rep, now, found.at, tenant.time_zone)
    yield against_cap(now.open_leads, now.max_open)
    yield against_cap(now.today, now.max_per_day)
    yield value_text("weight", rep.values["weight"])
    yield _share(now)
    yield hours_words(now)
    yield now.time_zone if now.time_zone == rep.values["time_zone"] else f"{now.time_zone} (rules)"
    yield now.leave or "-"


def _lines(rep: RepRecord, found: Reps, tenant: Tenant) -> Iterator[tuple[str, str]]:
    now = found.now[rep.rep_id]
    yield "on duty", duty_words(rep, now, found.at, tenant.time_zone)
    yield "open leads", against_cap(now.open_leads, now.max_open)
    yield "today", against_cap(now.today, now.max_per_day)
    yield "weight", value_text("weight", rep.values["weight"])
    yield f"leads by share in {_DAYS} days", f"got {now.received:,}, due by weight {now.due_by_weight:,.1f}"
    yield "working hours", hours_words(now)
    yield "time zone", _zone_words(rep, now)
    yield "holidays", rep.values["holidays"] or f"as the rules say ({now.holidays or 'none'})"
    yield "leave", now.leave or "-"
    for name in _NOT_SHOWN_BY_NOW:
        yield name.replace("_", " "), value_text(name, rep.values[name])


def duty_words(rep: RepRecord, now: RepNow, at: datetime, zone_name: str) -> str:
    """Whether the rep is on duty, or when next; and why not, where time alone does not bring it."""
    held = rep.values["availability_held_until"]
    known = availability(rep, at)
    if now.standing is Standing.INACTIVE:
        return "inactive"
    if known == "unknown":
        return f"availability unknown since {written(held, zone_name, seconds=True)}, so no candidate"
    until = (
        ""
        if known == "known"
        else f" (availability holds until {written(held, zone_name, seconds=True)}, then unknown)"
    )
    if now.on_duty:
        return f"now{until}"
    why = str(now.standing).replace("_", " ")
    if now.next_on_duty_at is None:
        return f"no: {why}{until}"
    return f"{written_soon(now.next_on_duty_at, at, zone_name)} ({why} now){until}"


def against_cap(load: int, cap: int | None) -> str:
    """`3/10`; without a cap `3`."""
    return f"{load:,}" if cap is None else f"{load:,}/{cap:,}"


def hours_words(now: RepNow) -> str:
    """The hours in force, and that they are those of the rules, where they are."""
    return f"{now.hours} (rules)" if now.hours_from is HoursFrom.RULES else now.hours


def _zone_words(rep: RepRecord, now: RepNow) -> str:
    stored = rep.values["time_zone"]
    return stored if now.time_zone == stored else f"{now.time_zone} (rules; in the roster: {stored})"


def _holidays_cell(rep: RepRecord, now: RepNow) -> str:
    """The country; and that it is that of the rules, where it is."""
    if now.holidays is None:
        return "-"
    return now.holidays if rep.values["holidays"] else f"{now.holidays} (rules)"


def _share(now: RepNow) -> str:
    return f"{now.received:,}/{now.due_by_weight:,.1f}"


def _print_problem(found: Reps) -> None:
    if found.rules_problem is not None:
        console().print(
            f"the rules cannot be read, so their caps and hours are not shown: {found.rules_problem}", style="yellow"
        )
