"""`lead-router leads unmerge`: a lead that was taken for a repeat waits for a rep by itself."""

import click

from ops.cli.context import CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import current_user, lead_tenant_option, named_lead, why_option
from router.manual.merge_customers import CannotMerge
from router.manual.unmerge_lead import CannotUnmerge, unmerge_lead
from router.store.assignments import LeadUnknown
from router.store.errors import LockNotAvailable


@click.command()
@click.argument("lead")
@lead_tenant_option
@why_option()
@json_option
@async_command
async def unmerge(context: Context, lead: str, tenant_name: str | None, why: str, as_json: bool) -> None:
    """Undo that LEAD (its number, its external id, or SOURCE/ID) was merged into another lead as its repeat.

    It waits for a rep by itself, queued as of now, and is merged with no other lead any more. Its customer stays the
    same. To merge no leads of a source, or to say by which fields repeats are told, write `repeats:` in its mapping.

    \b
    Example:
      lead-router leads unmerge 4711 --why "two machines, two enquiries"
    """
    async with context.connection() as conn:
        found = await named_lead(conn, lead, tenant_name)
        try:
            root = await unmerge_lead(conn, found, actor=current_user(), why=why)
        except LeadUnknown as error:
            raise CannotRun(str(error)) from error
        except (CannotUnmerge, CannotMerge) as error:
            raise Found(str(error)) from error
        except LockNotAvailable as error:
            raise Found(f"lead {found.lead_id} or its customer is locked; nothing changed, try again") from error
    if as_json:
        print_json({"lead_id": found.lead_id, "was_merged_into": root})
    else:
        console().print(f"lead {found.lead_id} waits for a rep; it was merged into lead {root}")
