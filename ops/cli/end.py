"""`lead-router end`: an assignment is over, won, lost or returned."""

import click

from ops.cli.context import CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import current_user, lead_tenant_option, named_lead, why_option
from router.store.assignments import Ending, LeadUnknown, NotAssigned, rep_id_of
from router.store.assignments import end as end_assignment
from router.store.errors import LockNotAvailable

_AFTERWARDS = {
    Ending.WON: "the lead is closed",
    Ending.LOST: "the lead is closed",
    Ending.RETURNED: "the lead waits again, for other reps",
}


@click.command()
@click.argument("lead")
@click.option(
    "--as", "how", required=True, type=click.Choice([ending.value for ending in Ending]), help="How it ended."
)
@lead_tenant_option
@why_option()
@json_option
@async_command
async def end(context: Context, lead: str, how: str, tenant_name: str | None, why: str, as_json: bool) -> None:
    """End the assignment of LEAD: its number, its external id, or SOURCE/ID.

    The rep's place is free for the next batch. A returned lead never comes back to the same rep. Recorded: who ended
    it and why, as lead-router why shows. Many at once: lead-router leads end FILE.

    \b
    Example:
      lead-router end 4711 --as won
      lead-router end web/e-17 --as returned --tenant acme --why "wrong product"
    """
    ending = Ending(how)
    async with context.connection() as conn:
        found = await named_lead(conn, lead, tenant_name)
        try:
            rep_no = await end_assignment(conn, found.tenant_id, found.lead_id, ending, actor=current_user(), note=why)
        except LeadUnknown as error:
            raise CannotRun(str(error)) from error
        except NotAssigned as error:
            raise Found(str(error)) from error
        except LockNotAvailable as error:
            raise Found(f"lead {found.lead_id} is locked; nothing changed, try again") from error
        rep_id = await rep_id_of(conn, found.tenant_id, rep_no)
    if as_json:
        print_json({"lead_id": found.lead_id, "rep_id": rep_id, "ended_as": ending.value})
    else:
        console().print(f"lead {found.lead_id} of rep {rep_id} ended as {ending.value}: {_AFTERWARDS[ending]}")
