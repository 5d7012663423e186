"""`lead-router handover`: a rep's leads go to another rep, or back to the rules."""

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from ops.cli.context import EXIT_FOUND, CannotRun, Context, Found, async_command, json_option, print_json
from ops.cli.csv_output import Sheet, csv_option, writing_csv
from ops.cli.options import current_user, require_tenant, tenant_option, why_option
from ops.cli.progress import progress_of
from ops.cli.screen import Screen
from ops.documents.handover import HandoverReport, hand_over
from ops.why.codes import UNSURE
from router.domain.phrases import count, listed
from router.domain.written_time import written
from router.manual.by_hand import CannotGive
from router.manual.handover import Handover
from router.manual.handover_plan import Asked, Placement, Plan, Preview, plan_handover, preview
from router.store.assignments import LeadUnknown, find_lead
from router.store.roster import RepUnknown
from router.store.statements import Connection
from router.store.tenants import Tenant

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = Placement.__struct_fields__


@click.command()
@click.option("--from", "from_rep", required=True, metavar="REP", help="The rep_id of the rep whose leads they are.")
@tenant_option
@click.option("--to", "to_rep", metavar="REP", help="The rep_id of the rep who gets them.")
@click.option("--by-rules", is_flag=True, help="Send them back: the rules decide, and never choose the same rep again.")
@click.option("--lead", "named", multiple=True, metavar="LEAD", help="Only this lead; may be repeated. Default: all.")
@click.option("--as-many-as-fit", is_flag=True, help="With --to: where there is no room for all, as many as there is.")
@click.option("--dry-run", is_flag=True, help="Show who would get how many; change nothing.")
@why_option()
@csv_option
@json_option
@async_command
async def handover(
    context: Context,
    /,
    *,
    from_rep: str,
    tenant_name: str | None,
    to_rep: str | None,
    by_rules: bool,
    named: tuple[str, ...],
    as_many_as_fit: bool,
    dry_run: bool,
    why: str,
    csv_file: str | None,
    as_json: bool,
) -> int:
    """Hand over a rep's leads, all or some: to another rep, or back to the rules. Recorded.

    To another rep: caps hold, working hours do not, as with assign; refused with the numbers when there is no room for
    all. The customers go with their leads; fair shares are not affected. Back to the rules: as with end --as returned.
    The CSV has a line for each lead: where it went, or would go.

    May be stopped at any time; run again, it does the rest. Exit code 1 when leads stayed: no room, or locked.

    \b
    Example:
      lead-router handover --from r017 --tenant acme --by-rules --dry-run
      lead-router handover --from r017 --tenant acme --to r018 --why "r017 has left"
    """
    _check(to_rep, by_rules, as_many_as_fit, csv_file if as_json else None)
    async with context.present() as (conn, presence):
        tenant = await require_tenant(conn, tenant_name)
        leads = await _numbers(conn, tenant, named) if named else None
        asked = Asked(from_rep=from_rep, to_rep=to_rep, leads=leads, as_many_as_fit=as_many_as_fit)
        try:
            plan = await plan_handover(conn, presence, tenant.tenant_id, asked)
            seen = await preview(conn, presence, plan) if dry_run or csv_file is not None else None
        except RepUnknown as error:
            raise CannotRun(str(error)) from error
        except CannotGive as error:
            raise Found(str(error)) from error
        if plan.refusal is not None and not dry_run:
            raise Found(f"{plan.refusal}; nothing was changed")
        report = _Report(tenant, plan, seen, dry_run=dry_run)
        # Before anything is done: a file that cannot be written is known then.
        with writing_csv(csv_file, COLUMNS) if csv_file is not None else nullcontext() as sheet:
            try:
                if not dry_run:
                    await _do(conn, report, why, hidden=as_json)
            except asyncio.CancelledError:
                report.stopped = "stopped"
                raise
            finally:
                report.show(sheet, as_json=as_json)
    return report.exit_code


def _check(to_rep: str | None, by_rules: bool, as_many_as_fit: bool, two_outputs: str | None) -> None:
    if (to_rep is None) is not by_rules:
        raise click.UsageError("say who gets the leads: --to REP, or --by-rules")
    if as_many_as_fit and by_rules:
        raise click.UsageError("--as-many-as-fit goes with --to: the rules keep to the caps by themselves")
    if two_outputs is not None:
        raise click.UsageError("--csv and --json: one of them at a time")


async def _numbers(conn: Connection, tenant: Tenant, named: Sequence[str]) -> tuple[int, ...]:
    """The numbers of named leads, ascending, each once. Raises CannotRun."""
    found = set[int]()
    for name in named:
        try:
            found.add((await find_lead(conn, name, tenant.name)).lead_id)
        except LeadUnknown as error:
            raise CannotRun(f"--lead {name}: {error}; nothing was changed") from error
    return tuple(sorted(found))


async def _do(conn: Connection, report: "_Report", why: str, *, hidden: bool) -> None:
    work = Handover(conn, lambda: secrets.randbits(63), current_user(), why)
    with progress_of("leads", report.plan.to_move, hidden=hidden) as bar:
        await hand_over(work, report, bar)


class _Report(HandoverReport):
    """What would be, or was done, for people, too."""

    @property
    def exit_code(self) -> int:
        left = self.plan.refusal or self.stopped or self.done.passed_over or self.plan.elsewhere
        return EXIT_FOUND if left or self.plan.to_move < self.plan.leads else 0

    def show(self, sheet: Sheet | None, *, as_json: bool) -> None:
        if as_json:
            print_json(self.document())
            return
        if sheet is not None:
            self._write_csv(sheet)
        # Stdout may be the CSV's.
        out = Screen(stderr=sheet is not None and sheet.is_screen)
        for line in self._lines():
            out.print(line)

    def _write_csv(self, sheet: Sheet) -> None:
        assert self.seen is not None
        moved = set(self.done.moved)
        rows = [one for one in self.seen.placements if self.dry_run or one.lead_id in moved]
        sheet.write([getattr(self._as_done(one), name) for name in COLUMNS] for one in rows)
        sheet.report("lead")

    def _as_done(self, one: Placement) -> Placement:
        """What was sent back is for the rules to decide, whatever they would have said before."""
        if self.dry_run or self.plan.to_rep is not None:
            return one
        return Placement(one.lead_id, one.source, one.external_id, "waiting", reason="ready")

    def _lines(self) -> Iterator[Any]:
        plan, done = self.plan, self.done
        if not plan.leads:
            yield f"rep {plan.from_rep} has no lead to hand over"
        elif self.dry_run and self.seen is not None:
            yield from _preview_lines(self.tenant, plan, self.seen)
        else:
            where = "sent back to the rules" if plan.to_rep is None else f"handed over to rep {plan.to_rep}"
            yield f"{count(len(done.moved), 'lead')} of rep {plan.from_rep} {where}"
        yield from self._left()

    def _left(self) -> Iterator[str]:
        plan, done = self.plan, self.done
        if plan.refusal is not None:
            yield f"it would be refused: {plan.refusal}"
        elif plan.to_move < plan.leads:
            kept = count(plan.leads - plan.to_move, "lead")
            yield f"{kept} would stay: there is no room for more" if self.dry_run else f"{kept} stay: no room for more"
        if done.passed_over:
            yield f"{count(len(done.passed_over), 'lead')} skipped: locked or moved by another session; run it again"
        if self.stopped:
            yield f"stopped before the end: {self.stopped}; run it again for the rest"
        if plan.already:
            yield f"{count(plan.already, 'lead')} handed over before"
        if plan.elsewhere:
            others = [f"{place.lead_id} ({place.rep_id or 'nobody'})" for place in plan.elsewhere]
            yield f"not leads of rep {plan.from_rep}, left as they are: {listed(others)}"


def _preview_lines(tenant: Tenant, plan: Plan, seen: Preview) -> Iterator[Any]:
    if seen.reps or seen.others:
        yield _table(plan, seen)
    if plan.room is not None:
        room = plan.room
        caps = ["no limit" if cap is None else f"{cap:,}" for cap in (room.max_open, room.max_per_day)]
        loads = f"{room.open_leads:,} open leads (max {caps[0]}), {room.today:,} today (max {caps[1]})"
        yield f"rep {plan.to_rep} has {loads}"
    if seen.paused_until is not None:
        yield f"nothing is decided before the end of the pause at {written(seen.paused_until, tenant.time_zone)}"
    if seen.presence_unknown is not None:
        yield UNSURE[seen.presence_unknown]
    yield "nothing changed (--dry-run)"


def _table(plan: Plan, seen: Preview) -> "Table":
    from rich.table import Table  # noqa: PLC0415 - `--json` and `--csv` need none

    table = Table(f"leads of {plan.from_rep} to", "name", "leads", box=None, pad_edge=False)
    for (rep_id, name), leads in seen.reps.most_common():
        table.add_row(rep_id, name, f"{leads:,}")
    for (state, reason), leads in seen.others.most_common():
        table.add_row(f"({state}: {reason})", "", f"{leads:,}")
    return table
