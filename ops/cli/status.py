"""`lead-router status`: where all leads are, why they wait, how fast it goes, who works."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table

from ops.cli.context import EXIT_FOUND, CannotRun, Context, async_command, console, json_option, print_json
from ops.cli.language import say
from ops.cli.options import filter_option, instant
from ops.doctor.finding import Severity
from ops.maintenance.present import line as run_line
from ops.status.document import document, oldest
from ops.status.rates import RATES_OVER
from ops.status.status import Status, TenantStatus
from ops.status.status import status as read_status
from ops.status.verdict import Level, verdict
from ops.text.states import STATES
from ops.text.translation import N_
from ops.waiting.chance_text import chance_words
from ops.waiting.waiting import WaitingLeads
from router.domain.phrases import duration
from router.domain.written_time import written
from router.drain.request import BatchRequest
from router.store.cleanup import Run
from router.store.errors import LOCK_TIMEOUTS
from router.store.status import ParkedLeads, Paused
from router.store.tenants import Tenant, TenantUnknown

_STYLES = {Level.WRONG: "bold red", Level.LOOK: "yellow", Level.FINE: "green"}
_RATES = {"accepted": N_("accepted"), "assigned": N_("assigned"), "refused": N_("left waiting"), "parked": N_("parked")}
_HEADS = (
    *(N_("why"), N_("leads"), N_("oldest"), N_("newest"), N_("next chance"), N_("waits for"), N_("last hour")),
    *(N_("last day"), N_("tenant"), N_("waiting"), N_("last batch"), N_("lane")),
)
_CLEANED = {
    "done": N_("done"),
    "window": N_("window"),
    "brake": N_("brake"),
    "stopped": N_("stopped"),
    "interrupted": N_("interrupted"),
}
TENANTS_SHOWN = 20
FINDINGS_SHOWN = 10
MAINTENANCE_SHOWN = 3


@click.command()
@filter_option("Only this tenant (default: all).", "tenant")
@click.option(
    "--now", metavar="TIME", callback=instant, help="As of this time, for replays (default: the database's clock)."
)
@json_option
@async_command
async def status(context: Context, tenant: str | None, now: datetime | None, as_json: bool) -> int:
    """Show how many leads are in each state, why leads wait, and which routers run.

    After the database comes whether all is well, or what is wrong and where to look.

    Exit code 1 when the states do not add up to the leads that were accepted, or tenants are missing since their
    server does not answer.

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
        console().print(say().gettext("database: {database}").format(database=context.database))
        show(found, console())
    return 0 if found.balanced and not found.away else EXIT_FOUND


def show(found: Status, out: Console) -> None:
    """For people."""
    judged = verdict(found, say())
    out.print(judged.line, style=_STYLES[judged.level])
    out.print(_states_table(found))
    if len(found.tenants) == 1:
        _show_tenant(found.tenants[0], found.at, out)
    elif found.tenants:
        out.print(_tenants_table(found))
    elif not found.away:
        out.print(say().gettext("no tenant yet; lead-router tenants add NAME --time-zone ZONE"))
    rates = ", ".join(f"{value:,.0f} {say().gettext(_RATES[what])}" for what, value in asdict(found.rates).items())
    minutes = f"{RATES_OVER.total_seconds() / 60:.0f}"
    per_minute = say().gettext("leads per minute (last {minutes} min): {rates}")
    out.print(per_minute.format(minutes=minutes, rates=rates))
    running = say().ngettext("{count:,} router is running", "{count:,} routers are running", found.listeners)
    none = say().gettext("no router is running")
    out.print(running.format(count=found.listeners) if found.listeners else none)
    _show_maintenance(found, out)
    _show_findings(found, out)


def _show_maintenance(found: Status, out: Console) -> None:
    names = {one.tenant.tenant_id: one.tenant.name for one in found.tenants}
    for run in found.maintenance[:MAINTENANCE_SHOWN]:
        out.print(f"maintenance of {run_line(run, names)}")
    if len(found.maintenance) > MAINTENANCE_SHOWN:
        out.print(say().gettext("lead-router maintenance list shows more"), style="dim")


def _show_findings(found: Status, out: Console) -> None:
    findings = [finding for finding in found.findings if finding.muted is None]
    for finding in findings[:FINDINGS_SHOWN]:
        out.print(finding.line, style="bold red" if finding.severity is Severity.CRITICAL else "yellow")
    if len(findings) > FINDINGS_SHOWN:
        more = len(findings) - FINDINGS_SHOWN
        text = say().ngettext(
            "and {count:,} more finding; --json has them all", "and {count:,} more findings; --json has them all", more
        )
        out.print(text.format(count=more), style="yellow")
    if muted := len(found.findings) - len(findings):
        text = say().ngettext(
            "{count:,} finding is muted; lead-router doctor shows it",
            "{count:,} findings are muted; lead-router doctor shows them",
            muted,
        )
        out.print(text.format(count=muted), style="dim")


def _show_tenant(found: TenantStatus, at: datetime, out: Console) -> None:
    if found.waiting.reasons:
        out.print(_waiting_table(found.waiting.reasons, at, found.tenant.time_zone))
    if found.parked_leads:
        out.print(_parked_table(found.parked_leads, at))
    for line in _lane_lines(found, at):
        out.print(line)


def _states_table(found: Status) -> Table:
    table = Table("state", "leads", "", box=None, pad_edge=False, show_header=False)
    table.columns[1].justify = "right"
    for state, leads in found.states.items():
        if leads or state in ("waiting", "assigned"):
            table.add_row(say().gettext(STATES.get(state, state)), f"{leads:,}")
        parts = {"waiting": found.waiting, "parked": found.parked}.get(state, {})
        for reason, n in parts.items():
            table.add_row(f"  {reason}", f"{n:,}", style="dim")
    total = sum(found.states.values())
    differs = say().gettext("but accepted {leads:,}").format(leads=found.accepted)
    sign = say().gettext("= accepted") if total == found.accepted else differs
    table.add_row(say().gettext("sum"), f"{total:,}", sign)
    return table


def _waiting_table(reasons: Iterable[WaitingLeads], at: datetime, zone_name: str) -> Table:
    heads = _headed("why", "leads", "oldest", "next chance", "parked", "waits for")
    table = Table(*heads, box=None, pad_edge=False)
    for part in reasons:
        chance = chance_words(part, at, zone_name, say().gettext)
        parked = "-" if part.parks_at is None else _distance(part.parks_at, at)
        words = "; ".join(part.waits_for)
        table.add_row(part.reason, f"{part.leads:,}", _distance(part.oldest_queued_at, at), chance, parked, words)
    return table


def _parked_table(parts: Iterable[ParkedLeads], at: datetime) -> Table:
    table = Table(*_headed("parked", "leads", "oldest", "newest", "last hour", "last day"), box=None, pad_edge=False)
    for part in parts:
        when = (_distance(part.oldest, at), _distance(part.newest, at))
        table.add_row(part.reason, f"{part.leads:,}", *when, f"{part.last_hour:,}", f"{part.last_day:,}")
    return table


def _still_to_do(tenant: Tenant) -> Iterable[str]:
    """What a new tenant lacks before any lead can be assigned."""
    if not tenant.roster:
        text = say().gettext("still to do: lead-router reps import FILE --tenant {tenant} (who can be given leads)")
        yield text.format(tenant=tenant.name)
    if not tenant.ruleset:
        text = say().gettext("still to do: lead-router rules apply FILE --tenant {tenant} (who gets which lead)")
        yield text.format(tenant=tenant.name)


def _cleaned(run: Run, at: datetime) -> str:
    of = say().gettext("{rows:,} of {table}")
    rows = ", ".join(of.format(rows=rows, table=table) for table, rows in run.removed.items())
    how = say().gettext("under way") if run.outcome is None else say().gettext(_CLEANED.get(run.outcome, run.outcome))
    when = _distance(run.ended_at or run.began_at, at)
    said = say().gettext("last cleanup: {how}, {when}, {rows}")
    return said.format(how=how, when=when, rows=rows or say().gettext("nothing old"))


def _lane_lines(found: TenantStatus, at: datetime) -> Iterable[str]:
    tenant, lane = found.tenant, found.lane
    if lane.paused is not None:
        ends = say().gettext("{paused}; lead-router resume {tenant} ends it")
        yield ends.format(paused=_paused(lane.paused, at, tenant.time_zone), tenant=tenant.name)
    if found.again.leads:
        again = say().ngettext(
            "{count:,} lead will be retried within {time}",
            "{count:,} leads will be retried within {time}",
            found.again.leads,
        )
        yield again.format(count=found.again.leads, time=found.again.words)
    if lane.last_batch_at is not None:
        yield _last_batch(lane.batch_no, lane.kind, lane.leads or 0, _distance(lane.last_batch_at, at))
    else:
        yield say().gettext("last batch: none yet")
    if found.cleaned is not None:
        yield _cleaned(found.cleaned, at)
    planned = None if lane.next_visit_at is None else _distance(lane.next_visit_at, at)
    if planned is None:
        yield say().gettext("next scheduled check: none planned")
    else:
        yield say().gettext("next scheduled check: {time} (sooner if something changes)").format(time=planned)
    versions = {
        say().gettext("ruleset"): tenant.ruleset,
        say().gettext("roster"): tenant.roster,
        say().gettext("close rates"): tenant.rates,
    }
    none = say().gettext("no {what} yet")
    in_use = ", ".join(f"{what} {version}" if version else none.format(what=what) for what, version in versions.items())
    yield say().gettext("versions in use: {versions}").format(versions=in_use)
    yield from _still_to_do(tenant)
    if lane.holder is not None:
        yield say().gettext("lane: {holder}").format(holder=_holder(found))


_KINDS = {"hand": N_("by hand"), "import": N_("taken over from a CRM")}


def _last_batch(number: int, kind: str | None, leads: int, when: str) -> str:
    text = say().ngettext(
        "last batch: number {number}{by}, {count:,} lead, {when}",
        "last batch: number {number}{by}, {count:,} leads, {when}",
        leads,
    )
    by = f" {say().gettext(_KINDS[kind])}" if kind in _KINDS else ""
    return text.format(number=number, by=by, count=leads, when=when)


def _headed(*heads: str) -> Iterable[str]:
    """The heads of a table's columns."""
    return map(say().gettext, heads)


def _paused(paused: Paused, at: datetime, zone_name: str) -> str:
    unknown = say().gettext("author unknown")
    who = unknown if paused.by is None else say().gettext("by {actor}").format(actor=paused.by)
    since = "" if paused.since is None else f" {_distance(paused.since, at)}"
    text = say().gettext("paused until {until} ({when}), {who}{since}: {why}")
    until, when = written(paused.until, zone_name), _distance(paused.until, at)
    return text.format(until=until, when=when, who=who, since=since, why=paused.why)


def _holder(found: TenantStatus) -> str:
    holder = found.lane.holder
    if holder is None:
        if found.lane.paused is None:
            return say().gettext("free")
        until = written(found.lane.paused.until, found.tenant.time_zone)
        return say().gettext("paused until {until}").format(until=until)
    where = say().gettext(" from {client}").format(client=holder.client) if holder.client else ""
    application = holder.application or say().gettext("a session")
    text = say().gettext("held by {application} (process {pid}, {user}{where})")
    return text.format(application=application, pid=holder.pid, user=holder.user, where=where)


def _tenants_table(found: Status) -> Table:
    heads = ("tenant", "accepted", "waiting", "oldest", "assigned", "parked", "last batch", "lane")
    table = Table(*_headed(*heads), box=None, pad_edge=False)
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
        more = say().gettext("and {count:,} more with fewer waiting leads; --json has them all")
        table.caption = more.format(count=len(ordered) - TENANTS_SHOWN)
    return table


def _distance(at: datetime, now: datetime) -> str:
    """How far a time is from now."""
    far = duration(abs((at - now).total_seconds()))
    return (say().gettext("{time} ago") if at <= now else say().gettext("in {time}")).format(time=far)
