"""`lead-router retry`: parked leads go back, and waiting ones are looked at again, many at a time."""

import asyncio
import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta

import click
from rich.table import Table

from ops.cli.context import EXIT_FOUND, Context, async_command, console, json_option, print_json
from ops.cli.options import current_user, filter_option, named_on_command_line, require_tenant, since, why_option
from ops.cli.progress import progress_of
from ops.documents.retry import RetryReport, retry_all
from ops.waiting.retry import Ask, Plan, Retry
from router.domain.phrases import count
from router.domain.reason import Reason
from router.drain.request import BatchRequest
from router.store.retry import clock
from router.store.statements import Connection
from router.store.tenants import all_tenants


@click.command()
@click.option(
    "--reason", metavar="R", type=click.Choice([str(reason) for reason in Reason]), help="Only leads of this reason."
)
@filter_option("Only leads of this tenant (default: all).")
@click.option(
    "--since", "begin", metavar="TIME", callback=since, help="Only leads parked, or queued, since: a time, or 24h ago."
)
@click.option("--dry-run", is_flag=True, help="Count what would be done, by tenant and reason; change nothing.")
@why_option()
@json_option
@async_command
async def retry(
    context: Context,
    reason: str | None,
    tenant_name: str | None,
    begin: datetime | timedelta | None,
    dry_run: bool,
    why: str,
    as_json: bool,
) -> int:
    """Send parked leads back, and have waiting ones tried again. The options combine; give at least one.

    Parked leads are queued as of now; waiting ones keep their age. New leads come first: what is sent back gets a
    quarter of each batch, and all of it while there are no new ones. Leads parked for lead_invalid or screening go back
    only when their reason is named. May be stopped at any time; run again, it does the rest.

    Exit code 1 when leads stayed because another session has them or a lane locked.

    \b
    Example:
      lead-router retry --reason internal_error --tenant acme --dry-run
      lead-router retry --reason no_matching_rule --since 24h --why "rules are fixed"
    """
    if reason is None and begin is None and not named_on_command_line("tenant_name"):
        raise click.UsageError("say which leads: --reason R, --tenant T or --since TIME")
    async with context.present() as (conn, presence):
        ask = Ask(Reason(reason) if reason else None, await _instant(conn, begin))
        tenants = [await require_tenant(conn, tenant_name)] if tenant_name else await all_tenants(conn)
        sizes = BatchRequest(ready=context.settings.drain.batch_leads)
        work = Retry(conn, lambda: secrets.randbits(63), sizes, presence)
        plans = [await work.plan(tenant, ask) for tenant in tenants]
        report = _Report(tenants, [plan for plan in plans if plan.leads or plan.left], dry_run)
        try:
            if not dry_run:
                await _do(work, report, ask, current_user(), why, hidden=as_json)
        except asyncio.CancelledError:
            report.stopped = True
            raise
        finally:
            if as_json:
                print_json(report.document())
            else:
                report.print()
    return EXIT_FOUND if report.troubles or report.total("locked") else 0


async def _instant(conn: Connection, begin: datetime | timedelta | None) -> datetime | None:
    return await clock(conn) - begin if isinstance(begin, timedelta) else begin


async def _do(work: Retry, report: "_Report", ask: Ask, actor: str, why: str, *, hidden: bool) -> None:
    with progress_of("leads", sum(plan.leads for plan in report.plans), hidden=hidden) as bar:
        await retry_all(work, report, ask, actor, why, bar)


class _Report(RetryReport):
    """What would be, or was done, for people, too."""

    def print(self) -> None:
        out = console()
        if not any(plan.leads for plan in self.plans):
            out.print("no lead to retry")
        else:
            out.print(self._table())
            out.print(self._sentence())
        for plan in self.plans:
            for line in _notes(plan):
                out.print(line)
        if self.total("locked"):
            out.print(
                f"{count(self.total('locked'), 'lead')} skipped: locked or moved by another session; run it again",
                style="yellow",
            )
        for tenant in self.troubles:
            out.print(
                f"{tenant.name}: the lane is locked; the remaining leads were not touched, run it again "
                f"(lead-router status --tenant {tenant.name} shows the holder)",
                style="yellow",
            )

    def _table(self) -> Table:
        table = Table("tenant", "reason", "parked", "waiting", box=None, pad_edge=False)
        for plan in self.plans:
            for reason in sorted({*plan.parked, *plan.waiting}):
                counts = (plan.parked.get(reason, 0), plan.waiting.get(reason, 0))
                table.add_row(plan.tenant.name, reason, *(f"{n:,}" for n in counts))
        return table

    def _sentence(self) -> str:
        if self.dry_run:
            return "nothing changed (--dry-run)"
        text = f"{self.total('sent_back'):,} sent back, {self.total('looked_at_again'):,} to be retried"
        return f"{text}; stopped before the end, run it again" if self.stopped else text


def _notes(plan: Plan) -> Iterator[str]:
    name = plan.tenant.name
    if plan.leads:
        after = f", after {plan.held}" if plan.held else ""
        yield f"{name}: expected to be decided within {plan.expected.words}{after}"
    for reason, leads in plan.left.items():
        yield f"{name}: {leads:,} stay parked; to send them back, add --reason {reason}"
