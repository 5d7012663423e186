"""`lead-router lane`: what can be done to the lanes of tenants."""

from datetime import datetime

import click

from ops.cli.context import CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import current_user, require_tenant, why_option
from router.domain.phrases import count
from router.domain.written_time import written
from router.store.errors import LockNotAvailable
from router.store.lane_clock import ClockUnsure, LaneReset, doubt_clock
from router.store.lane_clock import reset_clock as reset
from router.store.tenants import Tenant, all_tenants

_ONE = {"batches": "batch"}
"""Of what is dated back, the words whose singular does not only lack an s."""


@click.command()
@click.argument("tenant_name", metavar="TENANT", required=False)
@click.option("--all", "all_", is_flag=True, help="All tenants instead of one.")
@click.option("--dry-run", is_flag=True, help="Count what would be dated back, and change nothing.")
@click.option("--force", is_flag=True, help="Also where the clock of a host is ahead of the database's.")
@why_option()
@json_option
@async_command
async def reset_clock(
    context: Context, /, *, tenant_name: str | None, all_: bool, dry_run: bool, force: bool, why: str, as_json: bool
) -> None:
    """Say that the database's clock is right now, after it was wrong, and route TENANT by it.

    What was written while it was ahead bears times that are yet to come: assignments, batches, leads. They are dated
    back, so that loads of the day, ages and response times are right again. What was written while it was behind gets
    the time of what was there before. Routers believe the database until its clock jumps again. Recorded.

    Refused, with exit code 1, where the clock of this host or of a router's host is ahead of the database's and there
    is something to date back: then it may be the database's clock that is wrong.

    \b
    Example:
      lead-router lane reset-clock acme --why "the server ran two hours ahead until 09:40"
    """
    if (tenant_name is None) is not all_:
        raise click.UsageError("name a TENANT, or all of them: --all")
    done: list[tuple[Tenant, LaneReset]] = []
    async with context.connection() as conn:
        tenants = [await require_tenant(conn, tenant_name)] if tenant_name else await all_tenants(conn)
        if all_ and not (force or dry_run):
            # Before any of them is changed.
            try:
                await doubt_clock(conn)
            except ClockUnsure as error:
                raise Found(str(error)) from error
        for tenant in tenants:
            try:
                one = await reset(conn, tenant, current_user(), why, dry_run=dry_run, force=force)
            except LockNotAvailable as error:
                raise _locked(tenant, done) from error
            except ClockUnsure as error:
                raise Found(f"{tenant.name}: {error}") from error
            except LookupError as error:
                raise CannotRun(f"{error}: lead-router tenants add with the same name and zone creates it") from error
            done.append((tenant, one))
            if not as_json:
                _print(tenant, one, dry_run=dry_run)
    if as_json:
        print_json({"dry_run": dry_run, "tenants": [_document(tenant, one) for tenant, one in done]})


def _locked(tenant: Tenant, done: list[tuple[Tenant, LaneReset]]) -> Found:
    others = f"; {count(len(done), 'tenant')} before it: done" if done else ""
    return Found(
        f"the lane of {tenant.name}, or one of its leads, is locked; nothing of it changed, try again "
        f"(lead-router blockers shows who has it){others}"
    )


def _print(tenant: Tenant, done: LaneReset, *, dry_run: bool) -> None:
    out = console()
    before = f"it stood at {_time(done.before, tenant)}" if done.before else "it had no batch yet"
    verb = "would go on" if dry_run else "goes on"
    out.print(f"{tenant.name} {verb} from {_time(done.after, tenant)}; {before}")
    rows = ", ".join(
        count(number, _ONE.get(what, what.removesuffix("s")), what) for what, number in done.dated.items() if number
    )
    out.print(f"  dated back: {rows or 'nothing'}")
    if dry_run:
        out.print("  nothing was written (--dry-run)")


def _time(moment: datetime, tenant: Tenant) -> str:
    return written(moment, tenant.time_zone, seconds=True)


def _document(tenant: Tenant, done: LaneReset) -> dict[str, object]:
    return {
        "tenant": tenant.name,
        "before": done.before.isoformat() if done.before else None,
        "after": done.after.isoformat(),
        "believed_until": done.believed_until.isoformat(),
        "dated_back": dict(done.dated),
    }
