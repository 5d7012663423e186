"""`lead-router capacity`: routers and connections for a number of leads a day, and what is full first."""

import asyncio
from math import isnan
from pathlib import Path

import click

from ops.capacity.arrivals import History
from ops.capacity.costs import NotMeasured, cost_of_bench
from ops.capacity.document import document
from ops.capacity.plan import BUSY, Cost, Demand, Limit, Plan, plan
from ops.capacity.read import Known, cost_of_service, read
from ops.cli.context import EXIT_FOUND, CannotRun, Context, async_command, console, json_option, print_json
from ops.cli.options import filter_option, require_tenant
from router.domain.phrases import count
from router.domain.written_time import written_or_dash
from router.settings.model import Settings

# A working day of eight hours has three times the mean; the busiest of its hours is often twice as busy as the others.
_USUAL_PEAK = 6.0
_MOST_LEADS = 10**12


def _number(_ctx: click.Context, _param: click.Parameter, value: float | None) -> float | None:
    """Refuses nan, which is within no bounds and outside of none."""
    if value is not None and isnan(value):
        raise click.BadParameter("must be a number")
    return value


@click.command()
@click.option(
    "--leads", type=click.IntRange(1, _MOST_LEADS), metavar="N", help="Leads a day. Default: as many as come now."
)
@click.option(
    "--peak",
    type=click.FloatRange(min=1, max=1440),
    callback=_number,
    metavar="FACTOR",
    help="How much busier the busiest hour is than the mean of the day. Default: by the history.",
)
@filter_option("Only this tenant. Default: all, in their present proportions.")
@click.option(
    "--bench",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Take the cost of a lead from this build/bench.json (make bench ONLY=scaling).",
)
@click.option(
    "--metrics", metavar="URL", help="Take it from this router's /metrics. Default: batches, then this host's."
)
@json_option
@async_command
async def capacity(
    context: Context,
    leads: int | None,
    peak: float | None,
    tenant_name: str | None,
    bench: Path | None,
    metrics: str | None,
    as_json: bool,
) -> int:
    """Work out how many routers and connections a number of leads a day needs, and what is full first.

    The cost of a lead is taken from where it was measured: recorded batches that followed each other without a pause,
    or else a router's /metrics; the peak from the leads of the last five weeks by hour. Exit code 1 when what runs now
    is too small; 2 when the cost was never measured.

    \b
    Example:
      lead-router capacity --leads 50000 --peak 8
      lead-router capacity --tenant acme --leads 5000 --bench build/bench.json
    """
    if bench is not None and metrics is not None:
        raise click.UsageError("--bench and --metrics: one of them at a time")
    async with context.connection() as conn:
        only = None if tenant_name is None else (await require_tenant(conn, tenant_name)).tenant_id
        known = await read(conn, context.settings, only)
    if not known.names:
        raise CannotRun("there is no tenant yet; lead-router tenants add")
    demand = _demand(known, leads, peak)
    found = plan(demand, await _cost(known, context.settings, bench, metrics), known.present)
    if as_json:
        print_json(document(found, known.history, known.present, known.names))
    else:
        _print(found, known)
    return EXIT_FOUND if found.warnings else 0


def _demand(known: Known, leads: int | None, peak: float | None) -> Demand:
    """Raises CannotRun when neither history nor options say how many leads come."""
    history = known.history
    wanted = history.per_day if leads is None else leads
    if not wanted:
        raise CannotRun("no lead has come yet, so nothing says how many will; give --leads N")
    factor = peak or history.peak_factor or _USUAL_PEAK
    shares = {name: history.share(number) for number, name in known.names.items()}
    if not history.leads:
        shares = dict.fromkeys(shares, 1 / len(shares))
    return Demand(wanted, factor, shares)


async def _cost(known: Known, settings: Settings, bench: Path | None, metrics: str | None) -> Cost:
    """Raises CannotRun when it was measured nowhere."""
    try:
        if bench is not None:
            return cost_of_bench(await asyncio.to_thread(bench.read_text, "utf-8"), str(bench))
        if metrics is None and known.cost is not None:
            return known.cost
        return await cost_of_service(metrics or f"http://{settings.listen.host}:{settings.listen.port}/metrics")
    except (NotMeasured, UnicodeDecodeError) as error:
        recorded = "" if bench or metrics else "too few large batches are recorded, and "
        raise CannotRun(
            f"what a lead costs is not known: {recorded}{error}. "
            "Give --metrics URL of a router that has routed some hundred leads, or --bench build/bench.json"
        ) from error


def _print(found: Plan, known: Known) -> None:
    from rich.table import Table  # noqa: PLC0415 - `--json` needs none

    out, demand = console(), found.demand
    out.print(
        f"{demand.leads_per_day:,.0f} leads a day, the busiest hour {demand.peak_factor:.1f} times the mean: "
        f"{demand.peak_per_s:,.2f} leads/s in the peak",
        style="bold",
    )
    out.print(_of_history(known.history))
    out.print(f"a lead costs {found.cost.lane_s * 1e6:,.0f} µs of its tenant's lane: {found.cost.source}")
    out.print(
        f"needed: {count(found.routers, 'router')} for the peak, at most {BUSY:.0%} busy; {found.to_run} so that one "
        f"may fail; {count(found.connections, 'connection')} each (connections.maximum), {found.in_all} in all"
    )
    table = Table("limit", "leads a day", "used in the peak", "by", box=None, pad_edge=False)
    for one in found.limits:
        table.add_row(one.name, f"{one.leads_per_day:,.0f}", _used(one), one.figure)
    out.print(table)
    first = found.limits[0]
    out.print(f"next bottleneck: {first.name}, full at {first.leads_per_day:,.0f} leads a day; {first.remedy}")
    for words in found.warnings:
        out.print(f"warning: {words}", style="yellow")


def _of_history(history: History) -> str:
    if not history.leads:
        return f"no history: a peak of {_USUAL_PEAK:g} times the mean is assumed unless --peak is given"
    if history.peak_factor is None:
        return (
            f"history: {count(history.leads, 'lead')} in {count(history.hours, 'hour')}, less than a day: a peak of "
            f"{_USUAL_PEAK:g} times the mean is assumed unless --peak is given"
        )
    return (
        f"history: {count(history.leads, 'lead')} in {count(history.hours, 'hour')}, {history.per_day:,.0f} a day; the "
        f"busiest hour began at {written_or_dash(history.busiest_at)} and had {history.busiest:,}, "
        f"{history.peak_factor:.1f} times the mean"
    )


def _used(one: Limit) -> str:
    if one.used == float("inf"):
        return "there is none"
    return f"{one.used:.1%}" if one.used < 0.1 else f"{one.used:.0%}"
