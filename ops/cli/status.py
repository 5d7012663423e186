"""`lead-router status`: where all leads are, why they wait, how fast it goes, who works."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table

from ops.cli.context import EXIT_FOUND, CannotRun, Context, async_command, console, json_option, print_json
from ops.cli.options import instant
from ops.doctor.finding import Severity
from ops.maintenance.present import line as run_line
from ops.status.document import document, oldest
from ops.status.rates import RATES_OVER
from ops.status.status import Status, TenantStatus
from ops.status.status import status as read_status
from ops.status.verdict import Level, verdict
from ops.waiting.waiting import WaitingLeads
from router.domain.phrases import count, duration
from router.domain.reason import Reason
from router.drain.request import BatchRequest
from router.store.cleanup import Run
from router.store.errors import LOCK_TIMEOUTS
from router.store.status import ParkedLeads, Paused
from router.store.tenants import TenantUnknown

_STYLES = {Level.WRONG: "bold red", Level.LOOK: "yellow", Level.FINE: "green"}
_AGAIN = {str(Reason.DATABASE_BUSY): "when unlocked"}
TENANTS_SHOWN = 20
FINDINGS_SHOWN = 10
MAINTENANCE_SHOWN = 3


@click.command()
@click.option("--tenant", metavar="T", help="Only this tenant (default: all).")
@click.option(
    "--now", metavar="TIME", callback=instant, help="As of this time, for replays (default: the database's clock)."
)
@json_option
@async_command
async def status(context: Context, tenant: str | None, now: datetime | None, as_json: bool) -> int:
    """Show how many leads are in each state, why leads wait, and which routers run.

    After the database comes whether all is well, or what is wrong and where to look.

    Exit code 1 when the states do not add up to the leads that were accepted.

    \b
    Example:
      lead-router status --tenant acme
      lead-router status --json
    """
    async with context.present() as (conn, presence):
        try:
            sizes = BatchRequest(ready=context.settings.drain.batch_leads)
            found = await read_status(conn, tenant, now, presence, sizes, lambda: datetime.now(UTC))
        except TenantUnknown as error:
            raise CannotRun(str(error)) from error
        except LOCK_TIMEOUTS as error:
            raise CannotRun(f"status could not read: {error}") from error
    if as_json:
        print_json({"database": context.database, **document(found)})
    else:
        console().print(f"database: {context.database}")
        show(found, console())
    return 0 if found.balanced else EXIT_FOUND


def show(found: Status, out: Console) -> None:
    """For people."""
    judged = verdict(found)
    out.print(judged.line, style=_STYLES[judged.level])
    out.print(_states_table(found))
    if len(found.tenants) == 1:
        _show_tenant(found.tenants[0], found.at, out)
    elif found.tenants:
        out.print(_tenants_table(found))
    else:
        out.print("no tenant yet; lead-router tenants add NAME --time-zone ZONE")
    rates = ", ".join(f"{value:,.0f} {what}" for what, value in asdict(found.rates).items())
    out.print(f"leads per minute (last {RATES_OVER.total_seconds() / 60:.0f} min): {rates}")
    verb = "is" if found.listeners == 1 else "are"
    out.print(f"{count(found.listeners, 'router')} {verb} running" if found.listeners else "no router is running")
    _show_maintenance(found, out)
    _show_findings(found, out)


def _show_maintenance(found: Status, out: Console) -> None:
    names = {one.tenant.tenant_id: one.tenant.name for one in found.tenants}
    for run in found.maintenance[:MAINTENANCE_SHOWN]:
        out.print(f"maintenance of {run_line(run, names)}")
    if len(found.maintenance) > MAINTENANCE_SHOWN:
        out.print("lead-router maintenance list shows more", style="dim")


def _show_findings(found: Status, out: Console) -> None:
    findings = [finding for finding in found.findings if finding.muted is None]
    for finding in findings[:FINDINGS_SHOWN]:
        out.print(finding.line, style="bold red" if finding.severity is Severity.CRITICAL else "yellow")
    if len(findings) > FINDINGS_SHOWN:
        out.print(f"and {len(findings) - FINDINGS_SHOWN} more findings; --json has them all", style="yellow")
    if muted := len(found.findings) - len(findings):
        out.print(f"{count(muted, 'finding is', 'findings are')} muted; lead-router doctor shows them", style="dim")


def _show_tenant(found: TenantStatus, at: datetime, out: Console) -> None:
    if found.waiting.reasons:
        out.print(_waiting_table(found.waiting.reasons, at))
    if found.parked_leads:
        out.print(_parked_table(found.parked_leads, at))
    for line in _lane_lines(found, at):
        out.print(line)


def _states_table(found: Status) -> Table:
    table = Table("state", "leads", "", box=None, pad_edge=False, show_header=False)
    table.columns[1].justify = "right"
    for state, leads in found.states.items():
        if leads or state in ("waiting", "assigned"):
            table.add_row(state, f"{leads:,}")
        parts = {"waiting": found.waiting, "parked": found.parked}.get(state, {})
        for reason, n in parts.items():
            table.add_row(f"  {reason}", f"{n:,}", style="dim")
    total = sum(found.states.values())
    sign = "= accepted" if total == found.accepted else f"but accepted {found.accepted:,}"
    table.add_row("sum", f"{total:,}", sign)
    return table


def _waiting_table(reasons: Iterable[WaitingLeads], at: datetime) -> Table:
    table = Table("why", "leads", "oldest", "next chance", "waits for", box=None, pad_edge=False)
    for part in reasons:
        again = _AGAIN.get(part.reason, "now") if part.next_recheck_at is None else _distance(part.next_recheck_at, at)
        words = "; ".join(part.waits_for)
        table.add_row(part.reason, f"{part.leads:,}", _distance(part.oldest_queued_at, at), again, words)
    return table


def _parked_table(parts: Iterable[ParkedLeads], at: datetime) -> Table:
    table = Table("parked", "leads", "oldest", "newest", "last hour", "last day", box=None, pad_edge=False)
    for part in parts:
        when = (_distance(part.oldest, at), _distance(part.newest, at))
        table.add_row(part.reason, f"{part.leads:,}", *when, f"{part.last_hour:,}", f"{part.last_day:,}")
    return table


def _cleaned(run: Run, at: datetime) -> str:
    rows = ", ".join(f"{rows:,} of {table}" for table, rows in run.removed.items()) or "nothing old"
    how = "under way" if run.outcome is None else run.outcome
    return f"last cleanup: {how}, {_distance(run.ended_at or run.began_at, at)}, {rows}"


def _lane_lines(found: TenantStatus, at: datetime) -> Iterable[str]:
    tenant, lane = found.tenant, found.lane
    if lane.paused is not None:
        yield f"{_paused(lane.paused, at)}; lead-router resume {tenant.name} ends it"
    if found.again.leads:
        yield f"{count(found.again.leads, 'lead')} will be retried within {found.again.words}"
    if lane.last_batch_at is not None:
        by = " by hand" if lane.kind == "hand" else ""
        leads = count(lane.leads, "lead")
        yield f"last batch: number {lane.batch_no}{by}, {leads}, {_distance(lane.last_batch_at, at)}"
    else:
        yield "last batch: none yet"
    if found.cleaned is not None:
        yield _cleaned(found.cleaned, at)
    planned = None if lane.next_visit_at is None else _distance(lane.next_visit_at, at)
    next_visit = "none planned" if planned is None else f"{planned} (sooner if something changes)"
    yield f"next scheduled check: {next_visit}"
    versions = {"ruleset": tenant.ruleset, "roster": tenant.roster, "close rates": tenant.rates}
    in_use = ", ".join(f"{what} {version}" if version else f"no {what} yet" for what, version in versions.items())
    yield f"versions in use: {in_use}"
    if lane.holder is not None:
        yield f"lane: {_holder(found)}"


def _paused(paused: Paused, at: datetime) -> str:
    who = "author unknown" if paused.by is None else f"by {paused.by}"
    since = "" if paused.since is None else f" {_distance(paused.since, at)}"
    return f"paused until {paused.until:%Y-%m-%d %H:%M %Z} ({_distance(paused.until, at)}), {who}{since}: {paused.why}"


def _holder(found: TenantStatus) -> str:
    holder = found.lane.holder
    if holder is None:
        return "free" if found.lane.paused is None else f"paused until {found.lane.paused.until:%Y-%m-%d %H:%M %Z}"
    where = f" from {holder.client}" if holder.client else ""
    return f"held by {holder.application or 'a session'} (process {holder.pid}, {holder.user}{where})"


def _tenants_table(found: Status) -> Table:
    table = Table(
        "tenant", "accepted", "waiting", "oldest", "assigned", "parked", "last batch", "lane", box=None, pad_edge=False
    )
    ordered = sorted(found.tenants, key=lambda tenant: (-tenant.states["waiting"], tenant.tenant.name))
    for tenant in ordered[:TENANTS_SHOWN]:
        since, last = oldest([tenant]), tenant.lane.last_batch_at
        table.add_row(
            tenant.tenant.name,
            *(f"{n:,}" for n in (tenant.accepted, tenant.states["waiting"])),
            "-" if since is None else _distance(since, found.at),
            *(f"{tenant.states[state]:,}" for state in ("assigned", "parked")),
            "-" if last is None else _distance(last, found.at),
            _holder(tenant),
        )
    if len(ordered) > TENANTS_SHOWN:
        table.caption = f"and {len(ordered) - TENANTS_SHOWN} more with fewer waiting leads; --json has them all"
    return table


def _distance(at: datetime, now: datetime) -> str:
    """How far a time is from now."""
    far = duration(abs((at - now).total_seconds()))
    return f"{far} ago" if at <= now else f"in {far}"
