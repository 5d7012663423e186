"""`lead-router leads import-assignments`: what a CRM has assigned before counts from day one."""

import secrets

import click

from ops.cli.bulk_run import BulkAsked, BulkOutcome, Opened, Rows, bulk_options, run_bulk
from ops.cli.context import CannotRun, Context, async_command, json_option
from ops.cli.options import current_user, why_option
from ops.documents.file_import import reader_for
from router.domain.phrases import count, listed
from router.intake.assigned_rows import ASSIGNED_FIELDS, ASSIGNED_NEEDED, OWN_FIELDS, read_assigned
from router.intake.bulk_file import BulkProgress
from router.manual.import_assignments import ImportAssignments, TakenOverLeads
from router.runtime.garbage import tune_gc_for_import
from router.store.imports import begin_import, end_import
from router.store.roster import current_reps


@click.command("import-assignments")
@bulk_options
@why_option()
@json_option
@async_command
async def import_assignments(
    context: Context,
    /,
    *,
    asked: BulkAsked,
    why: str,
    as_json: bool,
) -> int:
    """Take over from FILE the leads that a CRM has assigned already, with their reps. Safe to repeat.

    Columns: those of leads import, and rep_id and assigned_at; for assignments that have ended also outcome (won or
    lost) and ended_at, and perhaps reason. Open ones count as the reps' open leads, those of today as today's; caps are
    not asked, but hold for what comes after. The customer belongs to the rep of its latest lead. Ended ones count in
    close rates. A lead that waits here already is given to the rep of the file. Events say by: import.

    May be stopped at any time; run again, it does the rest. Exit code 1 when rows were rejected.

    \b
    Example:
      lead-router leads import-assignments open.csv --tenant acme --mapping crm.yaml --dry-run
      lead-router leads import-assignments open.csv --tenant acme --mapping crm.yaml --why "move from the CRM"
    """
    done, over = TakenOverLeads(), list[str]()
    tune_gc_for_import()

    async def make(opened: Opened) -> Rows:
        conn, tenant = opened.conn, opened.tenant
        if not tenant.ruleset:
            raise CannotRun(
                f"tenant {tenant.name} has no rules yet: lead-router rules apply FILE --tenant {tenant.name}"
            )
        fields = opened.own(OWN_FIELDS)
        reader = await reader_for(conn, tenant, opened.plan, opened.file)
        number = None
        if not asked.dry_run:
            number = await begin_import(
                conn, tenant.tenant_id, current_user(), str(asked.file), str(asked.mapping_file or "")
            )
        work = ImportAssignments(
            conn,
            tenant.tenant_id,
            str(asked.file),
            current_user(),
            lambda: secrets.randbits(63),
            why,
            number,
            asked.dry_run,
            done=done,
        )

        async def ended(read: BulkProgress) -> None:
            if number is not None:
                await end_import(conn, tenant.tenant_id, number, read.rows, read.rejected)
            inactive = {rep.rep_id for rep in await current_reps(conn, tenant.tenant_id) if not rep.values["active"]}
            over.extend(f"{rep} ({leads:,})" for rep, leads in sorted(done.open_of.items()) if rep in inactive)

        so_far = lambda: f"{count(done.total, 'assignment')} taken over"  # noqa: E731
        return Rows(lambda row: read_assigned(fields, reader, row), work.take, fields, so_far, ended)

    outcome = await run_bulk(context, asked, ASSIGNED_FIELDS, ASSIGNED_NEEDED, make)
    if as_json:
        outcome.print_json(done.counts())
    else:
        _show(outcome, done, over)
    return outcome.exit_code


def _show(outcome: BulkOutcome, done: TakenOverLeads, inactive: list[str]) -> None:
    verb = "would be taken over" if outcome.asked.dry_run else "taken over"
    said = f"{count(done.total, 'assignment')} {verb}, {done.already:,} taken over before"
    lines = []
    if done.total:
        here = f", {count(done.taken, 'lead')} waited here" if done.taken else ""
        lines.append(f"{done.open:,} open, {done.closed:,} ended{here}")
    if done.owners:
        lines.append(f"{count(done.owners, 'customer')} got an owner")
    if done.moved_on:
        lines.append(
            f"{count(done.moved_on, 'lead')} returned, handed over or ended here since the last import: unchanged"
        )
    if inactive:
        lines.append(f"open leads of reps who are not active: {listed(inactive)}; lead-router handover moves them")
    outcome.print_for_people(said, lines, changed=done.total > 0)
