"""`lead-router customers import-owners`: which rep has which customer, as a CRM knows it."""

from dataclasses import asdict

import click

from ops.cli.bulk_run import BulkAsked, Opened, Rows, bulk_options, run_bulk
from ops.cli.context import Context, async_command, json_option
from ops.cli.options import current_user, why_option
from ops.documents.file_import import reader_for
from router.domain.phrases import count
from router.intake.owner_rows import OWNER_FIELDS, OWNER_NEEDED, read_owner
from router.manual.import_owners import ImportedOwners, ImportOwners


@click.command("import-owners")
@bulk_options
@click.option("--only-new", is_flag=True, help="Customers who have an owner keep it.")
@why_option()
@json_option
@async_command
async def import_owners(
    context: Context,
    /,
    *,
    asked: BulkAsked,
    only_new: bool,
    why: str,
    as_json: bool,
) -> int:
    """Take over from FILE which rep owns which customer. Safe to repeat.

    Columns: rep_id; and customer_id (the CRM's), phone or email, as many as there are. By these the customer is found
    as that of a lead is (the tenant's match rules hold). A customer who is not known yet is made, so that the first
    lead goes to the owner. Waiting leads of these customers are decided again. A customer with another owner moves to
    the rep of the file, unless --only-new is given; open leads stay with the reps who have them.

    May be stopped at any time; run again, it does the rest. Exit code 1 when rows were rejected.

    \b
    Example:
      lead-router customers import-owners accounts.csv --tenant acme --dry-run
      lead-router customers import-owners accounts.csv --tenant acme --mapping accounts.yaml
    """
    done = ImportedOwners()

    async def make(opened: Opened) -> Rows:
        fields = opened.own(("rep_id",))
        reader = await reader_for(opened.conn, opened.tenant, opened.plan, opened.file)
        work = ImportOwners(
            opened.conn,
            opened.tenant.tenant_id,
            str(asked.file),
            current_user(),
            why,
            only_new,
            asked.dry_run,
            done=done,
        )
        so_far = lambda: f"{count(done.total, 'customer')} given to reps"  # noqa: E731
        return Rows(lambda row: read_owner(opened.plan, fields, reader, row), work.take, fields, so_far)

    outcome = await run_bulk(context, asked, OWNER_FIELDS, OWNER_NEEDED, make)
    if as_json:
        outcome.print_json(asdict(done))
        return outcome.exit_code
    verb = "would get" if asked.dry_run else "got"
    parts = [(done.new, "new customers"), (done.given, "without one before"), (done.moved, "from another rep")]
    named = ", ".join(f"{number:,} {what}" for number, what in parts if number)
    said = f"{count(done.total, 'customer')} {verb} an owner{f' ({named})' if named else ''}, {done.already:,} had it"
    lines = (
        [f"{count(done.kept, 'customer keeps the owner', 'customers keep the owners')} they have"] if done.kept else []
    )
    if done.decided_again:
        lines.append(f"{count(done.decided_again, 'waiting lead is', 'waiting leads are')} decided again")
    outcome.print_for_people(said, lines, changed=done.total > 0)
    return outcome.exit_code
