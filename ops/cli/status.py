"""`lead-router status`: where all leads are, why they wait, how fast it goes, who works."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ops.cli.context import EXIT_FOUND, CannotRun, Context, async_command, console, json_option, print_json
from ops.cli.options import instant
from ops.status.presence import unknown_presence
from ops.status.status import ParkedLeads, Paused, Rates, Status, TenantStatus
from ops.status.status import status as read_status
from ops.waiting.judge import WaitingLeads
from router.domain.reason import Reason
from router.drain.claim import BatchRequest
from router.store.blocking.blocked import BlockedLeads
from router.store.connections.server_capacity import ServerCapacity
from router.store.errors import LOCK_TIMEOUTS
from router.store.tenants import TenantUnknown

_AGAIN = {str(Reason.DATABASE_BUSY): "when that is over"}
TENANTS_SHOWN = 20
WARNINGS_SHOWN = 10


@click.command()
@click.option("--tenant", metavar="T", help="Only this tenant (default: all).")
@click.option(
    "--now", metavar="TIME", callback=instant, help="As of this time, for replays (default: the database's clock)."
)
@json_option
@async_command
async def status(context: Context, tenant: str | None, now: datetime | None, as_json: bool) -> int:
    """Show where all leads are, why those wait that wait, and who works.

    Exit code 1 when the states do not add up to the leads that were accepted.

    \b
    Example:
      lead-router status --tenant acme
      lead-router status --json
    """
    async with context.present() as (conn, presence):
        try:
            sizes = BatchRequest(ready=context.settings.drain.batch_leads)
            found = await read_status(conn, tenant, now, presence, sizes)
            unheard = await unknown_presence(conn, found, presence)
        except TenantUnknown as error:
            raise CannotRun(str(error)) from error
        except LOCK_TIMEOUTS as error:
            raise CannotRun(f"status could not read: {error}") from error
    if as_json:
        print_json(document(unheard))
    else:
        show(unheard, console())
    return 0 if found.balanced else EXIT_FOUND


def document(found: Status) -> dict[str, Any]:
    """The JSON document."""
    return {
        "at": _time(found.at),
        "accepted": found.accepted,
        "states": found.states,
        "balanced": found.balanced,
        "waiting_by_reason": found.waiting,
        "parked_by_reason": found.parked,
        "oldest_waiting_at": _time(_oldest(found.tenants)),
        "per_minute": _rounded(found.rates),
        "listeners": found.listeners,
        "connections": None if found.room is None else _connections(found.room),
        "tenants": [_tenant_document(tenant) for tenant in found.tenants],
    }


def _connections(room: ServerCapacity) -> dict[str, Any]:
    return {
        "wanted": room.wanted,
        "allowed": room.allowed,
        "in_use": room.sessions,
        "max_connections": room.max_connections,
        "reserved": room.reserved,
        "others": room.others,
        "instances": dict(room.instances),
        "problem": room.excess(),
    }


def _tenant_document(found: TenantStatus) -> dict[str, Any]:
    tenant, lane = found.tenant, found.lane
    return {
        "tenant": tenant.name,
        "accepted": found.accepted,
        "states": found.states,
        "balanced": found.balanced,
        "waiting_by_reason": found.waiting.counts,
        "waiting": [
            {
                "reason": part.reason,
                "leads": part.leads,
                "oldest_queued_at": _time(part.oldest_queued_at),
                "next_recheck_at": _time(part.next_recheck_at),
                "waits_for": list(part.waits_for),
            }
            for part in found.waiting.reasons
        ],
        "looked_at_again": found.again.document(),
        "blocked_by": [_blocked_by(one) for one in found.waiting.blocked_by],
        "parked_by_reason": found.parked,
        "parked": [
            {
                "reason": part.reason,
                "leads": part.leads,
                "oldest_parked_at": _time(part.oldest),
                "newest_parked_at": _time(part.newest),
                "last_hour": part.last_hour,
                "last_day": part.last_day,
            }
            for part in found.parked_leads
        ],
        "per_minute": _rounded(found.rates),
        "versions": {"ruleset": tenant.ruleset, "roster": tenant.roster, "rates": tenant.rates},
        "last_batch": {
            "number": lane.batch_no,
            "at": _time(lane.last_batch_at),
            "kind": lane.kind,
            "leads": lane.leads,
        },
        "next_visit_at": _time(lane.next_visit_at),
        "paused": None if lane.paused is None else _paused_document(lane.paused),
        "warnings": list(found.warnings),
        "lane_held_by": None if lane.holder is None else {**asdict(lane.holder), "since": _time(lane.holder.since)},
    }


def _paused_document(paused: Paused) -> dict[str, Any]:
    return {"until": _time(paused.until), "why": paused.why, "by": paused.by, "since": _time(paused.since)}


def _blocked_by(blocked: BlockedLeads) -> dict[str, Any]:
    session = blocked.session
    return {
        "pid": session.pid,
        "application": session.application,
        "user": session.role,
        "client": session.client or None,
        "since": _time(session.since),
        "holds": blocked.holds,
        "leads": blocked.leads,
        "query": session.query,
    }


def show(found: Status, out: Console) -> None:
    """For people."""
    out.print(_states_table(found))
    if len(found.tenants) == 1:
        one = found.tenants[0]
        if one.waiting.reasons:
            out.print(_waiting_table(one.waiting.reasons, found.at))
        if one.parked_leads:
            out.print(_parked_table(one.parked_leads, found.at))
        for line in _lane_lines(one, found.at):
            out.print(line)
    elif found.tenants:
        out.print(_tenants_table(found))
    else:
        out.print("no tenant yet; lead-router tenants add NAME --time-zone ZONE")
    rates = ", ".join(f"{value:,.0f} {what}" for what, value in asdict(found.rates).items())
    out.print(f"leads per minute lately: {rates}")
    services = {0: "no service listens", 1: "1 service listens"}.get(
        found.listeners, f"{found.listeners} services listen"
    )
    out.print(f"{services} for work")
    if found.room is not None and (excess := found.room.excess()):
        out.print(f"warning: {excess}", style="yellow")
    for tenant in found.tenants:
        for warning in tenant.warnings[:WARNINGS_SHOWN]:
            out.print(f"warning: {tenant.tenant.name}: {warning}", style="yellow")
        if len(tenant.warnings) > WARNINGS_SHOWN:
            out.print(f"and {len(tenant.warnings) - WARNINGS_SHOWN} more warnings; --json has them all", style="yellow")
        if not tenant.balanced:
            out.print(_wrong(tenant), style="bold red")


def _wrong(found: TenantStatus) -> str:
    total = sum(found.states.values())
    return (
        f"WRONG: {found.tenant.name} accepted {found.accepted:,} leads, but its states hold {total:,} "
        f"({total - found.accepted:+,}); lead-router audit --tenant {found.tenant.name} names the leads"
    )


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
    table = Table("why", "leads", "oldest", "at the latest", "waits for", box=None, pad_edge=False)
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


def _lane_lines(found: TenantStatus, at: datetime) -> Iterable[str]:
    tenant, lane = found.tenant, found.lane
    if lane.paused is not None:
        yield f"{_paused(lane.paused, at)}; lead-router resume {tenant.name} ends it"
    if found.again.leads:
        yield f"looked at again: {found.again.leads:,} leads, a share of each batch, within {found.again.words}"
    if lane.last_batch_at is not None:
        by = " by hand" if lane.kind == "hand" else ""
        yield f"last batch: number {lane.batch_no}{by}, {lane.leads:,} leads, {_distance(lane.last_batch_at, at)}"
    else:
        yield "last batch: none yet"
    next_visit = "none planned" if lane.next_visit_at is None else _distance(lane.next_visit_at, at)
    yield f"next visit without a call: {next_visit}"
    yield f"in force: ruleset {tenant.ruleset or '-'}, roster {tenant.roster or '-'}, rates {tenant.rates or '-'}"
    if lane.holder is not None:
        yield f"lane: {_holder(found)}"


def _paused(paused: Paused, at: datetime) -> str:
    who = "by nobody who is recorded" if paused.by is None else f"by {paused.by}"
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
        oldest, last = _oldest([tenant]), tenant.lane.last_batch_at
        table.add_row(
            tenant.tenant.name,
            *(f"{n:,}" for n in (tenant.accepted, tenant.states["waiting"])),
            "-" if oldest is None else _distance(oldest, found.at),
            *(f"{tenant.states[state]:,}" for state in ("assigned", "parked")),
            "-" if last is None else _distance(last, found.at),
            _holder(tenant),
        )
    if len(ordered) > TENANTS_SHOWN:
        table.caption = f"and {len(ordered) - TENANTS_SHOWN} more with fewer waiting leads; --json has them all"
    return table


def _oldest(tenants: Iterable[TenantStatus]) -> datetime | None:
    return min((part.oldest_queued_at for tenant in tenants for part in tenant.waiting.reasons), default=None)


def _rounded(rates: Rates) -> dict[str, float]:
    values: Mapping[str, float] = asdict(rates)
    return {what: round(value, 1) for what, value in values.items()}


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()


def _distance(at: datetime, now: datetime) -> str:
    """How far a time is from now, in the two largest units that matter."""
    seconds = round(abs((at - now).total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        text = f"{days} d {hours % 24} h"
    elif hours:
        text = f"{hours} h {minutes % 60} min"
    else:
        text = f"{minutes} min" if minutes else f"{seconds} s"
    return f"{text} ago" if at <= now else f"in {text}"
