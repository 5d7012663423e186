"""`lead-router leads end`: many assignments are over, as a file says."""

import click

from ops.cli.bulk_run import BulkAsked, BulkOutcome, Opened, Rows, bulk_options, run_bulk
from ops.cli.context import Context, async_command, json_option
from ops.cli.options import current_user, why_option
from router.domain.bulk_endings import OUTCOMES
from router.domain.phrases import count
from router.intake.ending_rows import ENDING_FIELDS, ENDING_NEEDED, read_ending
from router.manual.end_leads import EndedLeads, EndLeads

_PART_ROWS = 2_000


@click.command()
@bulk_options
@why_option()
@json_option
@async_command
async def end(
    context: Context,
    /,
    *,
    asked: BulkAsked,
    why: str,
    as_json: bool,
) -> int:
    """End the assignments that FILE names: won, lost or returned, each with a reason. Safe to repeat.

    Columns: external_id (with source, where several sources have the id) or lead_id; outcome (won, lost or returned).
    Where they are there: rep_id (the row counts only while this rep has the lead), ended_at (default: now) and reason.
    A mapping renames columns and says what other words mean (values: {outcome: {Gewonnen: won}}). Rows that are so
    already are counted and change nothing. A returned lead never comes back to the same rep.

    May be stopped at any time; run again, it does the rest. Exit code 1 when rows were rejected.

    \b
    Example:
      lead-router leads end closed.csv --tenant acme --dry-run
      lead-router leads end closed.csv --tenant acme --why "CRM export of Monday"
    """
    done = EndedLeads()

    async def make(opened: Opened) -> Rows:
        fields = opened.own(ENDING_FIELDS)
        work = EndLeads(opened.conn, opened.tenant.tenant_id, str(asked.file), current_user(), why, asked.dry_run, done)
        so_far = lambda: f"{count(done.total, 'assignment')} ended"  # noqa: E731
        return Rows(lambda row: read_ending(fields, row.cells), work.take, fields, so_far)

    outcome = await run_bulk(context, asked, ENDING_FIELDS, ENDING_NEEDED, make, _PART_ROWS)
    if as_json:
        ended = {how: done.ended[how] for how in OUTCOMES}
        outcome.print_json({"ended": ended, "already": done.already, "returned_before": done.returned_before})
    else:
        _show(outcome, done)
    return outcome.exit_code


def _show(outcome: BulkOutcome, done: EndedLeads) -> None:
    verb = "would end" if outcome.asked.dry_run else "ended"
    parts = ", ".join(f"{done.ended[how]:,} {how}" for how in OUTCOMES if done.ended[how])
    said = f"{count(done.total, 'assignment')} {verb}{f' ({parts})' if parts else ''}, {done.already:,} ended before"
    lines = []
    if done.returned_before:
        again = count(
            done.returned_before,
            "lead was returned before and is with a rep again: it stays",
            "leads were returned before and are with a rep again: they stay",
        )
        lines.append(f"{again}; to return such leads once more name rep_id or ended_at in the file")
    outcome.print_for_people(said, lines, changed=done.total > 0)
