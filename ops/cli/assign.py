"""`lead-router assign`: a person gives a lead to a rep."""

import secrets

import click

from ops.cli.context import CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import current_user, lead_tenant_option, named_lead, why_option
from ops.documents.off_duty import off_duty_code, off_duty_words
from router.manual.assign import CannotGive, assign_by_hand
from router.store.assignments import LeadUnknown, NotAssigned, rep_id_of
from router.store.errors import LOCK_TIMEOUTS
from router.store.roster import RepUnknown


@click.command()
@click.argument("lead")
@click.option("--to", "rep_id", required=True, metavar="REP", help="The rep_id of the rep who gets it.")
@lead_tenant_option
@why_option()
@json_option
@async_command
async def assign(context: Context, lead: str, rep_id: str, tenant_name: str | None, why: str, as_json: bool) -> None:
    """Give LEAD (its number, its external id, or SOURCE/ID) to a rep by hand.

    The lead may wait, be parked or belong to another rep. Caps hold, working hours do not: a rep off duty may get
    it. The rep owns the customer from then on; fair shares are not affected.

    \b
    Example:
      lead-router assign 4711 --to r017 --why "asked for her"
    """
    token = secrets.randbits(63)
    async with context.connection() as conn:
        found = await named_lead(conn, lead, tenant_name)
        try:
            given = await assign_by_hand(
                conn, found.tenant_id, found.lead_id, rep_id, actor=current_user(), note=why, token=token
            )
        except (LeadUnknown, RepUnknown) as error:
            raise CannotRun(str(error)) from error
        except (NotAssigned, CannotGive) as error:
            raise Found(str(error)) from error
        except LOCK_TIMEOUTS as error:
            raise Found(f"lead {found.lead_id} or its lane is locked; nothing changed, try again") from error
        from_rep = None if given.from_rep is None else await rep_id_of(conn, found.tenant_id, given.from_rep)
    if as_json:
        done = {"lead_id": found.lead_id, "rep_id": rep_id, "from_rep_id": from_rep}
        away = {"off_duty": off_duty_code(given.attendance), "leave_until": given.leave_until}
        print_json({**done, "was": given.was, "batch_no": given.batch_no, **away})
    else:
        whose = f"taken from rep {from_rep}" if from_rep else f"it was {given.was}"
        console().print(f"lead {found.lead_id} now belongs to rep {rep_id}; {whose}")
        if away_words := off_duty_words(rep_id, given.attendance, given.leave_until):
            console().print(f"{away_words}: the lead may not be looked at soon; lead-router assign moves it")
